"""Another address for the mails of a credit: the old one is told, and a person looks again."""

from datetime import datetime
from typing import Final

from jetpay.base.ids import CompanyId, CreditId, uuid7
from jetpay.base.text import EMAIL_LENGTH, clean, email_address
from jetpay.credits.actions import Link, reissue_link
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction, action
from jetpay.events.audit import audit
from jetpay.events.model import Actor

KEEP_FORMER: Final = Command(
    """
    insert into former_address (company_id, address_id, contact_id, credit_id, email, replaced_at)
    select company_id, %(address_id)s, contact_id, credit_id, gate_email, %(at)s from credit
    where company_id = %(company_id)s and credit_id = %(credit_id)s and gate_email is not null
    """
)
# The link was shown when it was made, so what is accepted through the new one is held.
READDRESS: Final = Command(
    """
    update credit set gate_email = %(email)s, readdressed_at = %(at)s
    where company_id = %(company_id)s and credit_id = %(credit_id)s
    """
)


@action
async def readdress(
    tx: Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    *,
    email: str,
    link_key_id: int,
    by: Actor,
    at: datetime,
    now: datetime,
) -> Link:
    """Kill every older link and mail the credit's next mails to `email`.

    Refuses what `reissue_link` refuses, and raises `TextProblem`. `at`: business time, `now`: real
    time.
    """
    address = email_address(clean(email, minimum=1, maximum=EMAIL_LENGTH))
    link = await reissue_link(
        tx, company_id, credit_id, link_key_id=link_key_id, by=by, at=at, now=now, readdressed=True
    )
    place = {"company_id": company_id, "credit_id": credit_id}
    await KEEP_FORMER.run(tx, address_id=uuid7(), at=at, **place)
    await READDRESS.run(tx, email=address, at=at, **place)
    await audit(
        tx, company_id, act="link.readdress", by=by, object_type="credit", object_id=credit_id,
        at=now,
    )  # fmt: skip
    return link
