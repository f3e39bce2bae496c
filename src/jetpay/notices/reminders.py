"""Reminders to payees who have not answered, on the company's days by the company's clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jetpay.base.ids import CompanyId, CreditId
from jetpay.companies.mails import NewMail, Template, add_mails
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction, action
from jetpay.security.keys import Keyring
from jetpay.security.vault import Vault


@dataclass(frozen=True, slots=True)
class _Waiting:
    gate_email: str
    language: str
    link_version: int
    created_at: datetime
    reminder_days: tuple[int, ...]


WAITING = Query(
    _Waiting,
    """
    select c.gate_email, c.language, c.link_version, c.created_at, co.reminder_days
    from credit c join company co on co.company_id = c.company_id
    where c.company_id = %(company_id)s and c.credit_id = %(credit_id)s
      and c.state = 'requested' and c.notify and c.gate_email is not null
      and (c.expires_at is null or c.expires_at > %(at)s)
      and not exists (
        select from link_gate g
        where g.company_id = c.company_id and g.credit_id = c.credit_id
          and g.link_version = c.link_version
          and (g.answered_at is not null or g.locked_at is not null))
    """,
    never_null=("gate_email",),
)


@action
async def remind(
    tx: Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    *,
    vault: Vault,
    keyring: Keyring,
    at: datetime,
    now: datetime,
) -> datetime | None:
    """Plan the mail of the latest day that has come; when the next one comes, if one does.

    Nothing for whoever has answered, was locked out, or whose credit no longer waits. `at`:
    business time.
    """
    found = await WAITING.first(tx, company_id=company_id, credit_id=credit_id, at=at)
    if found is None:
        return None
    days = sorted(set(found.reminder_days))
    come = _come(days, found.created_at, at)
    if come:
        mail = NewMail(
            Template.REMINDER,
            found.language,
            found.gate_email,
            f"reminder:{credit_id}:{come[-1]}",
            credit_id=credit_id,
            link_version=found.link_version,
        )
        await add_mails(tx, company_id, [mail], vault=vault, keyring=keyring, now=now)
    following = days[len(come) :]
    return found.created_at + timedelta(days=following[0]) if following else None


def _come(days: Sequence[int], since: datetime, at: datetime) -> list[int]:
    return [each for each in days if since + timedelta(days=each) <= at]
