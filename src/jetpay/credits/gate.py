"""The gate before a credit: an answer is reserved, checked outside any transaction, settled.

Reserving takes one of the five tries before the answer is looked at, so answers that arrive
together get no extra one; a process that dies in between has used its try.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jetpay.base.refusals import Busy, Refusal
from jetpay.base.text import normalise_answer
from jetpay.credits.alarm import note_answer
from jetpay.credits.model import State
from jetpay.credits.page_queries import FOLLOWING, PageCredit
from jetpay.credits.payee_sessions import start_session
from jetpay.db.pool import Database
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import PAYEE, Draft, EventType
from jetpay.events.record import record
from jetpay.security import limits
from jetpay.security.limits import LimitKind
from jetpay.security.passwords import AnswerHash, AnswerHasher
from jetpay.security.secrets import Secret

TRIES: Final = 5
LATE_TRIES_PER: Final = timedelta(hours=24)
"""After the acceptance: `TRIES` wrong answers within this time, without a lock."""
RESERVED_FOR: Final = timedelta(seconds=30)
"""A reservation that nobody settled for so long counts as a wrong answer."""


class LinkLocked(Refusal):
    """Five wrong answers; the company unlocks the link or issues another."""

    code = "link_locked"
    status = 423
    title = "This link is locked"
    sentence = "This link is locked after {tries} wrong answers; please ask {company}."


class TooManyLateAnswers(Refusal):
    """Enough wrong answers for a day, at a link that has been used."""

    code = "too_many_answers"
    status = 429
    title = "Too many wrong answers"
    sentence = "There were too many wrong answers; please try again tomorrow."
    usual_retry_after = 24 * 60 * 60


class _NoTryLeft(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Right:
    """The gate opens; `cookie_value` replaces the visit's."""

    cookie_value: Secret[str]


@dataclass(frozen=True, slots=True)
class Wrong:
    """`tries_left`: before the link locks, or for today once the payment was accepted."""

    tries_left: int


@dataclass(frozen=True, slots=True)
class _Settled:
    wrong: int
    locked: bool


@dataclass(frozen=True, slots=True)
class _Gate:
    locked_at: datetime | None
    late_wrong: int
    late_since: datetime | None


@dataclass(frozen=True, slots=True)
class _Answered:
    is_first: bool


# One statement takes the try. `late`: the payment was accepted, other columns count.
RESERVE: Final = Query(
    int,
    """
    insert into link_gate as g (company_id, credit_id, link_version, pending, pending_since)
    values (%(company_id)s, %(credit_id)s, %(link_version)s, 1, %(now)s)
    on conflict (company_id, credit_id, link_version) do update
    set pending = g.pending + 1, pending_since = excluded.pending_since
    where g.locked_at is null and g.pending + (
      case when not %(late)s::boolean then g.wrong
           when g.late_since > %(late_after)s then g.late_wrong else 0 end) < %(tries)s
    returning g.pending::int as pending
    """,
    never_null=("pending",),
)
# Reservations of processes that died: nobody knows whether they were right.
FOLD: Final = Query(
    _Settled,
    """
    update link_gate g
    set wrong = g.wrong + case when %(late)s::boolean then 0 else g.pending end,
        late_wrong = case when not %(late)s then g.late_wrong
                          when g.late_since > %(late_after)s then g.late_wrong + g.pending
                          else g.pending end,
        late_since = case when %(late)s and g.late_since > %(late_after)s then g.late_since
                          when %(late)s then %(now)s else g.late_since end,
        pending = 0,
        locked_at = case when not %(late)s and g.wrong + g.pending >= %(tries)s then %(now)s
                         else g.locked_at end
    where g.company_id = %(company_id)s and g.credit_id = %(credit_id)s
      and g.link_version = %(link_version)s and g.locked_at is null
      and g.pending > 0 and g.pending_since < %(stale_before)s
    returning (case when %(late)s then g.late_wrong else g.wrong end)::int as wrong,
              g.locked_at is not null as locked
    """,
    never_null=("wrong", "locked"),
)
SETTLE_WRONG: Final = Query(
    _Settled,
    """
    update link_gate g
    set pending = greatest(g.pending - 1, 0),
        wrong = g.wrong + case when %(late)s::boolean then 0 else 1 end,
        late_wrong = case when not %(late)s then g.late_wrong
                          when g.late_since > %(late_after)s then g.late_wrong + 1 else 1 end,
        late_since = case when %(late)s and g.late_since > %(late_after)s then g.late_since
                          when %(late)s then %(now)s else g.late_since end,
        locked_at = case when not %(late)s and g.locked_at is null and g.wrong + 1 >= %(tries)s
                         then %(now)s else g.locked_at end
    where g.company_id = %(company_id)s and g.credit_id = %(credit_id)s
      and g.link_version = %(link_version)s
    returning (case when %(late)s then g.late_wrong else g.wrong end)::int as wrong,
              coalesce(g.locked_at = %(now)s, false) as locked
    """,
    never_null=("wrong", "locked"),
)
SETTLE_RIGHT: Final = Query(
    _Answered,
    """
    with before as (
      select answered_at from link_gate
      where company_id = %(company_id)s and credit_id = %(credit_id)s
        and link_version = %(link_version)s
      for no key update)
    update link_gate g
    set pending = greatest(g.pending - 1, 0), answered_at = coalesce(g.answered_at, %(now)s)
    from before
    where g.company_id = %(company_id)s and g.credit_id = %(credit_id)s
      and g.link_version = %(link_version)s
    returning before.answered_at is null as is_first
    """,
    never_null=("is_first",),
)
GATE: Final = Query(
    _Gate,
    """
    select locked_at, late_wrong, late_since from link_gate
    where company_id = %(company_id)s and credit_id = %(credit_id)s
      and link_version = %(link_version)s
    """,
)
RELEASE: Final = Command(
    """
    update link_gate set pending = greatest(pending - 1, 0)
    where company_id = %(company_id)s and credit_id = %(credit_id)s
      and link_version = %(link_version)s
    """
)


