"""Forgetting a person while the money's history stays (security rule 21)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from jetpay.base.ids import BankAccountId, CompanyId, ContactId, QuestionId, lowest_id
from jetpay.base.refusals import NotFound
from jetpay.contacts.queries import get_contact
from jetpay.contacts.refusals import HasOpenCredits
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import Actor, Draft, EventType
from jetpay.events.record import record

ONE_CALL = timedelta(hours=1)
"""Longer than a `POST /credits` takes, in which credits of several people share a question."""

# Waits for every credit and account that is being made for the contact and makes later ones wait,
# those of other companies in the same statement too: so it is taken last.
LOCK = Query(
    ContactId,
    """
    select contact_id from contact
    where company_id = %(company_id)s and contact_id = %(contact_id)s and erased_at is null
    for update
    """,
)
OPEN_CREDITS = Query(
    int,
    """
    select count(*)::int as count from credit
    where company_id = %(company_id)s and contact_id = %(contact_id)s
      and state in ('requested', 'initiated', 'processing', 'action_required')
    """,
    never_null=("count",),
)
ACCOUNTS = Query(
    BankAccountId,
    """
    select bank_account_id from bank_account
    where company_id = %(company_id)s and contact_id = %(contact_id)s and deleted_at is null
    order by bank_account_id
    """,
)

# What is removed. Sealed bank files and payment attempts stay as long as the law wants evidence
# of payments; idempotency keeps keyed fingerprints only; drafts go with their sessions.
SESSIONS = Command(
    """
    delete from payee_session s using credit c
    where c.company_id = s.company_id and c.credit_id = s.credit_id
      and c.company_id = %(company_id)s and c.contact_id = %(contact_id)s
    """
)
CODES = Command(
    """
    delete from payee_code k using credit c
    where c.company_id = k.company_id and c.credit_id = k.credit_id
      and c.company_id = %(company_id)s and c.contact_id = %(contact_id)s
    """
)
MAILS = Command(
    """
    update mail m set recipient = null, body = null
    from credit c
    where m.company_id = %(company_id)s and c.company_id = %(company_id)s
      and c.contact_id = %(contact_id)s and m.credit_id = c.credit_id
      and m.template not in ('link_locked', 'disowned')
    """
)
FORMER_ADDRESSES = Command(
    """
    delete from former_address
    where company_id = %(company_id)s and contact_id = %(contact_id)s
    """
)
OWN_QUESTION = Command(
    """
    update security_question set question = '', answer_hash = ''
    where company_id = %(company_id)s and own and question_id = (
      select question_id from contact
      where company_id = %(company_id)s and contact_id = %(contact_id)s)
    """
)
QUESTIONS_OF_CREDITS = Query(
    QuestionId,
    """
    select q.question_id from security_question q
    where q.company_id = %(company_id)s and q.own and q.question_id in (
      select question_id from credit
      where company_id = %(company_id)s and contact_id = %(contact_id)s)
    """,
)
# A question that credits of other people were made with, too, stays. One call made them all, and
# no index of credits by their questions is worth what it costs each credit.
QUESTIONS = Command(
    """
    update security_question q set question = '', answer_hash = ''
    from unnest(%(question_ids)s::uuid[], %(earliest)s::uuid[], %(latest)s::uuid[])
         as w(question_id, earliest, latest)
    where q.company_id = %(company_id)s and q.question_id = w.question_id
      and not exists (
        select from credit o
        where o.company_id = %(company_id)s and o.credit_id between w.earliest and w.latest
          and o.question_id = w.question_id and o.contact_id <> %(contact_id)s)
    """
)
CREDITS = Command(
    """
    update credit set note = null, metadata = null, gate_email = null, decline_reason = null
    where company_id = %(company_id)s and contact_id = %(contact_id)s
    """
)
BANK_ACCOUNTS = Command(
    """
    update bank_account set details = null, holder_name = '', title = null, institution = null,
      last3 = '', account_index = '', deleted_at = coalesce(deleted_at, %(at)s)
    where company_id = %(company_id)s and contact_id = %(contact_id)s
    """
)
CONTACT = Command(
    """
    update contact set email = null, name = null, tags = '{}', metadata = null,
      external_id = null, question_id = null, erased_at = %(at)s, updated_at = %(at)s
    where company_id = %(company_id)s and contact_id = %(contact_id)s
    """
)


@action
async def erase_contact(
    tx: Transaction, company_id: CompanyId, contact_id: ContactId, *, by: Actor, at: datetime
) -> None:
    """Refuses `NotFound`, and `HasOpenCredits` while money may be on its way."""
    place = {"company_id": company_id, "contact_id": contact_id}
    await get_contact(tx, company_id, contact_id)
    await _refuse_open(tx, place)
    own = await QUESTIONS_OF_CREDITS.all(tx, **place)
    await QUESTIONS.run(
        tx,
        question_ids=own,
        earliest=[lowest_id(each, -ONE_CALL) for each in own],
        latest=[lowest_id(each, ONE_CALL) for each in own],
        **place,
    )
    for removal in (SESSIONS, CODES, MAILS, FORMER_ADDRESSES, CREDITS):
        await removal.run(tx, **place)
    if await LOCK.first(tx, **place) is None:
        raise NotFound
    await _refuse_open(tx, place)
    accounts = await ACCOUNTS.all(tx, **place)
    await OWN_QUESTION.run(tx, **place)
    for removal in (BANK_ACCOUNTS, CONTACT):
        await removal.run(tx, **place, at=at)
    drafts = [
        Draft(
            company_id=company_id,
            type=EventType.BANK_ACCOUNT_DELETED,
            subject_id=account,
            at=at,
            actor=by,
            data={"bankAccountId": str(account), "contactId": str(contact_id)},
        )
        for account in accounts
    ]
    deleted = Draft(
        company_id=company_id,
        type=EventType.CONTACT_DELETED,
        subject_id=contact_id,
        at=at,
        actor=by,
        data={"contactId": str(contact_id)},
    )
    record(tx, *drafts, deleted)


async def _refuse_open(tx: Transaction, place: Mapping[str, object]) -> None:
    still_open = await OPEN_CREDITS.one(tx, **place)
    if still_open:
        raise HasOpenCredits(count=still_open)
