"""What a bank's answer does to payment attempts and their credits, all of it through `move()`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jetpay.base.ids import CompanyId, ContactId, CreditId
from jetpay.base.refusals import Refusal
from jetpay.companies import due
from jetpay.credits.attempts import Ended, end_attempts, renew_attempts
from jetpay.credits.model import Held, LockedCredit, Outcome, State
from jetpay.credits.states import Cause, Move, lock, move
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction
from jetpay.events.model import FILE_BUILDER, Actor
from jetpay.rails.fail_reasons import FAIL_REASONS, Direction, FailReason
from jetpay.security.vault import Vault

DETAILS_INVALID = FAIL_REASONS["details_invalid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How an attempt ended. `reason`: none when the company itself withdrew its file.

    `whole_file`: nobody looked at this payment, so the payee is asked nothing.
    """

    credit_id: CreditId
    outcome: Outcome
    reason: FailReason | None = None
    code: str | None = None
    whole_file: bool = False


@dataclass(frozen=True, slots=True)
class _Contact:
    contact_id: ContactId
    erased_at: datetime | None


REPAIR_DAYS = Query(int, "select repair_days from company where company_id = %(company_id)s")
# Held until the commit: whoever erases a contact waits, or is waited for.
CONTACTS = Query(
    _Contact,
    """
    select contact_id, erased_at from contact
    where company_id = %(company_id)s and contact_id = any(%(contact_ids)s::uuid[])
    order by contact_id for key share
    """,
)
REFUSE_ACCOUNTS = Command(
    """
    update bank_account set returned_at = %(at)s
    where company_id = %(company_id)s and bank_account_id = any(%(bank_account_ids)s::uuid[])
      and returned_at is null
    """
)


def can_end(state: str, outcome: Outcome) -> bool:
    """Whether the attempt of a credit in this state may end so: a settled one only returns."""
    if outcome is Outcome.RETURNED:
        return state in (State.PROCESSING, State.COMPLETED)
    return state == State.PROCESSING


async def end_with_answers(
    tx: Transaction,
    vault: Vault,
    company_id: CompanyId,
    answers: Sequence[Answer],
    *,
    by: Actor,
    at: datetime,
) -> None:
    """End the credits' last attempts and move the credits as the table says.

    Who calls has locked the credits and asked `can_end`; one answer per credit.
    """
    if not answers:
        return
    before = await lock(tx, company_id, [each.credit_id for each in answers])
    contacts = await CONTACTS.all(
        tx,
        company_id=company_id,
        contact_ids=[credit.contact_id for credit in before.values()],
    )
    erased = {each.contact_id for each in contacts if each.erased_at is not None}
    until = at + timedelta(days=await REPAIR_DAYS.one(tx, company_id=company_id))
    moves = [
        _move(
            before[each.credit_id], each, until, erased=before[each.credit_id].contact_id in erased
        )
        for each in answers
    ]
    await _all_moved(tx, company_id, moves, by=by, at=at)
    ended = [
        Ended(
            each.credit_id,
            before[each.credit_id].attempt,
            each.outcome,
            None if each.reason is None else each.reason.name,
            each.code,
        )
        for each in answers
    ]
    await end_attempts(tx, company_id, ended, at=at)
    again = [before[each.credit_id] for each in moves if each.to is State.INITIATED]
    await renew_attempts(tx, vault, again)
    payees_fault = [
        before[each.credit_id]
        for each in answers
        if each.reason is not None and each.reason.direction is Direction.PUSH
    ]
    await _after(tx, company_id, moves, payees_fault, at=at)


