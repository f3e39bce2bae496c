"""From what a payee typed to bank details that can be reviewed, or to a sentence per field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Final
from uuid import UUID

from jetpay.banking import canada, iban, institutions, united_states
from jetpay.banking.canada import CanadianAccount
from jetpay.banking.iban import IbanAccount
from jetpay.banking.numerals import compact
from jetpay.banking.schemes import Account, account_from, last3, numbers_of
from jetpay.banking.united_states import AmericanAccount
from jetpay.base.refusals import Invalid
from jetpay.base.text import HOLDER_LENGTH, NOTE_LENGTH, TextProblem, clean
from jetpay.credits.attempts import AcceptedDetails
from jetpay.payment_page import sentences
from jetpay.security.blind_index import blind_index, blind_indexes
from jetpay.security.keys import Keyring
from jetpay.translations import Language

ACCOUNT_TYPES: Final = ("chequing", "savings")
HOLDER_MINIMUM: Final = 2
FORM_ORDER: Final = (
    "holder_name", "transit_number", "institution_number", "routing_number", "iban",
    "account_number", "account_number_again", "account_type",
)  # fmt: skip
NEVER_GIVEN_BACK: Final = {"ca": "account_number", "us": "account_number", "iban": "iban"}
"""The field that is empty whenever a form comes back, by scheme."""

Form = Mapping[str, str]
Problems = dict[str, str]
"""A sentence for each wrong field, in the order of the form."""
Fact = tuple[str, str, bool]
"""What it is called, what it is, and whether that is a number."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What goes back into a form: never an account number."""

    holder_name: str = ""
    institution_number: str = ""
    transit_number: str = ""
    routing_number: str = ""
    account_type: str = ACCOUNT_TYPES[0]
    reason: str = ""


def typed_in(form: Form) -> Typed:
    """What was typed, as it was typed; a whole line of numbers is taken apart."""
    said = {**form, **(_pasted(form) or {})}
    return Typed(**{each.name: said[each.name] for each in fields(Typed) if each.name in said})


def typed_again(details: AcceptedDetails) -> Typed:
    """For changing what was typed before."""
    said = {**details.numbers, "holder_name": details.holder_name}
    known = {each.name: said[each.name] for each in fields(Typed) if each.name in said}
    return Typed(**known, account_type=details.account_type)


def read_details(
    form: Form, scheme: str, language: Language, keyring: Keyring, company_id: UUID
) -> AcceptedDetails | Problems:
    """The details, or every wrong field at once."""
    problems: Problems = {}
    holder_name = _holder_name(form, language, problems)
    account: Account | None = None
    try:
        account = _READERS[scheme](form)
    except Invalid as invalid:
        problems |= {each.field: language.say(each.message) for each in invalid.errors}
    if scheme in TYPED_TWICE and not (set(problems) & {"account_number"}) and not _is_same(form):
        problems["account_number_again"] = language.say(sentences.NOT_EQUAL)
    account_type = form.get("account_type") or ACCOUNT_TYPES[0]
    if account_type not in ACCOUNT_TYPES:
        problems["account_type"] = language.say(sentences.CHOOSE)
    if account is None or problems:
        empty = NEVER_GIVEN_BACK[scheme]
        if empty not in problems and "account_number_again" not in problems:
            # It is never given back, so this would otherwise be an empty field without a word.
            problems[empty] = language.say(TYPE_AGAIN[scheme])
        return {name: problems[name] for name in FORM_ORDER if name in problems}
    return AcceptedDetails(
        scheme=scheme,
        holder_name=holder_name,
        account_type=account_type,
        numbers=numbers_of(account),
        account_index=blind_index(keyring, company_id, "bank_account", account.index_parts()),
        last3=last3(account),
    )


def same_details(field: str, scheme: str, language: Language) -> Problems:
    """Why what was typed cannot be paid once more, by the field that has to change."""
    empty = NEVER_GIVEN_BACK[scheme]
    again = {empty: language.say(TYPE_AGAIN[scheme])}
    at_fault = empty if field == "account_number" else field
    return again | {at_fault: language.say(sentences.SAME_DETAILS[field])}


def indexes_of(keyring: Keyring, company_id: UUID, details: AcceptedDetails) -> list[bytes]:
    """Every blind index that an equal account may have been given."""
    parts = account_of(details).index_parts()
    return blind_indexes(keyring, company_id, "bank_account", parts)


