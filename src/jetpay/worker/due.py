"""The table of due work: claimed with a lease, finished by compare-and-set, given back on failure.

Leases are by the database's clock, which all workers share; what is due is by the program's.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from jetpay.base.ids import CompanyId
from jetpay.db.pool import Database
from jetpay.db.rows import Command, Query

LEASE: Final = timedelta(seconds=60)
NOT_YET: Final = timedelta(seconds=1)
BACK_OFF: Final = tuple(timedelta(seconds=s) for s in (1, 5, 30, 120, 600, 1_800))
"""After so many failures in a row; the last one again and again."""


@dataclass(frozen=True, slots=True)
class Due:
    """A piece of work under a lease; both times are the company's.

    `due_at`: for when it was appointed. `at`: when it is done, which is now, or its own time
    where a sandbox's clock was turned over it.
    """

    company_id: CompanyId
    kind: str
    subject_id: UUID
    due_at: datetime
    at: datetime
    failures: int
    lease_token: UUID


# A sandbox company's clock can jump over weeks: its work is done one by one in the order of the
# times, so that a day's returns are read before the next day begins. What failed steps aside.
CLAIM = Query(
    Due,
    """
    with chosen as (
      select d.company_id, d.kind, d.subject_id, c.clock_offset, c.turned_from, c.turned_to
      from due d join company c on c.company_id = d.company_id
      where d.due_at <= %(now)s and (d.lease_until is null or d.lease_until <= now())
        and not (c.sandbox and exists (
          select from due e where e.company_id = d.company_id
            and (e.due_at, e.kind, e.subject_id) < (d.due_at, d.kind, d.subject_id)
            and not (e.lease_token is null and e.attempts > 0)))
      order by d.due_at, d.kind, d.subject_id
      limit 1
      for update of d skip locked)
    update due d set lease_until = now() + %(lease)s::interval, lease_token = %(token)s
    from chosen c
    where d.company_id = c.company_id and d.kind = c.kind and d.subject_id = c.subject_id
    returning d.company_id, d.kind, d.subject_id, d.due_at + c.clock_offset as due_at,
              case when d.due_at + c.clock_offset <= c.turned_to
                   then greatest(d.due_at + c.clock_offset, c.turned_from)
                   else %(now)s + c.clock_offset end as at,
              d.attempts as failures, d.lease_token
    """,
    never_null=("due_at", "at", "lease_token"),
)
CLAIM_OF_COMPANY = Query(
    Due,
    """
    with chosen as (
      select d.company_id, d.kind, d.subject_id, c.clock_offset, c.turned_from, c.turned_to
      from due d join company c on c.company_id = d.company_id
      where d.company_id = %(company_id)s and d.due_at <= %(now)s
        and (d.lease_until is null or d.lease_until <= now())
        and not exists (
          select from due e where e.company_id = d.company_id
            and (e.due_at, e.kind, e.subject_id) < (d.due_at, d.kind, d.subject_id)
            and not (e.lease_token is null and e.attempts > 0))
      order by d.due_at, d.kind, d.subject_id
      limit 1
      for update of d skip locked)
    update due d set lease_until = now() + %(lease)s::interval, lease_token = %(token)s
    from chosen c
    where d.company_id = c.company_id and d.kind = c.kind and d.subject_id = c.subject_id
    returning d.company_id, d.kind, d.subject_id, d.due_at + c.clock_offset as due_at,
              case when d.due_at + c.clock_offset <= c.turned_to
                   then greatest(d.due_at + c.clock_offset, c.turned_from)
                   else %(now)s + c.clock_offset end as at,
              d.attempts as failures, d.lease_token
    """,
    never_null=("due_at", "at", "lease_token"),
)
LEFT = Query(
    int,
    """
    select count(*) as count from due where company_id = %(company_id)s and due_at <= %(now)s
    """,
)
DONE = Command(
    """
    delete from due
    where company_id = %(company_id)s and kind = %(kind)s and subject_id = %(subject_id)s
      and lease_token = %(token)s
    """
)
AGAIN = Command(
    """
    update due d set due_at = %(at)s::timestamptz - c.clock_offset, lease_until = null,
      lease_token = null, attempts = 0
    from (select clock_offset from company where company_id = %(company_id)s for share) c
    where d.company_id = %(company_id)s
      and d.kind = %(kind)s and d.subject_id = %(subject_id)s and d.lease_token = %(token)s
    """
)
# Armed again meanwhile: whoever armed it took the token off and left the lease.
FREE = Command(
    """
    update due set lease_until = null, attempts = 0
    where company_id = %(company_id)s and kind = %(kind)s and subject_id = %(subject_id)s
      and lease_token is null and lease_until is not null and attempts = %(attempts)s
    """
)
GIVE_BACK = Command(
    """
    update due set lease_until = now() + %(pause)s::interval, lease_token = null,
      attempts = attempts + %(failures)s
    where company_id = %(company_id)s and kind = %(kind)s and subject_id = %(subject_id)s
      and (lease_token = %(token)s or lease_token is null)
    """
)


async def claim(db: Database, *, now: datetime, only: CompanyId | None = None) -> Due | None:
    """Take the longest due piece of work that nobody has, if there is one."""
    lease = {"now": now, "lease": LEASE, "token": uuid4()}
    if only is None:
        return await CLAIM.first(db, **lease)
    return await CLAIM_OF_COMPANY.first(db, company_id=only, **lease)


async def finish(db: Database, due: Due, *, again_at: datetime | None) -> None:
    """It is done, or done until `again_at` (the company's time); else looked at once more."""
    key = {"company_id": due.company_id, "kind": due.kind, "subject_id": due.subject_id}
    if again_at is None:
        finished = await DONE.run(db, token=due.lease_token, **key)
    else:
        finished = await AGAIN.run(db, token=due.lease_token, at=again_at, **key)
    if not finished:
        await FREE.run(db, attempts=due.failures, **key)


async def give_back(db: Database, due: Due, *, pause: timedelta, failed: bool) -> None:
    """Let anybody take it again after `pause`."""
    await GIVE_BACK.run(
        db,
        company_id=due.company_id,
        kind=due.kind,
        subject_id=due.subject_id,
        token=due.lease_token,
        pause=pause,
        failures=int(failed),
    )


async def left(db: Database, company_id: CompanyId, *, now: datetime) -> int:
    """How many pieces of a company's work are due, under way or to be tried again."""
    return await LEFT.one(db, company_id=company_id, now=now)


def back_off(failures: int) -> timedelta:
    """How long to leave alone what has failed so often."""
    return BACK_OFF[min(failures, len(BACK_OFF)) - 1]
