"""From a company's events to the mails that follow: a cursor that misses none and doubles none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from jetpay.base.ids import CompanyId, ContactId, CreditId
from jetpay.companies.due import REMINDER, arm
from jetpay.companies.mails import MEMBERS_TOLD, NewMail, Template, add_mails
from jetpay.credits.model import State
from jetpay.credits.states import Cause
from jetpay.db.pool import Database
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import EventType
from jetpay.security.keys import Keyring
from jetpay.security.vault import Vault

EVENTS_AT_ONCE: Final = 1_000
COMPANIES_AT_ONCE: Final = 100
FORMER_FOR: Final = timedelta(days=30)
"""So long an address that was replaced is told what happens under the new one."""
LANGUAGE_OF_MEMBERS: Final = "en"

OF_MEMBERS: Final = {
    EventType.CREDIT_LINK_LOCKED: Template.LINK_LOCKED,
    EventType.CREDIT_DISOWNED: Template.DISOWNED,
    EventType.ANSWERS_GUESSED: Template.ANSWERS_GUESSED,
    EventType.WEBHOOK_FAILED: Template.WEBHOOK_FAILED,
}
OF_PAYEES: Final = (
    EventType.CREDIT_CREATED,
    EventType.CREDIT_UPDATED,
    EventType.CREDIT_LINK_REISSUED,
)


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far a company's mails are planned, and what they follow."""

    planned: int
    last_event_id: int
    sandbox: bool
    reminder_days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Fact:
    """An event, with the credit as it is now where it is about one."""

    event_id: int
    type: str
    created_at: datetime
    to_state: str | None
    because: str | None
    data: dict[str, Any] | None
    credit_id: CreditId | None
    contact_id: ContactId | None
    gate_email: str | None
    language: str | None
    link_version: int | None
    notify: bool | None


@dataclass(frozen=True, slots=True)
class _Member:
    email: str
    role: str


LOOK = Query(
    CompanyId,
    """
    select c.company_id from event_counter c
    left join notice_cursor n on n.company_id = c.company_id
    where c.last_event_id > coalesce(n.last_event_id, 0)
    order by c.company_id limit %(maximum)s
    """,
)
BEGIN = Command(
    """
    insert into notice_cursor (company_id, last_event_id) values (%(company_id)s, 0)
    on conflict (company_id) do nothing
    """
)
# Whoever has the cursor plans; others pass by and look again.
REACH = Query(
    _Reach,
    """
    select n.last_event_id as planned, c.last_event_id, co.sandbox, co.reminder_days
    from notice_cursor n
    join event_counter c on c.company_id = n.company_id
    join company co on co.company_id = n.company_id
    where n.company_id = %(company_id)s
    for update of n skip locked
    """,
)
MOVE = Command(
    "update notice_cursor set last_event_id = %(through)s where company_id = %(company_id)s"
)
FACTS = Query(
    _Fact,
    """
    select e.event_id, e.type, e.created_at, e.to_state, e.because, e.data, c.credit_id,
           c.contact_id, c.gate_email, c.language, c.link_version, c.notify
    from event e
    left join lateral (
      select credit_id, contact_id, gate_email, language, link_version, notify from credit
      where company_id = e.company_id and credit_id = e.subject_id limit 1) c on true
    where e.company_id = %(company_id)s and e.event_id > %(after)s and e.event_id <= %(through)s
      and e.type = any(%(types)s::text[])
      and (e.type <> 'transactions.credits.created' or c.notify)
    order by e.event_id
    """,
)
MEMBERS = Query(
    _Member, "select email, role from member where company_id = %(company_id)s order by member_id"
)
FORMER = Query(
    str,
    """
    select email from former_address
    where company_id = %(company_id)s and contact_id = %(contact_id)s
      and (credit_id is null and not %(of_credit_alone)s or credit_id = %(credit_id)s)
      and replaced_at > %(since)s
    order by address_id desc limit 10
    """,
)


async def companies_with_news(db: Database) -> list[CompanyId]:
    """Some of those whose events are not planned to the end."""
    return await LOOK.all(db, maximum=COMPANIES_AT_ONCE)


