"""Held credits: they are in no bank file until a person has looked at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jetpay.base.ids import CompanyId, CreditId, lowest_id
from jetpay.base.refusals import NotFound
from jetpay.credits.cutoffs import arm_cutoff
from jetpay.credits.model import Held, LockedCredit, State
from jetpay.credits.refusals import FundsNotBack, NotHeld
from jetpay.credits.states import lock
from jetpay.db.pool import Database
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.audit import audit
from jetpay.events.model import Actor

_LOOK_BACK: Final = timedelta(minutes=20)
"""By identifiers, which are made before `created_at` is read; ten minutes of that count."""


@dataclass(frozen=True, slots=True)
class HeldCredit:
    """What waits for a person, and why; `amount` in minor units."""

    identifier: CreditId
    amount: int
    currency: str
    held: Held
    possible_duplicate_of: CreditId | None
    ready_at: datetime


# The earlier one counts as long as it can still be paid or was. Whoever was marked before and
# released is not asked about again.
HOLD_DUPLICATES: Final = Query(
    CreditId,
    """
    update credit c set possible_duplicate_of = e.equal_id, held = 'possible_duplicate'
    from (
      select m.credit_id, d.credit_id as equal_id
      from unnest(%(credit_ids)s::uuid[], %(earliest)s::uuid[]) as w(credit_id, earliest)
      join lateral (
        select credit_id, contact_id, amount, currency, statement, from_bank_account_id,
               created_at
        from credit where company_id = %(company_id)s and credit_id = w.credit_id
          and state = 'initiated' and held is null
          and idempotency_key is null and external_id is null
          and possible_duplicate_of is null limit 1) m on true
      join lateral (
        select credit_id from credit
        where company_id = %(company_id)s and contact_id = m.contact_id
          and credit_id >= w.earliest and credit_id < m.credit_id
          and amount = m.amount and currency = m.currency and statement = m.statement
          and from_bank_account_id = m.from_bank_account_id
          and created_at between m.created_at - interval '10 minutes'
                             and m.created_at + interval '10 minutes'
          and state not in ('cancelled', 'declined', 'expired', 'failed')
        order by credit_id limit 1) d on true) e
    where c.company_id = %(company_id)s and c.credit_id = e.credit_id
    returning c.credit_id
    """,
)
HELD: Final = Query(
    HeldCredit,
    """
    select credit_id as identifier, amount, currency, held, possible_duplicate_of, ready_at
    from credit
    where company_id = %(company_id)s and held is not null
      and (%(after)s::uuid is null or credit_id > %(after)s)
    order by credit_id limit %(limit)s
    """,
    never_null=("held", "ready_at"),
)
RELEASE: Final = Command(
    """
    update credit set held = null, ready_at = %(at)s
    where company_id = %(company_id)s and credit_id = any(%(credit_ids)s::uuid[])
    """
)
SANDBOX: Final = Query(bool, "select sandbox from company where company_id = %(company_id)s")


async def hold_duplicates(
    tx: Transaction, company_id: CompanyId, credit_ids: Sequence[CreditId]
) -> list[CreditId]:
    """Mark and hold those equal to one made within ten minutes before; the earlier one is paid.

    Who has a key or an external id is never taken for a duplicate.
    """
    return await HOLD_DUPLICATES.all(
        tx,
        company_id=company_id,
        credit_ids=credit_ids,
        earliest=[lowest_id(credit_id, -_LOOK_BACK) for credit_id in credit_ids],
    )


async def held_credits(
    db: Database, company_id: CompanyId, *, after: CreditId | None, limit: int
) -> list[HeldCredit]:
    """What waits for a person, oldest first, from the one behind `after` on."""
    return await HELD.all(db, company_id=company_id, after=after, limit=limit)


@action
async def release(
    tx: Transaction,
    company_id: CompanyId,
    credit_ids: Sequence[CreditId],
    *,
    by: Actor,
    at: datetime,
    now: datetime,
) -> None:
    """A person has looked: the credits are in the next file; all of them or none.

    Refuses `NotFound`, `NotHeld`, and `FundsNotBack` where a live company's money would go out
    twice. `at`: business time, `now`: real time, for the audit.
    """
    locked = await lock(tx, company_id, credit_ids)
    is_sandbox = await SANDBOX.first(tx, company_id=company_id)
    for credit_id in credit_ids:
        _check_may_go(locked.get(credit_id), is_sandbox=bool(is_sandbox))
    await RELEASE.run(tx, company_id=company_id, credit_ids=list(locked), at=at)
    for account in sorted({credit.from_bank_account_id for credit in locked.values()}):
        await arm_cutoff(tx, company_id, account, at=at)
    for credit_id in locked:
        await audit(
            tx, company_id, act="credit.release", by=by, object_type="credit",
            object_id=credit_id, at=now,
        )  # fmt: skip


def _check_may_go(credit: LockedCredit | None, *, is_sandbox: bool) -> None:
    if credit is None:
        raise NotFound
    if credit.held is None or credit.state != State.INITIATED:
        raise NotHeld(identifier=credit.credit_id, state=credit.state)
    if credit.held == Held.AWAITING_RETURNED_FUNDS and not is_sandbox:
        raise FundsNotBack(identifier=credit.credit_id)
