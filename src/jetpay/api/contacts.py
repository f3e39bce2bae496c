"""The calls about contacts."""

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from jetpay.api.auth import Caller, Needs, services_of
from jetpay.api.fields import (
    LIST_DEFAULT,
    After,
    Email,
    ExternalId,
    GuideTaken,
    IdempotencyKey,
    Identifier,
    Length,
    Limit,
    Metadata,
    Page,
    SecretText,
    Shown,
    Taken,
    Time,
    refused,
)
from jetpay.api.frame import router
from jetpay.api.once import once_of
from jetpay.api.problems import refuses
from jetpay.base.ids import ContactId
from jetpay.base.text import EMAIL_LENGTH, NAME_LENGTH, TAG_COUNT, TAG_LENGTH
from jetpay.companies.model import Scope
from jetpay.companies.queries import COMPANY
from jetpay.companies.questions import QUESTION_LENGTH, PreparedQuestion, prepare_question
from jetpay.contacts import actions, queries
from jetpay.contacts.erased import erase
from jetpay.contacts.model import Contact, NewContact
from jetpay.contacts.refusals import ContactExternalIdTaken, HasOpenCredits
from jetpay.idempotency import IdempotencyConflict
from jetpay.security.fingerprints import RequestFingerprint
from jetpay.security.secrets import Secret
from jetpay.services import Services
from jetpay.translations import LANGUAGES

calls = router("Contacts")
Writer = Annotated[Caller, Depends(Needs(Scope.CONTACTS))]
Tags = Annotated[list[Annotated[str, Length(TAG_LENGTH, 1)]], Field(max_length=TAG_COUNT)]
Question = Annotated[str, Length(QUESTION_LENGTH, 3)]
LAYOUT = RequestFingerprint(
    (
        "email",
        "name",
        "tags",
        "language",
        "metadata",
        "external_id",
        "security_question",
        "security_answer",
    )
)
_UNSET: Any = None


def _spoken(code: str) -> str:
    if code not in LANGUAGES:
        expected = ", ".join(f"'{each}'" for each in LANGUAGES)
        raise PydanticCustomError("literal_error", "one of {expected}", {"expected": expected})
    return code


Spoken = Annotated[str, AfterValidator(_spoken), Field(json_schema_extra={"enum": list(LANGUAGES)})]


def _both_or_none(question: str | None, answer: Secret[str] | None) -> None:
    if (question is None) != (answer is None):
        raise refused("incomplete", "A security question and its answer go together.")


class ContactTaken(GuideTaken):
    """Who shall be paid."""

    email: Email
    name: Annotated[str, Length(NAME_LENGTH, 1)]
    tags: Tags = Field(default_factory=list)
    language: Spoken = "en"
    metadata: Metadata | None = None
    external_id: ExternalId | None = None
    security_question: Question | None = None
    security_answer: SecretText | None = None

    @model_validator(mode="after")
    def _question_and_answer(self) -> "ContactTaken":
        _both_or_none(self.security_question, self.security_answer)
        return self


class ContactChanges(Taken):
    """What shall be otherwise; what is not sent stays."""

    email: Email = _UNSET
    name: Annotated[str, Length(NAME_LENGTH, 1)] = _UNSET
    tags: Tags = _UNSET
    language: Spoken = _UNSET
    metadata: Metadata | None = None
    external_id: ExternalId | None = None
    security_question: Question | None = None
    security_answer: SecretText | None = None

    @model_validator(mode="after")
    def _question_and_answer(self) -> "ContactChanges":
        _both_or_none(self.security_question, self.security_answer)
        return self


class ContactGiven(Shown):
    """A contact. `own_security_question`: whether it has one of its own."""

    identifier: Identifier
    email: str | None
    name: str | None
    tags: list[str]
    language: str
    metadata: dict[str, str] | None
    external_id: str | None
    own_security_question: bool
    created_at: Time
    updated_at: Time


class ContactsGiven(Page[ContactGiven]):
    """A page of contacts, in the order in which they were made."""


class KeptGiven(Shown):
    """What stays, how much of it, why and until when; null: for good."""

    what: str
    count: int
    until: Time | None
    because: str


