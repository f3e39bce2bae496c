"""Whether somebody guesses at a whole company: then its people are told, and codes are asked."""

from datetime import datetime, timedelta
from typing import Final

from jetpay.credits.page_queries import PageCredit
from jetpay.db.pool import Database
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import SYSTEM, Draft, EventType
from jetpay.events.record import record
from jetpay.security import limits
from jetpay.security.limits import LIMITS, LimitKind

WRONG_SHARE: Final = 5
"""More than one in five."""
CODES_FOR: Final = timedelta(hours=24)

RAISE: Final = Command(
    """
    update company set codes_until = %(until)s
    where company_id = %(company_id)s and (codes_until is null or codes_until <= %(now)s)
    """
)


async def note_answer(db: Database, credit: PageCredit, *, is_right: bool, now: datetime) -> None:
    """Count an answer of the company's payees; no limit ever refuses a whole company."""
    whose = str(credit.company_id)
    kind = LimitKind.COMPANY_RIGHT if is_right else LimitKind.COMPANY_WRONG
    hits = await limits.count(db, whose, kind, now=now)
    if is_right or hits <= LIMITS[kind].short_hits:
        return
    right = await limits.counted(db, whose, LimitKind.COMPANY_RIGHT, now=now)
    if hits * WRONG_SHARE > hits + right:
        await _raise(db, credit, now=now)


@action
async def _raise(tx: Transaction, credit: PageCredit, *, now: datetime) -> None:
    """Once a day at most."""
    until = now + CODES_FOR
    if not await RAISE.run(tx, company_id=credit.company_id, until=until, now=now):
        return
    record(
        tx,
        Draft(
            company_id=credit.company_id,
            type=EventType.ANSWERS_GUESSED,
            subject_id=credit.company_id,
            at=credit.business_time(now),
            actor=SYSTEM,
        ),
    )
