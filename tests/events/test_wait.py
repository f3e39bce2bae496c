"""Who waits for events is woken by the next one, from whatever process it came."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from jetpay.base.ids import CompanyId, uuid7
from jetpay.base.refusals import Busy, RateLimited
from jetpay.db.pool import Database
from jetpay.events import wake as wake_module
from jetpay.events.queries import BatchWanted, batches, events_after, highest_event_id
from jetpay.events.wake import Wake
from jetpay.security.secrets import Secret
from tests.events.story import happen, make_company
from tests.patience import PATIENCE_SECONDS, wait_until_async

FOR_EVER = 10 * PATIENCE_SECONDS


@pytest.fixture
async def wake(database: Database) -> AsyncIterator[Wake]:
    made = Wake(database)
    yield made
    await made.close()


@pytest.fixture
async def company_id(database: Database) -> CompanyId:
    return await make_company(database)


@pytest.fixture
def only_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is woken by asking now and then."""
    monkeypatch.setattr(wake_module, "ASK_EVERY_SECONDS", FOR_EVER)


@pytest.mark.usefixtures("only_signs")
async def test_a_waiting_call_is_woken_by_the_next_event(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    waiting = asyncio.create_task(wake.wait_past(company_id, 0, FOR_EVER))
    await asyncio.sleep(0.1)
    await happen(database, company_id)
    await asyncio.wait_for(waiting, PATIENCE_SECONDS)


async def test_who_listened_hands_the_connection_back_in_order(
    app_dsn: Secret[str], caplog: pytest.LogCaptureFixture
) -> None:
    database = await Database.open(app_dsn, max_size=1)
    wake = Wake(database)
    await wake.heard(wake.version, 0.2)
    await wake.close()
    async with database.connection() as connection:
        listens = await connection.execute("select pg_listening_channels()")
        assert await listens.fetchall() == []
    await database.close()
    assert [each.getMessage() for each in caplog.records] == []


@pytest.mark.usefixtures("only_signs")
async def test_an_event_that_is_there_already_wakes_at_once(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    await happen(database, company_id)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await wake.wait_past(company_id, 0, FOR_EVER)


async def test_nothing_happens_and_the_call_ends_in_time(wake: Wake, company_id: CompanyId) -> None:
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await wake.wait_past(company_id, 0, 0.3)
    assert time.monotonic() - began > 0.25


async def listeners(database: Database) -> int:
    count = "select count(*) from pg_stat_activity where query = %s"
    async with database.connection() as connection:
        found = await (await connection.execute(count, [wake_module.LISTEN])).fetchone()
    assert found
    return int(found[0])


async def test_another_process_is_heard_by_its_notice(wake: Wake, database: Database) -> None:
    version, before = wake.version, await listeners(database)
    assert wake.take_news() == set()
    hearing = asyncio.create_task(wake.heard(version, FOR_EVER))

    async def listens() -> bool:
        return await listeners(database) > before

    await wait_until_async(listens)
    other = Wake(database)
    wake_module._PROCESS.discard(wake)
    companies = {CompanyId(uuid7()) for _ in range(450)}
    other.announce(companies)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await hearing
        news = wake.take_news()
        while news < companies:
            version = wake.version
            await wake.heard(version, FOR_EVER)
            news |= wake.take_news()
    assert news == companies
    version = wake.version
    async with database.connection() as connection:
        await connection.execute("notify jetpay_event, 'whatever'")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await wake.heard(version, FOR_EVER)
    assert (wake.version > version, wake.take_news()) == (True, set())
    await other.close()


async def test_a_lost_notice_costs_a_second(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    waiting = asyncio.create_task(wake.wait_past(company_id, 0, FOR_EVER))
    await asyncio.sleep(0.2)
    wake_module._PROCESS.discard(wake)
    await happen(database, company_id)
    await asyncio.wait_for(waiting, PATIENCE_SECONDS)


async def test_another_companys_event_wakes_nobody(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    other = await make_company(database)
    waiting, others = (
        asyncio.create_task(wake.wait_past(each, 0, FOR_EVER)) for each in (company_id, other)
    )
    await happen(database, other)
    await asyncio.wait_for(others, PATIENCE_SECONDS)
    assert not waiting.done()
    await wake.close()
    await waiting


async def test_a_company_may_have_twenty_calls_waiting(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    waiting = [asyncio.create_task(wake.wait_past(company_id, 0, FOR_EVER)) for _ in range(20)]
    await asyncio.sleep(0.05)
    with pytest.raises(RateLimited):
        await wake.wait_past(company_id, 0, FOR_EVER)
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
    waiting = asyncio.create_task(wake.wait_past(company_id, 0, FOR_EVER))
    hearing = asyncio.create_task(wake.heard(wake.version + 1, FOR_EVER))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await wake.close()
        await asyncio.gather(waiting, hearing)
        await wake.wait_past(company_id, 0, FOR_EVER)


async def test_waiting_calls_hold_no_connection(
    wake: Wake, database: Database, company_id: CompanyId
) -> None:
    companies = [await make_company(database) for _ in range(15)]
    waiting = [asyncio.create_task(wake.wait_past(each, 0, FOR_EVER)) for each in companies]
    await asyncio.sleep(0.1)
    for each in companies:
        await happen(database, each)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*waiting)


# ------------------------------------------------------------------------------- reading
async def test_events_are_read_in_order_after_a_number(
    database: Database, company_id: CompanyId
) -> None:
    await happen(database, company_id, count=5)
    found = await events_after(database, company_id, 1, limit=3)
    assert [each.event_id for each in found] == [2, 3, 4]
    assert await highest_event_id(database, company_id) == 5


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
