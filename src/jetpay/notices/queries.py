"""The list of mails: template, recipient, time and outcome; a body only where it is kept."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from jetpay.base.ids import CompanyId
from jetpay.base.refusals import NotFound
from jetpay.companies.mails import BODY, RECIPIENT, TABLE
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction, action
from jetpay.security.vault import Vault


@dataclass(frozen=True, slots=True)
class MailView:
    """A mail as it is listed; `recipient` is none once the person was erased."""

    identifier: UUID
    template: str
    language: str
    recipient: str | None
    credit_id: UUID | None
    state: str
    tries: int
    outcome: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class ShownMail(MailView):
    """With what it said, where that is kept: a sandbox's without a mail server, for a day."""

    subject: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    mail_id: UUID
    template: str
    language: str
    recipient: bytes | None
    credit_id: UUID | None
    state: str
    tries: int
    outcome: str | None
    created_at: datetime
    sent_at: datetime | None
    body: bytes | None


LIST = Query(
    _Row,
    """
    select mail_id, template, language, recipient, credit_id, state, tries, outcome, created_at,
           sent_at, body
    from mail
    where company_id = %(company_id)s
      and (%(credit_id)s::uuid is null or credit_id = %(credit_id)s)
    order by mail_id desc limit %(limit)s
    """,
)
ONE = Query(
    _Row,
    """
    select mail_id, template, language, recipient, credit_id, state, tries, outcome, created_at,
           sent_at, body
    from mail where company_id = %(company_id)s and mail_id = %(mail_id)s
    """,
)


@action
async def list_mails(
    tx: Transaction, vault: Vault, company_id: CompanyId, *, credit_id: UUID | None, limit: int
) -> list[MailView]:
    """The newest first."""
    rows = await LIST.all(tx, company_id=company_id, credit_id=credit_id, limit=limit)
    return [MailView(**await _seen(tx, vault, company_id, row)) for row in rows]


@action
async def show_mail(
    tx: Transaction, vault: Vault, company_id: CompanyId, mail_id: UUID
) -> ShownMail:
    """Refuses `NotFound`."""
    row = await ONE.first(tx, company_id=company_id, mail_id=mail_id)
    if row is None:
        raise NotFound
    said = await _opened(tx, vault, company_id, row, BODY)
    seen = await _seen(tx, vault, company_id, row)
    return ShownMail(**seen, subject=said.get("subject"), text=said.get("text"))


async def _seen(tx: Transaction, vault: Vault, company_id: CompanyId, row: _Row) -> dict[str, Any]:
    recipient = await _opened(tx, vault, company_id, row, RECIPIENT)
    shown = {field.name: getattr(row, field.name, None) for field in fields(MailView)}
    return shown | {"identifier": row.mail_id, "recipient": recipient.get("address")}


async def _opened(
    tx: Transaction, vault: Vault, company_id: CompanyId, row: _Row, column: str
) -> dict[str, str]:
    """`column` is called like the row's field."""
    blob: bytes | None = getattr(row, column)
    if blob is None:
        return {}
    return await vault.open(
        tx, company_id, table=TABLE, column=column, row_key=row.mail_id.bytes, blob=blob
    )
