"""What a contact is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jetpay.base.ids import ContactId, QuestionId
from jetpay.companies.questions import PreparedQuestion


@dataclass(frozen=True, slots=True)
class Contact:
    """`name` and `email` are there as long as the contact is not erased."""

    contact_id: ContactId
    email: str | None
    name: str | None
    tags: tuple[str, ...]
    language: str
    metadata: dict[str, Any] | None
    external_id: str | None
    question_id: QuestionId | None
    created_at: datetime
    updated_at: datetime
    erased_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContact:
    """A checked request for a contact."""

    email: str
    name: str
    tags: tuple[str, ...] = ()
    language: str = "en"
    metadata: Mapping[str, str] | None = None
    external_id: str | None = None
    question: PreparedQuestion | None = None
