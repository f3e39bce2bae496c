"""Erasing a contact with an account of it: what was taken away, what stays, why and until when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jetpay.base.ids import CompanyId, ContactId, QuestionId
from jetpay.contacts.erasure import erase_contact
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import Actor

RETENTION: Final = timedelta(days=7 * 365 + 2)
"""Seven years after a payment nobody asks for its evidence any more."""


@dataclass(frozen=True, slots=True)
class Gone:
    """How many rows lost what was personal in them."""

    bank_accounts: int
    credits: int
    sessions: int


@dataclass(frozen=True, slots=True)
class Stays:
    """How many rows remain; `…_since`: the latest one's time."""

    payment_attempts: int
    payment_attempts_since: datetime | None
    bank_files: int
    bank_files_since: datetime | None
    credits: int
    transfers: int
    events: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that stays; `until` is None for what stays for good."""

    what: str
    count: int
    until: datetime | None
    because: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """The account: numbers of what was erased, by the name of the thing, and what was kept."""

    erased: dict[str, int]
    kept: tuple[Kept, ...]


GONE = Query(
    Gone,
    """
    select
      (select count(*) from bank_account
       where company_id = %(company_id)s and contact_id = %(contact_id)s) as bank_accounts,
      (select count(*) from credit
       where company_id = %(company_id)s and contact_id = %(contact_id)s
         and (note is not null or metadata is not null or gate_email is not null
              or decline_reason is not null)) as credits,
      (select count(*) from payee_session s join credit c
         on c.company_id = s.company_id and c.credit_id = s.credit_id
       where c.company_id = %(company_id)s and c.contact_id = %(contact_id)s) as sessions
    """,
    never_null=("bank_accounts", "credits", "sessions"),
)
QUESTIONS = Query(
    QuestionId,
    """
    select q.question_id from security_question q
    where q.company_id = %(company_id)s and q.own and q.answer_hash <> '' and q.question_id in (
      select question_id from credit
      where company_id = %(company_id)s and contact_id = %(contact_id)s
      union all select question_id from contact
      where company_id = %(company_id)s and contact_id = %(contact_id)s)
    """,
)
BLANK = Query(
    int,
    """
    select count(*) as questions from security_question
    where company_id = %(company_id)s and question_id = any(%(questions)s::uuid[])
      and answer_hash = ''
    """,
    never_null=("questions",),
)
STAYS = Query(
    Stays,
    """
    with mine as materialized (
      select credit_id from credit
      where company_id = %(company_id)s and contact_id = %(contact_id)s),
    attempts as materialized (
      select a.bank_file_id, a.accepted_at from payment_attempt a join mine m
        on m.credit_id = a.credit_id where a.company_id = %(company_id)s),
    files as materialized (
      select f.created_at from bank_file f
      where f.company_id = %(company_id)s
        and f.bank_file_id in (select bank_file_id from attempts))
    select
      (select count(*) from attempts) as payment_attempts,
      (select max(accepted_at) from attempts) as payment_attempts_since,
      (select count(*) from files) as bank_files,
      (select max(created_at) from files) as bank_files_since,
      (select count(*) from mine) as credits,
      (select count(*) from transfer t join mine m on m.credit_id = t.credit_id
       where t.company_id = %(company_id)s) as transfers,
      (select count(*) from event e
       where e.company_id = %(company_id)s
         and (e.subject_id = %(contact_id)s or e.subject_id in (select credit_id from mine)))
        as events
    """,
    never_null=("payment_attempts", "bank_files", "credits", "transfers", "events"),
)


@action
async def erase(
    tx: Transaction, company_id: CompanyId, contact_id: ContactId, *, by: Actor, at: datetime
) -> Erasure:
    """Refuses what `erase_contact` refuses."""
    place = {"company_id": company_id, "contact_id": contact_id}
    gone = await GONE.one(tx, **place)
    questions = await QUESTIONS.all(tx, **place)
    await erase_contact(tx, company_id, contact_id, by=by, at=at)
    blank = await BLANK.one(tx, company_id=company_id, questions=questions)
    stays = await STAYS.one(tx, **place)
    erased = {
        "contacts": 1,
        "bank_accounts": gone.bank_accounts,
        "security_questions": blank,
        "credits": gone.credits,
        "sessions": gone.sessions,
    }
    return Erasure(erased, tuple(each for each in _kept(stays) if each.count))


def _kept(stays: Stays) -> tuple[Kept, ...]:
    return (
        Kept(
            "payment_attempts",
            stays.payment_attempts,
            _until(stays.payment_attempts_since),
            "Evidence of payments: the holder's name, and the account's numbers, sealed.",
        ),
        Kept(
            "bank_files",
            stays.bank_files,
            _until(stays.bank_files_since),
            "What the bank was given, sealed.",
        ),
        Kept("credits", stays.credits, None, "The money's history: amounts, states, statements."),
        Kept("transfers", stays.transfers, None, "The ledger; it names nobody."),
        Kept("events", stays.events, None, "What happened when; events name nobody."),
    )


def _until(since: datetime | None) -> datetime | None:
    return None if since is None else since + RETENTION
