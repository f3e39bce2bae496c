"""What a bank file is, and what a bank's report says of it and of its payments."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from jetpay.base.ids import BankAccountId, BankFileId, CompanyId
from jetpay.credits.model import Outcome
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction
from jetpay.rails.profiles import Profile, profile_of

CREDITS_AT_ONCE: Final = 1_000
"""A transaction: one for 100,000 would hold up everything else of the company for seconds."""
FILE_LINES: Final = 100_000


class FileState(StrEnum):
    """`unconfirmed`: the bank may or may not have it; nothing is sent by itself."""

    ASSEMBLING = "assembling"
    SEALED = "sealed"
    HANDING_OVER = "handing_over"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    UNCONFIRMED = "unconfirmed"


MAY_BE_AT_BANK: Final = frozenset(
    {FileState.HANDING_OVER, FileState.UNCONFIRMED, FileState.SENT, FileState.ACKNOWLEDGED}
)
"""A bank that answers about a file has it, whatever we knew."""


class ItemKind(StrEnum):
    """What a bank may say: of a whole file the first two, of a payment the others."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    REJECTED = "rejected"
    RETURNED = "returned"
    PAID = "paid"


OUTCOMES: Final = {
    ItemKind.REJECTED: Outcome.REJECTED,
    ItemKind.RETURNED: Outcome.RETURNED,
}


class Result(StrEnum):
    """What became of an item; `unmatched` ones wait for a person."""

    APPLIED = "applied"
    REPEATED = "repeated"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a report: names a file or, by its reference, a payment attempt."""

    kind: ItemKind
    bank_file_id: BankFileId | None = None
    reference: str | None = None
    amount: int | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a bank handed back for one bank account. `sha256`: of its bytes."""

    bank_account_id: BankAccountId
    sha256: bytes
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class BankFile:
    """A bank file with what its account says about banking; amounts in minor units."""

    company_id: CompanyId
    bank_file_id: BankFileId
    bank_account_id: BankAccountId
    rail: str
    profile_name: str | None
    state: FileState
    number: int | None
    currency: str
    cutoff_at: datetime
    value_date: date
    credit_count: int
    total: int
    sha256: bytes | None
    created_at: datetime
    hand_over_begun: bool
    sent_at: datetime | None
    overdue_at: datetime | None
    debited_at: datetime | None

    @property
    def profile(self) -> Profile:
        """The ways of the bank."""
        return profile_of(self.rail, self.profile_name)


FILES = Query(
    BankFile,
    """
    select f.company_id, f.bank_file_id, f.bank_account_id, f.rail, b.profile as profile_name,
           f.state, f.number, f.currency, f.cutoff_at, f.value_date, f.credit_count, f.total,
           f.sha256, f.created_at, f.hand_over_at is not null as hand_over_begun, f.sent_at,
           f.overdue_at, f.debited_at
    from bank_file f
    join bank_account b on b.company_id = %(company_id)s and b.bank_account_id = f.bank_account_id
    where f.company_id = %(company_id)s and f.bank_file_id = any(%(bank_file_ids)s::uuid[])
    """,
    never_null=("credit_count", "total", "hand_over_begun"),
)
LOCK_ACCOUNT = Query(
    BankAccountId,
    """
    select bank_account_id from bank_account
    where company_id = %(company_id)s and bank_account_id = (
      select bank_account_id from bank_file
      where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s)
    for no key update
    """,
)
LOCK = Query(
    BankFileId,
    """
    select bank_file_id from bank_file
    where company_id = %(company_id)s and bank_file_id = any(%(bank_file_ids)s::uuid[])
    order by bank_file_id for no key update
    """,
)


async def lock_account_of(tx: Transaction, company_id: CompanyId, bank_file_id: BankFileId) -> None:
    """Lock the bank account whose numbers change; always before the file."""
    await LOCK_ACCOUNT.all(tx, company_id=company_id, bank_file_id=bank_file_id)


async def lock_files(
    tx: Transaction, company_id: CompanyId, bank_file_ids: list[BankFileId]
) -> dict[BankFileId, BankFile]:
    """Lock the files in id order; always before any of their credits."""
    await LOCK.all(tx, company_id=company_id, bank_file_ids=bank_file_ids)
    found = await FILES.all(tx, company_id=company_id, bank_file_ids=bank_file_ids)
    return {file.bank_file_id: file for file in found}


async def lock_file(
    tx: Transaction, company_id: CompanyId, bank_file_id: BankFileId
) -> BankFile | None:
    """The file under its lock, or None if there is none."""
    return (await lock_files(tx, company_id, [bank_file_id])).get(bank_file_id)
