"""The sentences and rows of a receipt, the same on the page, in the PDF and where it is checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from jetpay.credits.model import State
from jetpay.payment_page.receipts.model import Receipt
from jetpay.payment_page.sentences import Message
from jetpay.translations import ZONE, Language, mark

TITLES: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.COMPLETED: mark("Receipt"),
        State.PROCESSING: mark("Confirmation: the payment is on its way"),
    }
)
SAYS: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.COMPLETED: mark("{company} has paid {amount}. The payment is complete."),
        State.PROCESSING: mark(
            "{company} pays {amount}. The bank has the payment; it is not complete yet."
        ),
    }
)
TRUE_AT: Final = mark(
    "This was true on {moment}. A bank can send a payment back later; scan the code to see"
    " whether it has."
)
HOW_TO_CHECK: Final = mark(
    "To check this document, scan the code. The page that opens must be at {address}; trust no"
    " other."
)
CODE: Final = mark("A code that leads to the page where this document can be checked.")
TEST: Final = mark("Test, no money moves.")
AMOUNT: Final = mark("Amount")
FROM: Final = mark("From")
STATEMENT: Final = mark("On your bank statement")
ACCOUNT: Final = mark("To the account ending in")
ACCEPTED: Final = mark("Accepted on")
COMPLETED: Final = mark("Completed on")
REFERENCE: Final = mark("Bank reference")
NUMBER: Final = mark("Payment number")

NOT_GENUINE: Final = Message(
    mark("This receipt is not genuine"),
    (
        mark("It was not signed here, or it was changed since."),
        mark("If somebody gave it to you as proof of payment, do not rely on it."),
    ),
)
NOW_SENTENCES: Final[Mapping[bool, str]] = MappingProxyType(
    {
        True: mark("It is still so now."),
        False: mark(
            "It is no longer so: the payment has changed since. Please ask {company} about it."
        ),
    }
)
NOW_COMPLETE: Final = mark("Since then the payment has been completed.")


@dataclass(frozen=True, slots=True)
class Row:
    """What it is called, and what it is."""

    label: str
    value: str


def rows_of(receipt: Receipt, language: Language) -> list[Row]:
    """Everything that the token says, in words; the amount first."""
    say = language.say
    rows = [
        Row(say(AMOUNT), language.money(receipt.amount, receipt.currency)),
        Row(say(FROM), receipt.company),
        Row(say(STATEMENT), receipt.statement),
        Row(say(ACCOUNT), receipt.account_last3),
        Row(say(ACCEPTED), _day(receipt.accepted_at, language)),
    ]
    if receipt.completed_at is not None:
        rows.append(Row(say(COMPLETED), _day(receipt.completed_at, language)))
    rows += [Row(say(REFERENCE), receipt.reference), Row(say(NUMBER), str(receipt.credit_id))]
    return [row for row in rows if row.value]


def title_of(receipt: Receipt, language: Language) -> str:
    """What kind of document it is."""
    return language.say(TITLES[receipt.state])


def said_by(receipt: Receipt, language: Language) -> str:
    """The receipt in one sentence."""
    amount = language.money(receipt.amount, receipt.currency)
    return language.say(SAYS[receipt.state], company=receipt.company, amount=amount)


def true_at(receipt: Receipt, language: Language) -> str:
    """When it was so, and what may have happened since."""
    return language.say(TRUE_AT, moment=language.moment(receipt.issued_at))


def _day(at: datetime, language: Language) -> str:
    return language.day(at.astimezone(ZONE))
