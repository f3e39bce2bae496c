"""What time does to a file at the bank: overdue, settled, or its credits taken back."""

from dataclasses import dataclass
from datetime import datetime

from jetpay.bank_files.model import (
    CREDITS_AT_ONCE,
    BankFile,
    FileState,
    lock_file,
)
from jetpay.bank_files.states import tell
from jetpay.base.ids import BankFileId, CompanyId, CreditId
from jetpay.credits.model import Outcome, State
from jetpay.credits.outcomes import Answer, end_with_answers
from jetpay.credits.outcomes import settle as settle_credits
from jetpay.credits.states import lock
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import CLOCK, REPORT_READER, Actor, ActorKind, EventType
from jetpay.rails.fail_reasons import FAIL_REASONS
from jetpay.security.vault import Vault


@dataclass(frozen=True, slots=True)
class _Line:
    line: int
    credit_id: CreditId


REFUSED = FAIL_REASONS["rejected_by_bank"]

OPEN = Query(
    _Line,
    """
    select a.line, a.credit_id from payment_attempt a
    join lateral (
      select state, attempt from credit
      where company_id = %(company_id)s and credit_id = a.credit_id limit 1) c on true
    where a.company_id = %(company_id)s and a.bank_file_id = %(bank_file_id)s
      and a.line > %(after)s and a.outcome is null
      and c.state = 'processing' and c.attempt = a.attempt
    order by a.line limit %(limit)s
    """,
    never_null=("line",),
)
OVERDUE = Command(
    """
    update bank_file set overdue_at = %(at)s
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
      and state = 'sent' and overdue_at is null
    """
)
WITHDRAWN_BY = Query(
    Actor,
    """
    select actor_kind as kind, actor_id as identifier from event
    where company_id = %(company_id)s and subject_id = %(bank_file_id)s
      and type = 'bank_files.withdrawn'
    order by event_id desc limit 1
    """,
)


@action
async def settle_some(
    tx: Transaction,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    *,
    after: int = 0,
    at: datetime,
) -> int | None:
    """Complete credits of a file that the bank is known to have.

    Answers the line to go on `after`, or None when it was the last.
    """
    file = await lock_file(tx, company_id, bank_file_id)
    if file is None or file.state is not FileState.ACKNOWLEDGED:
        return None
    found, last = await _open_lines(tx, company_id, bank_file_id, after)
    locked = await lock(tx, company_id, found)
    ready = [id_ for id_, credit in locked.items() if credit.state == State.PROCESSING]
    await settle_credits(tx, company_id, ready, by=CLOCK, at=at)
    return last


@action
async def take_back_some(
    tx: Transaction,
    vault: Vault,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    *,
    after: int = 0,
    by: Actor | None = None,
    at: datetime,
) -> int | None:
    """Row 9 for credits of a file that was refused or withdrawn; answers as `settle_some` does.

    `by`: who withdrew it; without it the event of the withdrawal says so.
    """
    file = await lock_file(tx, company_id, bank_file_id)
    if file is None or file.state not in (FileState.REJECTED, FileState.WITHDRAWN):
        return None
    by = by or await _taken_back_by(tx, file)
    was_refused = file.state is FileState.REJECTED
    found, last = await _open_lines(tx, company_id, bank_file_id, after)
    await lock(tx, company_id, found)
    answers = [
        Answer(
            credit_id=credit_id,
            outcome=Outcome.REJECTED if was_refused else Outcome.WITHDRAWN,
            reason=REFUSED if was_refused else None,
            whole_file=True,
        )
        for credit_id in found
    ]
    await end_with_answers(tx, vault, company_id, answers, by=by, at=at)
    return last


@action
async def mark_overdue(
    tx: Transaction, company_id: CompanyId, bank_file_id: BankFileId, *, at: datetime
) -> None:
    """Tell, once, that the bank said nothing about a file that was sent."""
    file = await lock_file(tx, company_id, bank_file_id)
    if file is not None and await OVERDUE.run(
        tx, company_id=company_id, bank_file_id=bank_file_id, at=at
    ):
        tell(
            tx,
            file,
            EventType.BANK_FILE_UNCONFIRMED,
            file.state,
            by=CLOCK,
            at=at,
            because="no_acknowledgement",
        )


async def _open_lines(
    tx: Transaction, company_id: CompanyId, bank_file_id: BankFileId, after: int
) -> tuple[list[CreditId], int | None]:
    """Credits in the file whose payment has not ended, and the last line if there may be more.

    The file's lock keeps reports away.
    """
    found = await OPEN.all(
        tx,
        company_id=company_id,
        bank_file_id=bank_file_id,
        after=after,
        limit=CREDITS_AT_ONCE,
    )
    last = found[-1].line if len(found) == CREDITS_AT_ONCE else None
    return [each.credit_id for each in found], last


async def _taken_back_by(tx: Transaction, file: BankFile) -> Actor:
    if file.state is FileState.REJECTED:
        return REPORT_READER
    found = await WITHDRAWN_BY.one(tx, company_id=file.company_id, bank_file_id=file.bank_file_id)
    return Actor(ActorKind(found.kind), found.identifier)