async def refuse_unwritable(
    tx: Transaction, company_id: CompanyId, credits_: Sequence[LockedCredit], *, at: datetime
) -> None:
    """Rows 6 and 7: no file of the rail can hold these payments. The credits are locked."""
    if not credits_:
        return
    until = at + timedelta(days=await REPAIR_DAYS.one(tx, company_id=company_id))
    moves = [
        _asked_again(credit, Cause.CANNOT_BE_WRITTEN, DETAILS_INVALID, until)
        if _may_repair(credit, DETAILS_INVALID, erased=False)
        else _failed(credit, Cause.CANNOT_BE_WRITTEN, DETAILS_INVALID)
        for credit in credits_
    ]
    await _all_moved(tx, company_id, moves, by=FILE_BUILDER, at=at)
    ended = [
        Ended(credit.credit_id, credit.attempt, Outcome.REJECTED, DETAILS_INVALID.name)
        for credit in credits_
    ]
    await end_attempts(tx, company_id, ended, at=at)
    await _after(tx, company_id, moves, credits_, at=at)


async def settle(
    tx: Transaction,
    company_id: CompanyId,
    credit_ids: Sequence[CreditId],
    *,
    by: Actor,
    at: datetime,
) -> None:
    """Row 14: the money arrived. Who calls has locked the credits, all of them `processing`."""
    moves = [
        Move(credit_id=credit_id, to=State.COMPLETED, cause=Cause.SETTLED)
        for credit_id in credit_ids
    ]
    await _all_moved(tx, company_id, moves, by=by, at=at)


def _move(credit: LockedCredit, answer: Answer, until: datetime, *, erased: bool) -> Move:
    """The row of the table that this answer means for this credit."""
    reason, returned = answer.reason, answer.outcome is Outcome.RETURNED
    cause = Cause.RETURNED if returned else Cause.REJECTED
    if reason is None or answer.whole_file:
        return _again(
            credit,
            Cause.TAKEN_BACK,
            Held.WITHDRAWN if reason is None else Held.FILE_REFUSED,
            reason,
        )
    if reason.held and credit.state == State.PROCESSING:
        if returned:
            return _again(credit, Cause.RETURNED_TO_COMPANY, Held.AWAITING_RETURNED_FUNDS, reason)
        return _again(credit, Cause.TAKEN_BACK, Held.FILE_REFUSED, reason)
    if _may_repair(credit, reason, erased=erased):
        return _asked_again(credit, cause, reason, until)
    return _failed(credit, cause, reason)


def _may_repair(credit: LockedCredit, reason: FailReason, *, erased: bool) -> bool:
    return reason.repairable and credit.by_link and credit.repairs_left > 0 and not erased


def _again(credit: LockedCredit, cause: Cause, held: Held, reason: FailReason | None) -> Move:
    return Move(
        credit_id=credit.credit_id,
        to=State.INITIATED,
        cause=cause,
        held=held.value,
        reason=reason.name if reason else held.value,
    )


def _asked_again(credit: LockedCredit, cause: Cause, reason: FailReason, until: datetime) -> Move:
    return Move(
        credit_id=credit.credit_id,
        to=State.ACTION_REQUIRED,
        cause=cause,
        reason=reason.name,
        fail_reason=reason.name,
        expires_at=until,
    )


def _failed(credit: LockedCredit, cause: Cause, reason: FailReason) -> Move:
    return Move(
        credit_id=credit.credit_id,
        to=State.FAILED,
        cause=cause,
        reason=reason.name,
        fail_reason=reason.name,
    )


async def _all_moved(
    tx: Transaction, company_id: CompanyId, moves: Sequence[Move], *, by: Actor, at: datetime
) -> None:
    for answer in await move(tx, company_id, moves, by=by, at=at):
        if isinstance(answer, Refusal):
            raise answer


async def _after(
    tx: Transaction,
    company_id: CompanyId,
    moves: Sequence[Move],
    payees_fault: Sequence[LockedCredit],
    *,
    at: datetime,
) -> None:
    """Let the clock come when repairs lapse, and refuse saved accounts that were at fault."""
    lapses = [each.expires_at for each in moves if each.expires_at is not None]
    if lapses:
        await due.arm(tx, company_id, due.EXPIRE_LINKS, company_id, at=min(lapses))
    accounts = [c.to_bank_account_id for c in payees_fault if c.to_bank_account_id is not None]
    if accounts:
        await REFUSE_ACCOUNTS.run(tx, company_id=company_id, bank_account_ids=accounts, at=at)
