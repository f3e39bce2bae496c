"""The cut-off: begins the file of its hour and knows when the next one is wanted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jetpay.bank_files.assemble import claim
from jetpay.bank_files.limits import left_of_day, lock_account
from jetpay.base.ids import BankAccountId, CompanyId
from jetpay.companies import due
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction, action
from jetpay.rails.profiles import next_cut_off, start_of, value_date
from jetpay.security.vault import Vault

_MOMENT: Final = timedelta(microseconds=1)
_LOOK_AGAIN_AFTER: Final = timedelta(days=1)
"""Who waits for a person (to open the account, to raise a limit) needs no look every hour."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    ready_at: datetime
    amount: int


FIRST_LEFT = Query(
    _Waiting,
    """
    select ready_at, amount from credit
    where company_id = %(company_id)s and from_bank_account_id = %(bank_account_id)s
      and state = 'initiated' and held is null and amount <= %(largest)s
    order by ready_at, credit_id limit 1
    """,
    never_null=("ready_at",),
)
ANY_LEFT = Query(
    bool,
    """
    select exists (
      select from credit
      where company_id = %(company_id)s and from_bank_account_id = %(bank_account_id)s
        and state = 'initiated' and held is null) as any_left
    """,
    never_null=("any_left",),
)


@action
async def cut_off(
    tx: Transaction,
    vault: Vault,
    company_id: CompanyId,
    bank_account_id: BankAccountId,
    *,
    cutoff_at: datetime,
    at: datetime,
) -> datetime | None:
    """Begin the file of a cut-off, which may have been missed; answers the next that is wanted.

    Raises `NotYet` while the file of an earlier cut-off is being made.
    """
    chunk = await claim(tx, vault, company_id, bank_account_id, cutoff_at=cutoff_at, at=at)
    if chunk.more and chunk.bank_file_id is None:
        return cutoff_at  # none of so many could go
    if chunk.bank_file_id is not None:
        # Before the next cut-off, which may have been missed too and waits for this file.
        await due.arm(tx, company_id, due.BANK_FILE, chunk.bank_file_id, at=cutoff_at)
    return await _next_wanted(tx, company_id, bank_account_id, cutoff_at=cutoff_at, at=at)


async def _next_wanted(
    tx: Transaction,
    company_id: CompanyId,
    bank_account_id: BankAccountId,
    *,
    cutoff_at: datetime,
    at: datetime,
) -> datetime | None:
    """The first cut-off after this one that can change something for whoever still waits."""
    key = {"company_id": company_id, "bank_account_id": bank_account_id}
    if not await ANY_LEFT.one(tx, **key):
        return None
    account = await lock_account(tx, company_id, bank_account_id)
    profile = account.profile
    first = await FIRST_LEFT.first(tx, largest=account.largest, **key)
    if first is None or not account.is_open:
        return next_cut_off(profile, at + _LOOK_AGAIN_AFTER)
    day = value_date(profile, max(cutoff_at, at))
    if first.ready_at <= cutoff_at and first.amount > await left_of_day(tx, account, day):
        return next_cut_off(profile, start_of(profile, day + timedelta(days=1)))
    return next_cut_off(profile, max(first.ready_at, cutoff_at + _MOMENT))
