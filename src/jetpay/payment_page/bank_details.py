"""From what a payee typed to bank details that can be reviewed, or to a sentence per field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from jetpay.banking import canada, institutions
from jetpay.banking.canada import CanadianAccount
from jetpay.base.refusals import Invalid
from jetpay.base.text import HOLDER_LENGTH, NOTE_LENGTH, TextProblem, clean
from jetpay.credits.attempts import AcceptedDetails
from jetpay.payment_page import sentences
from jetpay.security.blind_index import blind_index, blind_indexes
from jetpay.security.keys import Keyring
from jetpay.translations import Language

ACCOUNT_TYPES: Final = ("chequing", "savings")
HOLDER_MINIMUM: Final = 2
OFFERED: Final = (
    "001", "002", "003", "004", "006", "010", "016", "030", "039", "219", "320", "338", "540",
    "614", "621", "623", "809", "815", "828", "837", "839", "865", "879", "889", "899",
)  # fmt: skip
"""Institutions that are offered while typing: banks with many payees, and centrals of unions."""

Problems = dict[str, str]
"""A sentence for each wrong field, in the order of the form."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What goes back into a form: never the account number."""

    holder_name: str = ""
    institution_number: str = ""
    transit_number: str = ""
    account_type: str = ACCOUNT_TYPES[0]
    reason: str = ""


def typed_in(form: Mapping[str, str]) -> Typed:
    """What was typed, as it was typed."""
    return Typed(
        holder_name=form.get("holder_name", ""),
        institution_number=form.get("institution_number", ""),
        transit_number=form.get("transit_number", ""),
        account_type=form.get("account_type", ACCOUNT_TYPES[0]),
        reason=form.get("reason", ""),
    )


def typed_again(details: AcceptedDetails) -> Typed:
    """For changing what was typed before."""
    return Typed(
        holder_name=details.holder_name,
        institution_number=details.numbers["institution_number"],
        transit_number=details.numbers["transit_number"],
        account_type=details.account_type,
    )


def read_details(
    form: Mapping[str, str], language: Language, keyring: Keyring, company_id: UUID
) -> AcceptedDetails | Problems:
    """The details, or every wrong field at once."""
    problems: Problems = {}
    holder_name = _holder_name(form, language, problems)
    account = _account(form, language, problems)
    account_type = form.get("account_type") or ACCOUNT_TYPES[0]
    if account_type not in ACCOUNT_TYPES:
        problems["account_type"] = language.say(sentences.CHOOSE)
    if account is None or problems:
        if "account_number" not in problems and "account_number_again" not in problems:
            # It is never given back, so this would otherwise be an empty field without a word.
            problems["account_number"] = language.say(sentences.TYPE_AGAIN)
        return problems
    return AcceptedDetails(
        scheme="ca",
        holder_name=holder_name,
        account_type=account_type,
        numbers={
            "institution_number": account.institution_number,
            "transit_number": account.transit_number,
            "account_number": account.account_number,
        },
        account_index=blind_index(keyring, company_id, "bank_account", _index_parts(account)),
        last3=last3(account.account_number),
    )


def same_details(field: str, language: Language) -> Problems:
    """Why what was typed cannot be paid once more, by the field that has to change."""
    problems = {field: language.say(sentences.SAME_DETAILS[field])}
    return {"account_number": language.say(sentences.TYPE_AGAIN)} | problems


def indexes_of(keyring: Keyring, company_id: UUID, details: AcceptedDetails) -> list[bytes]:
    """Every blind index that an equal account may have been given."""
    parts = _index_parts(account_of(details))
    return blind_indexes(keyring, company_id, "bank_account", parts)


def account_of(details: AcceptedDetails) -> CanadianAccount:
    """The account in the type of its country."""
    return CanadianAccount(
        details.numbers["institution_number"],
        details.numbers["transit_number"],
        details.numbers["account_number"],
    )


def last3(number: str) -> str:
    """The last three digits; none of a number that has no more."""
    return number[-3:] if len(number) > 3 else ""  # noqa: PLR2004


def bank_name(number: str, language: Language) -> str:
    """`Royal Bank of Canada (003)`, or the number alone."""
    name = institutions.institution_name(number, language.code)
    return f"{name} ({number})" if name else number


def offered(language: Language) -> list[tuple[str, str]]:
    """Number and name of the institutions to choose from while typing."""
    named = ((each, institutions.institution_name(each, language.code)) for each in OFFERED)
    return [(number, name) for number, name in named if name]


def warnings_of(details: AcceptedDetails, language: Language) -> list[str]:
    """What the payee is asked to look at again."""
    found = canada.warnings(account_of(details))
    return [language.say(canada.WARNING_SENTENCES[each]) for each in found]


def read_reason(form: Mapping[str, str], language: Language) -> tuple[str | None, Problems]:
    """The reason for declining, if one was given."""
    try:
        reason = clean(form.get("reason", ""), maximum=NOTE_LENGTH, multiline=True)
    except TextProblem as problem:
        return None, {"reason": _said(problem, language)}
    return reason or None, {}


def _holder_name(form: Mapping[str, str], language: Language, problems: Problems) -> str:
    try:
        return clean(form.get("holder_name", ""), minimum=HOLDER_MINIMUM, maximum=HOLDER_LENGTH)
    except TextProblem as problem:
        is_missing = problem.code == "required"
        problems["holder_name"] = (
            language.say(sentences.NO_HOLDER) if is_missing else _said(problem, language)
        )
        return ""


def _account(
    form: Mapping[str, str], language: Language, problems: Problems
) -> CanadianAccount | None:
    account = None
    number = form.get("account_number", "")
    try:
        account = canada.validate(
            form.get("institution_number", ""), form.get("transit_number", ""), number
        )
    except Invalid as invalid:
        found = {each.field: language.say(each.message) for each in invalid.errors}
        for name in ("transit_number", "institution_number", "account_number"):
            if name in found:
                problems[name] = found[name]
    again = form.get("account_number_again", "")
    if "account_number" not in problems and canada.compact(number) != canada.compact(again):
        problems["account_number_again"] = language.say(sentences.NOT_EQUAL)
    return account


def _index_parts(account: CanadianAccount) -> tuple[str, ...]:
    return ("CA", *account.index_parts())


def _said(problem: TextProblem, language: Language) -> str:
    return language.say(problem.sentence, **problem.values)
