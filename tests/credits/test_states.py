"""The table of moves, row by row, and the refusal of everything that is not in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import product

import psycopg
import pytest

from jetpay.base.ids import CreditId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.credits import states
from jetpay.credits.actions import cancel, decline
from jetpay.credits.model import FINAL, LockedCredit, State
from jetpay.credits.refusals import MoveRefused
from jetpay.credits.states import MOVES, TABLE, Cause, Move, birth_transfer, lock, move
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction
from jetpay.events.model import OPERATOR, Actor, ActorKind
from jetpay.ledger.posting import post
from tests.stage import Stage
from tests.world import NOON

# The design's table of moves: number, from, to, debit side, credit side.
LAW = """
1  | –               → requested       | –             | –
2  | –               → initiated       | payouts       | payable
3  | requested       → initiated       | payouts       | payable
4  | requested       → cancelled       | –             | –
4  | requested       → declined        | –             | –
4  | requested       → expired         | –             | –
5  | initiated       → cancelled       | payable       | payouts
6  | initiated       → action_required | –             | –
7  | initiated       → failed          | payable       | payouts
8  | initiated       → processing      | payable       | in_transit:
9  | processing      → initiated       | in_transit:   | payable
9b | processing      → initiated       | returning:    | payable
10 | processing      → action_required | in_transit:   | payable
11 | processing      → failed          | in_transit:   | payouts
12 | processing      → action_required | returning:    | payable
13 | processing      → failed          | returning:    | payouts
14 | processing      → completed       | –             | –
15 | completed       → action_required | returning:    | payable
16 | completed       → failed          | returning:    | payouts
17 | action_required → initiated       | –             | –
18 | action_required → failed          | payable       | payouts
19 | action_required → cancelled       | payable       | payouts
19 | action_required → declined        | payable       | payouts
20 | action_required → completed       | payable       | returning:
"""
# Who may cause each: the design's third column, as kinds of actors.
WHO = {
    "1": "token member operator",
    "2": "token member operator",
    "3": "payee",
    "4 cancelled": "token member operator",
    "4 declined": "payee",
    "4 expired": "clock",
    "5": "token member operator clock",
    "6": "file_builder",
    "7": "file_builder",
    "8": "file_builder",
    "9": "token member operator report_reader",
    "9b": "report_reader",
    "10": "report_reader",
    "11": "member operator report_reader",
    "12": "report_reader",
    "13": "report_reader",
    "14": "clock report_reader",
    "15": "report_reader",
    "16": "report_reader",
    "17": "payee",
    "18": "clock",
    "19 cancelled": "token member operator",
    "19 declined": "payee",
    "20": "member",
}
ROWS = [row for row in TABLE if row.from_state is not None]
PAIRS = {(row.from_state, row.to_state) for row in ROWS}


@dataclass(frozen=True, slots=True)
class _Posted:
    debit_account: str
    credit_account: str
    amount: int


LAST_TRANSFER = Query(
    _Posted,
    """
    select debit_account, credit_account, amount from transfer
    where company_id = %(company_id)s and credit_id = %(credit_id)s and cause = %(cause)s
    """,
)
TRANSFERS = Query(
    int,
    """
    select count(*) as transfers from transfer
    where company_id = %(company_id)s and credit_id = %(credit_id)s
    """,
)


@asynccontextmanager
async def undone(stage: Stage) -> AsyncIterator[Transaction]:
    """A transaction that does all but commit."""
    async with stage.services.db.connection() as connection:
        async with connection.transaction(force_rollback=True):
            tx = Transaction(connection)
            yield tx
            await tx.run_hooks()


async def reach(stage: Stage, state: State) -> CreditId:
    """A credit in this state, brought there as in life."""
    db, company_id = stage.services.db, stage.company_id
    match state:
        case State.REQUESTED:
            return await stage.requested()
        case State.EXPIRED:
            credit = await stage.requested()
            await stage.advance(31)
            return credit
        case State.DECLINED:
            credit = await stage.requested()
            await decline(db, company_id, credit, reason=None, at=NOON)
            return credit
        case State.CANCELLED:
            credit = await stage.requested()
            await cancel(db, company_id, credit, by=OPERATOR, at=NOON)
            return credit
        case State.INITIATED:
            return await stage.accepted()
        case State.PROCESSING:
            credit = await stage.accepted()
            await stage.tick()
            return credit
        case State.COMPLETED:
            credit = await stage.accepted("9000906")
            await stage.advance(1)
            return credit
        case State.ACTION_REQUIRED | State.FAILED:
            credit = await stage.accepted(
                "9000001" if state is State.ACTION_REQUIRED else "9000017"
            )
            await stage.tick()
            return credit


def expected_transfers(stage: Stage, row: states.Row) -> list[_Posted]:
    """What a row posts for a credit over 100.00."""
    if row.debit is None or row.credit is None:
        return []
    debit, credit = (
        f"{side}{stage.account}" if side.endswith(":") else side for side in (row.debit, row.credit)
    )
    return [_Posted(debit, credit, 10_000)]


def test_the_table_in_code_is_the_law() -> None:
    said = [
        " | ".join(
            [
                row.number,
                f"{row.from_state or '–'} → {row.to_state}",
                row.debit or "–",
                row.credit or "–",
            ]
        )
        for row in TABLE
    ]
    law = [
        " | ".join(" ".join(cell.split()) for cell in line.split("|"))
        for line in LAW.strip().splitlines()
    ]
    assert said == law


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.number}-{row.to_state}")
def test_who_may_cause_a_row_is_the_law(row: states.Row) -> None:
    who = WHO.get(row.number) or WHO[f"{row.number} {row.to_state}"]
    assert {kind.value for kind in row.who} == set(who.split())


def test_no_move_has_two_rows_and_no_row_half_a_transfer() -> None:
    assert len(MOVES) == len(TABLE)
    assert all((row.debit is None) == (row.credit is None) for row in TABLE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number}-{row.to_state}")
async def test_every_row_moves_posts_and_tells(stage: Stage, row: states.Row) -> None:
    assert row.from_state is not None
    credit = await reach(stage, row.from_state)
    wanted = Move(
        credit_id=credit,
        to=row.to_state,
        cause=row.cause,
        fail_reason="account_closed" if row.to_state is State.FAILED else None,
    )
    events = len(await stage.events())
    for kind in sorted(row.who):
        async with undone(stage) as tx:
            [before] = await move(tx, stage.company_id, [wanted], by=Actor(kind), at=NOON)
            assert isinstance(before, LockedCredit)
            assert before.state == row.from_state
            after = (await lock(tx, stage.company_id, [credit]))[credit]
            assert after.state == row.to_state
            assert after.attempt == before.attempt + (row.to_state is State.INITIATED)
            cause = f"credit:{credit}:{max(before.attempt, 1)}:{row.number}"
            posted = await LAST_TRANSFER.all(
                tx, company_id=stage.company_id, credit_id=credit, cause=cause
            )
            assert posted == expected_transfers(stage, row)
    assert len(await stage.events()) == events


@pytest.mark.parametrize("state", State)
async def test_everything_else_is_refused_by_name_and_changes_nothing(
    stage: Stage, state: State
) -> None:
    credit = await reach(stage, state)
    events = await stage.events()
    count = {"company_id": stage.company_id, "credit_id": credit}
    transfers = await TRANSFERS.one(stage.services.db, **count)
    refused = 0
    async with stage.services.db.transaction() as tx:
        for to, cause in product(State, Cause):
            if (state, to, cause) in MOVES:
                continue
            wanted = Move(credit_id=credit, to=to, cause=cause)
            for kind in (ActorKind.OPERATOR, ActorKind.SYSTEM):
                [answer] = await move(tx, stage.company_id, [wanted], by=Actor(kind), at=NOON)
                assert isinstance(answer, MoveRefused)
                assert answer.values == {"state": state.value, "to": to.value}
            refused += 1
    allowed = sum(row.from_state is state for row in ROWS)
    assert refused == len(State) * len(Cause) - allowed
    assert await stage.state(credit) is state
    assert await TRANSFERS.one(stage.services.db, **count) == transfers
    assert await stage.events() == events


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number}-{row.to_state}")
async def test_nobody_else_causes_a_row(stage: Stage, row: states.Row) -> None:
    assert row.from_state is not None
    credit = await reach(stage, row.from_state)
    wanted = Move(credit_id=credit, to=row.to_state, cause=row.cause)
    for kind in set(ActorKind) - row.who:
        with pytest.raises(PermissionError, match=f"row {row.number} "):
            async with undone(stage) as tx:
                await move(tx, stage.company_id, [wanted], by=Actor(kind), at=NOON)
    assert await stage.state(credit) is row.from_state


@pytest.mark.parametrize("state", State)
async def test_the_database_holds_the_same_table_on_its_own(stage: Stage, state: State) -> None:
    credit = await reach(stage, state)
    for to in set(State) - {state}:
        constraint = None
        try:
            async with undone(stage) as tx:
                await tx.connection.execute(
                    "update credit set state = %s, attempt = 1 where credit_id = %s",
                    [to.value, credit],
                )
        except psycopg.errors.CheckViolation as error:
            constraint = error.diag.constraint_name
        is_refused = constraint == "credit_state_moves_by_the_table"
        assert is_refused == ((state, to) not in PAIRS), (state, to)


def test_nothing_leads_out_of_a_final_state() -> None:
    assert {row.from_state for row in ROWS} & FINAL == set()


async def test_many_move_at_once_each_with_its_answer(stage: Stage) -> None:
    waiting, ended = await stage.requested(), await reach(stage, State.CANCELLED)
    stranger = CreditId(uuid7())
    moves = [
        Move(credit_id=credit, to=State.CANCELLED, cause=Cause.CANCELLED)
        for credit in (stranger, waiting, ended, waiting)
    ]
    async with stage.services.db.transaction() as tx:
        answers = await move(tx, stage.company_id, moves, by=OPERATOR, at=NOON)
    assert [type(answer) for answer in answers] == [
        NotFound,
        LockedCredit,
        MoveRefused,
        MoveRefused,
    ]
    assert await stage.state(waiting) is State.CANCELLED


async def test_another_company_s_credit_is_not_found(stage: Stage) -> None:
    credit = await stage.requested()
    wanted = Move(credit_id=credit, to=State.CANCELLED, cause=Cause.CANCELLED)
    async with stage.services.db.transaction() as tx:
        [answer] = await move(tx, uuid7(), [wanted], by=OPERATOR, at=NOON)  # type: ignore[arg-type]
    assert isinstance(answer, NotFound)


async def test_a_transfer_that_was_posted_before_stops_the_move(stage: Stage) -> None:
    credit = await stage.accepted()
    wanted = Move(credit_id=credit, to=State.CANCELLED, cause=Cause.CANCELLED)
    async with undone(stage) as tx:
        before = (await lock(tx, stage.company_id, [credit]))[credit]
        transfer = replace(birth_transfer(before, NOON), cause=f"credit:{credit}:1:5")
        await post(tx, stage.company_id, [transfer])
        with pytest.raises(RuntimeError, match="posted before"):
            await move(tx, stage.company_id, [wanted], by=OPERATOR, at=NOON)
    assert await stage.state(credit) is State.INITIATED


async def test_a_credit_that_changed_under_its_lock_is_a_defect(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    credit = await stage.requested()
    wanted = Move(credit_id=credit, to=State.EXPIRED, cause=Cause.LINK_EXPIRED)

    async def stale(*_: object) -> dict[CreditId, LockedCredit]:
        monkeypatch.undo()
        async with stage.services.db.transaction() as other:
            seen = await lock(other, stage.company_id, [credit])
        await cancel(stage.services.db, stage.company_id, credit, by=OPERATOR, at=NOON)
        return seen

    monkeypatch.setattr(states, "lock", stale)
    with pytest.raises(RuntimeError, match="under its lock"):
        async with stage.services.db.transaction() as tx:
            await move(tx, stage.company_id, [wanted], by=Actor(ActorKind.CLOCK), at=NOON)


async def test_a_birth_posts_what_row_2_says(stage: Stage) -> None:
    credit = await stage.to_account(amount=700)
    posted = await LAST_TRANSFER.one(
        stage.services.db,
        company_id=stage.company_id,
        credit_id=credit,
        cause=f"credit:{credit}:1:2",
    )
    assert posted == _Posted("payouts", "payable", 700)
