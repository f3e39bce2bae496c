"""What the payment page says that depends on a state or a reason; English, to be translated."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from jetpay.credits.model import State
from jetpay.translations import mark

CONSENT_TEXT: Final = "payee-accept-1"
"""Kept with every acceptance; another wording takes another name."""
CONSENT: Final = mark(
    "I accept {amount} from {company} and ask that it be paid into this account, which I may use."
    " I know that a wrong number can delay the payment or send it to somebody else."
)


@dataclass(frozen=True, slots=True)
class Message:
    """A page that is only read."""

    headline: str
    sentences: tuple[str, ...]


REPAIRS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "account_closed": mark("The bank says that this account is closed."),
        "account_not_found": mark("The bank could not find this account."),
        "invalid_account": mark("The bank says that the account number is not right."),
        "invalid_institution": mark(
            "The bank says that the institution number or the transit number is not right."
        ),
        "account_type_refused": mark(
            "The bank says that this kind of account cannot take the payment."
        ),
        "currency_mismatch": mark("This account is not kept in the currency of the payment."),
        "details_invalid": mark("These bank details could not be used for a payment."),
    }
)

_NUMBERS_AGAIN: Final = mark(
    "Please compare this with your bank’s app, your statement or a cheque: here is what the bank"
    " refused."
)
FAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "account_closed": mark("Please enter another account: the one before is closed."),
        "account_not_found": _NUMBERS_AGAIN,
        "invalid_account": _NUMBERS_AGAIN,
        "invalid_institution": _NUMBERS_AGAIN,
        "account_type_refused": mark("Please choose the other kind, or enter another account."),
        "currency_mismatch": mark("Please enter an account in the currency of the payment."),
        "details_invalid": mark("Please write the name with the letters A to Z only."),
    }
)
"""Beside the fields that the bank's reason is about."""
_NUMBERS: Final = ("transit_number", "institution_number", "routing_number")
FAULTY_FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "account_closed": ("account_number", "iban"),
        "account_not_found": (*_NUMBERS, "account_number", "iban"),
        "invalid_account": ("account_number", "iban"),
        "invalid_institution": (*_NUMBERS, "iban"),
        "account_type_refused": ("account_type",),
        "currency_mismatch": ("account_number", "iban"),
        "details_invalid": ("holder_name",),
    }
)

