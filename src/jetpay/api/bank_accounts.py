"""The calls about bank accounts; no answer has more of a number than its last three digits."""

from typing import Annotated, Literal

from fastapi import Depends, Request
from pydantic import Field

from jetpay.api.auth import Caller, Needs, services_of
from jetpay.api.fields import (
    LIST_DEFAULT,
    After,
    Email,
    GuideTaken,
    IdempotencyKey,
    Identifier,
    Length,
    Limit,
    Page,
    SecretText,
    Shown,
    Time,
)
from jetpay.api.frame import router
from jetpay.api.once import once_of
from jetpay.api.problems import refuses
from jetpay.bank_accounts import actions, queries
from jetpay.bank_accounts.model import AccountType, BankAccount, HolderType, NewBankAccount
from jetpay.bank_accounts.numbers import account_of
from jetpay.bank_accounts.refusals import UsedByCredits
from jetpay.base.ids import BankAccountId, ContactId
from jetpay.base.text import HOLDER_LENGTH, NAME_LENGTH, TITLE_LENGTH
from jetpay.companies.model import Scope
from jetpay.contacts.queries import get_contact
from jetpay.idempotency import IdempotencyConflict
from jetpay.security.fingerprints import RequestFingerprint

ADDRESS_LENGTH = 100
POSTAL_CODE_LENGTH = 20
NUMBER_LENGTH = 40

calls = router("Bank Accounts")
Writer = Annotated[Caller, Depends(Needs(Scope.BANK_ACCOUNTS))]
Number = Annotated[str, Length(NUMBER_LENGTH, 1)]
SEALED_TOO = (
    "holder_address",
    "holder_address_postal_code",
    "holder_address_city",
    "holder_address_country",
    "holder_email",
)
LAYOUT = RequestFingerprint(
    (
        "contact_id",
        "institution",
        "title",
        "holder_name",
        "holder_type",
        "account_type",
        "transit_number",
        "institution_number",
        "account_number",
        "routing_number",
        "iban",
        *SEALED_TOO,
    )
)


class BankAccountTaken(GuideTaken):
    """An account of a contact. Of the numbers, exactly one scheme."""

    contact_id: Identifier
    holder_name: Annotated[str, Length(HOLDER_LENGTH, 1)]
    institution: Annotated[str, Length(NAME_LENGTH)] | None = None
    title: Annotated[str, Length(TITLE_LENGTH)] | None = None
    account_type: Literal["chequing", "savings"] = "chequing"
    holder_type: Literal["person", "business"] = "person"
    transit_number: Number | None = Field(None, examples=["00002"])
    institution_number: Number | None = Field(None, examples=["003"])
    account_number: SecretText | None = Field(None, examples=["1000001"])
    routing_number: SecretText | None = Field(None, examples=["021000021"])
    iban: SecretText | None = Field(None, examples=["DE89370400440532013000"])
    holder_address: Annotated[str, Length(ADDRESS_LENGTH)] | None = None
    holder_address_postal_code: Annotated[str, Length(POSTAL_CODE_LENGTH)] | None = None
    holder_address_city: Annotated[str, Length(ADDRESS_LENGTH)] | None = None
    holder_address_country: Annotated[str, Length(ADDRESS_LENGTH)] | None = None
    holder_email: Email | None = None

    def account(self) -> NewBankAccount:
        """Raises `Invalid` when the numbers are none of a bank account."""
        named = {name: getattr(self, name) for name in SEALED_TOO}
        return NewBankAccount(
            account=account_of(
                institution_number=self.institution_number,
                transit_number=self.transit_number,
                account_number=self.account_number,
                routing_number=self.routing_number,
                iban=self.iban,
            ),
            holder_name=self.holder_name,
            title=self.title,
            institution=self.institution,
            holder_type=HolderType(self.holder_type),
            account_type=AccountType(self.account_type),
            sealed_too={name: value for name, value in named.items() if value},
        )


class BankAccountGiven(Shown):
    """An account of a contact."""

    identifier: Identifier
    contact_id: Identifier | None
    institution: str | None
    title: str | None
    holder_name: str
    holder_type: str
    account_type: str
    currency: str
    account_number_last3: str
    created_at: Time


class CompanyAccountGiven(BankAccountGiven):
    """An account of the company. `rail`: how payments leave it."""

    rail: str | None
    state: str | None
    credit_limit: int | None


class BankAccountsGiven(Page[BankAccountGiven]):
    """A page of accounts, in the order in which they were added."""


class CompanyAccountsGiven(Page[CompanyAccountGiven]):
    """A page of the company's accounts, in the order in which they were added."""


class Removed(Shown):
    """It is done."""

    ok: Literal[True] = True


def given(account: BankAccount) -> CompanyAccountGiven:
    """An account as the API shows it; the answer's model leaves out what it does not have."""
    return CompanyAccountGiven(
        identifier=account.bank_account_id,
        contact_id=account.contact_id,
        institution=account.institution,
        title=account.title,
        holder_name=account.holder_name,
        holder_type=account.holder_type,
        account_type=account.account_type,
        currency=account.currency,
        account_number_last3=account.last3,
        created_at=account.created_at,
        rail=account.rail,
        state=account.state,
        credit_limit=account.credit_limit,
    )


@calls.put("/contact/bank_account", status_code=201, responses=refuses(IdempotencyConflict))
@calls.put("/contact/bank-account", status_code=201, include_in_schema=False)
async def create_bank_account(
    request: Request, caller: Writer, taken: BankAccountTaken, key: IdempotencyKey = None
) -> BankAccountGiven:
    """Add an account to a contact. An account is never changed: add another one instead."""
    services = services_of(request)
    new = taken.account()
    return given(
        await actions.add_contact_account(
            services.db,
            caller.company_id,
            ContactId(taken.contact_id),
            new,
            vault=services.vault,
            keyring=services.keyring,
            once=once_of(services, "bank_accounts.create", key, LAYOUT, taken),
            by=caller.actor,
            at=caller.at,
        )
    )


@calls.get("/contact/{identifier}/bank_accounts")
async def list_bank_accounts(
    request: Request,
    caller: Writer,
    identifier: Identifier,
    limit: Limit = LIST_DEFAULT,
    after: After = None,
) -> BankAccountsGiven:
    """The accounts of a contact."""
    db, company_id = services_of(request).db, caller.company_id
    contact = await get_contact(db, company_id, ContactId(identifier))
    found = await queries.OF_CONTACT.all(
        db, company_id=company_id, contact_id=contact.contact_id, after=after, limit=limit + 1
    )
    return BankAccountsGiven.of(found, given, limit=limit)


@calls.get("/company/bank_accounts")
async def list_company_bank_accounts(
    request: Request, caller: Writer, limit: Limit = LIST_DEFAULT, after: After = None
) -> CompanyAccountsGiven:
    """The company's own accounts, which its credits are paid from."""
    found = await queries.OF_COMPANY.all(
        services_of(request).db, company_id=caller.company_id, after=after, limit=limit + 1
    )
    return CompanyAccountsGiven.of(found, given, limit=limit)


@calls.delete("/bank_account/{identifier}", responses=refuses(UsedByCredits))
async def delete_bank_account(request: Request, caller: Writer, identifier: Identifier) -> Removed:
    """Remove a contact's account; the money's history stays."""
    await actions.remove_contact_account(
        services_of(request).db,
        caller.company_id,
        BankAccountId(identifier),
        by=caller.actor,
        at=caller.at,
    )
    return Removed()
