"""Assembling: ready credits are claimed into a bank file, 1,000 a transaction.

Cancelling takes the same row lock as the claim: whoever commits first wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from jetpay.bank_files.limits import PayingAccount, left_of_day, lock_account
from jetpay.bank_files.model import CREDITS_AT_ONCE, FILE_LINES, FileState
from jetpay.bank_files.payments import Written, open_payment
from jetpay.base.ids import BankAccountId, BankFileId, CompanyId, CreditId, uuid7
from jetpay.base.refusals import Refusal
from jetpay.companies import due
from jetpay.credits.holds import hold_duplicates
from jetpay.credits.model import State
from jetpay.credits.outcomes import refuse_unwritable
from jetpay.credits.states import Cause, Move, lock, move
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import FILE_BUILDER, Draft, EventType
from jetpay.events.record import record
from jetpay.rails.profiles import RAILS, value_date
from jetpay.rails.rail import CannotBeWritten
from jetpay.security.vault import Vault


@dataclass(frozen=True, slots=True)
class _Assembling:
    bank_file_id: BankFileId
    number: int | None
    value_date: date
    credit_count: int
    total: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """`bank_file_id`: none when nothing was ready and no file was made. `more`: come again."""

    bank_file_id: BankFileId | None
    more: bool


ASSEMBLING = Query(
    _Assembling,
    """
    select bank_file_id, number, value_date, credit_count, total from bank_file
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
      and state = 'assembling'
    for no key update
    """,
    never_null=("credit_count", "total"),
)
READY = Query(
    CreditId,
    """
    select credit_id from credit
    where company_id = %(company_id)s and from_bank_account_id = %(bank_account_id)s
      and state = 'initiated' and held is null and ready_at <= %(cutoff_at)s
      and amount <= %(largest)s
    order by ready_at, credit_id limit %(limit)s
    """,
)
WRITTEN = Query(
    Written,
    """
    select c.credit_id, a.attempt, a.reference, a.amount, c.statement, a.holder_name, a.scheme,
           a.account_type, a.details
    from unnest(%(credit_ids)s::uuid[]) with ordinality as wanted(credit_id, position)
    join lateral (
      select credit_id, attempt, statement from credit
      where company_id = %(company_id)s and credit_id = wanted.credit_id
        and state = 'initiated' and held is null and ready_at <= %(cutoff_at)s limit 1) c on true
    join lateral (
      select attempt, reference, amount, holder_name, scheme, account_type, details
      from payment_attempt
      where company_id = %(company_id)s and credit_id = c.credit_id and attempt = c.attempt
        and outcome is null limit 1) a on true
    order by wanted.position
    """,
)
OPEN = Command(
    """
    insert into bank_file (company_id, bank_file_id, bank_account_id, rail, state, currency,
                           cutoff_at, value_date, credit_count, total, created_at)
    values (%(company_id)s, %(bank_file_id)s, %(bank_account_id)s, %(rail)s, 'assembling',
            %(currency)s, %(cutoff_at)s, %(value_date)s, 0, 0, %(at)s)
    """
)
TAKE = Command(
    """
    update payment_attempt a set bank_file_id = %(bank_file_id)s, line = t.line
    from unnest(%(credit_ids)s::uuid[], %(attempts)s::smallint[], %(lines)s::int[])
         as t(credit_id, attempt, line)
    where a.company_id = %(company_id)s and a.credit_id = t.credit_id and a.attempt = t.attempt
      and a.bank_file_id is null and a.outcome is null
    """
)
GROW = Command(
    """
    update bank_file set credit_count = credit_count + %(count)s, total = total + %(amount)s
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
      and state = 'assembling' and number is null
    """
)
FILLED = Command(
    """
    update bank_account set filled_until = %(cutoff_at)s
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """
)


@action
async def claim(
    tx: Transaction,
    vault: Vault,
    company_id: CompanyId,
    bank_account_id: BankAccountId,
    *,
    cutoff_at: datetime,
    into: BankFileId | None = None,
    at: datetime,
) -> Chunk:
    """Claim the next credits `into` a file in the making, or into one that is made for them.

    Raises `NotYet` when a new file is wanted while the account has one in the making.
    """
    account = await lock_account(tx, company_id, bank_account_id)
    if not account.is_open:
        return Chunk(None, more=False)
    file = await ASSEMBLING.first(tx, company_id=company_id, bank_account_id=bank_account_id)
    if into is None and file is not None:
        raise due.NotYet
    if into is not None and (file is None or file.bank_file_id != into or file.number):
        return Chunk(None, more=False)
    count, total = (file.credit_count, file.total) if file else (0, 0)
    day = file.value_date if file else value_date(account.profile, max(cutoff_at, at))
    room = min(account.file_limit - total, await left_of_day(tx, account, day))
    ready = await READY.all(
        tx,
        company_id=company_id,
        bank_account_id=bank_account_id,
        cutoff_at=cutoff_at,
        largest=account.largest,
        limit=min(CREDITS_AT_ONCE, FILE_LINES - count),
    )
    locked = await lock(tx, company_id, ready)
    held = await hold_duplicates(tx, company_id, list(locked))
    written = await WRITTEN.all(tx, company_id=company_id, credit_ids=ready, cutoff_at=cutoff_at)
    fitting, wrong, full = await _sort_out(
        tx, vault, company_id, written, rail=account.rail, room=room
    )
    await refuse_unwritable(tx, company_id, [locked[each.credit_id] for each in wrong], at=at)
    more = bool(written or held) and not full and len(ready) == CREDITS_AT_ONCE
    file_id = file.bank_file_id if file else None
    if fitting:
        file_id = file_id or await _open(
            tx, company_id, bank_account_id, account, cutoff_at=cutoff_at, day=day, at=at
        )
        await _take(tx, company_id, file_id, fitting, first_line=count + 1, at=at)
    if not more:
        await FILLED.run(
            tx, company_id=company_id, bank_account_id=bank_account_id, cutoff_at=cutoff_at
        )
    return Chunk(file_id, more=more)


async def _sort_out(
    tx: Transaction,
    vault: Vault,
    company_id: CompanyId,
    written: Sequence[Written],
    *,
    rail: str,
    room: int,
) -> tuple[list[Written], list[Written], bool]:
    """What goes into the file, what no file can hold, and whether the limits ended it.

    Nobody is overtaken: the first payment that finds no room ends the file.
    """
    fitting: list[Written] = []
    wrong: list[Written] = []
    for each in written:
        try:
            RAILS[rail].check(await open_payment(tx, vault, company_id, each, line=1))
        except CannotBeWritten:
            wrong.append(each)
            continue
        if each.amount > room:
            return fitting, wrong, True
        room -= each.amount
        fitting.append(each)
    return fitting, wrong, False


async def _open(
    tx: Transaction,
    company_id: CompanyId,
    bank_account_id: BankAccountId,
    account: PayingAccount,
    *,
    cutoff_at: datetime,
    day: date,
    at: datetime,
) -> BankFileId:
    bank_file_id = BankFileId(uuid7())
    await OPEN.run(
        tx,
        company_id=company_id,
        bank_file_id=bank_file_id,
        bank_account_id=bank_account_id,
        rail=account.rail,
        currency=account.currency,
        cutoff_at=cutoff_at,
        value_date=day,
        at=at,
    )
    record(
        tx,
        Draft(
            company_id=company_id,
            type=EventType.BANK_FILE_CREATED,
            subject_id=bank_file_id,
            at=at,
            actor=FILE_BUILDER,
            to_state=FileState.ASSEMBLING.value,
            data={"bankAccountId": str(bank_account_id)},
        ),
    )
    return bank_file_id


async def _take(
    tx: Transaction,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    fitting: Sequence[Written],
    *,
    first_line: int,
    at: datetime,
) -> None:
    taken = await TAKE.run(
        tx,
        company_id=company_id,
        bank_file_id=bank_file_id,
        credit_ids=[each.credit_id for each in fitting],
        attempts=[each.attempt for each in fitting],
        lines=[first_line + place for place in range(len(fitting))],
    )
    grown = await GROW.run(
        tx,
        company_id=company_id,
        bank_file_id=bank_file_id,
        count=len(fitting),
        amount=sum(each.amount for each in fitting),
    )
    if (taken, grown) != (len(fitting), 1):
        raise RuntimeError("a payment attempt or its file changed under the lock")
    claimed = [
        Move(credit_id=each.credit_id, to=State.PROCESSING, cause=Cause.CLAIMED) for each in fitting
    ]
    for answer in await move(tx, company_id, claimed, by=FILE_BUILDER, at=at):
        if isinstance(answer, Refusal):
            raise answer
