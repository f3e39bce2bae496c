"""Which webhooks are due, who has them in hand, and what became of their batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from jetpay.base.ids import CompanyId, WebhookId
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import OpensTransactions, Transaction, action
from jetpay.events.model import SYSTEM, Draft, EventType
from jetpay.events.record import record
from jetpay.webhooks.model import Attempt
from jetpay.webhooks.schedule import Reason

LEASE: Final = timedelta(seconds=45)
"""Longer than a call may take, with what comes before and after it."""
ATTEMPTS_KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A webhook of which this process alone may send a batch until the lease ends.

    `cursor`: the last event that needs no sending; `through`: where a batch that failed before
    ended; `last_event_id`: the company's highest when it was claimed.
    """

    company_id: CompanyId
    webhook_id: WebhookId
    number: int
    callback_url: str
    api_key: bytes | None
    signing_secret: bytes
    audience: str | None
    max_batch_size: int
    cursor: int
    through: int | None
    flush: bool
    failures: int
    failing_since: datetime | None
    lease_token: UUID
    last_event_id: int
    sandbox: bool
    allowed_networks: tuple[str, ...]


# A batch that failed is due as soon as its pause is over, one that somebody asked for at once.
# Waiting is counted on the real clock: an event's time less what its company's clock is ahead
# now is never later than when it really happened, so a turned clock delays nothing.
CLAIM = Query(
    Claimed,
    """
    with due as materialized (
      select w.company_id, w.webhook_id, co.sandbox, co.allowed_networks, c.last_event_id
      from webhook w
      join event_counter c on c.company_id = w.company_id
      join company co on co.company_id = w.company_id
      where w.state = 'active' and w.deleted_at is null
        and (w.not_before is null or w.not_before <= %(at)s)
        and (w.lease_until is null or w.lease_until <= now())
        and (%(only)s::uuid is null or w.company_id = %(only)s)
        and c.last_event_id > coalesce(w.last_sent_event_id, w.start_after)
        and (w.max_wait_seconds = 0 or w.failures > 0 or w.flush
          or c.last_event_id - coalesce(w.last_sent_event_id, w.start_after) >= w.max_batch_size
          or %(at)s - make_interval(secs => w.max_wait_seconds) >= (
            select e.created_at - co.clock_offset from event e
            where e.company_id = w.company_id
              and e.event_id > coalesce(w.last_sent_event_id, w.start_after)
            order by e.event_id limit 1))
      order by w.not_before nulls first
      limit %(limit)s
      for no key update of w skip locked)
    update webhook w set lease_until = now() + %(lease)s::interval, lease_token = %(token)s
    from due
    where w.company_id = due.company_id and w.webhook_id = due.webhook_id
    returning w.company_id, w.webhook_id, w.number, w.callback_url, w.api_key, w.signing_secret,
      w.audience, w.max_batch_size, coalesce(w.last_sent_event_id, w.start_after) as cursor,
      w.batch_through as through, w.flush, w.failures, w.failing_since, w.lease_token,
      due.last_event_id, due.sandbox, due.allowed_networks
    """,
    never_null=("cursor", "lease_token", "last_event_id", "sandbox", "allowed_networks"),
)
# Whoever lost the lease changes nothing but the list of attempts: that call was made.
SETTLE = Command(
    """
    with o as (
      select * from unnest(%(companies)s::uuid[], %(webhooks)s::uuid[], %(tokens)s::uuid[],
        %(attempts)s::uuid[], %(batches)s::uuid[], %(firsts)s::bigint[], %(lasts)s::bigint[],
        %(ats)s::timestamptz[], %(durations)s::int[], %(statuses)s::int[], %(errors)s::text[],
        %(delivered)s::boolean[], %(unflush)s::boolean[], %(not_befores)s::timestamptz[],
        %(throughs)s::bigint[])
        as u(company_id, webhook_id, token, attempt_id, batch_id, first_event_id, last_event_id,
             at, duration_ms, status, error, delivered, unflush, not_before, through)),
    logged as (
      insert into webhook_attempt (company_id, webhook_id, attempt_id, batch_id, first_event_id,
                                   last_event_id, at, duration_ms, status, error)
      select company_id, webhook_id, attempt_id, batch_id, first_event_id, last_event_id, at,
             duration_ms, status, error
      from o on conflict do nothing)
    update webhook w set
      last_sent_event_id = case when o.delivered then o.last_event_id
                                else w.last_sent_event_id end,
      failures = case when o.delivered then 0 else w.failures + 1 end,
      failing_since = case when o.delivered then null else coalesce(w.failing_since, o.at) end,
      not_before = o.not_before,
      batch_through = o.through,
      flush = w.flush and not o.unflush,
      lease_until = null, lease_token = null
    from o
    where w.company_id = o.company_id and w.webhook_id = o.webhook_id and w.lease_token = o.token
    """
)
FAIL = Query(
    CompanyId,
    """
    update webhook set state = 'failed'
    where company_id = %(company_id)s and webhook_id = %(webhook_id)s
      and failures > 0 and lease_token is null and state = 'active'
    returning company_id
    """,
)
FORGET_ATTEMPTS = Command(
    """
    delete from webhook_attempt a using webhook w
    where a.company_id = w.company_id and a.webhook_id = w.webhook_id
      and a.attempt_id < %(before)s
    """
)


