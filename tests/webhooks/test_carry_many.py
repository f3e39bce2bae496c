"""Thousands of webhooks, some of them slow or broken: nobody pays for another, nor when idle."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self
from uuid import uuid4

import psycopg
import pytest

from jetpay.base.ids import CompanyId
from jetpay.db.pool import Database
from jetpay.events.wake import Wake
from jetpay.security.dial import DestinationBusy, Dialler
from jetpay.webhooks import claims, deliver
from jetpay.webhooks.claims import claim_webhooks, look
from jetpay.webhooks.deliver import run_webhooks
from jetpay.webhooks.model import WebhookState
from jetpay.webhooks.queries import opened
from tests.conftest import TestServer
from tests.webhooks.stage import Endpoint, Stage, from_one, make_company

MANY = 10_000
FILL = """
    with n as (select n from generate_series(1, %(many)s) n),
    c as (
      insert into company (company_id, short_id, name, sandbox, created_at)
      select gen_random_uuid(), 1000000 + n, 'A', true, now() from n returning company_id),
    e as (
      insert into event_counter select company_id, 3 from c)
    insert into webhook (company_id, webhook_id, number, callback_url, signing_secret,
      max_batch_size, max_wait_seconds, start_after, last_sent_event_id, failures, not_before,
      created_at)
    select company_id, gen_random_uuid(), 1000000 + row_number() over (), 'https://example.com/',
      '', 10, 60, 0, case when random() < 0.5 then 3 end, 1, now() + interval '1 hour', now()
    from c
"""
"""Half of them have nothing to send, the others back off."""


@pytest.fixture
async def crowded(stage: Stage, server: TestServer) -> AsyncIterator[Stage]:
    """The stage in a database of its own that was never analysed, among many others."""
    name = f"{server.template}_many_{uuid4().hex[:8]}"
    server.create(name, server.template)
    database = await Counting.open(server.dsn("app", name), max_size=8)
    with psycopg.connect(server.dsn("owner", name).reveal(), autocommit=True) as owner:
        for table in ("webhook", "event_counter", "company", "event", "webhook_replay"):
            owner.execute(f"alter table {table} set (autovacuum_enabled = false)".encode())
        owner.execute(FILL, {"many": MANY})
    keyring = stage.keyring
    await keyring.ensure(database)
    wake = Wake(database)
    yield replace(stage, db=database, wake=wake, company_id=await make_company(database))
    await wake.close()
    await database.close()
    server.drop(name)


class Counting(Database):
    """Counts how often a connection is asked for, which every statement does."""

    asked = 0

    @classmethod
    async def open(cls, *arguments: Any, **settings: Any) -> Self:
        return await super().open(*arguments, **settings)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection]:
        self.asked += 1
        async with super().connection() as connection:
            yield connection


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


async def rows_read(stage: Stage, companies: list[CompanyId], *, generic: bool) -> int:
    """The most that any step of a claim reads."""
    wanted = {
        "companies": companies,
        "limit": 50,
        "token": uuid4(),
        "at": stage.clock.now(),
        "retries": True,
        "lease": timedelta(seconds=20),
    }
    values = [wanted[name] for name in claims.CLAIM.names]
    async with stage.db.transaction() as tx:
        mode = "force_generic_plan" if generic else "force_custom_plan"
        await tx.connection.execute(f"set local plan_cache_mode = {mode}".encode())
        await tx.connection.execute(f"prepare measured as {claims.CLAIM.text}".encode())
        places = ", ".join(["%s"] * len(values))
        cursor = psycopg.AsyncClientCursor(tx.connection)
        explain = f"explain (analyze, format json) execute measured ({places})"
        await cursor.execute(explain.encode(), values)
        [(plans,)] = await cursor.fetchall()
    found = plans if isinstance(plans, list) else json.loads(plans)
    return max(
        int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in nodes(found[0]["Plan"])
    )


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("is_analysed", [False, True])
async def test_a_claim_reads_the_webhooks_of_the_companies_it_asks_for_alone(
    crowded: Stage, server: TestServer, *, generic: bool, is_analysed: bool
) -> None:
    companies = [await make_company(crowded.db) for _ in range(10)]
    for company in companies:
        await crowded.of(company).register("https://example.com/")
        await crowded.of(company).happen(3)
    if is_analysed:
        async with crowded.db.connection() as connection:
            name = connection.info.dbname
        with psycopg.connect(server.dsn("owner", name).reveal(), autocommit=True) as owner:
            owner.execute("analyze")
    assert await rows_read(crowded, companies, generic=generic) <= 60


async def test_those_who_back_off_are_not_looked_at(crowded: Stage, endpoint: Endpoint) -> None:
    await crowded.register(endpoint.url)
    assert await look(crowded.db, at=crowded.clock.now()) == []
    await crowded.happen()
    assert await look(crowded.db, at=crowded.clock.now()) == [crowded.company_id]
    assert len(await look(crowded.db, at=crowded.clock.now() + timedelta(days=1))) > 1_000


async def test_an_idle_worker_asks_once_a_second(crowded: Stage) -> None:
    assert isinstance(crowded.db, Counting)
    stop = asyncio.Event()
    running = asyncio.create_task(run_webhooks(crowded, stop))
    await asyncio.sleep(0.3)
    before, began = crowded.db.asked, asyncio.get_running_loop().time()
    await asyncio.sleep(3)
    asked, took = crowded.db.asked - before, asyncio.get_running_loop().time() - began
    stop.set()
    await running
    assert 1 <= asked <= took + 1


async def test_hanging_and_failing_endpoints_hold_up_nobody(
    stage: Stage, endpoint: Endpoint
) -> None:
    """The healthy ones get everything while each of the others still has its first call."""
    hanging, failing = 40, 40
    others = [await make_company(stage.db) for _ in range(hanging + failing)]
    released = asyncio.Event()
    endpoint.hang_at, endpoint.released = "/hang", released
    for number, company in enumerate(others):
        kind = "hang" if number < hanging else "fail"
        await stage.of(company).register(f"{endpoint.base}/{kind}")
        await stage.of(company).happen(3)
    healthy = [await make_company(stage.db) for _ in range(10)]
    for company in healthy:
        await stage.of(company).register(f"{endpoint.base}/ok", max_batch_size=1)
        await stage.of(company).happen(20)
    patient = Dialler(total_seconds=600)
    stop = asyncio.Event()
    running = asyncio.create_task(run_webhooks(replace(stage, dialler=patient), stop))
    await endpoint.until(lambda: len(endpoint.ids) == 200)
    assert endpoint.at_once == hanging
    released.set()
    stop.set()
    await running
    await patient.close()


async def test_retries_leave_room_for_others(
    stage: Stage, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "RETRIES_AT_ONCE", 3)
    monkeypatch.setattr(deliver, "CLAIMED_AT_ONCE", 1)
    endpoint.hang_at, endpoint.released = "/hang", asyncio.Event()
    for number in range(10):
        await stage.register(f"{endpoint.base}/hang?{number}")
    await stage.happen()
    async with stage.db.connection() as connection:
        await connection.execute(
            "update webhook set failures = 1 where company_id = %s", [stage.company_id]
        )
    patient = Dialler(total_seconds=600)
    stop = asyncio.Event()
    running = asyncio.create_task(run_webhooks(replace(stage, dialler=patient), stop))
    await endpoint.until(lambda: endpoint.at_once == 3)
    newcomer = stage.of(await make_company(stage.db))
    await newcomer.register(f"{endpoint.base}/ok")
    await newcomer.happen(3)
    await endpoint.until(lambda: len(endpoint.ids) == 3)
    assert endpoint.at_once == 3
    endpoint.released.set()
    await endpoint.until(lambda: len(endpoint.ids) == 13)
    stop.set()
    await running
    await patient.close()


async def test_a_company_with_much_to_send_takes_turns(
    stage: Stage, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for one call at a time, who has a single event waits for one batch."""
    monkeypatch.setattr(deliver, "CLAIMED_AT_ONCE", 1)
    monkeypatch.setattr(deliver, "COMPANIES_ASKED_AT_ONCE", 1)
    monkeypatch.setattr(deliver, "CALLS_AT_ONCE", 1)
    await stage.register(endpoint.url, max_batch_size=1)
    await stage.happen(50)
    stop = asyncio.Event()
    running = asyncio.create_task(run_webhooks(stage, stop))
    await endpoint.until(lambda: len(endpoint.ids) >= 5)
    newcomer = stage.of(await make_company(stage.db))
    webhook = await newcomer.register(endpoint.url + "/other")
    before = len(endpoint.calls)
    await newcomer.happen()

    def has_come() -> bool:
        return any(call.content["webhookId"] == webhook.number for call in endpoint.calls)

    await endpoint.until(has_come)
    assert len(endpoint.calls) - before < 30
    await endpoint.until(lambda: len(endpoint.ids) == 51)
    stop.set()
    await running
    numbers = [n for c in endpoint.taken if c.content["webhookId"] != webhook.number for n in c.ids]
    assert from_one(numbers)


