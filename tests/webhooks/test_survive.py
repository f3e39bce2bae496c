"""Workers are killed, the database goes away, leases are lost: nothing is lost or out of order."""

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import psycopg
from aiohttp import web

from jetpay.db.pool import Database
from jetpay.security.rootkeys import generate_root_key
from jetpay.security.secrets import Secret
from jetpay.services import open_services
from jetpay.settings import Settings
from jetpay.webhooks.claims import claim_webhooks
from jetpay.webhooks.deliver import Deliverer, run_webhooks
from jetpay.webhooks.model import Webhook
from tests.conftest import TestServer
from tests.webhooks.stage import Endpoint, Received, Stage, make_company
from tests.world import database_url

COMPANIES, EVENTS, BATCH, ROUNDS = 6, 240, 4, 3


@contextmanager
def away(server: TestServer, name: str) -> Iterator[None]:
    """Nobody reaches that database meanwhile."""
    with psycopg.connect(server.dsn("super", "postgres").reveal(), autocommit=True) as connection:
        connection.execute(f'alter database "{name}" allow_connections false'.encode())
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
        )
        try:
            yield
        finally:
            connection.execute(f'alter database "{name}" allow_connections true'.encode())


async def name_of(db: Database) -> str:
    async with db.connection() as connection:
        return connection.info.dbname


async def test_a_database_that_goes_away_in_mid_call_costs_nothing(
    stage: Stage, endpoint: Endpoint, server: TestServer
) -> None:
    name = await name_of(stage.db)
    impatient = await Database.open(server.dsn("app", name), wait_seconds=0.3)
    webhook = await stage.register(endpoint.url, max_batch_size=2)
    await stage.happen(6)
    endpoint.gate = asyncio.Event()
    stop = asyncio.Event()
    running = asyncio.create_task(run_webhooks(replace(stage, db=impatient), stop))
    await endpoint.until(lambda: len(endpoint.calls) == 1)
    with away(server, name):
        endpoint.gate.set()
        await endpoint.until(lambda: len(endpoint.taken) == 1)
        await asyncio.sleep(1.5)
        assert len(endpoint.calls) == 1
    await endpoint.until(lambda: len(endpoint.taken) == 3)
    stop.set()
    await running
    assert [call.ids for call in endpoint.calls] == [[1, 2], [3, 4], [5, 6]]
    assert (await stage.webhook(webhook)).last_sent_event_id == 6
    assert len(await stage.attempts(webhook)) == 3
    await impatient.close()


async def test_a_lease_that_was_lost_in_mid_call_leaves_the_order_to_who_has_it(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await stage.register(endpoint.url, max_batch_size=2)
    await stage.happen(4)
    endpoint.gate = first = asyncio.Event()
    slow = Deliverer(stage)
    await slow._start([stage.company_id], 5)
    await endpoint.until(lambda: len(endpoint.calls) == 1)
    await stage.expire_leases()
    endpoint.gate = None
    assert await stage.tick() == 2
    assert (await stage.webhook(webhook)).last_sent_event_id == 4
    first.set()
    await slow.close()
    assert (await stage.webhook(webhook)).last_sent_event_id == 4
    assert [call.ids for call in endpoint.calls] == [[1, 2], [1, 2], [3, 4]]
    assert len(await stage.attempts(webhook)) == 3  # the late one is told, too


async def test_one_that_cannot_be_settled_takes_no_other_along(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhooks = [await stage.register(f"{endpoint.url}/{number}") for number in range(5)]
    await stage.happen()
    odd = await claim_webhooks(stage.db, [stage.company_id], 5, uuid4(), at=stage.clock.now())
    worker = Deliverer(stage)
    for each in odd:
        worker._give_back(each, stage.clock.now())
    waiting = worker._settler._waiting
    object.__setattr__(waiting[2], "through", 2**80)  # no number of a database
    await worker._finish()
    free = [not (await stage.webhook(each)).is_leased for each in webhooks]
    assert sorted(free) == [False, True, True, True, True]


async def test_secrets_that_do_not_open_take_no_other_along(
    stage: Stage, endpoint: Endpoint
) -> None:
    broken = await stage.register(endpoint.url + "/broken")
    await stage.register(endpoint.url)
    async with stage.db.connection() as connection:
        await connection.execute(
            "update webhook set signing_secret = signing_secret || 'x' where webhook_id = %s",
            [broken.webhook_id],
        )
    await stage.happen()
    stop = asyncio.Event()
    running = asyncio.create_task(run_webhooks(stage, stop))
    await endpoint.until(lambda: endpoint.ids == [1])
    await stage.happen()
    await endpoint.until(lambda: endpoint.ids == [1, 2])
    stop.set()
    await running


async def test_a_stopped_worker_writes_down_what_its_calls_brought(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook = await stage.register(endpoint.url)
    await stage.happen()
    endpoint.gate = asyncio.Event()
    stop = asyncio.Event()
    running = asyncio.create_task(run_webhooks(stage, stop))
    await endpoint.until(lambda: bool(endpoint.calls))
    stop.set()
    endpoint.gate.set()
    await running
    after = await stage.webhook(webhook)
    assert (after.last_sent_event_id, after.is_leased) == (1, False)


class Workers:
    """Two processes of `jetpay work`."""

    def __init__(self, dsn: Secret[str], root_key: str) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "JETPAY_DATABASE_URL": database_url(dsn).reveal(),
            "JETPAY_SECRET_KEYS": root_key,
            "JETPAY_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
            "JETPAY_METRICS_LISTEN": "off",
            "JETPAY_LOG_LEVEL": "warning",
        }
        self._running: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        self._running = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "jetpay", "work", env=self._environment
            )
            for _ in "ab"
        ]

    async def kill(self) -> None:
        for process in self._running:
            process.kill()
            await process.wait()
        self._running = []


