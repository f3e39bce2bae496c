"""Ends what the payee left undone: links that ran out, and repairs that never came."""

from datetime import datetime

from jetpay.base.ids import CompanyId, CreditId
from jetpay.base.refusals import Refusal
from jetpay.credits.actions import LINK_LIFE_MINIMUM
from jetpay.credits.model import LockedCredit, State
from jetpay.credits.states import Cause, Move, lock, move
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import CLOCK

CREDITS_AT_ONCE = 1_000

RUN_OUT = Query(
    CreditId,
    """
    select credit_id from credit
    where company_id = %(company_id)s and state in ('requested', 'action_required')
      and expires_at <= %(at)s
    order by expires_at limit %(limit)s
    """,
)
NEXT = Query(
    datetime,
    """
    select expires_at from credit
    where company_id = %(company_id)s and state in ('requested', 'action_required')
      and expires_at is not null
    order by expires_at limit 1
    """,
    never_null=("expires_at",),
)


@action
async def expire_some(tx: Transaction, company_id: CompanyId, *, at: datetime) -> bool:
    """Expire and fail what ran out by `at`; True while there may be more."""
    found = await RUN_OUT.all(tx, company_id=company_id, at=at, limit=CREDITS_AT_ONCE)
    locked = await lock(tx, company_id, found)
    moves = [_ended(credit) for credit in locked.values() if _ran_out(credit, at)]
    for answer in await move(tx, company_id, moves, by=CLOCK, at=at):
        if isinstance(answer, Refusal):
            raise answer
    return len(found) == CREDITS_AT_ONCE


@action
async def next_expiry(tx: Transaction, company_id: CompanyId, *, now: datetime) -> datetime:
    """When to come again: no link made after `now` lives for less than 15 minutes."""
    first = await NEXT.first(tx, company_id=company_id)
    latest = now + LINK_LIFE_MINIMUM
    return latest if first is None else min(first, latest)


def _ran_out(credit: LockedCredit, at: datetime) -> bool:
    waits = credit.state in (State.REQUESTED, State.ACTION_REQUIRED)
    return waits and credit.expires_at is not None and credit.expires_at <= at


def _ended(credit: LockedCredit) -> Move:
    if credit.state == State.REQUESTED:
        return Move(credit_id=credit.credit_id, to=State.EXPIRED, cause=Cause.LINK_EXPIRED)
    return Move(
        credit_id=credit.credit_id,
        to=State.FAILED,
        cause=Cause.REPAIR_LAPSED,
        fail_reason=credit.fail_reason,
    )
