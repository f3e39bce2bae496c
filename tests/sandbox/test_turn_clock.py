"""Turning the clock: everything due by the new time is done, in the order of the times."""

import asyncio
from datetime import timedelta

import pytest

from jetpay.base.refusals import Forbidden, Invalid
from jetpay.credits.model import State
from jetpay.db.rows import Query
from jetpay.sandbox.clock import FURTHEST
from jetpay.worker.advance import advance
from tests.stage import Stage
from tests.world import NOON

TIMES = Query(
    str,
    """
    select to_char(created_at, 'YYYY-MM-DD HH24:MI') as at from event
    where company_id = %(company_id)s order by event_id
    """,
    never_null=("at",),
)


async def test_advancing_tells_the_time_and_which_events_it_made(stage: Stage) -> None:
    await stage.accepted()
    last = len(await stage.events())
    done = await stage.advance(1)
    assert done.now == NOON + timedelta(days=1)
    assert (done.first_event_id, done.last_event_id) == (last + 1, len(await stage.events()))
    quiet = await stage.advance(0)
    assert (quiet.now, quiet.first_event_id) == (done.now, None)
    assert quiet.last_event_id == done.last_event_id


async def test_a_month_in_one_leap_is_the_month_day_by_day(stage: Stage) -> None:
    leap = [
        await stage.accepted("9000101", amount=100),
        await stage.accepted("9000201", amount=101),
        await stage.accepted(amount=102),
    ]
    waiting = await stage.requested()
    await stage.advance(31)
    states = [await stage.state(each) for each in [*leap, waiting]]
    assert states == [State.FAILED, State.FAILED, State.COMPLETED, State.EXPIRED]
    times = await TIMES.all(stage.services.db, company_id=stage.company_id)
    assert times == sorted(times)
    assert (await stage.view(leap[0])).fail_reason == "account_closed"


async def test_things_happen_at_their_own_time_and_not_at_the_end(stage: Stage) -> None:
    credit = await stage.accepted()
    await stage.advance(31)
    completed = (await stage.view(credit)).completed_at
    assert completed is not None
    assert completed.date().isoformat() == "2026-03-05"


async def test_a_year_is_a_matter_of_seconds(stage: Stage) -> None:
    for number in ("9000101", "9000201", "1000001"):
        await stage.accepted(number)
    await asyncio.wait_for(stage.advance(366), 30)


async def test_a_live_company_s_clock_is_the_real_one(live_stage: Stage) -> None:
    with pytest.raises(Forbidden):
        await advance(live_stage.services, live_stage.company_id, 1)


async def test_it_is_turned_by_a_century_at_most(stage: Stage) -> None:
    with pytest.raises(Invalid):
        await advance(stage.services, stage.company_id, FURTHEST.days + 1)
    assert await stage.now() == NOON


async def test_two_at_once_turn_it_twice(stage: Stage) -> None:
    await stage.accepted()
    services, company_id = stage.services, stage.company_id
    await asyncio.gather(advance(services, company_id, 2), advance(services, company_id, 3))
    assert await stage.now() == NOON + timedelta(days=5)
    await stage.prove()
