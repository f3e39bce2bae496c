"""The mails that wait: taken with a lease by one of many, their end written down by it alone.

A queue of its own, not a kind of `due`: a mail server that is slow or away must not keep a bank
file, and a sandbox's clock, waiting.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid4

from jetpay.base.ids import CompanyId, CreditId
from jetpay.companies.mails import Template
from jetpay.db.pool import Database
from jetpay.db.rows import Command, Query

LEASE: Final = timedelta(minutes=3)
"""Longer than a try can take."""
BACK_OFF: Final = tuple(timedelta(seconds=s) for s in (30, 120, 600, 1_800, 3_600, 10_800, 21_600))
"""After the first, second … try that failed; the last one for all that follow."""
GIVE_UP_AFTER: Final = timedelta(days=2)
INTERRUPTIONS: Final = 2
"""Tries whose end nobody knows: so often a mail may have gone out, and it goes no more."""
BODIES_KEPT: Final = timedelta(hours=24)
MAILS_KEPT: Final = timedelta(days=90)
FORMER_KEPT: Final = timedelta(days=31)
FORGOTTEN_AT_ONCE: Final = 5_000


class MailState(StrEnum):
    """`kept`: shown by `jetpay mail show` in place of a mail server."""

    WAITING = "waiting"
    SENT = "sent"
    KEPT = "kept"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail under a lease. `recipient` is sealed; none when the person was erased."""

    company_id: CompanyId
    mail_id: UUID
    template: Template
    language: str
    recipient: bytes | None
    credit_id: CreditId | None
    link_version: int | None
    event_id: int | None
    tries: int
    interrupted: int
    is_counted: bool
    created_at: datetime
    lease_token: UUID
    sandbox: bool
    mails_a_day: int | None


@dataclass(frozen=True, slots=True)
class End:
    """How a try ended, in words; `again_at`: it waits until then."""

    state: MailState
    outcome: str
    again_at: datetime | None = None
    body: bytes | None = None


# A lease that ran out is a try whose end is not known.
CLAIM = Query(
    Claimed,
    """
    with chosen as (
      select company_id, mail_id from mail
      where state = 'waiting' and due_at <= %(now)s
        and (lease_until is null or lease_until <= now())
        and (%(only)s::uuid is null or company_id = %(only)s)
      order by due_at limit 1
      for update skip locked)
    update mail m
    set tries = m.tries + 1, lease_until = now() + %(lease)s::interval, lease_token = %(token)s,
        interrupted = m.interrupted + (m.lease_token is not null)::int
    from chosen c, company co
    where m.company_id = c.company_id and m.mail_id = c.mail_id and co.company_id = m.company_id
    returning m.company_id, m.mail_id, m.template, m.language, m.recipient, m.credit_id,
              m.link_version, m.event_id, m.tries, m.interrupted, m.is_counted, m.created_at,
              m.lease_token, co.sandbox, co.mails_a_day
    """,
    never_null=("lease_token",),
)
SETTLE = Command(
    """
    update mail
    set state = %(state)s, outcome = %(outcome)s, due_at = coalesce(%(again_at)s, due_at),
        sent_at = case when %(state)s in ('sent', 'kept') then %(now)s else sent_at end,
        body = %(body)s, lease_until = null, lease_token = null
    where company_id = %(company_id)s and mail_id = %(mail_id)s and lease_token = %(token)s
    """
)
COUNTED = Command(
    """
    update mail set is_counted = true
    where company_id = %(company_id)s and mail_id = %(mail_id)s and lease_token = %(token)s
    """
)
FORGET_BODIES = Command(
    "update mail set body = null where body is not null and sent_at < %(before)s"
)
FORGET_MAILS = Command(
    """
    delete from mail m using (
      select company_id, mail_id from mail where state <> 'waiting' and created_at < %(before)s
      limit %(limit)s) old
    where m.company_id = old.company_id and m.mail_id = old.mail_id
    """
)
FORGET_ADDRESSES = Command("delete from former_address where replaced_at < %(before)s")


async def claim(db: Database, *, now: datetime, only: CompanyId | None = None) -> Claimed | None:
    """The mail that has waited longest, if there is one. `now`: real time."""
    return await CLAIM.first(db, now=now, only=only, lease=LEASE, token=uuid4())


async def settle(db: Database, mail: Claimed, end: End, *, now: datetime) -> bool:
    """Write down how it ended; False where the lease was lost meanwhile."""
    return bool(
        await SETTLE.run(
            db,
            company_id=mail.company_id,
            mail_id=mail.mail_id,
            token=mail.lease_token,
            state=end.state.value,
            outcome=end.outcome,
            again_at=end.again_at,
            body=end.body,
            now=now,
        )
    )


def again(mail: Claimed, why: str, *, now: datetime, pause: timedelta | None = None) -> End:
    """Later, or after two days not at all."""
    if now - mail.created_at >= GIVE_UP_AFTER:
        return End(MailState.DROPPED, f"{why} Given up after two days.")
    step = BACK_OFF[min(mail.tries, len(BACK_OFF)) - 1]
    return End(MailState.WAITING, f"{why} It is tried again.", again_at=now + (pause or step))


async def forget_old(db: Database, *, now: datetime) -> None:
    """For the worker: bodies after a day, what was sent after 90 days."""
    await FORGET_BODIES.run(db, before=now - BODIES_KEPT)
    await FORGET_ADDRESSES.run(db, before=now - FORMER_KEPT)
    while await FORGET_MAILS.run(db, before=now - MAILS_KEPT, limit=FORGOTTEN_AT_ONCE):
        pass
