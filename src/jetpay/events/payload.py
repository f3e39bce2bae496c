"""What an event looks like outside: the closed shape of each type's data, and the rendering."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from jetpay.base.clock import iso
from jetpay.events.model import Event, EventType


class Source(StrEnum):
    """Where a field's value stands in a stored event."""

    SUBJECT = "subject"
    TO_STATE = "to_state"
    FROM_STATE = "from_state"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of `data`; `only_in`: the states in which it is there, all when empty."""

    name: str
    source: Source
    meaning: str
    only_in: frozenset[str] = frozenset()


def _credit(*more: Field) -> tuple[Field, ...]:
    subject = Field("transactionId", Source.SUBJECT, "the credit's identifier")
    return (Field("state", Source.TO_STATE, "the credit's state"), *more, subject)


def _subject(name: str, meaning: str, *more: Field) -> tuple[Field, ...]:
    return (Field(name, Source.SUBJECT, meaning), *more)


_WITH_FAIL_REASON: Final = frozenset({"failed", "action_required"})
_CONTACT: Final = ("contactId", "the contact's identifier")
_LANGUAGE: Final = Field("language", Source.DATA, "`en` or `fr`")
_OWNER: Final = Field("contactId", Source.DATA, "whose it is; null for the company's own")
_BANK_FILE: Final = _subject(
    "bankFileId",
    "the bank file's identifier",
    Field("bankAccountId", Source.DATA, "the company's account that pays"),
    Field("state", Source.TO_STATE, "the bank file's state"),
)
_WEBHOOK: Final = ("webhook", "the webhook's identifier (`webhookId` beside it is its number)")

SHAPES: Final[Mapping[EventType, tuple[Field, ...]]] = {
    EventType.CREDIT_CREATED: _credit(),
    EventType.CREDIT_UPDATED: (
        *_credit(Field("previousState", Source.FROM_STATE, "the state before")),
        Field("failReason", Source.DATA, "why, as in the status", _WITH_FAIL_REASON),
        Field(
            "failDirection",
            Source.DATA,
            "`push` (the payee's side) or `pull` (yours)",
            _WITH_FAIL_REASON,
        ),
    ),
    EventType.CREDIT_LINK_ANSWERED: _credit(),
    EventType.CREDIT_LINK_LOCKED: _credit(),
    EventType.CREDIT_LINK_REISSUED: _credit(),
    EventType.CREDIT_DISOWNED: _credit(),
    EventType.CONTACT_CREATED: _subject(*_CONTACT, _LANGUAGE),
    EventType.CONTACT_UPDATED: _subject(
        *_CONTACT, Field("changed", Source.DATA, "names of the fields that changed"), _LANGUAGE
    ),
    EventType.CONTACT_DELETED: _subject(*_CONTACT),
    EventType.BANK_ACCOUNT_CREATED: _subject(
        "bankAccountId", "the bank account's identifier", _OWNER
    ),
    EventType.BANK_ACCOUNT_DELETED: _subject(
        "bankAccountId", "the bank account's identifier", _OWNER
    ),
    EventType.BANK_FILE_CREATED: _BANK_FILE,
    EventType.BANK_FILE_SENT: _BANK_FILE,
    EventType.BANK_FILE_UNCONFIRMED: _BANK_FILE,
    EventType.BANK_FILE_ACKNOWLEDGED: _BANK_FILE,
    EventType.BANK_FILE_REJECTED: _BANK_FILE,
    EventType.BANK_FILE_WITHDRAWN: _BANK_FILE,
    EventType.QUESTION_CHANGED: _subject("companyId", "the company's identifier"),
    EventType.ANSWERS_GUESSED: _subject("companyId", "the company's identifier"),
    EventType.WEBHOOK_FAILED: _subject(
        *_WEBHOOK, Field("reason", Source.DATA, "`gone` (410) or `unreachable` (5 days)")
    ),
    EventType.WEBHOOK_TEST: _subject(*_WEBHOOK),
}
"""The whole of each type's `data`, in the order of the wire; a field without a value is null."""


def payload(event: Event) -> dict[str, object]:
    """The event as webhooks and `GET /events` show it, ready for JSON."""
    fields = SHAPES[EventType(event.type)]
    return {
        "id": event.event_id,
        "createdAt": iso(event.created_at),
        "type": event.type,
        "data": {
            field.name: _value(event, field)
            for field in fields
            if not field.only_in or event.to_state in field.only_in
        },
    }


def _value(event: Event, field: Field) -> object:
    stored = event.data or {}
    match field.source:
        case Source.SUBJECT:
            return str(event.subject_id)
        case Source.TO_STATE:
            # An event that changes no state says in its data what the state was.
            return event.to_state or stored.get(field.name)
        case Source.FROM_STATE:
            return event.from_state
        case Source.DATA:
            return stored.get(field.name)