def is_in_order(calls: list[Received]) -> bool:
    """Each batch goes on after the one before, or is that one again."""
    before: list[int] = [0]
    for ids in (call.ids for call in calls):
        if ids != before and ids[0] != before[-1] + 1:
            return False
        before = ids
    return True


async def test_two_workers_that_are_killed_again_and_again_lose_nothing(
    server: TestServer, endpoint: Endpoint
) -> None:
    chance = random.Random(4711)
    endpoint.answer = lambda _: web.Response(status=500 if chance.random() < 0.02 else 200)
    name, root_key = f"{server.template}_chaos_{uuid4().hex[:8]}", generate_root_key()
    server.create(name, server.template)
    dsn = server.dsn("app", name)
    services = await open_services(
        Settings(database_url=database_url(dsn), secret_keys=Secret(root_key))
    )
    workers = Workers(dsn, root_key)
    try:
        stage = Stage.of_services(services)
        webhooks = await register_and_happen(stage, endpoint)
        for _ in range(ROUNDS):
            taken = len(endpoint.taken)
            await workers.start()
            some = taken + (len(webhooks) * EVENTS // BATCH) // (ROUNDS + 1)
            await endpoint.until(lambda at=some: len(endpoint.taken) >= at)  # type: ignore[misc]
            await workers.kill()
            for each, _webhook in webhooks:  # nobody lives who has them
                await each.expire_leases()
        await workers.start()
        numbers = {webhook.number: 0 for _, webhook in webhooks}

        def all_have_come() -> bool:
            for call in endpoint.taken:
                numbers[call.content["webhookId"]] = call.ids[-1]
            return set(numbers.values()) == {EVENTS}

        await endpoint.until(all_have_come)
        check(endpoint, webhooks)
    finally:
        await workers.kill()
        await services.close()
        server.drop(name)


async def register_and_happen(stage: Stage, endpoint: Endpoint) -> list[tuple[Stage, Webhook]]:
    webhooks = []
    for number in range(COMPANIES):
        each = stage.of(await make_company(stage.db))
        url = f"{endpoint.base}/{number}"
        webhooks.append((each, await each.register(url, max_batch_size=BATCH)))
        await each.happen(EVENTS)
    return webhooks


def check(endpoint: Endpoint, webhooks: list[tuple[Stage, Webhook]]) -> None:
    """Nothing is missing or out of order, and each kill cost a batch of doubles at most."""
    for _, webhook in webhooks:
        taken = [c for c in endpoint.taken if c.content["webhookId"] == webhook.number]
        assert is_in_order(taken)
        doubles = sum(len(call.ids) for call in taken) - EVENTS
        assert 0 <= doubles <= ROUNDS * BATCH
        assert {n for call in taken for n in call.ids} == set(range(1, EVENTS + 1))