async def answer_question(
    db: Database,
    hasher: AnswerHasher,
    credit: PageCredit,
    answer: Secret[str],
    *,
    network: str | None,
    now: datetime,
) -> Right | Wrong:
    """Check one answer: a session if it is right.

    Refuses `RateLimited` for the client's network and `LinkLocked` or `TooManyLateAnswers` for
    the link, both before the answer is looked at, `Busy` without using a try, and raises
    `TextProblem` for an answer that is too long to be one. `now`: real time.
    """
    normalised = Secret(normalise_answer(answer.reveal()))
    try:
        await _reserve(db, credit, network=network, now=now)
    except _NoTryLeft:
        await _fold(db, credit, now=now)
        raise await _closed(db, credit, now=now) from None
    try:
        is_right = await hasher.verify(
            credit.company_id,
            credit.question_id,
            normalised,
            AnswerHash(credit.answer_hash, credit.pepper_key_id),
        )
    except BaseException:
        await _release(db, credit, network=network)
        raise
    if is_right:
        right = await _settle_right(db, credit, network=network, now=now)
        await note_answer(db, credit, is_right=True, now=now)
        return right
    wrong = await _settle_wrong(db, credit, now=now)
    await note_answer(db, credit, is_right=False, now=now)
    return wrong


def is_late(credit: PageCredit) -> bool:
    """Whether the payment was accepted, so that wrong answers lock nothing."""
    return credit.state in FOLLOWING


async def _closed(db: Database, credit: PageCredit, *, now: datetime) -> Refusal:
    """Why there is no try: while others' answers are being checked nobody knows yet."""
    gate = await GATE.first(db, **_place(credit))
    if gate is not None and gate.locked_at is not None:
        return LinkLocked(tries=TRIES, company=credit.company_name)
    if gate is not None and is_late(credit) and gate.late_wrong >= TRIES:
        is_today = gate.late_since is not None and gate.late_since > now - LATE_TRIES_PER
        if is_today:
            return TooManyLateAnswers()
    return Busy()


def _place(credit: PageCredit) -> dict[str, object]:
    return {
        "company_id": credit.company_id,
        "credit_id": credit.credit_id,
        "link_version": credit.link_version,
    }


def _window(credit: PageCredit, now: datetime) -> dict[str, object]:
    return {
        "late": is_late(credit),
        "late_after": now - LATE_TRIES_PER,
        "now": now,
        "tries": TRIES,
    }


# Everybody locks the network's row before the gate's, so that nobody waits in a circle.


@action
async def _reserve(
    tx: Transaction, credit: PageCredit, *, network: str | None, now: datetime
) -> None:
    if network is not None:
        await limits.take(tx, network, LimitKind.WRONG_ANSWER, now=now)
    if await RESERVE.first(tx, **_place(credit), **_window(credit, now)) is None:
        # Raised, so that the network's count is rolled back: no answer was looked at.
        raise _NoTryLeft


@action
async def _fold(tx: Transaction, credit: PageCredit, *, now: datetime) -> None:
    folded = await FOLD.first(
        tx, stale_before=now - RESERVED_FOR, **_place(credit), **_window(credit, now)
    )
    if folded is not None and folded.locked:
        link_locked(tx, credit, now)


@action
async def _settle_wrong(tx: Transaction, credit: PageCredit, *, now: datetime) -> Wrong:
    settled = await SETTLE_WRONG.one(tx, **_place(credit), **_window(credit, now))
    if settled.locked:
        link_locked(tx, credit, now)
    return Wrong(max(TRIES - settled.wrong, 0))


@action
async def _settle_right(
    tx: Transaction, credit: PageCredit, *, network: str | None, now: datetime
) -> Right:
    if network is not None:
        await limits.give_back(tx, network, LimitKind.WRONG_ANSWER)
    answered = await SETTLE_RIGHT.one(tx, now=now, **_place(credit))
    if answered.is_first:
        _record(tx, credit, EventType.CREDIT_LINK_ANSWERED, now)
    cookie_value = await start_session(
        tx,
        credit.company_id,
        credit.credit_id,
        link_version=credit.link_version,
        read_only=is_late(credit),
        now=now,
    )
    return Right(cookie_value)


@action
async def _release(tx: Transaction, credit: PageCredit, *, network: str | None) -> None:
    if network is not None:
        await limits.give_back(tx, network, LimitKind.WRONG_ANSWER)
    await RELEASE.run(tx, **_place(credit))


def link_locked(tx: Transaction, credit: PageCredit, now: datetime) -> None:
    """Tell the company."""
    _record(tx, credit, EventType.CREDIT_LINK_LOCKED, now)


def _record(tx: Transaction, credit: PageCredit, type_: EventType, now: datetime) -> None:
    record(
        tx,
        Draft(
            company_id=credit.company_id,
            type=type_,
            subject_id=credit.credit_id,
            at=credit.business_time(now),
            actor=PAYEE,
            data={"state": State(credit.state).value},
        ),
    )