def account_of(details: AcceptedDetails) -> Account:
    """The account in the type of its country."""
    return account_from(details.scheme, details.numbers)


def facts_of(details: AcceptedDetails, language: Language) -> list[Fact]:
    """What a review shows of an account besides its last digits."""
    say = language.say
    match account_of(details):
        case CanadianAccount(institution_number=number, transit_number=transit):
            return [
                (say(sentences.BANK), bank_name(number, language), False),
                (say(sentences.TRANSIT), transit, True),
            ]
        case AmericanAccount(routing_number=number):
            return [(say(sentences.ROUTING), number, True)]
        case IbanAccount() as account:
            country = language.locale.territories.get(account.country, account.country)
            bank = iban.bank_name(account)
            named = [(say(sentences.BANK), bank, False)] if bank else []
            return [*named, (say(sentences.COUNTRY), country, False)]


def kind_of(details: AcceptedDetails, language: Language) -> str:
    """`Savings`; nothing where accounts have no kinds."""
    kinds = sentences.ACCOUNT_KINDS.get(details.scheme, {})
    return language.say(kinds[details.account_type]) if kinds else ""


def bank_name(number: str, language: Language) -> str:
    """`Royal Bank of Canada (003)`, or the number alone."""
    name = institutions.institution_name(number, language.code)
    return f"{name} ({number})" if name else number


def offered(language: Language) -> list[tuple[str, str]]:
    """Number and name of the institutions to choose from while typing."""
    return institutions.in_use(language.code)


def warnings_of(details: AcceptedDetails, language: Language) -> list[str]:
    """What the payee is asked to look at again."""
    account = account_of(details)
    found = canada.warnings(account) if isinstance(account, CanadianAccount) else []
    return [language.say(canada.WARNING_SENTENCES[each]) for each in found]


def read_reason(form: Form, language: Language) -> tuple[str | None, Problems]:
    """The reason for declining, if one was given."""
    try:
        reason = clean(form.get("reason", ""), maximum=NOTE_LENGTH, multiline=True)
    except TextProblem as problem:
        return None, {"reason": _said(problem, language)}
    return reason or None, {}


def _holder_name(form: Form, language: Language, problems: Problems) -> str:
    try:
        return clean(form.get("holder_name", ""), minimum=HOLDER_MINIMUM, maximum=HOLDER_LENGTH)
    except TextProblem as problem:
        is_missing = problem.code == "required"
        problems["holder_name"] = (
            language.say(sentences.NO_HOLDER) if is_missing else _said(problem, language)
        )
        return ""


def _canadian(form: Form) -> CanadianAccount:
    said = {**form, **(_pasted(form) or {})}
    return canada.validate(
        said.get("institution_number", ""),
        said.get("transit_number", ""),
        said.get("account_number", ""),
    )


def _american(form: Form) -> AmericanAccount:
    return united_states.validate(form.get("routing_number", ""), form.get("account_number", ""))


def _european(form: Form) -> IbanAccount:
    return iban.validate(form.get("iban", ""))


_READERS: Final[Mapping[str, Callable[[Form], Account]]] = {
    "ca": _canadian,
    "us": _american,
    "iban": _european,
}
TYPED_TWICE: Final = ("ca", "us")
"""An IBAN has check digits, which see what a second typing would."""
TYPE_AGAIN: Final = {
    "ca": sentences.TYPE_AGAIN,
    "us": sentences.TYPE_AGAIN,
    "iban": sentences.TYPE_IBAN_AGAIN,
}


def _pasted(form: Form) -> dict[str, str] | None:
    """The three Canadian numbers, where one field holds them all."""
    for name in ("transit_number", "institution_number", "account_number"):
        found = canada.taken_apart(form.get(name, ""))
        if found is not None:
            institution, transit, account = found
            typed = form.get("account_number", "")
            return {
                "institution_number": institution,
                "transit_number": transit,
                "account_number": account if name == "account_number" or not typed else typed,
            }
    return None


def _is_same(form: Form) -> bool:
    """Whether both account numbers are one; the second may be a whole line again, too."""
    said = {**form, **(_pasted(form) or {})}
    again = form.get("account_number_again", "")
    line = canada.taken_apart(again)
    return compact(said.get("account_number", "")) == compact(line[2] if line else again)


def _said(problem: TextProblem, language: Language) -> str:
    return language.say(problem.sentence, **problem.values)
