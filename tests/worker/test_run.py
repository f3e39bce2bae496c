"""The loop: several workers at once, failures that stop nobody, a database that goes away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from jetpay.base.refusals import Unavailable
from jetpay.companies.due import NotYet
from jetpay.credits.model import State
from jetpay.db.pool import Database
from jetpay.db.rows import Query
from jetpay.security.secrets import Secret
from jetpay.services import Services
from jetpay.worker import kinds, loop
from jetpay.worker.due import Due
from jetpay.worker.loop import run_worker, tick
from tests.patience import PATIENCE_SECONDS, wait_until_async
from tests.stage import Stage
from tests.worker.test_lease import ADD
from tests.world import NOON, make_company

FAILED = Query(
    int,
    """
    select attempts from due where company_id = %(company_id)s and kind = 'unheard_of'
    """,
)


@asynccontextmanager
async def working(*services: Services) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for each in services:
            group.create_task(run_worker(each, stop))
        yield
        stop.set()


async def add_unheard_of(stage: Stage) -> None:
    await ADD.run(
        stage.services.db,
        company_id=stage.company_id,
        kind="unheard_of",
        subject_id=stage.company_id,
        at=NOON,
    )


@pytest.fixture
async def own_database(app_dsn: Secret[str]) -> AsyncIterator[Database]:
    database = await Database.open(app_dsn, min_size=1, max_size=5, application_name="victim")
    yield database
    await database.close()


async def test_many_workers_file_and_send_everything_once(stage: Stage) -> None:
    companies = [stage] + [
        Stage(stage.services, await make_company(stage.services)) for _ in range(3)
    ]
    credits_ = [(each, await each.accepted()) for each in companies for _ in range(3)]

    async def all_filed() -> bool:
        files = [file for each in companies for file in await each.files()]
        return sum(file.debited_at is not None for file in files) == len(companies)

    async with working(stage.services, stage.services, stage.services):
        await wait_until_async(all_filed)
    for each, credit in credits_:
        assert await each.state(credit) is State.PROCESSING
    for each in companies:
        await each.prove()
        [file] = await each.files()
        assert file.credit_count == 3
        sent = [line for line in await each.events() if line.startswith("bank_files.sent")]
        assert len(sent) == 1


async def test_a_failure_is_counted_and_stops_nobody(stage: Stage) -> None:
    await add_unheard_of(stage)
    credit = await stage.accepted()

    async def done() -> bool:
        failed = await FAILED.one(stage.services.db, company_id=stage.company_id)
        return failed > 0 and await stage.state(credit) is State.PROCESSING

    async with working(stage.services):
        await wait_until_async(done)


async def test_a_worker_survives_the_loss_of_its_database(
    stage: Stage, own_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "DATABASE_AWAY_SECONDS", 0.1)
    credit = None
    async with working(replace(stage.services, db=own_database)):
        for _ in range(3):
            async with stage.services.db.connection() as connection:
                await connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'victim'"
                )
            await asyncio.sleep(0.1)
        credit = await stage.accepted()

        async def filed() -> bool:
            assert credit is not None
            return await stage.state(credit) is State.PROCESSING

        await wait_until_async(filed)


async def test_a_tick_raises_what_its_work_raises_and_leaves_it_due(stage: Stage) -> None:
    await add_unheard_of(stage)
    with pytest.raises(KeyError):
        await tick(stage.services, only=stage.company_id)
    assert await FAILED.one(stage.services.db, company_id=stage.company_id) == 1


async def test_a_tick_waits_for_work_that_another_worker_has(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Services, __: Due) -> None:
        began.set()
        await go_on.wait()

    monkeypatch.setattr(loop, "HANDLERS", {**kinds.HANDLERS, "unheard_of": slow})
    await tick(stage.services, only=stage.company_id)
    await add_unheard_of(stage)
    async with working(stage.services):
        await began.wait()
        waiting = asyncio.create_task(tick(stage.services, only=stage.company_id))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        go_on.set()
        await asyncio.wait_for(waiting, PATIENCE_SECONDS)


async def test_a_tick_gives_up_after_its_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: Services, __: Due) -> None:
        raise NotYet

    monkeypatch.setattr(loop, "HANDLERS", {**kinds.HANDLERS, "unheard_of": never})
    monkeypatch.setattr(loop, "TICK_SECONDS", 0.2)
    await add_unheard_of(stage)
    with pytest.raises(Unavailable):
        await tick(stage.services, only=stage.company_id)


async def test_a_killed_worker_s_work_is_done_by_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    credit = await stage.accepted()
    began = asyncio.Event()

    async def hangs(_: Services, __: Due) -> None:
        began.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(loop, "HANDLERS", dict.fromkeys(kinds.HANDLERS, hangs))
        victim = asyncio.create_task(run_worker(stage.services, asyncio.Event()))
        await began.wait()
        victim.cancel()
        await asyncio.gather(victim, return_exceptions=True)
    async with stage.services.db.connection() as connection:
        await connection.execute("update due set lease_until = now() - interval '1 second'")
    await stage.tick()
    assert await stage.state(credit) is State.PROCESSING
