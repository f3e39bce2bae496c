"""Bank files as people read them: no bank detail, no name."""

from dataclasses import dataclass
from datetime import date, datetime

from jetpay.bank_files.model import FILES, BankFile, FileState
from jetpay.base.ids import BankAccountId, BankFileId, CompanyId
from jetpay.base.refusals import NotFound
from jetpay.db.pool import Database
from jetpay.db.rows import Query


@dataclass(frozen=True, slots=True)
class BankFileView:
    """`total` in minor units; `overdue_at`: since when the bank owes an answer."""

    identifier: BankFileId
    bank_account: BankAccountId
    rail: str
    state: FileState
    number: int | None
    currency: str
    cutoff_at: datetime
    value_date: date
    credit_count: int
    total: int
    size_bytes: int | None
    sha256: str | None
    created_at: datetime
    sealed_at: datetime | None
    sent_at: datetime | None
    overdue_at: datetime | None
    acknowledged_at: datetime | None
    debited_at: datetime | None
    debited_amount: int | None


NEWEST = Query(
    BankFileView,
    """
    select bank_file_id as identifier, bank_account_id as bank_account, rail, state, number,
           currency, cutoff_at, value_date,
           credit_count, total, size_bytes, encode(sha256, 'hex') as sha256, created_at, sealed_at,
           sent_at, overdue_at, acknowledged_at, debited_at, debited_amount
    from bank_file
    where company_id = %(company_id)s
      and (%(after)s::uuid is null or bank_file_id < %(after)s)
    order by bank_file_id desc limit %(limit)s
    """,
    never_null=("credit_count", "total"),
)
VIEW = Query(
    BankFileView,
    """
    select bank_file_id as identifier, bank_account_id as bank_account, rail, state, number,
           currency, cutoff_at, value_date,
           credit_count, total, size_bytes, encode(sha256, 'hex') as sha256, created_at, sealed_at,
           sent_at, overdue_at, acknowledged_at, debited_at, debited_amount
    from bank_file
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
    """,
    never_null=("credit_count", "total"),
)


async def newest(
    db: Database, company_id: CompanyId, *, after: BankFileId | None, limit: int
) -> list[BankFileView]:
    """Bank files, newest first, from the one before `after` on."""
    return await NEWEST.all(db, company_id=company_id, after=after, limit=limit)


async def view(db: Database, company_id: CompanyId, bank_file_id: BankFileId) -> BankFileView:
    """Refuses `NotFound` for a foreign or unknown file."""
    found = await VIEW.first(db, company_id=company_id, bank_file_id=bank_file_id)
    if found is None:
        raise NotFound
    return found


async def one_file(db: Database, company_id: CompanyId, bank_file_id: BankFileId) -> BankFile:
    """The file as those work with it who make and send it. Refuses `NotFound`."""
    found = await FILES.first(db, company_id=company_id, bank_file_ids=[bank_file_id])
    if found is None:
        raise NotFound
    return found
