"""IBANs of the countries that euros can be sent to: length, check digits, and the bank's name.

The structure of each country's IBAN is that of the SWIFT registry, which schwifty keeps; the
countries are those of the Single Euro Payments Area (European Payments Council, EPC409-09).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Final

import schwifty
from schwifty.exceptions import InvalidLength, SchwiftyException

from jetpay.banking.numerals import compact
from jetpay.base.refusals import FieldError, Invalid

_REACHED: Final = (
    "AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT"
    " NL NO PL PT RO RS SE SI SK SM VA"
)
COUNTRIES: Final = frozenset(_REACHED.split())
LONGEST: Final = 34

_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "required": "Please enter the IBAN.",
        "not_an_iban": (
            "An IBAN begins with two letters for the country and two digits, such as DE89."
        ),
        "country": "Euros cannot be sent to an account in this country from here.",
        "wrong_length": "This IBAN is too short or too long for its country.",
        "check_digits": ("This is not an IBAN: a character is wrong, or two have changed places."),
    }
)


@dataclass(frozen=True, slots=True)
class IbanAccount:
    """An account by its IBAN, in capitals and without blanks; made by `validate()`."""

    scheme: ClassVar = "iban"

    # A repr ends in logs and tracebacks.
    iban: str = field(repr=False)

    @property
    def account_number(self) -> str:
        """All of it: there is no other number."""
        return self.iban

    @property
    def country(self) -> str:
        """`DE`."""
        return self.iban[:2]

    def index_parts(self) -> tuple[str, ...]:
        """What makes two accounts the same one."""
        return self.country, self.iban

    def route(self) -> tuple[str, str]:
        """No number of a bank beside it."""
        return "", self.iban


def validate(iban: str) -> IbanAccount:
    """The account; `Invalid` says what is wrong with the number, and never the number."""
    number = compact(iban).upper()
    problem = _problem(number)
    if problem is not None:
        raise Invalid([FieldError("iban", problem, _SENTENCES[problem])])
    return IbanAccount(number)


def bank_name(account: IbanAccount) -> str | None:
    """The bank's own name for itself, where a list of the country's banks is public."""
    return schwifty.IBAN(account.iban, allow_invalid=True).bank_name


def _problem(number: str) -> str | None:
    if not number:
        return "required"
    looks_right = number[:2].isalpha() and number[2:4].isdigit()
    if not (number.isascii() and number.isalnum() and looks_right and len(number) <= LONGEST):
        return "not_an_iban"
    if number[:2] not in COUNTRIES:
        return "country"
    try:
        # Not the countries' own check digits as well: a list that aged would refuse a good account.
        schwifty.IBAN(number)
    except InvalidLength:
        return "wrong_length"
    except SchwiftyException:
        return "check_digits"
    return None