ASK_THEM: Final = mark("If you have a question, please ask {company}.")
GONE: Final[Mapping[State, Message]] = MappingProxyType(
    {
        State.EXPIRED: Message(
            mark("This link has expired"),
            (
                mark("The time in which it could be used is over. No money was moved."),
                mark("{company} can send you a new payment: please ask them."),
            ),
        ),
        State.CANCELLED: Message(
            mark("This payment was cancelled"),
            (
                mark(
                    "{company} cancelled the payment. You receive no money from it, and none"
                    " was taken from your account."
                ),
                ASK_THEM,
            ),
        ),
        State.DECLINED: Message(
            mark("This payment was declined"),
            (
                mark(
                    "{company} was told that the payment is not wanted. You receive no money"
                    " from it, and none was taken from your account."
                ),
                mark("If this was a mistake, please ask {company} for a new payment."),
            ),
        ),
    }
)
REPAIR_LAPSED: Final = Message(
    mark("The time for new bank details is over"),
    (mark("The payment could not be made and can no longer be corrected here."), ASK_THEM),
)
REISSUED: Final = Message(
    mark("There is a newer link"),
    (
        mark("{company} sent a new link for this payment, and this one no longer works."),
        mark("Please open the newest message, or ask {company} for it."),
    ),
)
REMOVED: Final = Message(
    mark("This link is no longer used"),
    (mark("What belonged to it was removed."), ASK_THEM),
)
LOCKED_AND_FAILED: Final = Message(
    mark("This link is locked"),
    (
        mark("There were too many wrong answers, so nobody can answer any more."),
        mark("The payment could not be made. Please ask {company} what happens next."),
    ),
)
LOCKED: Final = Message(
    mark("This link is locked"),
    (
        mark("There were too many wrong answers, so nobody can answer any more."),
        mark("Your payment is safe. Please ask {company} to unlock the link for you."),
    ),
)
LOCKED_WITH_CODE: Final = Message(
    mark("This link is locked"),
    (
        mark("There were too many wrong answers, so nobody can answer any more."),
        mark("With a code that we e-mail to you, you get three more tries."),
        mark("Your payment is safe. Please ask {company} to unlock the link for you."),
    ),
)
CODE: Final = Message(
    mark("One more step: a code"),
    (mark("For your safety {company} asks for a code that we e-mail to you."),),
)
DISOWNED: Final = Message(
    mark("The payment is held"),
    (
        mark("It goes nowhere until {company} has looked at it. We have told them."),
        mark("Please ask {company} in a way that you already know."),
    ),
)
DISOWNED_LATE: Final = Message(
    mark("Thank you for telling us"),
    (
        mark("The bank may have the payment already. We have told {company}."),
        mark("Please call {company} now, in a way that you already know."),
    ),
)
UNKNOWN: Final = Message(
    mark("This link does not work"),
    (
        mark("Please open the link from your message again, and make sure that it is whole."),
        mark("If that does not help, please ask the company that sent it."),
    ),
)
FORGED: Final = Message(
    mark("This form cannot be used any more"),
    (mark("Nothing was changed. Please start again from the link in your message."),),
)
UNREADABLE: Final = Message(
    mark("This form could not be read"),
    (mark("Nothing was changed. Please go back and try again."),),
)
TOO_OFTEN: Final = Message(
    mark("Too many tries from here"),
    (
        mark("There were too many tries from your network. Please try again later."),
        mark("Your payment is safe."),
    ),
)
TOO_OFTEN_TODAY: Final = Message(
    mark("Too many wrong answers today"),
    (mark("Please try again tomorrow. Your payment is not affected."),),
)
BUSY: Final = Message(
    mark("Please try again in a moment"),
    (mark("Very many people are here right now. Nothing was changed and no try was used."),),
)
LEFT: Final = Message(
    mark("You have left this page"),
    (mark("To come back, open the link from your message and answer the question again."),),
)

STATUS: Final[Mapping[State, Message]] = MappingProxyType(
    {
        State.INITIATED: Message(
            mark("You accepted the payment"),
            (mark("It goes to the bank with the next file. You need not do anything more."),),
        ),
        State.PROCESSING: Message(
            mark("Your payment is on its way"),
            (mark("The bank has it and will put it into your account."),),
        ),
        State.COMPLETED: Message(
            mark("Your payment is complete"),
            (mark("The money should be in your account."),),
        ),
        State.FAILED: Message(
            mark("The payment could not be made"),
            (mark("The money did not arrive. Please ask {company} what happens next."),),
        ),
    }
)
HELD: Final = mark(
    "{company} is checking the payment before it goes to the bank. You need not do anything."
)
LATE: Final = mark("The bank was to pay it on {day}, so the money should be in your account.")
CAME_BACK: Final = mark("It was complete, and then the bank sent the money back.")
USED_UP: Final = mark("It has been tried as often as is allowed, so it can no longer be corrected.")
TOO_LATE: Final = mark("No new bank details came in time, so it can no longer be corrected.")
HELP: Final[Mapping[State, tuple[str, ...]]] = MappingProxyType(
    {
        State.INITIATED: (
            mark(
                "Are your bank details wrong? Tell {company} at once: the payment can be stopped"
                " until it goes to the bank."
            ),
        ),
        State.PROCESSING: (
            mark(
                "Look for “{statement}” in your account. Some banks show a payment in the evening"
                " only, or on the next business day."
            ),
            mark(
                "Is it still not there on the business day after {day}? Ask {company}, and give"
                " them the reference {reference}: their bank can find the payment by it."
            ),
        ),
        State.COMPLETED: (
            mark("Look for “{statement}” in your account."),
            mark(
                "Is it not there? Ask your bank, then {company}, and give them the reference"
                " {reference}: their bank can find the payment by it."
            ),
            mark(
                "A bank can send a payment back even weeks later. Then this page says so, and what"
                " you can do."
            ),
        ),
        State.FAILED: (mark("When you ask {company}, give them the reference {reference}."),),
    }
)
"""What to do when something is not as it should be, and whom to ask."""
TIMELINE: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.REQUESTED: mark("The payment was created"),
        State.INITIATED: mark("You accepted the payment"),
        State.PROCESSING: mark("The payment went to the bank"),
        State.COMPLETED: mark("The payment is complete"),
        State.ACTION_REQUIRED: mark("The payment came back; new bank details are needed"),
        State.FAILED: mark("The payment could not be made"),
        State.CANCELLED: mark("The payment was cancelled"),
        State.DECLINED: mark("The payment was declined"),
        State.EXPIRED: mark("The link expired"),
    }
)
TURNS: Final[Mapping[tuple[State | None, State], str]] = MappingProxyType(
    {
        (State.PROCESSING, State.INITIATED): mark(
            "The payment is being prepared for the bank again"
        ),
        (State.INITIATED, State.ACTION_REQUIRED): mark("New bank details are needed"),
        (State.ACTION_REQUIRED, State.INITIATED): mark("You gave new bank details"),
        (State.ACTION_REQUIRED, State.COMPLETED): mark(
            "The bank paid it all the same; the payment is complete"
        ),
        (State.ACTION_REQUIRED, State.FAILED): mark("No new bank details came in time"),
        (State.COMPLETED, State.ACTION_REQUIRED): mark(
            "The bank sent the money back later; new bank details are needed"
        ),
        (State.COMPLETED, State.FAILED): mark("The bank sent the money back later"),
    }
)
"""For the timeline, where the state alone would not say it well."""

