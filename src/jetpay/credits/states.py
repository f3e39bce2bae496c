"""The table of moves and `move()`, the one door through which a credit changes its state.

The rows are those of the design's money page; docs and tests read them from here, and a
trigger in the database holds the same list on its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jetpay.base.ids import CompanyId, CreditId
from jetpay.base.refusals import NotFound, Refusal
from jetpay.credits.model import LockedCredit, State
from jetpay.credits.refusals import MoveRefused
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction
from jetpay.events.model import Actor, ActorKind, Draft, EventType
from jetpay.events.record import record
from jetpay.ledger import accounts
from jetpay.ledger.posting import Transfer, post
from jetpay.rails.fail_reasons import FAIL_REASONS


class Cause(StrEnum):
    """Why a credit moves; with the two states it names one row of the table."""

    CREATED = "created"
    ACCEPTED = "accepted"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    LINK_EXPIRED = "link_expired"
    CANNOT_BE_WRITTEN = "cannot_be_written"
    CLAIMED = "claimed"
    TAKEN_BACK = "taken_back"
    RETURNED_TO_COMPANY = "returned_to_company"
    REJECTED = "rejected"
    RETURNED = "returned"
    SETTLED = "settled"
    REPAIR_LAPSED = "repair_lapsed"
    RETURN_UNDONE = "return_undone"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: who may cause it, and the transfer it posts (`:` = of the from-account)."""

    number: str
    from_state: State | None
    to_state: State
    cause: Cause
    who: frozenset[ActorKind]
    debit: str | None = None
    credit: str | None = None


_K, _S, _C = ActorKind, State, Cause
_COMPANY = frozenset({_K.TOKEN, _K.MEMBER, _K.OPERATOR})
_READER = frozenset({_K.REPORT_READER})
_PERSON_OR_READER = frozenset({_K.REPORT_READER, _K.MEMBER, _K.OPERATOR})
_WITHDRAWER = _PERSON_OR_READER | {_K.TOKEN}  # POST /bank_files/{id} withdraws by token
_BUILDER = frozenset({_K.FILE_BUILDER})
_PAYEE = frozenset({_K.PAYEE})
_CLOCK = frozenset({_K.CLOCK})
_OUT, _DUE, _TRANSIT, _BACK = "payouts", "payable", "in_transit:", "returning:"

