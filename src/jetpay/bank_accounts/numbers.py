"""Which scheme an account's numbers are of, and the account they make."""

from jetpay.banking import canada
from jetpay.banking.canada import CanadianAccount
from jetpay.base.refusals import FieldError, Invalid
from jetpay.security.secrets import Secret

NOT_YET = (
    "Accounts in the United States and IBANs are not supported yet; please give a Canadian"
    " account by its institution_number, transit_number and account_number."
)
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
) -> CanadianAccount:
    """Raises `Invalid`, never with a number."""
    is_canadian = institution_number is not None or transit_number is not None
    if (iban is not None) + (routing_number is not None) + is_canadian > 1 or (
        iban is not None and account_number is not None
    ):
        field = "iban" if iban is not None else "routing_number"
        raise Invalid([FieldError(field, "one_scheme", ONE_SCHEME)])
    for field, other in (("iban", iban), ("routing_number", routing_number)):
        if other is not None:
            raise Invalid([FieldError(field, "not_supported_yet", NOT_YET)])
    given = {
        "institution_number": institution_number,
        "transit_number": transit_number,
        "account_number": account_number,
    }
    missing = [FieldError(name, "required", REQUIRED) for name, value in given.items() if not value]
    if institution_number and transit_number and account_number:
        return canada.validate(institution_number, transit_number, account_number.reveal())
    raise Invalid(missing)
