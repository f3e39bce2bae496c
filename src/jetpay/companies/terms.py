"""What a company has settled for its credits and its payees, besides its question."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jetpay.base.ids import CompanyId
from jetpay.base.money import MAX_AMOUNT_MINOR
from jetpay.base.refusals import NotFound
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.audit import audit
from jetpay.events.model import Actor

LINK_DAYS = 365
REPAIRS = 20
REPAIR_DAYS = 365
"""At most; as the database holds again."""
REMINDERS = 10
REMINDER_DAYS = 365
MAILS_A_DAY = 1_000_000
USUAL_CODES = -1
"""In place of an amount: what is usual for the kind of company."""
NO_CODES = MAX_AMOUNT_MINOR + 1
"""An amount that no credit reaches."""


@dataclass(frozen=True, slots=True)
class Terms:
    """`support_contact`: as payees read it; `link_days`: how long a link lives that names no end;
    `repairs`: how often a payee may correct an account, within `repair_days` each time;
    `code_from_amount`: from which amount on a code is asked, None for what is usual;
    `mails_a_day`: None for what is usual.
    """

    support_contact: str | None
    link_days: int
    repairs: int
    repair_days: int
    code_from_amount: int | None
    reminder_days: tuple[int, ...]
    mails_a_day: int | None


# An empty contact takes it away.
CHANGE = Query(
    Terms,
    """
    update company set
      support_contact = nullif(coalesce(%(support_contact)s, support_contact), ''),
      link_days = coalesce(%(link_days)s, link_days),
      repairs = coalesce(%(repairs)s, repairs),
      repair_days = coalesce(%(repair_days)s, repair_days),
      code_from_amount = nullif(coalesce(%(code_from_amount)s, code_from_amount), -1),
      reminder_days = coalesce(%(reminder_days)s, reminder_days),
      mails_a_day = coalesce(%(mails_a_day)s, mails_a_day)
    where company_id = %(company_id)s
    returning support_contact, link_days, repairs, repair_days, code_from_amount, reminder_days,
              mails_a_day
    """,
)


@action
async def change_terms(
    tx: Transaction,
    company_id: CompanyId,
    *,
    support_contact: str | None = None,
    link_days: int | None = None,
    repairs: int | None = None,
    repair_days: int | None = None,
    code_from_amount: int | None = None,
    reminder_days: Sequence[int] | None = None,
    mails_a_day: int | None = None,
    by: Actor,
    now: datetime,
) -> Terms:
    """All as they are then; None changes nothing, credits that were made keep theirs.

    Refuses `NotFound`.
    """
    wanted = {
        "support_contact": support_contact,
        "link_days": link_days,
        "repairs": repairs,
        "repair_days": repair_days,
        "code_from_amount": code_from_amount,
        "reminder_days": None if reminder_days is None else sorted(set(reminder_days)),
        "mails_a_day": mails_a_day,
    }
    terms = await CHANGE.first(tx, company_id=company_id, **wanted)
    if terms is None:
        raise NotFound
    if any(value is not None for value in wanted.values()):
        await audit(
            tx, company_id, act="company.set", by=by, object_type="company", object_id=company_id,
            at=now,
        )  # fmt: skip
    return terms