async def test_a_busy_address_is_no_failure(stage: Stage, endpoint: Endpoint) -> None:
    class Busy(Dialler):
        """As the real one where an address has as many calls as it may."""

        async def post(self, *_: Any, **__: Any) -> Any:
            raise DestinationBusy(2.5)

    busy = Busy()
    webhook = await stage.register(endpoint.url)
    await stage.happen(2)
    full = replace(stage, dialler=busy)
    assert await full.tick() == 1
    after = await stage.webhook(webhook)
    assert (after.state, after.failures) == (WebhookState.SCHEDULED, 0)
    assert await stage.attempts(webhook) == []
    stage.later(seconds=2)
    assert await stage.tick() == 0
    stage.later(seconds=1)
    await stage.tick()
    assert endpoint.ids == [1, 2]
    await busy.close()


async def test_a_webhook_of_which_another_has_just_sent_all_is_given_back(
    stage: Stage, endpoint: Endpoint
) -> None:
    """What was due when it was looked for need not be when it is read."""
    webhook = await stage.register(endpoint.url)
    await stage.happen()
    [claimed] = await claim_webhooks(stage.db, [stage.company_id], 5, uuid4(), at=stage.clock.now())
    worker = deliver.Deliverer(stage)
    [secrets] = await opened(stage.db, [claimed], vault=stage.vault)
    worker._begin(deliver._Job(claimed, [], secrets, time.monotonic()))
    await worker._finish()
    assert (await stage.webhook(webhook)).state is WebhookState.SCHEDULED
    await stage.tick()
    assert endpoint.ids == [1]
