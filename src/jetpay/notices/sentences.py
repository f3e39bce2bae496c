"""What each mail says; English, to be translated; no subject holds a name, a link or a code."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from jetpay.companies.mails import Template
from jetpay.translations import mark


@dataclass(frozen=True, slots=True)
class Wording:
    """`button`: what the mail's one link does; a code stands between the first and the second."""

    subject: str
    paragraphs: tuple[str, ...]
    button: str | None = None


QUESTION_FIRST: Final = mark(
    "You will be asked a question first, so that nobody else gets your money. Nobody asks for a"
    " card number, a PIN or the password of your bank."
)
LOOK_AT_ADDRESS: Final = mark(
    "The page is genuine only at the address {address}. If you did not expect this, please ask"
    " {company} in a way that you already know."
)
SEE_CREDIT: Final = mark("The payment is {credit}.")
MEMBER: Final = mark("You get this message as a member of {company}.")
PAYEE: Final = mark("This message was sent automatically by Jetpay for {company}.")
ASK: Final = mark("Questions about the payment: {company}")
FROM: Final = mark("{company} via Jetpay")

WORDINGS: Final[Mapping[Template, Wording]] = MappingProxyType(
    {
        Template.CLAIM: Wording(
            mark("A payment is waiting for you"),
            (
                mark("{company} would like to pay you."),
                mark("Please tell us by {moment} which account the money should go to."),
                QUESTION_FIRST,
                LOOK_AT_ADDRESS,
            ),
            mark("Go to your payment"),
        ),
        Template.REMINDER: Wording(
            mark("Reminder: a payment is waiting for you"),
            (
                mark("{company} would like to pay you and has not heard from you yet."),
                mark(
                    "The link works until {moment}. After that the payment can no longer be"
                    " accepted."
                ),
                QUESTION_FIRST,
                LOOK_AT_ADDRESS,
            ),
            mark("Go to your payment"),
        ),
        Template.CODE: Wording(
            mark("Your code"),
            (
                mark("This is your code for the payment from {company}:"),
                mark("It is valid for {minutes} minutes, once, on the page that asked for it."),
                mark(
                    "Give it to nobody. If you did not ask for a code, somebody else may have your"
                    " link: please tell {company}."
                ),
            ),
        ),
        Template.RETURNED: Wording(
            mark("Please correct your bank details"),
            (
                mark("The bank could not carry out the payment from {company}."),
                mark("The money is safe. Please correct your bank details by {moment}."),
                QUESTION_FIRST,
                LOOK_AT_ADDRESS,
            ),
            mark("Correct the details"),
        ),
        Template.PAID: Wording(
            mark("Your payment is complete"),
            (
                mark("{amount} from {company} went to your account {account}."),
                mark("The money should be in your account."),
            ),
        ),
        Template.ACCEPTED: Wording(
            mark("You accepted a payment"),
            (
                mark("{amount} from {company} will be paid into the account {account}."),
                mark("If this was you, there is nothing to do."),
                mark(
                    "If it was not you, tell us now: the payment is then held as long as the bank"
                    " does not have it."
                ),
            ),
            mark("This was not me"),
        ),
        Template.READDRESSED: Wording(
            mark("The link for your payment goes to another address now"),
            (
                mark(
                    "{company} was asked to send the link for your payment to another e-mail"
                    " address. The link that you have no longer works."
                ),
                mark("If you did not ask for this, please tell {company} now."),
            ),
        ),
        Template.LINK_LOCKED: Wording(
            mark("A payment link is locked"),
            (
                mark(
                    "After too many wrong answers or codes a payment link of {company} is locked."
                ),
                SEE_CREDIT,
                mark("Unlock it once you have heard from the payee, or issue a new link."),
            ),
        ),
        Template.ANSWERS_GUESSED: Wording(
            mark("Somebody may be guessing your security question"),
            (
                mark(
                    "Within an hour there were more than {number} wrong answers at the payment"
                    " links of {company}."
                ),
                mark(
                    "For the next 24 hours every open link asks for a code by e-mail as well."
                    " Please consider another question."
                ),
            ),
        ),
        Template.DISOWNED: Wording(
            mark("Somebody says that they did not accept a payment"),
            (
                mark(
                    "Somebody who was told that a payment of {company} had been accepted says:"
                    " this was not me."
                ),
                SEE_CREDIT,
                mark(
                    "If no bank file had it yet, it is held now. Please ask the payee in a way that"
                    " you already know before you release or cancel it."
                ),
            ),
        ),
        Template.WEBHOOK_FAILED: Wording(
            mark("A webhook has failed"),
            (
                mark("The webhook {webhook} of {company} gets no more events."),
                mark("Its address has failed for days, or answered that it is gone."),
                mark(
                    "The events are kept. Correct the address, then set the webhook’s state"
                    " to active."
                ),
            ),
        ),
    }
)
