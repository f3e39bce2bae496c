"""Which webhooks are due, who has them in hand, and what became of their calls."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from jetpay.base.ids import CompanyId, WebhookId
from jetpay.db.arrays import number_array, text_array, uuid_array
from jetpay.db.rows import Query
from jetpay.db.transactions import OpensTransactions, Transaction, action
from jetpay.events.model import SYSTEM, Draft, EventType
from jetpay.events.record import record
from jetpay.security.vault import Vault
from jetpay.webhooks.attempts import note
from jetpay.webhooks.model import Attempt, Kind
from jetpay.webhooks.schedule import Reason

LEASE: Final = timedelta(seconds=20)
"""Longer than a call may take; after a kill nobody sends to its webhooks for so long."""
LOOKED_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Claimed:
    """A webhook that this process alone may call until the lease ends.

    `kind`: what the call is for. `cursor`: the last event that this course, live or replay, need
    not send; `through`: where its batch ends at the latest; `size`: how many events it may have.
    `replay_from` and `replay_through`: what is replayed, also by a live course that began in the
    past. `failures` and `failing_since` are the course's.
    """

    company_id: CompanyId
    webhook_id: WebhookId
    number: int
    callback_url: str
    api_key: bytes | None
    signing_secret: bytes
    previous_secret: bytes | None
    audience: str | None
    kind: Kind
    cursor: int
    through: int | None
    size: int
    fits: int | None
    replay_id: UUID | None
    replay_from: int | None
    replay_through: int | None
    failures: int
    failing_since: datetime | None
    lease_token: UUID
    sandbox: bool
    allowed_networks: tuple[str, ...]


# Over all companies: once a second, for what nobody was told of and what was waited for.
LOOK = Query(
    CompanyId,
    """
    select company_id from webhook_due
    where due_at <= %(at)s and (lease_until is null or lease_until <= now())
    group by company_id order by min(due_at) limit %(limit)s
    """,
    never_null=("company_id",),
)
# Live and replay take turns: after a success, not_before says when each of them went last.
CLAIM = Query(
    Claimed,
    """
    with due as materialized (
      select w.company_id, w.webhook_id, d.is_unproved, d.sandbox, d.allowed_networks,
             r.replay_id, r.first_event_id, r.last_event_id as replay_last,
             r.sent_through, r.batch_through, r.failures, r.failing_since
      from webhook_due d
      join webhook w on w.company_id = d.company_id and w.webhook_id = d.webhook_id
      left join webhook_replay r on r.company_id = d.company_id and r.webhook_id = d.webhook_id
        and not d.is_unproved and d.replay_at <= %(at)s
        and (d.live_at is null or d.live_at > %(at)s or d.replay_at < d.live_at)
      where d.company_id = any(%(companies)s::uuid[]) and d.due_at <= %(at)s
        and w.state = 'active' and w.deleted_at is null
        and (w.lease_until is null or w.lease_until <= now())
        and (w.failures = 0 or %(retries)s)
      order by d.due_at
      limit %(limit)s
      for no key update of w skip locked)
    update webhook w set lease_until = now() + %(lease)s::interval, lease_token = %(token)s
    from due
    where w.company_id = due.company_id and w.webhook_id = due.webhook_id
    returning w.company_id, w.webhook_id, w.number, w.callback_url, w.api_key, w.signing_secret,
      case when w.previous_until > %(at)s then w.previous_secret end as previous_secret,
      w.audience,
      case when due.is_unproved then 'test' when due.replay_id is null then 'live'
           else 'replay' end as kind,
      coalesce(due.sent_through, w.last_sent_event_id, w.start_after) as cursor,
      case when due.replay_id is not null then coalesce(due.batch_through, due.replay_last)
           else least(w.batch_through, case
             when coalesce(w.last_sent_event_id, w.start_after) < w.history_through
             then w.history_through end) end as through,
      least(w.max_batch_size, w.fits) as size, w.fits, due.replay_id,
      case when due.replay_id is not null then due.first_event_id
           when coalesce(w.last_sent_event_id, w.start_after) < w.history_through
           then w.start_after + 1 end as replay_from,
      case when due.replay_id is not null then due.replay_last
           when coalesce(w.last_sent_event_id, w.start_after) < w.history_through
           then w.history_through end as replay_through,
      coalesce(due.failures, w.failures) as failures,
      case when due.replay_id is not null then due.failing_since else w.failing_since
           end as failing_since,
      w.lease_token, due.sandbox, due.allowed_networks
    """,
    never_null=(
        "kind",
        "cursor",
        "size",
        "failures",
        "lease_token",
        "sandbox",
        "allowed_networks",
    ),
)
# Whoever lost the lease changes nothing.
SETTLE = Query(
    int,
    """
    with o as (
      select * from unnest(%(companies)s::uuid[], %(webhooks)s::uuid[], %(tokens)s::uuid[],
        %(kinds)s::text[], %(replays)s::uuid[], %(delivered)s::boolean[], %(failed)s::int[],
        %(ats)s::timestamptz[], %(lasts)s::bigint[], %(not_befores)s::timestamptz[],
        %(throughs)s::bigint[], %(fits)s::smallint[])
        as u(company_id, webhook_id, token, kind, replay_id, delivered, failed, at, last_event_id,
             not_before, through, fits)),
    ours as (
      update webhook w set
        last_sent_event_id = case when o.kind = 'live' and o.delivered then o.last_event_id
                                  else w.last_sent_event_id end,
        failures = case when o.kind = 'replay' then w.failures when o.delivered then 0
                        else w.failures + o.failed end,
        failing_since = case when o.kind = 'replay' then w.failing_since
                             when o.delivered then null
                             when o.failed = 1 then coalesce(w.failing_since, o.at)
                             else w.failing_since end,
        not_before = case when o.kind = 'replay' then w.not_before else o.not_before end,
        batch_through = case when o.kind = 'live' then o.through else w.batch_through end,
        fits = case when o.kind = 'test' then w.fits else o.fits end,
        lease_until = null, lease_token = null
      from o
      where w.company_id = o.company_id and w.webhook_id = o.webhook_id and w.lease_token = o.token
      returning o.company_id, o.replay_id, o.delivered, o.failed, o.at, o.last_event_id,
                o.not_before, o.through),
    replayed as (
      update webhook_replay r set
        sent_through = case when o.delivered then o.last_event_id else r.sent_through end,
        failures = case when o.delivered then 0 else r.failures + o.failed end,
        failing_since = case when o.delivered then null
                             when o.failed = 1 then coalesce(r.failing_since, o.at)
                             else r.failing_since end,
        not_before = o.not_before, batch_through = o.through
      from ours o
      where r.company_id = o.company_id and r.replay_id = o.replay_id
        and not (o.delivered and o.last_event_id >= r.last_event_id)),
    ended as (
      delete from webhook_replay r using ours o
      where r.company_id = o.company_id and r.replay_id = o.replay_id
        and o.delivered and o.last_event_id >= r.last_event_id)
    select count(*)::int as settled from ours
    """,
)
FAIL = Query(
    CompanyId,
    """
    update webhook set state = 'failed', proved_address = null
    where company_id = %(company_id)s and webhook_id = %(webhook_id)s and state = 'active'
    returning company_id
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a claim; no attempt when no call was made.

    `through`: where the batch ends when it is sent again; `fits`: how many events may be in one.
    """

    claimed: Claimed
    attempt: Attempt | None = None
    is_delivered: bool = False
    is_failure: bool = False
    at: datetime
    not_before: datetime
    through: int | None
    fits: int | None


async def look(db: OpensTransactions | Transaction, *, at: datetime) -> list[CompanyId]:
    """Companies with webhooks that are due, those first that wait longest. `at`: real time."""
    return await LOOK.all(db, at=at, limit=LOOKED_AT_ONCE)


async def claim_webhooks(
    db: OpensTransactions | Transaction,
    companies: Collection[CompanyId],
    limit: int,
    token: UUID,
    *,
    at: datetime,
    retries: bool = True,
) -> list[Claimed]:
    """At most `limit` of their webhooks that are due, leased under `token` (a new one each time).

    `retries`: also those whose last call failed. Any number of processes may claim at once; none
    gets what another has.
    """
    return await CLAIM.all(
        db,
        companies=list(companies),
        limit=limit,
        token=token,
        at=at,
        retries=retries,
        lease=LEASE,
    )


@action
async def settle(tx: Transaction, settled: Sequence[Settled], *, vault: Vault) -> int:
    """Move cursors or back off, and note the attempts; how many leases were still ours.

    An attempt is noted whoever has the lease: that call was made.
    """
    made = [(s.claimed, s.attempt) for s in settled if s.attempt is not None]
    await note(tx, made, vault=vault)
    return await SETTLE.one(
        tx,
        companies=uuid_array([s.claimed.company_id for s in settled]),
        webhooks=uuid_array([s.claimed.webhook_id for s in settled]),
        tokens=uuid_array([s.claimed.lease_token for s in settled]),
        kinds=text_array([s.claimed.kind.value for s in settled]),
        replays=uuid_array([s.claimed.replay_id for s in settled]),
        delivered=number_array([s.is_delivered for s in settled]),
        failed=number_array([int(s.is_failure) for s in settled]),
        ats=text_array([s.at.isoformat() for s in settled]),
        lasts=number_array([s.attempt.last_event_id if s.attempt else None for s in settled]),
        not_befores=text_array([s.not_before.isoformat() for s in settled]),
        throughs=number_array([s.through for s in settled]),
        fits=number_array([s.fits for s in settled]),
    )


@action
async def fail(
    tx: Transaction, settled: Settled, reason: Reason, *, vault: Vault, at: datetime
) -> None:
    """Give a webhook up: nothing is sent until it is revived, and no event is dropped.

    `at`: business time.
    """
    claimed = settled.claimed
    place = {"company_id": claimed.company_id, "webhook_id": claimed.webhook_id}
    if not await settle(tx, [settled], vault=vault) or await FAIL.first(tx, **place) is None:
        return  # another process has it in hand now
    record(
        tx,
        Draft(
            company_id=claimed.company_id,
            type=EventType.WEBHOOK_FAILED,
            subject_id=claimed.webhook_id,
            at=at,
            actor=SYSTEM,
            data={"reason": reason.value},
        ),
    )
