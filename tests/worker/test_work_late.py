"""A worker that was away finds its work late, and nothing happens in the past."""

import asyncio
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest

from jetpay.bank_files import actions
from jetpay.bank_files.model import FileState
from jetpay.base.clock import FixedClock
from jetpay.base.refusals import Unavailable
from jetpay.companies import due
from jetpay.credits.model import State
from jetpay.db.rows import Command, Query
from jetpay.events.model import OPERATOR
from jetpay.sandbox.clock import turn
from jetpay.worker import loop
from jetpay.worker.advance import advance
from jetpay.worker.due import claim, finish
from tests.patience import PATIENCE_SECONDS, wait_until_locked
from tests.stage import Stage
from tests.world import NOON

THURSDAY = date(2026, 3, 5)
TIMES = Query(
    datetime,
    """
    select created_at from event
    where company_id = %(company_id)s and created_at > %(after)s order by event_id
    """,
)
DUE_AT = Query(
    datetime, "select due_at from due where company_id = %(company_id)s and kind = %(kind)s"
)
FORGET = Command("delete from due where company_id = %(company_id)s")


@pytest.fixture
def away(clock: FixedClock) -> Iterator[FixedClock]:
    """The real clock, which goes on while no worker works; the next test finds it as it was."""
    before = clock.at
    yield clock
    clock.at = before


async def test_a_missed_cut_off_makes_a_file_of_today(stage: Stage, away: FixedClock) -> None:
    credit = await stage.accepted()
    away.at += timedelta(days=3)
    await stage.tick()
    [file] = await stage.files()
    assert (file.state, file.value_date) == (FileState.ACKNOWLEDGED, THURSDAY)
    assert (file.cutoff_at, file.sent_at) == (NOON, away.at)
    assert await stage.state(credit) is State.PROCESSING, "a bank may still return it"
    assert (await stage.view(credit)).expected_on(away.at) == THURSDAY
    away.at += timedelta(days=4)
    await stage.tick()
    assert await stage.state(credit) is State.PROCESSING, "two business days are not over"
    away.at += timedelta(days=1)
    await stage.tick()
    assert await stage.state(credit) is State.COMPLETED


async def test_what_happens_late_happens_when_it_is_done(stage: Stage, away: FixedClock) -> None:
    await stage.accepted("9000101")
    await stage.requested(expires_at=NOON + timedelta(days=1))
    away.at += timedelta(days=40)
    last = (await stage.events())[-1]
    assert last.startswith("transactions.credits.created")
    await stage.tick()
    times = await TIMES.all(stage.services.db, company_id=stage.company_id, after=NOON)
    assert times
    assert set(times) == {away.at}


async def test_cut_offs_missed_one_after_the_other_are_made_up_for(
    stage: Stage, away: FixedClock
) -> None:
    first = await stage.accepted()
    away.at += timedelta(hours=2)
    second = await stage.accepted()
    away.at += timedelta(days=1)
    await stage.tick()
    assert [await stage.state(each) for each in (first, second)] == [State.PROCESSING] * 2
    assert {file.value_date for file in await stage.files()} == {date(2026, 3, 3)}


async def test_a_file_that_came_late_is_settled_later(stage: Stage, away: FixedClock) -> None:
    """Its own value date was promised before anybody carried it to the bank."""
    await stage.use_profile("sandbox_by_hand")
    credit, returned = await stage.accepted(), await stage.accepted("9000101")
    await stage.tick()
    [file] = await stage.files()
    assert file.value_date == NOON.date()
    away.at += timedelta(days=3)
    services = stage.services
    await actions.mark_sent(
        services.db, services.vault, stage.company_id, file.bank_file_id,
        services.settings.data_dir, by=OPERATOR, at=away.at,
    )  # fmt: skip
    await stage.tick()
    assert (await stage.files())[0].state is FileState.ACKNOWLEDGED
    assert [await stage.state(each) for each in (credit, returned)] == [State.PROCESSING] * 2
    assert (await stage.view(credit)).expected_on(away.at) == THURSDAY
    away.at += timedelta(days=1, hours=4)
    await stage.tick()
    assert await stage.state(returned) is State.ACTION_REQUIRED, "before it could be completed"
    away.at += timedelta(days=4)
    await stage.tick()
    assert await stage.state(credit) is State.COMPLETED


async def test_a_file_that_nobody_sent_yet_is_expected_from_today_on(
    stage: Stage, away: FixedClock
) -> None:
    await stage.use_profile("sandbox_by_hand")
    credit = await stage.accepted()
    await stage.tick()
    away.at += timedelta(days=3)
    assert (await stage.view(credit)).expected_on(away.at) == THURSDAY


# --------------------------------------------------------------------- turning the clock
async def test_a_turning_that_was_interrupted_goes_on_day_by_day(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    credit = await stage.accepted()
    with monkeypatch.context() as slow:
        slow.setattr(loop, "TICK_SECONDS", -1.0)
        with pytest.raises(Unavailable):
            await advance(stage.services, stage.company_id, 20)
        with pytest.raises(Unavailable):
            await advance(stage.services, stage.company_id, 11)
    await stage.advance(0)
    completed = (await stage.view(credit)).completed_at
    assert completed is not None
    assert completed.date() == THURSDAY


async def test_what_was_late_before_a_turning_happens_when_the_clock_is_turned(
    stage: Stage, away: FixedClock
) -> None:
    credit = await stage.accepted()
    away.at += timedelta(days=3)
    await stage.advance(31)
    [file] = await stage.files()
    assert (file.value_date, file.sent_at) == (THURSDAY, away.at)
    completed = (await stage.view(credit)).completed_at
    assert completed is not None
    assert completed.date() == date(2026, 3, 10)


async def until_somebody_waits(stage: Stage) -> None:
    async with stage.services.db.connection() as connection:
        await wait_until_locked(connection)


async def test_what_is_armed_while_the_clock_is_turned_is_not_left_behind(stage: Stage) -> None:
    db, company = stage.services.db, stage.company_id

    async def arm() -> None:
        async with db.transaction() as tx:
            await due.arm(tx, company, due.SANDBOX_BANK, company, at=NOON + timedelta(hours=1))

    async with db.transaction() as tx:
        await turn(tx, company, days=1, now=NOON)
        arming = asyncio.create_task(arm())
        await until_somebody_waits(stage)
    await asyncio.wait_for(arming, PATIENCE_SECONDS)
    found = await DUE_AT.one(db, company_id=company, kind=due.SANDBOX_BANK)
    assert found == NOON + timedelta(hours=1) - timedelta(days=1)


async def test_what_is_due_again_while_the_clock_is_turned_is_not_left_behind(
    stage: Stage,
) -> None:
    db, company = stage.services.db, stage.company_id
    await FORGET.run(db, company_id=company)
    async with db.transaction() as tx:
        await due.arm(tx, company, due.SANDBOX_BANK, company, at=NOON)
    mine = await claim(db, now=NOON, only=company)
    assert mine is not None
    async with db.transaction() as tx:
        await turn(tx, company, days=1, now=NOON)
        again = NOON + timedelta(hours=1)
        finishing = asyncio.create_task(finish(db, mine, again_at=again))
        await until_somebody_waits(stage)
    await asyncio.wait_for(finishing, PATIENCE_SECONDS)
    found = await DUE_AT.one(db, company_id=company, kind=due.SANDBOX_BANK)
    assert found == again - timedelta(days=1)
