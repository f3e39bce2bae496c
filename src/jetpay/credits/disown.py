"""The notice of an acceptance asks "not you?": whoever says so holds the payment."""

from datetime import datetime
from typing import Final

from jetpay.base.ids import CompanyId, CreditId
from jetpay.credits.model import State
from jetpay.credits.states import lock
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import PAYEE, Draft, EventType
from jetpay.events.record import record

# Once per attempt: the company is told once.
NOTE: Final = Command(
    """
    update payment_attempt set disowned_at = %(at)s
    where company_id = %(company_id)s and credit_id = %(credit_id)s and attempt = %(attempt)s
      and disowned_at is null
    """
)
# A file that was taken back starts an attempt of its own, which the same acceptance pays. Money
# that is not back yet cannot be released anyhow; every other reason is one to release it by.
HOLD: Final = Command(
    """
    update credit c set held = 'disowned'
    where c.company_id = %(company_id)s and c.credit_id = %(credit_id)s and c.state = 'initiated'
      and c.held is distinct from 'awaiting_returned_funds'
      and exists (
        select from payment_attempt said join payment_attempt last
          on last.company_id = said.company_id and last.credit_id = said.credit_id
         and last.accepted_at = said.accepted_at
        where said.company_id = c.company_id and said.credit_id = c.credit_id
          and said.attempt = %(attempt)s and last.attempt = c.attempt)
    """
)


@action
async def disown(
    tx: Transaction, company_id: CompanyId, credit_id: CreditId, attempt: int, *, at: datetime
) -> bool:
    """Whether it is held: nothing goes to the bank until a person has looked. `at`: business time.

    False once it is in a file, or once a person has looked; the company is told in any case.
    """
    credit = (await lock(tx, company_id, [credit_id])).get(credit_id)
    if credit is None:
        return False
    place = {"company_id": company_id, "credit_id": credit_id, "attempt": attempt}
    is_held = credit.state == State.INITIATED and credit.held is not None
    if await NOTE.run(tx, at=at, **place):
        record(
            tx,
            Draft(
                company_id=company_id,
                type=EventType.CREDIT_DISOWNED,
                subject_id=credit_id,
                at=at,
                actor=PAYEE,
                data={"state": credit.state},
            ),
        )
        is_held |= bool(await HOLD.run(tx, **place))
    return is_held