@action
async def plan(
    tx: Transaction,
    company_id: CompanyId,
    *,
    vault: Vault,
    keyring: Keyring,
    can_mail: bool,
    now: datetime,
) -> bool:
    """Plan what follows from the next thousand events; whether more wait. `now`: real time.

    A live company on an installation without a mail server is told nothing, then or later.
    """
    await BEGIN.run(tx, company_id=company_id)
    reach = await REACH.first(tx, company_id=company_id)
    if reach is None:
        return False
    through = min(reach.last_event_id, reach.planned + EVENTS_AT_ONCE)
    if reach.sandbox or can_mail:
        facts = await FACTS.all(
            tx, company_id=company_id, after=reach.planned, through=through,
            types=[each.value for each in (*OF_PAYEES, *OF_MEMBERS)],
        )  # fmt: skip
        for fact in facts:
            mails = await _following(tx, company_id, fact)
            await add_mails(tx, company_id, mails, vault=vault, keyring=keyring, now=now)
            if reach.reminder_days and any(each.template is Template.CLAIM for each in mails):
                await _remind(tx, company_id, fact, reach.reminder_days)
    await MOVE.run(tx, company_id=company_id, through=through)
    return through < reach.last_event_id


async def _following(tx: Transaction, company_id: CompanyId, fact: _Fact) -> list[NewMail]:
    kind = EventType(fact.type)
    if kind in OF_MEMBERS:
        return await _to_members(tx, company_id, fact, OF_MEMBERS[kind])
    mails = list(_to_payee(fact, kind))
    if kind is EventType.CREDIT_LINK_REISSUED and (fact.data or {}).get("readdressed"):
        mails += await _to_former(tx, company_id, fact, Template.READDRESSED)
    elif mails and mails[0].template is Template.ACCEPTED:
        mails += await _to_former(tx, company_id, fact, Template.ACCEPTED)
    return mails


def _to_payee(fact: _Fact, kind: EventType) -> Iterator[NewMail]:
    """To the address that was frozen with the credit; that of an erased contact is gone."""
    if fact.gate_email is None:
        return
    if kind is EventType.CREDIT_UPDATED:
        template = _told_of(fact)
        if template is not None:
            yield _mail(fact, template, fact.gate_email, f"event:{fact.event_id}")
    elif fact.notify:
        cause = f"link:{fact.credit_id}:{fact.link_version}"
        yield _mail(fact, Template.CLAIM, fact.gate_email, cause)


def _told_of(fact: _Fact) -> Template | None:
    if fact.to_state == State.INITIATED and fact.because == Cause.ACCEPTED:
        return Template.ACCEPTED
    if fact.notify and fact.to_state == State.ACTION_REQUIRED:
        return Template.RETURNED
    return Template.PAID if fact.notify and fact.to_state == State.COMPLETED else None


async def _to_former(
    tx: Transaction, company_id: CompanyId, fact: _Fact, template: Template
) -> list[NewMail]:
    addresses = await FORMER.all(
        tx,
        company_id=company_id,
        contact_id=fact.contact_id,
        credit_id=fact.credit_id,
        of_credit_alone=template is Template.READDRESSED,
        since=fact.created_at - FORMER_FOR,
    )
    return [_mail(fact, template, each, f"event:{fact.event_id}") for each in addresses]


async def _to_members(
    tx: Transaction, company_id: CompanyId, fact: _Fact, template: Template
) -> list[NewMail]:
    told: Sequence[str] = MEMBERS_TOLD[template]
    members = await MEMBERS.all(tx, company_id=company_id)
    return [
        NewMail(
            template,
            LANGUAGE_OF_MEMBERS,
            each.email,
            f"event:{fact.event_id}",
            credit_id=fact.credit_id,
            event_id=fact.event_id,
        )
        for each in members
        if each.role in told
    ]


def _mail(fact: _Fact, template: Template, address: str, cause: str) -> NewMail:
    return NewMail(
        template,
        fact.language or LANGUAGE_OF_MEMBERS,
        address,
        cause,
        credit_id=fact.credit_id,
        link_version=fact.link_version,
        event_id=fact.event_id,
    )


async def _remind(tx: Transaction, company_id: CompanyId, fact: _Fact, days: Sequence[int]) -> None:
    subject = fact.credit_id
    assert isinstance(subject, UUID)
    first = fact.created_at + timedelta(days=min(days))
    await arm(tx, company_id, REMINDER, subject, at=first)
