"""Canadian bank accounts: institution, transit (branch) and account number.

No check digit is public for any of the three, so form and length are all that can be judged here.
Sources: Payments Canada Rule D4 (institution numbers) and Standard 005 (up to 12 characters of
account, electronic routing number `0IIITTTTT`); account lengths as collected by Wealthsimple's
canadian-bank-account (2019) and published help pages, none of them official.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import ClassVar, Final

from jetpay.banking import institutions
from jetpay.banking.numerals import compact, numeral_problem
from jetpay.base.refusals import FieldError, Invalid

INSTITUTION_DIGITS = 3
TRANSIT_DIGITS = 5
ACCOUNT_DIGITS_MAXIMUM = 12
PASTED_MAXIMUM = 60

_GROUPS: Final = re.compile(r"[0-9]+")

_ANY_USUAL_LENGTH: Final = range(5, ACCOUNT_DIGITS_MAXIMUM + 1)
_USUAL_LENGTHS: Final[Mapping[str, Container[int]]] = MappingProxyType(
    {
        "001": (7,),
        "002": (7, 12),
        "003": (7,),
        "004": (7,),
        "006": (7,),
        "010": (7,),
        "016": (9, 12),
        "219": range(1, ACCOUNT_DIGITS_MAXIMUM + 1),  # sources disagree
        "614": (10,),
        "815": (7,),
    }
)

_SENTENCES: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("institution_number", "required"): "Please enter the institution number.",
        ("institution_number", "not_digits"): "An institution number has digits only.",
        ("institution_number", "wrong_length"): "An institution number has exactly 3 digits.",
        ("institution_number", "all_zeros"): "No institution has the number 000.",
        ("transit_number", "required"): "Please enter the transit number.",
        ("transit_number", "not_digits"): "A transit number has digits only.",
        ("transit_number", "wrong_length"): "A transit number has exactly 5 digits.",
        ("account_number", "required"): "Please enter the account number.",
        ("account_number", "not_digits"): "An account number has digits only.",
        ("account_number", "wrong_length"): "An account number has at most 12 digits.",
        ("account_number", "all_zeros"): "An account number cannot consist of zeros only.",
    }
)


class AccountWarning(StrEnum):
    """Why a payee should look at an account again; never a reason to refuse it."""

    UNKNOWN_INSTITUTION = "unknown_institution"
    RETIRED_INSTITUTION = "retired_institution"
    UNUSUAL_ACCOUNT_LENGTH = "unusual_account_length"


WARNING_SENTENCES: Final[Mapping[AccountWarning, str]] = MappingProxyType(
    {
        AccountWarning.UNKNOWN_INSTITUTION: (
            "We do not know this institution number; please compare it with your cheque."
        ),
        AccountWarning.RETIRED_INSTITUTION: (
            "This institution may no longer hold accounts of its own; please make sure that"
            " this number is still in use."
        ),
        AccountWarning.UNUSUAL_ACCOUNT_LENGTH: (
            "Account numbers at this institution usually have a different number of digits;"
            " please compare it with your cheque."
        ),
    }
)


@dataclass(frozen=True, slots=True)
class CanadianAccount:
    """The three numbers as strings of digits, leading zeros kept; made by `validate()`."""

    scheme: ClassVar = "ca"

    institution_number: str
    transit_number: str
    # A repr ends in logs and tracebacks.
    account_number: str = field(repr=False)

    def electronic_routing(self) -> str:
        """The 9 digits `0IIITTTTT` that the clearing system and its files use."""
        return f"0{self.institution_number}{self.transit_number}"

    def index_parts(self) -> tuple[str, ...]:
        """What makes two accounts the same one: banks ignore leading zeros of the account."""
        account = self.account_number.lstrip("0")
        return "CA", self.institution_number, self.transit_number, account

    def route(self) -> tuple[str, str]:
        """The bank's number and the account's, as a bank file has them."""
        return self.electronic_routing(), self.account_number


def validate(institution_number: str, transit_number: str, account_number: str) -> CanadianAccount:
    """The account, each number compacted; `Invalid` names every wrong field at once.

    Only what no bank could take is refused: anything but digits, a wrong length of institution or
    transit, institution 000, an account of zeros or of more than 12 digits. An account of fewer
    than 5 digits, or of a length that its institution does not use, is a matter of `warnings()`,
    because the known lengths are neither official nor current.
    """
    account = CanadianAccount(
        compact(institution_number), compact(transit_number), compact(account_number)
    )
    checked = {
        "institution_number": numeral_problem(
            account.institution_number, range(INSTITUTION_DIGITS, INSTITUTION_DIGITS + 1)
        ),
        "transit_number": numeral_problem(
            account.transit_number, range(TRANSIT_DIGITS, TRANSIT_DIGITS + 1), zeros=True
        ),
        "account_number": numeral_problem(
            account.account_number, range(1, ACCOUNT_DIGITS_MAXIMUM + 1)
        ),
    }
    errors = [
        FieldError(name, code, _SENTENCES[name, code]) for name, code in checked.items() if code
    ]
    if errors:
        raise Invalid(errors)
    return account


def taken_apart(pasted: str) -> tuple[str, str, str] | None:
    """Institution, transit and account of `TTTTT-III AAAAAAA`, as cheques and banks print them.

    Also with the cheque's own number before it and whatever stands for the signs between them;
    None for anything else.
    """
    if len(pasted) > PASTED_MAXIMUM or any(each.isalpha() for each in pasted):
        return None
    groups = _GROUPS.findall(pasted)
    for place, (transit, institution) in enumerate(pairwise(groups[:3])):
        account = "".join(groups[place + 2 :])
        if account and (len(transit), len(institution)) == (TRANSIT_DIGITS, INSTITUTION_DIGITS):
            return institution, transit, account
    return None


def warnings(account: CanadianAccount) -> list[AccountWarning]:
    """What the payee is asked to confirm; empty for an ordinary account."""
    found: list[AccountWarning] = []
    number = account.institution_number
    if not institutions.is_known(number):
        found.append(AccountWarning.UNKNOWN_INSTITUTION)
    elif institutions.is_retired(number):
        found.append(AccountWarning.RETIRED_INSTITUTION)
    if len(account.account_number) not in _USUAL_LENGTHS.get(number, _ANY_USUAL_LENGTH):
        found.append(AccountWarning.UNUSUAL_ACCOUNT_LENGTH)
    return found