@dataclass(frozen=True, slots=True)
class Settled:
    """A batch that was sent, and what follows. `through`: where it ends when it is sent again."""

    claimed: Claimed
    attempt: Attempt
    is_delivered: bool
    not_before: datetime | None
    through: int | None

    @property
    def ends_flush(self) -> bool:
        """Whether everything is delivered that waited when somebody asked for it."""
        all_sent = self.attempt.last_event_id >= self.claimed.last_event_id
        return self.claimed.flush and self.is_delivered and all_sent


async def claim_webhooks(
    db: OpensTransactions | Transaction,
    limit: int,
    token: UUID,
    *,
    at: datetime,
    only: CompanyId | None = None,
) -> list[Claimed]:
    """At most `limit` webhooks that are due, leased under `token` (a new one each time).

    `at`: real time. Any number of processes may claim at once; none gets what another has.
    """
    return await CLAIM.all(db, limit=limit, token=token, at=at, only=only, lease=LEASE)


async def settle(db: OpensTransactions | Transaction, settled: Sequence[Settled]) -> int:
    """Move cursors or back off, and note the attempts; how many leases were still ours."""
    return await SETTLE.run(
        db,
        companies=[s.claimed.company_id for s in settled],
        webhooks=[s.claimed.webhook_id for s in settled],
        tokens=[s.claimed.lease_token for s in settled],
        attempts=[s.attempt.attempt_id for s in settled],
        batches=[s.attempt.batch_id for s in settled],
        firsts=[s.attempt.first_event_id for s in settled],
        lasts=[s.attempt.last_event_id for s in settled],
        ats=[s.attempt.at for s in settled],
        durations=[s.attempt.duration_ms for s in settled],
        statuses=[s.attempt.status for s in settled],
        errors=[s.attempt.error for s in settled],
        delivered=[s.is_delivered for s in settled],
        unflush=[s.ends_flush for s in settled],
        not_befores=[s.not_before for s in settled],
        throughs=[s.through for s in settled],
    )


@action
async def fail(tx: Transaction, settled: Settled, reason: Reason, *, at: datetime) -> None:
    """Give a webhook up: nothing is sent until it is revived, and no event is dropped.

    `at`: business time.
    """
    claimed = settled.claimed
    place = {"company_id": claimed.company_id, "webhook_id": claimed.webhook_id}
    if not await settle(tx, [settled]) or await FAIL.first(tx, **place) is None:
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


async def forget_attempts(db: OpensTransactions | Transaction, *, before: datetime) -> int:
    """Delete the attempts older than `before`, by the time in their identifiers."""
    oldest = int(before.timestamp() * 1000) << 80
    return await FORGET_ATTEMPTS.run(db, before=UUID(int=oldest))
