"""The account a bank file is paid from, and how much of it a file may take."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from jetpay.base.ids import BankAccountId, CompanyId
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction
from jetpay.rails.profiles import Profile, profile_of

_NO_LIMIT: Final = 2**62


@dataclass(frozen=True, slots=True)
class PayingAccount:
    """A company's own bank account; limits in minor units, very large where there is none."""

    company_id: CompanyId
    bank_account_id: BankAccountId
    rail: str
    profile_name: str | None
    currency: str
    is_open: bool
    credit_limit: int
    file_limit: int
    daily_limit: int

    @property
    def profile(self) -> Profile:
        """The ways of its bank."""
        return profile_of(self.rail, self.profile_name)

    @property
    def largest(self) -> int:
        """A payment above it is in no file until the limits change."""
        return min(self.credit_limit, self.file_limit, self.daily_limit)


LOCK_ACCOUNT = Query(
    PayingAccount,
    """
    select company_id, bank_account_id, rail, profile as profile_name, currency,
           (state = 'live' and deleted_at is null) as is_open,
           coalesce(credit_limit, %(no_limit)s) as credit_limit,
           coalesce(file_limit, %(no_limit)s) as file_limit,
           coalesce(daily_limit, %(no_limit)s) as daily_limit
    from bank_account
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    for no key update
    """,
    never_null=("rail", "is_open", "credit_limit", "file_limit", "daily_limit"),
)
OF_THE_DAY = Query(
    int,
    """
    select coalesce(sum(total), 0)::bigint as total from bank_file
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
      and value_date = %(value_date)s and state not in ('rejected', 'withdrawn')
    """,
)


async def lock_account(
    tx: Transaction, company_id: CompanyId, bank_account_id: BankAccountId
) -> PayingAccount:
    """The account under its lock: its files are filled and numbered by one at a time."""
    return await LOCK_ACCOUNT.one(
        tx, company_id=company_id, bank_account_id=bank_account_id, no_limit=_NO_LIMIT
    )


async def left_of_day(tx: Transaction, account: PayingAccount, day: date) -> int:
    """What the daily limit leaves for files of that value date."""
    if account.daily_limit == _NO_LIMIT:
        return _NO_LIMIT
    spent = await OF_THE_DAY.one(
        tx,
        company_id=account.company_id,
        bank_account_id=account.bank_account_id,
        value_date=day,
    )
    return account.daily_limit - spent
