"""Bank accounts in the United States: the bank's routing number and an account number.

Source: American Bankers Association, routing number: nine digits, the last one a check digit
(weights 3, 7, 1), the first two of a Federal Reserve district (00-12), a thrift (21-32), an
electronic number (61-72) or a traveller's cheque (80). NACHA: up to 17 characters of account.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Final

from jetpay.banking.numerals import compact, numeral_problem
from jetpay.base.refusals import FieldError, Invalid

ROUTING_DIGITS = 9
ACCOUNT_DIGITS = range(4, 18)

_WEIGHTS: Final = (3, 7, 1, 3, 7, 1, 3, 7, 1)
_PREFIXES: Final = frozenset({*range(13), *range(21, 33), *range(61, 73), 80})

_SENTENCES: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("routing_number", "required"): "Please enter the routing number.",
        ("routing_number", "not_digits"): "A routing number has digits only.",
        ("routing_number", "wrong_length"): "A routing number has exactly 9 digits.",
        ("routing_number", "all_zeros"): "No bank has a routing number of zeros only.",
        ("routing_number", "check_digit"): (
            "This is not a routing number: a digit is wrong, or two have changed places."
        ),
        ("account_number", "required"): "Please enter the account number.",
        ("account_number", "not_digits"): "An account number has digits only.",
        ("account_number", "wrong_length"): "An account number has 4 to 17 digits.",
        ("account_number", "all_zeros"): "An account number cannot consist of zeros only.",
    }
)


@dataclass(frozen=True, slots=True)
class AmericanAccount:
    """Both numbers as strings of digits, leading zeros kept; made by `validate()`."""

    scheme: ClassVar = "us"

    routing_number: str
    # A repr ends in logs and tracebacks.
    account_number: str = field(repr=False)

    def index_parts(self) -> tuple[str, ...]:
        """What makes two accounts the same one."""
        return "US", self.routing_number, self.account_number.lstrip("0")

    def route(self) -> tuple[str, str]:
        """The bank's number and the account's, as a bank file has them."""
        return self.routing_number, self.account_number


def validate(routing_number: str, account_number: str) -> AmericanAccount:
    """The account, both numbers compacted; `Invalid` names every wrong field at once."""
    account = AmericanAccount(compact(routing_number), compact(account_number))
    checked = {
        "routing_number": _routing_problem(account.routing_number),
        "account_number": numeral_problem(account.account_number, ACCOUNT_DIGITS),
    }
    errors = [
        FieldError(name, code, _SENTENCES[name, code]) for name, code in checked.items() if code
    ]
    if errors:
        raise Invalid(errors)
    return account


def is_routing_number(number: str) -> bool:
    """Nine digits of a district that exists, with the right check digit."""
    return _routing_problem(number) is None


def _routing_problem(number: str) -> str | None:
    problem = numeral_problem(number, (ROUTING_DIGITS,))
    if problem is not None:
        return problem
    total = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=True))
    return None if total % 10 == 0 and int(number[:2]) in _PREFIXES else "check_digit"
