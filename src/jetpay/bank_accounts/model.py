"""What a bank account is; its numbers are sealed and only the last three digits are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from jetpay.banking.schemes import CURRENCIES, Account
from jetpay.base.ids import BankAccountId, ContactId


class HolderType(StrEnum):
    """Whose account it is."""

    PERSON = "person"
    BUSINESS = "business"


class AccountType(StrEnum):
    """What kind of account it is."""

    CHEQUING = "chequing"
    SAVINGS = "savings"


class Scheme(StrEnum):
    """How the account is numbered."""

    CANADA = "ca"
    UNITED_STATES = "us"
    IBAN = "iban"


class Rail(StrEnum):
    """The format of the files that pay from a company's account."""

    SANDBOX = "sandbox"
    CPA005 = "cpa005"
    NACHA = "nacha"
    PAIN001 = "pain001"


REACHED: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        (Rail.SANDBOX, "CAD"): Scheme.CANADA,
        (Rail.SANDBOX, "USD"): Scheme.UNITED_STATES,
        (Rail.SANDBOX, "EUR"): Scheme.IBAN,
        (Rail.CPA005, "CAD"): Scheme.CANADA,
        (Rail.CPA005, "USD"): Scheme.CANADA,
        (Rail.NACHA, "USD"): Scheme.UNITED_STATES,
        (Rail.PAIN001, "CAD"): Scheme.CANADA,
        (Rail.PAIN001, "USD"): Scheme.UNITED_STATES,
        (Rail.PAIN001, "EUR"): Scheme.IBAN,
    }
)
"""Whose accounts a company's account pays into: by its rail and its currency."""


@dataclass(frozen=True, slots=True)
class BankAccount:
    """As it may be shown. `rail` and `state`: of the company's own accounts only."""

    bank_account_id: BankAccountId
    contact_id: ContactId | None
    title: str | None
    institution: str | None
    holder_name: str
    holder_type: str
    account_type: str
    scheme: str
    currency: str
    last3: str
    rail: str | None
    state: str | None
    credit_limit: int | None
    created_at: datetime
    returned_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBankAccount:
    """A checked request for an account; `sealed_too`: holder's address and mail, kept sealed."""

    account: Account = field(repr=False)
    holder_name: str
    title: str | None = None
    institution: str | None = None
    holder_type: HolderType = HolderType.PERSON
    account_type: AccountType = AccountType.CHEQUING
    currency: str | None = None
    """Without one that of the account's scheme."""
    sealed_too: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def kept_in(self) -> str:
        """The currency."""
        return self.currency or CURRENCIES[self.account.scheme]
