"""Making and changing contacts; their events name fields, never values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from jetpay.base.ids import CompanyId, ContactId, QuestionId, uuid7
from jetpay.base.refusals import Busy
from jetpay.companies.questions import PreparedQuestion, add_question
from jetpay.contacts.model import Contact, NewContact
from jetpay.contacts.queries import get_contact
from jetpay.contacts.refusals import ContactExternalIdTaken
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import Actor, Draft, EventType
from jetpay.events.record import record
from jetpay.idempotency import Once

ADD = Command(
    """
    insert into contact (company_id, contact_id, email, name, tags, language, metadata,
                         external_id, question_id, created_at, updated_at)
    values (%(company_id)s, %(contact_id)s, %(email)s, %(name)s, %(tags)s, %(language)s,
            %(metadata)s, %(external_id)s, %(question_id)s, %(at)s, %(at)s)
    on conflict (company_id, external_id) where external_id is not null do nothing
    """
)
BY_EXTERNAL_ID = Query(
    ContactId,
    """
    select contact_id from contact
    where company_id = %(company_id)s and external_id = %(external_id)s
    """,
)
LOCK = Query(
    ContactId,
    """
    select contact_id from contact
    where company_id = %(company_id)s and contact_id = %(contact_id)s and erased_at is null
    for no key update
    """,
)
CHANGE = Command(
    """
    update contact set email = %(email)s, name = %(name)s, tags = %(tags)s,
      language = %(language)s, metadata = %(metadata)s, external_id = %(external_id)s,
      question_id = %(question_id)s, updated_at = %(at)s
    where company_id = %(company_id)s and contact_id = %(contact_id)s
    """
)
# For a month it is told what happens under the new one.
KEEP_FORMER = Command(
    """
    insert into former_address (company_id, address_id, contact_id, email, replaced_at)
    values (%(company_id)s, %(address_id)s, %(contact_id)s, %(email)s, %(at)s)
    """
)
CHANGEABLE = ("email", "name", "tags", "language", "metadata", "external_id")


@action
async def create_contact(
    tx: Transaction,
    company_id: CompanyId,
    new: NewContact,
    *,
    once: Once | None = None,
    by: Actor,
    at: datetime,
) -> Contact:
    """The contact that was made, or the one that was made with the same key before.

    Refuses `ContactExternalIdTaken`, `IdempotencyConflict`.
    """
    contact_id = ContactId(uuid7())
    before = await once.claim(tx, company_id, contact_id) if once else None
    if before is not None:
        return await get_contact(tx, company_id, ContactId(before))
    question_id = await _add_question(tx, company_id, new.question, at=at)
    made = await ADD.run(
        tx,
        company_id=company_id,
        contact_id=contact_id,
        email=new.email,
        name=new.name,
        tags=list(new.tags),
        language=new.language,
        metadata=_json(new.metadata),
        external_id=new.external_id,
        question_id=question_id,
        at=at,
    )
    if not made:
        await _refuse_taken(tx, company_id, new.external_id)
        raise Busy  # whoever had it gave it up a moment ago
    data: dict[str, object] = {"contactId": str(contact_id), "language": new.language}
    _tell(tx, company_id, EventType.CONTACT_CREATED, contact_id, data, by=by, at=at)
    return await get_contact(tx, company_id, contact_id)


@action
async def change_contact(
    tx: Transaction,
    company_id: CompanyId,
    contact_id: ContactId,
    fields: Mapping[str, Any],
    *,
    question: PreparedQuestion | None = None,
    by: Actor,
    at: datetime,
) -> Contact:
    """`fields`: those of `CHANGEABLE` that shall change. Credits keep the address they had.

    Refuses `NotFound`, `ContactExternalIdTaken`. Nothing new, nothing told.
    """
    await LOCK.first(tx, company_id=company_id, contact_id=contact_id)
    contact = await get_contact(tx, company_id, contact_id)
    changed = [name for name in CHANGEABLE if name in fields and _differs(contact, name, fields)]
    if question is not None:
        changed.append("security_question")
    if not changed:
        return contact
    if "external_id" in changed and fields["external_id"] is not None:
        await _refuse_taken(tx, company_id, fields["external_id"])
    if "email" in changed:
        await KEEP_FORMER.run(
            tx, company_id=company_id, address_id=uuid7(), contact_id=contact_id,
            email=contact.email, at=at,
        )  # fmt: skip
    now = {name: fields.get(name, getattr(contact, name)) for name in CHANGEABLE}
    own = await _add_question(tx, company_id, question, at=at)
    try:
        await CHANGE.run(
            tx,
            company_id=company_id,
            contact_id=contact_id,
            **now | {"tags": list(now["tags"]), "metadata": _json(now["metadata"])},
            question_id=own or contact.question_id,
            at=at,
        )
    except psycopg.errors.UniqueViolation:
        # Somebody took the external_id a moment ago; asking again will say who.
        raise Busy from None
    data = {"contactId": str(contact_id), "changed": changed, "language": now["language"]}
    _tell(tx, company_id, EventType.CONTACT_UPDATED, contact_id, data, by=by, at=at)
    return await get_contact(tx, company_id, contact_id)


def _differs(contact: Contact, name: str, fields: Mapping[str, Any]) -> bool:
    before, now = getattr(contact, name), fields[name]
    return list(before) != list(now) if name == "tags" else bool(before != now)


async def _refuse_taken(tx: Transaction, company_id: CompanyId, external_id: str | None) -> None:
    there = await BY_EXTERNAL_ID.first(tx, company_id=company_id, external_id=external_id)
    if there is not None:
        raise ContactExternalIdTaken(identifier=there)


async def _add_question(
    tx: Transaction, company_id: CompanyId, question: PreparedQuestion | None, *, at: datetime
) -> QuestionId | None:
    return await add_question(tx, company_id, question, at=at) if question else None


def _json(metadata: Mapping[str, str] | None) -> Jsonb | None:
    return None if metadata is None else Jsonb(dict(metadata))


def _tell(
    tx: Transaction,
    company_id: CompanyId,
    kind: EventType,
    contact_id: ContactId,
    data: Mapping[str, object],
    *,
    by: Actor,
    at: datetime,
) -> None:
    record(
        tx,
        Draft(company_id=company_id, type=kind, subject_id=contact_id, at=at, actor=by, data=data),
    )
