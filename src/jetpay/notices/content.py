"""What a mail is about, read when it is sent: links and codes are made here, for this try alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from jetpay.base.ids import CompanyId, CreditId
from jetpay.companies.mails import Template
from jetpay.credits.codes import CODE_LASTS, fill_code
from jetpay.credits.model import State
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction
from jetpay.notices.compose import Content
from jetpay.security.keys import Keyring
from jetpay.security.limits import LIMITS, LimitKind
from jetpay.security.links import DISOWNING, PAYMENT, make_link
from jetpay.translations import Language

PAY_PATH: Final = "/payment/pay/"
DISOWN_PATH: Final = "/payment/not-me/"
NEEDS_LINK: Final = {
    Template.CLAIM: frozenset({State.REQUESTED, State.ACTION_REQUIRED}),
    Template.REMINDER: frozenset({State.REQUESTED}),
    Template.RETURNED: frozenset({State.ACTION_REQUIRED}),
}
"""In which states the mail still helps; afterwards, or with a newer link, it is not sent."""
OVERTAKEN: Final = "Not sent: it had become out of date."


class Overtaken(Exception):
    """The mail would say what is no longer so."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The mail's row, as far as its content depends on it."""

    company_id: CompanyId
    mail_id: UUID
    template: Template
    credit_id: CreditId | None
    link_version: int | None
    event_id: int | None


@dataclass(frozen=True, slots=True)
class _Company:
    name: str
    short_id: int
    sandbox: bool
    support_contact: str | None


@dataclass(frozen=True, slots=True)
class _Credit:
    state: State
    amount: int
    currency: str
    attempt: int
    link_version: int
    link_key_id: int
    expires_at: datetime | None
    last3: str | None


COMPANY = Query(
    _Company,
    """
    select name, short_id, sandbox, support_contact from company
    where company_id = %(company_id)s
    """,
)
CREDIT = Query(
    _Credit,
    """
    select c.state, c.amount, c.currency, c.attempt, c.link_version, c.link_key_id, c.expires_at,
           a.last3
    from credit c
    left join payment_attempt a on a.company_id = c.company_id and a.credit_id = c.credit_id
      and a.attempt = c.attempt
    where c.company_id = %(company_id)s and c.credit_id = %(credit_id)s
    """,
)
SUBJECT_OF_EVENT = Query(
    UUID,
    """
    select subject_id from event where company_id = %(company_id)s and event_id = %(event_id)s
    """,
)


async def content_of(
    tx: Transaction,
    mail: Subject,
    language: Language,
    *,
    keyring: Keyring,
    public_url: str,
    now: datetime,
) -> Content:
    """Raises `Overtaken`, and `UnknownKey` in the first moments of a new key.

    A code that is made here is the living one from the commit on.
    """
    company = await COMPANY.one(tx, company_id=mail.company_id)
    values: dict[str, object] = {
        "company": company.name,
        "address": public_url,
        "credit": mail.credit_id,
        "minutes": int(CODE_LASTS.total_seconds() // 60),
        "number": LIMITS[LimitKind.COMPANY_WRONG].short_hits,
        "webhook": None,
    }
    link = code = None
    if mail.template is Template.WEBHOOK_FAILED:
        values["webhook"] = await SUBJECT_OF_EVENT.one(
            tx, company_id=mail.company_id, event_id=mail.event_id
        )
    elif mail.credit_id is not None:
        credit = await CREDIT.one(tx, company_id=mail.company_id, credit_id=mail.credit_id)
        _refuse_overtaken(mail, credit)
        values |= {
            "amount": language.money(credit.amount, credit.currency),
            "account": f"•••{credit.last3 or ''}",
            "moment": language.moment(credit.expires_at) if credit.expires_at else "–",
        }
        link = _link(mail, credit, company.short_id, keyring, public_url)
    if mail.template is Template.CODE:
        code = await fill_code(tx, mail.company_id, mail.mail_id, keyring=keyring, now=now)
        if code is None:
            raise Overtaken
    return Content(company.name, company.support_contact, company.sandbox, values, link, code)


def _refuse_overtaken(mail: Subject, credit: _Credit) -> None:
    states = NEEDS_LINK.get(mail.template)
    if states is None:
        return
    if credit.state not in states or credit.link_version != mail.link_version:
        raise Overtaken


def _link(
    mail: Subject, credit: _Credit, short_id: int, keyring: Keyring, public_url: str
) -> str | None:
    if mail.template in NEEDS_LINK:
        path, kind, version = PAY_PATH, PAYMENT, credit.link_version
    elif mail.template is Template.ACCEPTED:
        path, kind, version = DISOWN_PATH, DISOWNING, credit.attempt
    else:
        return None
    assert mail.credit_id is not None
    key = keyring.get("link", credit.link_key_id)
    token = make_link(key, mail.company_id, short_id, mail.credit_id, version, kind=kind)
    return f"{public_url}{path}{token}"