LOOK_AGAIN: Final = mark(
    "Something has changed since you looked at this page. Nothing was accepted; please look again."
)
ELSEWHERE: Final = mark(
    "This page has moved on in the meantime, perhaps in another window. Nothing was changed;"
    " please go on from here."
)
ENDED: Final = mark(
    "For your safety your visit has ended. What you typed was not kept and nothing was changed;"
    " please answer the question again."
)
TAKEN: Final = mark(
    "The payment was accepted in another browser a moment ago. Please answer the question to see"
    " where it is, and ask {company} if that was not you."
)
SAME_DETAILS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "account_number": mark(
            "The bank could not pay into this account; please enter a different one."
        ),
        "account_type": mark(
            "The bank could not pay into this kind of account; please choose the other kind, or"
            " enter a different account."
        ),
        "holder_name": mark(
            "The bank’s file cannot hold this name; please write it with the letters A to Z."
        ),
    }
)
"""By the field that has to change."""
NO_HOLDER: Final = mark("Please enter the name of the account holder.")
NOT_EQUAL: Final = mark("The two account numbers are not the same; please type both again.")
TYPE_AGAIN: Final = mark("Please type the account number again.")
TYPE_IBAN_AGAIN: Final = mark("Please type the IBAN again.")
BANK: Final = mark("Bank")
TRANSIT: Final = mark("Transit number")
ROUTING: Final = mark("Routing number")
COUNTRY: Final = mark("Country of the bank")
NO_CODE: Final = mark("Please type the code.")
CODE_DEAD: Final = mark("This code can no longer be used. Please ask for another one.")
CODE_IN_A_MINUTE: Final = mark(
    "A code was sent a moment ago. Please wait a minute before you ask for another."
)
CODES_LATER: Final = mark("Many codes were sent already. Please try again in an hour.")
NO_MORE_CODES: Final = mark(
    "No more codes can be sent for this link. Please ask {company} for a new one."
)
NO_ANSWER: Final = mark("Please type your answer.")
ANSWER_TOO_LONG: Final = mark("This is too long for an answer. It was not counted.")
NO_TRY_LEFT_TODAY: Final = mark(
    "This is not the right answer. Please try again tomorrow; your payment is not affected."
)
CHOOSE: Final = mark("Please choose one of the two.")
ACCOUNT_KINDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "ca": {"chequing": mark("Chequing"), "savings": mark("Savings")},
        "us": {"chequing": mark("Checking"), "savings": mark("Savings")},
    }
)
"""By scheme, as its banks call them."""
