"""What a credit and a payment attempt are."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jetpay.base.ids import BankAccountId, CompanyId, ContactId, CreditId, QuestionId


class State(StrEnum):
    """The states of the contract, in the order of a credit's life."""

    REQUESTED = "requested"
    INITIATED = "initiated"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ACTION_REQUIRED = "action_required"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    EXPIRED = "expired"


FINAL = frozenset({State.FAILED, State.CANCELLED, State.DECLINED, State.EXPIRED})
"""Nothing of the payee or the company moves a credit out of these."""


class Held(StrEnum):
    """Why an accepted credit waits for a person before it may enter a file."""

    AWAITING_RETURNED_FUNDS = "awaiting_returned_funds"
    FILE_REFUSED = "file_refused"
    WITHDRAWN = "withdrawn"
    POSSIBLE_DUPLICATE = "possible_duplicate"
    READDRESSED = "readdressed"
    DISOWNED = "disowned"


class Outcome(StrEnum):
    """How a payment attempt ended; a paid one has none, for a bank may still return it."""

    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class LockedCredit:
    """A credit as read under its row lock; `amount` in minor units."""

    company_id: CompanyId
    credit_id: CreditId
    state: str
    amount: int
    currency: str
    from_bank_account_id: BankAccountId
    contact_id: ContactId
    to_bank_account_id: BankAccountId | None
    question_id: QuestionId | None
    by_link: bool
    link_version: int
    language: str
    repairs_left: int
    attempt: int
    held: str | None
    fail_reason: str | None
    expires_at: datetime | None
