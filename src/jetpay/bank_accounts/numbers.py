"""Which scheme an account's numbers are of, and the account they make."""

from collections.abc import Mapping

from jetpay.banking import canada, united_states
from jetpay.banking.iban import validate as validate_iban
from jetpay.banking.schemes import Account
from jetpay.base.refusals import FieldError, Invalid
from jetpay.security.secrets import Secret

ONE_SCHEME = (
    "Give one account: institution_number, transit_number and account_number, or routing_number"
    " and account_number, or iban."
)
REQUIRED = "This field is required."


def account_of(
    *,
    institution_number: str | None,
    transit_number: str | None,
    account_number: Secret[str] | None,
    routing_number: Secret[str] | None = None,
    iban: Secret[str] | None = None,
) -> Account:
    """Raises `Invalid`, never with a number."""
    is_canadian = institution_number is not None or transit_number is not None
    if (iban is not None) + (routing_number is not None) + is_canadian > 1 or (
        iban is not None and account_number is not None
    ):
        field = "iban" if iban is not None else "routing_number"
        raise Invalid([FieldError(field, "one_scheme", ONE_SCHEME)])
    number = account_number.reveal() if account_number else ""
    if iban is not None:
        return validate_iban(iban.reveal())
    if routing_number is not None:
        _require({"account_number": number})
        return united_states.validate(routing_number.reveal(), number)
    _require(
        {
            "institution_number": institution_number,
            "transit_number": transit_number,
            "account_number": number,
        }
    )
    return canada.validate(institution_number or "", transit_number or "", number)


def _require(given: Mapping[str, str | None]) -> None:
    missing = [FieldError(name, "required", REQUIRED) for name, value in given.items() if not value]
    if missing:
        raise Invalid(missing)
