"""Leases: one worker at a time, and a dead one's work goes on."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from jetpay.companies import due as kinds
from jetpay.db.rows import Command, Query
from jetpay.worker.due import BACK_OFF, Due, back_off, claim, finish, give_back, left
from tests.stage import Stage
from tests.world import NOON

ADD = Command(
    """
    insert into due (company_id, kind, subject_id, due_at)
    values (%(company_id)s, %(kind)s, %(subject_id)s, %(at)s)
    """
)
FORGET = Command("delete from due where company_id = %(company_id)s")
OUTDATE = Command(
    """
    update due set lease_until = now() - interval '1 second'
    where company_id = %(company_id)s and lease_until is not null
    """
)
ATTEMPTS = Query(
    int, "select attempts from due where company_id = %(company_id)s order by due_at limit 1"
)


@pytest.fixture
async def empty(stage: Stage) -> Stage:
    """A company of which nothing is due."""
    await FORGET.run(stage.services.db, company_id=stage.company_id)
    return stage


async def add(stage: Stage, kind: str = "work", *, minutes: int = 0) -> UUID:
    subject = uuid4()
    await ADD.run(
        stage.services.db,
        company_id=stage.company_id,
        kind=kind,
        subject_id=subject,
        at=NOON + timedelta(minutes=minutes),
    )
    return subject


async def take(stage: Stage, *, minutes: int = 0) -> Due | None:
    return await claim(
        stage.services.db, now=NOON + timedelta(minutes=minutes), only=stage.company_id
    )


async def test_a_piece_of_work_is_claimed_once(empty: Stage) -> None:
    subject = await add(empty)
    found = await asyncio.gather(*(take(empty) for _ in range(5)))
    [mine] = [each for each in found if each is not None]
    assert (mine.subject_id, mine.at, mine.failures) == (subject, NOON, 0)


async def test_what_is_not_due_is_not_claimed(empty: Stage) -> None:
    await add(empty, minutes=1)
    assert await take(empty) is None
    assert await left(empty.services.db, empty.company_id, now=NOON) == 0
    assert await take(empty, minutes=1) is not None


async def test_a_dead_worker_s_lease_runs_out_and_its_finish_changes_nothing(
    empty: Stage,
) -> None:
    db = empty.services.db
    await add(empty)
    dead = await take(empty)
    await OUTDATE.run(db, company_id=empty.company_id)
    living = await take(empty)
    assert dead is not None
    assert living is not None
    assert living.lease_token != dead.lease_token
    await finish(db, dead, again_at=None)
    assert await left(db, empty.company_id, now=NOON) == 1
    assert await take(empty) is None
    await finish(db, living, again_at=None)
    assert await left(db, empty.company_id, now=NOON) == 0


async def test_work_that_comes_again_is_due_in_the_company_s_time(empty: Stage) -> None:
    await empty.advance(2)
    await add(empty)
    mine = await take(empty)
    assert mine is not None
    assert mine.at == NOON + timedelta(days=2)
    again_at = mine.at + timedelta(minutes=10)
    await finish(empty.services.db, mine, again_at=again_at)
    assert await take(empty, minutes=9) is None
    again = await take(empty, minutes=10)
    assert again is not None
    assert again.at == again_at


@pytest.mark.parametrize("minutes", [None, 5])
async def test_work_armed_while_it_was_done_is_looked_at_once_more(
    empty: Stage, minutes: int | None
) -> None:
    db = empty.services.db
    await add(empty, kinds.BANK_FILE_CUTOFF)
    mine = await take(empty)
    assert mine is not None
    async with db.transaction() as tx:
        await kinds.arm(
            tx, empty.company_id, mine.kind, mine.subject_id, at=NOON + timedelta(hours=1)
        )
    assert await take(empty) is None, "the lease still holds"
    again_at = None if minutes is None else NOON + timedelta(minutes=minutes)
    await finish(db, mine, again_at=again_at)
    again = await take(empty)
    assert again is not None
    assert again.at == NOON


async def test_what_failed_waits_longer_each_time(empty: Stage) -> None:
    db = empty.services.db
    await add(empty)
    for failures in range(3):
        mine = await take(empty)
        assert mine is not None
        assert mine.failures == failures
        await give_back(db, mine, pause=timedelta(hours=1), failed=True)
        assert await take(empty) is None
        await OUTDATE.run(db, company_id=empty.company_id)
    mine = await take(empty)
    assert mine is not None
    await finish(db, mine, again_at=NOON)
    assert await ATTEMPTS.one(db, company_id=empty.company_id) == 0
    assert [back_off(n) for n in (1, 2, len(BACK_OFF), 99)] == [
        BACK_OFF[0],
        BACK_OFF[1],
        BACK_OFF[-1],
        BACK_OFF[-1],
    ]


async def test_a_pause_without_a_failure_is_not_counted(empty: Stage) -> None:
    await add(empty)
    mine = await take(empty)
    assert mine is not None
    await give_back(empty.services.db, mine, pause=timedelta(0), failed=False)
    again = await take(empty)
    assert again is not None
    assert again.failures == 0


async def test_a_late_failure_does_not_take_the_lease_of_another(empty: Stage) -> None:
    db = empty.services.db
    await add(empty)
    dead = await take(empty)
    await OUTDATE.run(db, company_id=empty.company_id)
    living = await take(empty)
    assert dead is not None
    assert living is not None
    await give_back(db, dead, pause=timedelta(0), failed=True)
    assert await take(empty) is None
    await finish(db, living, again_at=None)
    assert await left(db, empty.company_id, now=NOON) == 0


async def test_a_sandbox_s_work_is_done_one_by_one_in_order(empty: Stage) -> None:
    db = empty.services.db
    later, earlier = await add(empty, minutes=2), await add(empty, minutes=1)
    first = await take(empty, minutes=5)
    assert first is not None
    assert first.subject_id == earlier
    assert await take(empty, minutes=5) is None, "the earlier one is not done"
    assert await claim_any(empty) is None
    await give_back(db, first, pause=timedelta(hours=1), failed=True)
    second = await take(empty, minutes=5)
    assert second is not None, "what failed steps aside"
    assert second.subject_id == later


async def claim_any(stage: Stage) -> Due | None:
    """As the loop claims; what other companies have is finished on the way."""
    while True:
        found = await claim(stage.services.db, now=NOON + timedelta(minutes=5))
        if found is None or found.company_id == stage.company_id:
            return found
        await finish(stage.services.db, found, again_at=NOON + timedelta(days=9))


async def test_a_live_company_s_work_is_done_side_by_side(empty: Stage, live_stage: Stage) -> None:
    await add(live_stage, minutes=1)
    await add(live_stage, minutes=2)
    assert await claim_any(live_stage) is not None
    assert await claim_any(live_stage) is not None
    assert await claim_any(live_stage) is None


async def test_a_due_row_is_its_own_company_s(empty: Stage) -> None:
    await add(empty)
    mine = await take(empty)
    assert mine is not None
    stranger = replace(mine, company_id=uuid4())  # type: ignore[arg-type]
    await finish(empty.services.db, stranger, again_at=None)
    assert await left(empty.services.db, empty.company_id, now=NOON) == 1
