"""The ways to number a bank account, and what each has in common with the others."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from types import MappingProxyType
from typing import Final

from jetpay.banking.canada import CanadianAccount
from jetpay.banking.iban import IbanAccount
from jetpay.banking.united_states import AmericanAccount

Account = CanadianAccount | AmericanAccount | IbanAccount

SCHEMES: Final[Mapping[str, type[Account]]] = MappingProxyType(
    {each.scheme: each for each in (CanadianAccount, AmericanAccount, IbanAccount)}
)
CURRENCIES: Final[Mapping[str, str]] = MappingProxyType({"ca": "CAD", "us": "USD", "iban": "EUR"})
"""What accounts of a scheme are kept in."""
LAST_SHOWN: Final = 3


def numbers_of(account: Account) -> dict[str, str]:
    """The numbers by name, to be sealed."""
    return asdict(account)


def account_from(scheme: str, numbers: Mapping[str, object]) -> Account:
    """The account whose numbers were sealed, with whatever else lay beside them."""
    kind = SCHEMES[scheme]
    return kind(*(str(numbers[each.name]) for each in fields(kind)))


def last3(account: Account) -> str:
    """The last three characters that may be shown; none of a number that has no more."""
    number = account.account_number
    return number[-LAST_SHOWN:] if len(number) > LAST_SHOWN else ""
