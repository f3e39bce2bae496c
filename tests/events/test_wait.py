"""Who waits for events is woken by the next one, from whatever process it came."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from jetpay.base.ids import CompanyId
from jetpay.base.refusals import Busy, RateLimited
from jetpay.db.pool import Database
from jetpay.events import wake as wake_module
from jetpay.events.queries import (
    BatchWanted,
    batches,
    events_after,
    events_of,
    highest_event_id,
)
from jetpay.events.wake import Wake
from tests.events.story import happen, make_company


@pytest.fixture
async def wake(database: Database) -> AsyncIterator[Wake]:
    made = Wake(database)
    yield made
    await made.close()


@pytest.fixture
async def company_id(database: Database) -> CompanyId:
    return await make_company(database)


async def test_a_waiting_call_is_woken_by_the_next_event(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    waiting = asyncio.create_task(wake.wait_past(company_id, 0, 10))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await happen(database, company_id)
    await waiting
    assert time.monotonic() - began < 0.5


async def test_an_event_that_is_there_already_wakes_at_once(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    await happen(database, company_id)
    async with asyncio.timeout(0.8):
        await wake.wait_past(company_id, 0, 10)


async def test_nothing_happens_and_the_call_ends_in_time(wake: Wake, company_id: CompanyId) -> None:
    began = time.monotonic()
    await wake.wait_past(company_id, 0, 0.3)
    assert 0.25 < time.monotonic() - began < 1


async def test_another_process_is_heard_by_its_notice(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    version = wake.version
    await wake.heard(version, 0.3)  # begins to listen
    other = Wake(database)
    wake_module._PROCESS.discard(wake)
    other.announce()
    began = time.monotonic()
    await wake.heard(version, 5)
    assert time.monotonic() - began < 1
    assert wake.version > version
    await other.close()


async def test_a_lost_notice_costs_a_second(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    waiting = asyncio.create_task(wake.wait_past(company_id, 0, 10))
    await asyncio.sleep(0.2)
    wake_module._PROCESS.discard(wake)
    began = time.monotonic()
    await happen(database, company_id)
    await waiting
    assert time.monotonic() - began < 2


async def test_another_companys_event_wakes_nobody(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    other = await make_company(database)
    waiting = asyncio.create_task(wake.wait_past(company_id, 0, 0.6))
    await asyncio.sleep(0.1)
    await happen(database, other)
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await waiting


async def test_a_company_may_have_twenty_calls_waiting(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    waiting = [asyncio.create_task(wake.wait_past(company_id, 0, 10)) for _ in range(20)]
    await asyncio.sleep(0.05)
    with pytest.raises(RateLimited):
        await wake.wait_past(company_id, 0, 10)
    await wake.wait_past(await make_company(database), 0, 0.05)
    await wake.close()
    await asyncio.gather(*waiting)


async def test_a_process_has_a_limit_too(
    wake: Wake, company_id: CompanyId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake_module, "WAITING_CALLS", 0)
    with pytest.raises(Busy):
        await wake.wait_past(company_id, 0, 1)


async def test_closing_ends_every_wait(wake: Wake, company_id: CompanyId) -> None:
    waiting = asyncio.create_task(wake.wait_past(company_id, 0, 30))
    hearing = asyncio.create_task(wake.heard(wake.version + 1, 30))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        await wake.close()
        await asyncio.gather(waiting, hearing)
        await wake.wait_past(company_id, 0, 30)


async def test_waiting_calls_hold_no_connection(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    companies = [await make_company(database) for _ in range(15)]
    waiting = [asyncio.create_task(wake.wait_past(each, 0, 10)) for each in companies]
    await asyncio.sleep(0.1)
    for each in companies:
        await happen(database, each)
    async with asyncio.timeout(2):
        await asyncio.gather(*waiting)


# ------------------------------------------------------------------------------- reading
async def test_events_are_read_in_order_after_a_number(
    database: Database, company_id: CompanyId
) -> None:
    subjects = await happen(database, company_id, count=5)
    found = await events_after(database, company_id, 1, limit=3)
    assert [each.event_id for each in found] == [2, 3, 4]
    assert await highest_event_id(database, company_id) == 5
    [one] = await events_of(database, company_id, subjects[2])
    assert one.event_id == 3


async def test_many_batches_are_read_in_one_statement(
    database: Database, company_id: CompanyId
) -> None:
    other = await make_company(database)
    await happen(database, company_id, count=5)
    await happen(database, other, count=2)
    found = await batches(
        database,
        [
            BatchWanted(company_id, 0, 2),
            BatchWanted(other, 2, 5),
            BatchWanted(company_id, 1, 9, through=4),
            BatchWanted(other, 0, 9),
        ],
    )
    assert [[each.event_id for each in batch] for batch in found] == [[1, 2], [], [2, 3, 4], [1, 2]]
    assert {each.company_id for each in found[3]} == {other}
