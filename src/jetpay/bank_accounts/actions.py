"""Adding and removing bank accounts; one is never changed."""

from datetime import datetime

from jetpay.bank_accounts.model import REACHED, BankAccount, NewBankAccount, Rail
from jetpay.bank_accounts.queries import get_bank_account
from jetpay.bank_accounts.refusals import (
    CurrencyUnreached,
    RailRequired,
    SandboxRail,
    UsedByCredits,
)
from jetpay.banking.schemes import last3, numbers_of
from jetpay.base.ids import BankAccountId, CompanyId, ContactId, uuid7
from jetpay.base.refusals import FieldError, Invalid, NotFound
from jetpay.companies.queries import COMPANY
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import Actor, Draft, EventType
from jetpay.events.record import record
from jetpay.idempotency import Once
from jetpay.ledger.accounts import open_accounts
from jetpay.security.blind_index import blind_index
from jetpay.security.keys import Keyring
from jetpay.security.vault import Vault

TABLE = "bank_account"
COLUMN = "details"

# Held until the commit, so that the contact cannot be erased meanwhile.
HOLD_CONTACT = Query(
    ContactId,
    """
    select contact_id from contact
    where company_id = %(company_id)s and contact_id = %(contact_id)s and erased_at is null
    for key share
    """,
)
ADD = Command(
    """
    insert into bank_account (company_id, bank_account_id, contact_id, title, institution,
                              holder_name, holder_type, account_type, scheme, currency, details,
                              account_index, last3, rail, profile, state, credit_limit,
                              file_limit, daily_limit, created_at)
    values (%(company_id)s, %(bank_account_id)s, %(contact_id)s, %(title)s, %(institution)s,
            %(holder_name)s, %(holder_type)s, %(account_type)s, %(scheme)s, %(currency)s,
            %(details)s, %(account_index)s, %(last3)s, %(rail)s, %(profile)s, %(state)s,
            %(credit_limit)s, %(file_limit)s, %(daily_limit)s, %(at)s)
    """
)
# Waits for every credit that is being made with the account.
LOCK = Query(
    BankAccountId,
    """
    select bank_account_id from bank_account
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
      and deleted_at is null
    for update
    """,
)
OPEN_CREDITS = Query(
    int,
    """
    select count(*)::int as count from credit
    where company_id = %(company_id)s and to_bank_account_id = %(bank_account_id)s
      and state in ('requested', 'initiated', 'processing', 'action_required')
    """,
    never_null=("count",),
)
REMOVE = Command(
    """
    update bank_account set deleted_at = %(at)s, details = null
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """
)


@action
async def add_contact_account(
    tx: Transaction,
    company_id: CompanyId,
    contact_id: ContactId,
    new: NewBankAccount,
    *,
    vault: Vault,
    keyring: Keyring,
    once: Once | None = None,
    by: Actor,
    at: datetime,
) -> BankAccount:
    """The account that was added, or the one that was added with the same key before.

    Refuses `Invalid` for an unknown contact, `IdempotencyConflict`.
    """
    account_id = BankAccountId(uuid7())
    before = await once.claim(tx, company_id, account_id) if once else None
    if before is not None:
        return await get_bank_account(tx, company_id, BankAccountId(before))
    if await HOLD_CONTACT.first(tx, company_id=company_id, contact_id=contact_id) is None:
        raise Invalid([FieldError("contact_id", "not_found", "There is no such contact.")])
    values = await _sealed(tx, company_id, account_id, new, vault=vault, keyring=keyring)
    await ADD.run(
        tx, **values, contact_id=contact_id, rail=None, profile=None, state=None,
        credit_limit=None, file_limit=None, daily_limit=None, at=at,
    )  # fmt: skip
    data = {"bankAccountId": str(account_id), "contactId": str(contact_id)}
    _tell(tx, company_id, EventType.BANK_ACCOUNT_CREATED, account_id, data, by=by, at=at)
    return await get_bank_account(tx, company_id, account_id)


