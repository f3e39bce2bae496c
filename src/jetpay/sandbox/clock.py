"""Turns a sandbox company's clock: what was due later is due that much sooner."""

from datetime import datetime, timedelta

from jetpay.base.ids import CompanyId
from jetpay.base.refusals import FieldError, Forbidden, Invalid
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action

DAYS_MAXIMUM = 366
FURTHEST = timedelta(days=36_525)
"""A century: what happens after the year 9999 nobody could read any more, other companies'
workers and webhooks included.
"""

# What was passed over is done at its own time, everything else when it is done: a worker that was
# away for days finds its work late. While some of an earlier turning is undone, both are one.
TURN = Query(
    timedelta,
    """
    update company c set
      turned_from = case
        when exists (select from due d where d.company_id = %(company_id)s
                       and d.due_at + c.clock_offset <= c.turned_to) then c.turned_from
        else %(now)s::timestamptz + c.clock_offset end,
      turned_to = %(now)s::timestamptz + c.clock_offset + %(days)s * interval '24 hours',
      clock_offset = c.clock_offset + %(days)s * interval '24 hours'
    where c.company_id = %(company_id)s and c.sandbox
    returning c.clock_offset
    """,
)
SOONER = Command(
    """
    update due set due_at = due_at - %(days)s * interval '24 hours'
    where company_id = %(company_id)s
    """
)
LAST_EVENT = Query(int, "select last_event_id from event_counter where company_id = %(company_id)s")


@action
async def turn(tx: Transaction, company_id: CompanyId, *, days: int, now: datetime) -> datetime:
    """The company's time once its clock is `days` ahead of where it was; `now`: real time.

    Refuses `Forbidden` for a live company, whose clock is the real one, and `Invalid` beyond
    `FURTHEST`.
    """
    offset = await TURN.first(tx, company_id=company_id, days=days, now=now)
    if offset is None:
        raise Forbidden
    if offset > FURTHEST:
        message = f"A sandbox's clock is at most {FURTHEST.days} days ahead."
        raise Invalid([FieldError("days", "out_of_range", message)])
    await SOONER.run(tx, company_id=company_id, days=days)
    return now + offset