class ErasedGiven(Shown):
    """How much was erased of what, and what is kept; of credits the texts, not the payment."""

    identifier: Identifier
    erased: dict[str, int]
    kept: list[KeptGiven]


def given(contact: Contact) -> ContactGiven:
    """A contact as the API shows it."""
    return ContactGiven(
        identifier=contact.contact_id,
        email=contact.email,
        name=contact.name,
        tags=list(contact.tags),
        language=contact.language,
        metadata=contact.metadata,
        external_id=contact.external_id,
        own_security_question=contact.question_id is not None,
        created_at=contact.created_at,
        updated_at=contact.updated_at,
    )


async def own_question(
    services: Services, caller: Caller, taken: ContactTaken | ContactChanges
) -> PreparedQuestion | None:
    """The contact's own question, its answer hashed before any transaction begins."""
    if taken.security_question is None or taken.security_answer is None:
        return None
    company = await COMPANY.one(services.db, company_id=caller.company_id)
    return await prepare_question(
        services.hasher,
        caller.company_id,
        question=taken.security_question,
        answer=taken.security_answer,
        company_name=company.name,
        payment=[taken.name] if taken.name else [],
    )


@calls.put("/contact", responses=refuses(ContactExternalIdTaken, IdempotencyConflict))
async def create_contact(
    request: Request, caller: Writer, taken: ContactTaken, key: IdempotencyKey = None
) -> ContactGiven:
    """Make a contact: somebody who can be paid."""
    services = services_of(request)
    new = NewContact(
        email=taken.email,
        name=taken.name,
        tags=tuple(taken.tags),
        language=taken.language,
        metadata=taken.metadata,
        external_id=taken.external_id,
        question=await own_question(services, caller, taken),
    )
    once = once_of(services, "contacts.create", key, LAYOUT, taken)
    contact = await actions.create_contact(
        services.db, caller.company_id, new, once=once, by=caller.actor, at=caller.at
    )
    return given(contact)


@calls.get("/contact")
async def list_contacts(
    request: Request,
    caller: Writer,
    limit: Limit = LIST_DEFAULT,
    after: After = None,
    external_id: ExternalId | None = None,
    email: Annotated[str, Length(EMAIL_LENGTH)] | None = None,
) -> ContactsGiven:
    """The contacts, a page at a time."""
    found = await queries.PAGE.all(
        services_of(request).db,
        company_id=caller.company_id,
        after=after,
        external_id=external_id,
        email=email,
        limit=limit + 1,
    )
    return ContactsGiven.of(found, given, limit=limit)


@calls.get("/contact/{identifier}")
async def get_contact(request: Request, caller: Writer, identifier: Identifier) -> ContactGiven:
    """One contact."""
    services = services_of(request)
    return given(await queries.get_contact(services.db, caller.company_id, ContactId(identifier)))


@calls.patch("/contact/{identifier}", responses=refuses(ContactExternalIdTaken))
async def change_contact(
    request: Request, caller: Writer, identifier: Identifier, taken: ContactChanges
) -> ContactGiven:
    """Change a contact; credits that were made keep the address they were made with."""
    services = services_of(request)
    sent = {
        name: getattr(taken, name) for name in actions.CHANGEABLE if name in taken.model_fields_set
    }
    question = await own_question(services, caller, taken)
    return given(
        await actions.change_contact(
            services.db, caller.company_id, ContactId(identifier), sent,
            question=question, by=caller.actor, at=caller.at,
        )
    )  # fmt: skip


@calls.delete("/contact/{identifier}", responses=refuses(HasOpenCredits))
async def delete_contact(request: Request, caller: Writer, identifier: Identifier) -> ErasedGiven:
    """Erase a contact's personal data; told are what is gone, and what stays until when."""
    services = services_of(request)
    done = await erase(
        services.db, caller.company_id, ContactId(identifier), by=caller.actor, at=caller.at
    )
    kept = [KeptGiven.model_validate(each) for each in done.kept]
    return ErasedGiven(identifier=identifier, erased=done.erased, kept=kept)
