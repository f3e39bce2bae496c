"""A mail that shall be sent: one row for each cause, kind and address; `notices/` does the rest."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from jetpay.base.ids import CompanyId, CreditId, uuid7
from jetpay.companies.model import Role
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction
from jetpay.security.derivation import company_mac_key
from jetpay.security.encoding import INSTALLATION
from jetpay.security.keys import Keyring, Purpose
from jetpay.security.vault import Vault

TABLE: Final = "mail"
RECIPIENT: Final = "recipient"
BODY: Final = "body"
_INFO: Final = b"jetpay.mail.v1"


class Template(StrEnum):
    """What a mail is about."""

    CLAIM = "claim"
    CODE = "code"
    REMINDER = "reminder"
    RETURNED = "returned"
    PAID = "paid"
    ACCEPTED = "accepted"
    READDRESSED = "readdressed"
    LINK_LOCKED = "link_locked"
    ANSWERS_GUESSED = "answers_guessed"
    DISOWNED = "disowned"
    WEBHOOK_FAILED = "webhook_failed"


_MANAGERS: Final = (Role.OWNER, Role.ADMIN)
MEMBERS_TOLD: Final = {
    Template.LINK_LOCKED: (*_MANAGERS, Role.PREPARER),
    Template.ANSWERS_GUESSED: _MANAGERS,
    Template.DISOWNED: (*_MANAGERS, Role.APPROVER),
    Template.WEBHOOK_FAILED: (*_MANAGERS, Role.DEVELOPER),
}
"""What a company's own people are told, and who of them."""
WARNINGS: Final = frozenset(
    {Template.ACCEPTED, Template.READDRESSED, Template.DISOWNED, Template.ANSWERS_GUESSED}
)
"""Counted apart: whoever has something to hide could use up the other mails of a day."""


@dataclass(frozen=True, slots=True)
class NewMail:
    """`cause`: what it follows from; the same one makes no second mail to the same address."""

    template: Template
    language: str
    address: str
    cause: str
    credit_id: CreditId | None = None
    link_version: int | None = None
    event_id: int | None = None
    mail_id: UUID = field(default_factory=uuid7)


ADD = Command(
    """
    insert into mail (company_id, mail_id, template, language, recipient, recipient_mac, cause,
                      credit_id, link_version, event_id, created_at, due_at)
    values (%(company_id)s, %(mail_id)s, %(template)s, %(language)s, %(recipient)s,
            %(recipient_mac)s, %(cause)s, %(credit_id)s, %(link_version)s, %(event_id)s,
            %(now)s, %(now)s)
    on conflict (company_id, cause, template, recipient_mac) do nothing
    """
)


async def add_mails(
    tx: Transaction,
    company_id: CompanyId,
    mails: Sequence[NewMail],
    *,
    vault: Vault,
    keyring: Keyring,
    now: datetime,
) -> None:
    """Each that is not there yet. `now`: real time."""
    for mail in mails:
        recipient = await vault.seal(
            tx, company_id, table=TABLE, column=RECIPIENT, row_key=mail.mail_id.bytes,
            value={"address": mail.address},
        )  # fmt: skip
        await ADD.run(
            tx,
            company_id=company_id,
            mail_id=mail.mail_id,
            template=mail.template.value,
            language=mail.language,
            recipient=recipient,
            recipient_mac=address_mac(keyring, mail.address),
            cause=mail.cause,
            credit_id=mail.credit_id,
            link_version=mail.link_version,
            event_id=mail.event_id,
            now=now,
        )


def counted_as(keyring: Keyring, address: str) -> str:
    """What the mails to an address are counted by, over all companies, whatever follows a plus."""
    local, _, domain = address.rpartition("@")
    return address_mac(keyring, f"{local.partition('+')[0]}@{domain}").hex()


def address_mac(keyring: Keyring, address: str) -> bytes:
    """What an address is compared by."""
    key = company_mac_key(keyring.active(Purpose.FINGERPRINT), INSTALLATION, _INFO)
    return hmac.digest(key, address.casefold().encode(), "sha256")
