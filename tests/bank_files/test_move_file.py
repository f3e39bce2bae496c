"""A bank file moves by its table, through one door; the database holds the table on its own."""

import asyncio
from itertools import product

import psycopg
import pytest

from jetpay.bank_files.model import BankFile, FileState
from jetpay.bank_files.states import MOVES, move_file
from jetpay.base.ids import BankFileId, uuid7
from jetpay.db.rows import Command
from jetpay.events.model import CLOCK, FILE_BUILDER, OPERATOR, Actor, ActorKind
from tests.stage import Stage
from tests.world import NOON

PAIRS = [pair for pair in product(FileState, FileState) if pair[0] is not pair[1]]
MAKE = Command(
    """
    insert into bank_file (company_id, bank_file_id, bank_account_id, rail, state, number, sha256,
                           currency, cutoff_at, value_date, credit_count, total, created_at)
    values (%(company_id)s, %(bank_file_id)s, %(account)s, 'sandbox', %(state)s, 7, '\\x00',
            'CAD', %(at)s, '2026-03-02', 0, 0, %(at)s)
    """
)
SET = Command(
    """
    update bank_file set state = %(state)s
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
    """
)
EVENT_OF = {
    FileState.SENT: "sent",
    FileState.ACKNOWLEDGED: "acknowledged",
    FileState.REJECTED: "rejected",
    FileState.WITHDRAWN: "withdrawn",
    FileState.UNCONFIRMED: "unconfirmed",
}


async def made(stage: Stage, state: FileState) -> BankFile:
    file_id = BankFileId(uuid7())
    await MAKE.run(
        stage.services.db,
        company_id=stage.company_id,
        bank_file_id=file_id,
        account=stage.account,
        state=state.value,
        at=NOON,
    )
    return await stage.file(file_id)


@pytest.mark.parametrize("before, after", PAIRS)
async def test_the_database_holds_the_same_table_of_files_on_its_own(
    stage: Stage, before: FileState, after: FileState
) -> None:
    file = await made(stage, before)
    place = {"company_id": stage.company_id, "bank_file_id": file.bank_file_id}
    refused = None
    try:
        await SET.run(stage.services.db, state=after.value, **place)
    except psycopg.errors.CheckViolation as error:
        refused = error.diag.constraint_name
    expected = None if (before, after) in MOVES else "bank_file_moves_by_the_table"
    assert refused == expected


@pytest.mark.parametrize("before, after", MOVES)
async def test_a_move_is_told_once_and_keeps_its_time(
    stage: Stage, before: FileState, after: FileState
) -> None:
    file, told = await made(stage, before), await stage.events()
    who = Actor(min(MOVES[before, after]), None)
    moved = await move_file(stage.services.db, file, after, by=who, at=NOON)
    assert moved is not None
    assert moved.state is after
    new = (await stage.events())[len(told) :]
    name = EVENT_OF.get(after)
    assert new == ([f"bank_files.{name} {before}>{after} "] if name else [])
    now = await stage.file(file.bank_file_id)
    was_sent = after in (FileState.SENT, FileState.ACKNOWLEDGED, FileState.REJECTED)
    assert (now.sent_at is not None) is was_sent


@pytest.mark.parametrize("before, after", PAIRS)
async def test_nobody_makes_a_move_that_is_not_his(
    stage: Stage, before: FileState, after: FileState
) -> None:
    file = await made(stage, before)
    for kind in set(ActorKind) - MOVES.get((before, after), frozenset()):
        with pytest.raises(PermissionError):
            await move_file(stage.services.db, file, after, by=Actor(kind, None), at=NOON)
    assert (await stage.file(file.bank_file_id)).state is before


async def test_of_two_at_once_one_moves_it(stage: Stage) -> None:
    file, db = await made(stage, FileState.SEALED), stage.services.db
    moved = await asyncio.gather(
        move_file(db, file, FileState.HANDING_OVER, by=FILE_BUILDER, at=NOON),
        move_file(db, file, FileState.WITHDRAWN, by=OPERATOR, at=NOON),
        move_file(db, file, FileState.UNCONFIRMED, by=OPERATOR, at=NOON),
    )
    [winner] = [each for each in moved if each is not None]
    assert (await stage.file(file.bank_file_id)).state is winner.state


async def test_the_clock_moves_no_file(stage: Stage) -> None:
    assert all(CLOCK.kind not in who for who in MOVES.values())
