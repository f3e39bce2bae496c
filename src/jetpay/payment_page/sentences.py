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
            (mark("{company} took the payment back. No money was moved."), ASK_THEM),
        ),
        State.DECLINED: Message(
            mark("This payment was declined"),
            (
                mark("{company} was told that the payment is not wanted. No money was moved."),
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
HELD: Final = mark("{company} has one more look at it before it goes to the bank.")
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
TO_BANK_AGAIN: Final = mark("The payment is being prepared for the bank again")
DETAILS_NEEDED: Final = mark("New bank details are needed")

LOOK_AGAIN: Final = mark(
    "Something has changed since you looked at this page. Nothing was accepted; please look again."
)
ELSEWHERE: Final = mark(
    "This page has moved on in the meantime, perhaps in another window. Nothing was changed;"
    " please go on from here."
)
ENDED: Final = mark(
    "For your safety your visit has ended. Nothing was changed; please answer the question again."
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
            "The bank's file cannot hold this name; please write it with the letters A to Z."
        ),
    }
)
"""By the field that has to change."""
NO_HOLDER: Final = mark("Please enter the name of the account holder.")
NOT_EQUAL: Final = mark("The two account numbers are not equal; please type both again.")
TYPE_AGAIN: Final = mark("Please type the account number again.")
NO_ANSWER: Final = mark("Please type your answer.")
ANSWER_TOO_LONG: Final = mark("This is too long for an answer. It was not counted.")
NO_TRY_LEFT_TODAY: Final = mark(
    "This is not the right answer. Please try again tomorrow; your payment is not affected."
)
CHOOSE: Final = mark("Please choose one of the two.")
ACCOUNT_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"chequing": mark("Chequing"), "savings": mark("Savings")}
)