TABLE: tuple[Row, ...] = (
    Row("1", None, _S.REQUESTED, _C.CREATED, _COMPANY),
    Row("2", None, _S.INITIATED, _C.CREATED, _COMPANY, _OUT, _DUE),
    Row("3", _S.REQUESTED, _S.INITIATED, _C.ACCEPTED, _PAYEE, _OUT, _DUE),
    Row("4", _S.REQUESTED, _S.CANCELLED, _C.CANCELLED, _COMPANY),
    Row("4", _S.REQUESTED, _S.DECLINED, _C.DECLINED, _PAYEE),
    Row("4", _S.REQUESTED, _S.EXPIRED, _C.LINK_EXPIRED, _CLOCK),
    Row("5", _S.INITIATED, _S.CANCELLED, _C.CANCELLED, _COMPANY | _CLOCK, _DUE, _OUT),
    Row("6", _S.INITIATED, _S.ACTION_REQUIRED, _C.CANNOT_BE_WRITTEN, _BUILDER),
    Row("7", _S.INITIATED, _S.FAILED, _C.CANNOT_BE_WRITTEN, _BUILDER, _DUE, _OUT),
    Row("8", _S.INITIATED, _S.PROCESSING, _C.CLAIMED, _BUILDER, _DUE, _TRANSIT),
    Row("9", _S.PROCESSING, _S.INITIATED, _C.TAKEN_BACK, _WITHDRAWER, _TRANSIT, _DUE),
    Row("9b", _S.PROCESSING, _S.INITIATED, _C.RETURNED_TO_COMPANY, _READER, _BACK, _DUE),
    Row("10", _S.PROCESSING, _S.ACTION_REQUIRED, _C.REJECTED, _READER, _TRANSIT, _DUE),
    Row("11", _S.PROCESSING, _S.FAILED, _C.REJECTED, _PERSON_OR_READER, _TRANSIT, _OUT),
    Row("12", _S.PROCESSING, _S.ACTION_REQUIRED, _C.RETURNED, _READER, _BACK, _DUE),
    Row("13", _S.PROCESSING, _S.FAILED, _C.RETURNED, _READER, _BACK, _OUT),
    Row("14", _S.PROCESSING, _S.COMPLETED, _C.SETTLED, _CLOCK | _READER),
    Row("15", _S.COMPLETED, _S.ACTION_REQUIRED, _C.RETURNED, _READER, _BACK, _DUE),
    Row("16", _S.COMPLETED, _S.FAILED, _C.RETURNED, _READER, _BACK, _OUT),
    Row("17", _S.ACTION_REQUIRED, _S.INITIATED, _C.ACCEPTED, _PAYEE),
    Row("18", _S.ACTION_REQUIRED, _S.FAILED, _C.REPAIR_LAPSED, _CLOCK, _DUE, _OUT),
    Row("19", _S.ACTION_REQUIRED, _S.CANCELLED, _C.CANCELLED, _COMPANY, _DUE, _OUT),
    Row("19", _S.ACTION_REQUIRED, _S.DECLINED, _C.DECLINED, _PAYEE, _DUE, _OUT),
    Row("20", _S.ACTION_REQUIRED, _S.COMPLETED, _C.RETURN_UNDONE, frozenset({_K.MEMBER}),
        _DUE, _BACK),
)  # fmt: skip
MOVES: dict[tuple[State | None, State, Cause], Row] = {
    (row.from_state, row.to_state, row.cause): row for row in TABLE
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What is asked of one credit. `reason` is a code for the timeline, never free text.

    `fail_reason` in `failed` and `action_required`; `expires_at` re-opens the link until then.
    """

    credit_id: CreditId
    to: State
    cause: Cause
    reason: str | None = None
    fail_reason: str | None = None
    expires_at: datetime | None = None
    held: str | None = None
    cancel_reason: str | None = None
    decline_reason: str | None = None


LOCK = Query(
    LockedCredit,
    """
    select company_id, credit_id, state, amount, currency, from_bank_account_id, contact_id,
           to_bank_account_id, question_id, by_link, link_version, language, repairs_left, attempt,
           held, fail_reason, expires_at
    from credit
    where company_id = %(company_id)s and credit_id = any(%(credit_ids)s::uuid[])
    order by credit_id
    for no key update
    """,
)

_CHANGED = Query(
    CreditId,
    """
    update credit c set
      state = m.to_state,
      attempt = m.attempt,
      repairs_left = c.repairs_left
        - case when m.from_state = 'action_required' and m.cause = 'accepted' then 1 else 0 end,
      held = m.held,
      fail_reason = m.fail_reason,
      expires_at = coalesce(m.expires_at, c.expires_at),
      cancel_reason = coalesce(m.cancel_reason, c.cancel_reason),
      decline_reason = coalesce(m.decline_reason, c.decline_reason),
      accepted_at = case when m.cause = 'accepted' then %(at)s else c.accepted_at end,
      ready_at = case when m.to_state = 'initiated' then %(at)s else c.ready_at end,
      filed_at = case when m.to_state = 'processing' then %(at)s else c.filed_at end,
      completed_at = case when m.to_state = 'completed' then %(at)s else c.completed_at end,
      returned_at = case when m.cause in ('returned', 'returned_to_company') then %(at)s
                         else c.returned_at end
    from unnest(%(credit_ids)s::uuid[], %(froms)s::text[], %(tos)s::text[], %(causes)s::text[],
                %(attempts)s::smallint[], %(helds)s::text[], %(fail_reasons)s::text[],
                %(expirations)s::timestamptz[], %(cancel_reasons)s::text[],
                %(decline_reasons)s::text[])
         as m(credit_id, from_state, to_state, cause, attempt, held, fail_reason, expires_at,
              cancel_reason, decline_reason)
    where c.company_id = %(company_id)s and c.credit_id = m.credit_id and c.state = m.from_state
    returning c.credit_id
    """,
)


async def lock(
    tx: Transaction, company_id: CompanyId, credit_ids: Sequence[CreditId]
) -> dict[CreditId, LockedCredit]:
    """Lock the credits in id order until the transaction ends; unknown ones are left out."""
    found = await LOCK.all(tx, company_id=company_id, credit_ids=list(credit_ids))
    return {credit.credit_id: credit for credit in found}


async def move(
    tx: Transaction, company_id: CompanyId, moves: Sequence[Move], *, by: Actor, at: datetime
) -> list[LockedCredit | Refusal]:
    """Move the credits that may move, post their transfers, and record an event for each.

    Answers, in order, the credit as it was before, or `NotFound` or `MoveRefused`; a refused
    one does not keep the others from moving. `at`: business time.
    """
    before = await lock(tx, company_id, [each.credit_id for each in moves])
    answers: list[LockedCredit | Refusal] = []
    taken: list[tuple[Move, LockedCredit, Row]] = []
    seen: set[CreditId] = set()
    for each in moves:
        credit = before.get(each.credit_id)
        if credit is None:
            answers.append(NotFound())
            continue
        row = MOVES.get((State(credit.state), each.to, each.cause))
        if row is None or each.credit_id in seen:
            answers.append(MoveRefused(state=credit.state, to=each.to.value))
            continue
        if by.kind not in row.who:
            message = f"{by.kind} may not cause row {row.number} of the table of moves"
            raise PermissionError(message)
        seen.add(each.credit_id)
        taken.append((each, credit, row))
        answers.append(credit)
    if taken:
        await _write(tx, company_id, taken, by=by, at=at)
    return answers


def attempt_after(credit: LockedCredit, to: State) -> int:
    """Every way into `initiated` starts the next attempt."""
    return credit.attempt + 1 if to is State.INITIATED else credit.attempt


async def _write(
    tx: Transaction,
    company_id: CompanyId,
    taken: Sequence[tuple[Move, LockedCredit, Row]],
    *,
    by: Actor,
    at: datetime,
) -> None:
    changed = await _CHANGED.all(
        tx,
        company_id=company_id,
        at=at,
        credit_ids=[m.credit_id for m, _, _ in taken],
        froms=[credit.state for _, credit, _ in taken],
        tos=[m.to.value for m, _, _ in taken],
        causes=[m.cause.value for m, _, _ in taken],
        attempts=[attempt_after(credit, m.to) for m, credit, _ in taken],
        helds=[m.held for m, _, _ in taken],
        fail_reasons=[m.fail_reason for m, _, _ in taken],
        expirations=[m.expires_at for m, _, _ in taken],
        cancel_reasons=[m.cancel_reason for m, _, _ in taken],
        decline_reasons=[m.decline_reason for m, _, _ in taken],
    )
    if len(changed) != len(taken):
        message = "a credit changed under its lock"
        raise RuntimeError(message)
    transfers = [_transfer(credit, row, at) for _, credit, row in taken if row.debit]
    if not all(await post(tx, company_id, transfers)):
        message = "a move's transfer was posted before"
        raise RuntimeError(message)
    record(tx, *(_event(company_id, m, credit, by, at) for m, credit, _ in taken))


def birth_transfer(credit: LockedCredit, at: datetime) -> Transfer:
    """Row 2: what a credit posts that is born `initiated`."""
    row = MOVES[None, State.INITIATED, Cause.CREATED]
    return _transfer(credit, row, at)


def _transfer(credit: LockedCredit, row: Row, at: datetime) -> Transfer:
    # A cause is the credit, the attempt in hand and the row: none of them can happen twice.
    attempt = max(credit.attempt, 1)
    assert row.debit is not None
    assert row.credit is not None
    return Transfer(
        cause=f"credit:{credit.credit_id}:{attempt}:{row.number}",
        debit_account=_account(row.debit, credit),
        credit_account=_account(row.credit, credit),
        amount=credit.amount,
        currency=credit.currency,
        at=at,
        credit_id=credit.credit_id,
        attempt=attempt,
    )


def _account(template: str, credit: LockedCredit) -> str:
    if template.endswith(":"):
        return accounts.of(template[:-1], credit.from_bank_account_id)
    return template


def _event(company_id: CompanyId, m: Move, credit: LockedCredit, by: Actor, at: datetime) -> Draft:
    data: dict[str, object] | None = None
    if m.fail_reason is not None:
        reason = FAIL_REASONS[m.fail_reason]
        data = {"failReason": reason.name, "failDirection": reason.direction.value}
    return Draft(
        company_id=company_id,
        type=EventType.CREDIT_UPDATED,
        subject_id=m.credit_id,
        at=at,
        actor=by,
        from_state=credit.state,
        to_state=m.to.value,
        because=m.reason or m.cause.value,
        data=data,
    )
