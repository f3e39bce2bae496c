"""What an event is, who may cause one, and which types there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from jetpay.base.ids import CompanyId


class ActorKind(StrEnum):
    """Who acts; the table of moves says which of them may cause what."""

    TOKEN = "token"  # noqa: S105 - a kind of actor
    MEMBER = "member"
    PAYEE = "payee"
    CLOCK = "clock"
    FILE_BUILDER = "file_builder"
    REPORT_READER = "report_reader"
    OPERATOR = "operator"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """`identifier`: the token's or member's; none for the clock and the machine."""

    kind: ActorKind
    identifier: UUID | None = None


CLOCK = Actor(ActorKind.CLOCK)
PAYEE = Actor(ActorKind.PAYEE)
FILE_BUILDER = Actor(ActorKind.FILE_BUILDER)
REPORT_READER = Actor(ActorKind.REPORT_READER)
OPERATOR = Actor(ActorKind.OPERATOR)
SYSTEM = Actor(ActorKind.SYSTEM)


class EventType(StrEnum):
    """The types of the contract, with their names on the wire."""

    CREDIT_CREATED = "transactions.credits.created"
    CREDIT_UPDATED = "transactions.credits.updated"
    CREDIT_LINK_ANSWERED = "transactions.credits.link_answered"
    CREDIT_LINK_LOCKED = "transactions.credits.link_locked"
    CREDIT_LINK_REISSUED = "transactions.credits.link_reissued"
    CREDIT_DISOWNED = "transactions.credits.disowned"
    CONTACT_CREATED = "contacts.created"
    CONTACT_UPDATED = "contacts.updated"
    CONTACT_DELETED = "contacts.deleted"
    BANK_ACCOUNT_CREATED = "bank_accounts.created"
    BANK_ACCOUNT_DELETED = "bank_accounts.deleted"
    BANK_FILE_CREATED = "bank_files.created"
    BANK_FILE_SENT = "bank_files.sent"
    BANK_FILE_UNCONFIRMED = "bank_files.unconfirmed"
    BANK_FILE_ACKNOWLEDGED = "bank_files.acknowledged"
    BANK_FILE_REJECTED = "bank_files.rejected"
    BANK_FILE_WITHDRAWN = "bank_files.withdrawn"
    QUESTION_CHANGED = "company.security_question_changed"
    ANSWERS_GUESSED = "company.answers_guessed"
    WEBHOOK_FAILED = "webhooks.failed"
    WEBHOOK_TEST = "webhooks.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before it has its number. `data`: extra fields of the payload, camelCase."""

    company_id: CompanyId
    type: EventType
    subject_id: UUID
    at: datetime
    actor: Actor
    from_state: str | None = None
    to_state: str | None = None
    because: str | None = None
    data: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A numbered event, as stored."""

    company_id: CompanyId
    event_id: int
    created_at: datetime
    type: str
    subject_id: UUID
    from_state: str | None
    to_state: str | None
    because: str | None
    actor_kind: str
    actor_id: UUID | None
    data: dict[str, object] | None