@action
async def add_company_account(
    tx: Transaction,
    company_id: CompanyId,
    new: NewBankAccount,
    *,
    rail: Rail | None,
    profile: str | None = None,
    limits: tuple[int | None, int | None, int | None] = (None, None, None),
    vault: Vault,
    keyring: Keyring,
    by: Actor,
    at: datetime,
) -> BankAccountId:
    """An account to pay from, with its accounts in the ledger.

    `profile`: of its bank, the rail's own without one. `limits`: of one credit, one file and one
    day, in minor units. A live company's account is a draft until its bank took a test file.
    Refuses `NotFound`, `RailRequired`, `SandboxRail`, `CurrencyUnreached`.
    """
    company = await COMPANY.first(tx, company_id=company_id)
    if company is None:
        raise NotFound
    if rail is None and not company.sandbox:
        raise RailRequired(field="rail")
    if rail is Rail.SANDBOX and not company.sandbox:
        raise SandboxRail(field="rail")
    rail = rail or Rail.SANDBOX
    if (rail, new.kept_in) not in REACHED:
        raise CurrencyUnreached(field="currency", rail=rail.value, currency=new.kept_in)
    account_id = BankAccountId(uuid7())
    values = await _sealed(tx, company_id, account_id, new, vault=vault, keyring=keyring)
    credit_limit, file_limit, daily_limit = limits
    await ADD.run(
        tx,
        **values,
        contact_id=None,
        rail=rail.value,
        profile=profile,
        state="live" if company.sandbox else "draft",
        credit_limit=credit_limit,
        file_limit=file_limit,
        daily_limit=daily_limit,
        at=at,
    )
    await open_accounts(tx, company_id, account_id, new.kept_in)
    data = {"bankAccountId": str(account_id)}
    _tell(tx, company_id, EventType.BANK_ACCOUNT_CREATED, account_id, data, by=by, at=at)
    return account_id


@action
async def remove_contact_account(
    tx: Transaction,
    company_id: CompanyId,
    bank_account_id: BankAccountId,
    *,
    by: Actor,
    at: datetime,
) -> None:
    """The numbers are forgotten, the row stays for the money's history.

    Payments that were accepted keep their own sealed copy. Refuses `NotFound`, and
    `UsedByCredits` while a credit has not ended.
    """
    place = {"company_id": company_id, "bank_account_id": bank_account_id}
    await LOCK.first(tx, **place)
    account = await get_bank_account(tx, company_id, bank_account_id)
    if account.contact_id is None:
        # The company's own are a matter of its members.
        raise NotFound
    still_open = await OPEN_CREDITS.one(tx, **place)
    if still_open:
        raise UsedByCredits(count=still_open)
    await REMOVE.run(tx, **place, at=at)
    data = {"bankAccountId": str(bank_account_id), "contactId": str(account.contact_id)}
    _tell(tx, company_id, EventType.BANK_ACCOUNT_DELETED, bank_account_id, data, by=by, at=at)


async def _sealed(
    tx: Transaction,
    company_id: CompanyId,
    account_id: BankAccountId,
    new: NewBankAccount,
    *,
    vault: Vault,
    keyring: Keyring,
) -> dict[str, object]:
    """What both kinds of account store."""
    details = await vault.seal(
        tx, company_id, table=TABLE, column=COLUMN, row_key=account_id.bytes,
        value={**numbers_of(new.account), **new.sealed_too},
    )  # fmt: skip
    return {
        "company_id": company_id,
        "bank_account_id": account_id,
        "title": new.title,
        "institution": new.institution,
        "holder_name": new.holder_name,
        "holder_type": new.holder_type.value,
        "account_type": new.account_type.value,
        "scheme": new.account.scheme,
        "currency": new.kept_in,
        "details": details,
        "account_index": blind_index(keyring, company_id, TABLE, new.account.index_parts()),
        "last3": last3(new.account),
    }


def _tell(
    tx: Transaction,
    company_id: CompanyId,
    kind: EventType,
    account_id: BankAccountId,
    data: dict[str, str],
    *,
    by: Actor,
    at: datetime,
) -> None:
    record(
        tx,
        Draft(company_id=company_id, type=kind, subject_id=account_id, at=at, actor=by, data=data),
    )
