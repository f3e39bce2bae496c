"""How many statements a credit costs, by what goes over the wire."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from jetpay.base.clock import FixedClock
from jetpay.db import pool
from jetpay.events import wake as wake_module
from jetpay.events.wake import NOTICE_EVERY_SECONDS, Wake
from jetpay.security.rootkeys import generate_root_key
from jetpay.security.secrets import Secret
from jetpay.services import open_services
from jetpay.settings import Settings
from tests.conftest import TestServer
from tests.patience import wait_until_async
from tests.world import NOON, Company, database_url, make_company

LISTENING = """
    select from pg_stat_activity
    where datname = current_database() and query = 'listen jetpay_event' and state = 'idle'
"""
SENT = ("Execute", "Query")
"""Messages to the server that make it do a statement."""


@dataclass
class Wire:
    """All that the connections of one process send."""

    trace: Path
    seen: int = 0

    def statements(self) -> int:
        """How many since the last look."""
        sent = [line.split("\t") for line in self.trace.read_text(errors="replace").splitlines()]
        count = sum(line[0] == "F" and line[2] in SENT for line in sent if len(line) > 2)
        self.seen, before = count, self.seen
        return count - before


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Libpq writes down each message of every connection that is opened from now on."""
    trace = tmp_path / "wire"
    trace.touch()
    files: list[int] = []
    prepare = pool.prepare_session

    async def traced(
        connection: psycopg.AsyncConnection, settings: dict[str, str] | None = None
    ) -> None:
        await prepare(connection, settings)
        files.append(os.open(trace, os.O_WRONLY | os.O_APPEND))
        connection.pgconn.trace(files[-1])
        connection.pgconn.set_trace_flags(psycopg.pq.Trace.SUPPRESS_TIMESTAMPS)

    monkeypatch.setattr(pool, "prepare_session", traced)
    return Wire(trace)


@pytest.fixture
async def counted(server: TestServer, wire: Wire) -> AsyncIterator[Company]:
    name = f"{server.template}_wire_{secrets.token_hex(4)}"
    server.create(name, server.template)
    settings = Settings(
        database_url=database_url(server.dsn("app", name)),
        secret_keys=Secret(generate_root_key()),
    )
    services = await open_services(settings, clock=FixedClock(NOON))
    yield await make_company(services)
    await services.close()
    server.drop(name)


@pytest.fixture
async def app_other(counted: Company) -> AsyncIterator[Wake]:
    """What another process of the same database hears."""
    other = await pool.Database.open(counted.services.dsn, min_size=1, max_size=2)
    wake = Wake(other)
    await wake.heard(wake.version, 0.0)  # begins to listen

    async def listens() -> bool:
        async with other.connection() as connection:
            found = await connection.execute(LISTENING)
            return await found.fetchone() is not None

    await wait_until_async(listens)
    wake_module._PROCESS.discard(wake)  # this one is not of our process
    yield wake
    await wake.close()
    await other.close()


async def make(company: Company, key: str) -> None:
    await company.services.births.one(company.asker, company.request(), key=key)


async def at_rest() -> None:
    """Until nothing is under way and the last notice is old."""
    await asyncio.sleep(2 * NOTICE_EVERY_SECONDS)


async def test_at_rest_a_credit_is_one_statement(counted: Company, wire: Wire) -> None:
    await make(counted, "first")
    for number in range(5):
        await at_rest()
        wire.statements()
        await make(counted, f"rest-{number}")
        await at_rest()
        assert wire.statements() == 1


async def test_under_load_a_credit_is_a_fraction_of_one(counted: Company, wire: Wire) -> None:
    await make(counted, "first")
    await at_rest()
    wire.statements()
    await asyncio.gather(*(make(counted, f"load-{number}") for number in range(200)))
    await at_rest()
    assert wire.statements() < 50


async def test_credits_one_after_the_other_share_a_notice_now_and_then(
    counted: Company, wire: Wire
) -> None:
    await at_rest()
    wire.statements()
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(40):
        await make(counted, f"turn-{number}")
    notices = 1 + (clock() - began) / NOTICE_EVERY_SECONDS
    await at_rest()
    assert 40 <= wire.statements() <= 40 + notices + 1


async def test_a_repetition_is_a_second_statement(counted: Company, wire: Wire) -> None:
    await make(counted, "same")
    await at_rest()
    wire.statements()
    await make(counted, "same")
    await at_rest()
    assert wire.statements() == 2


async def test_the_one_statement_tells_other_processes(counted: Company, app_other: Wake) -> None:
    await make(counted, "first")
    await at_rest()
    app_other.take_news()
    await make(counted, "second")

    async def is_told() -> bool:
        return counted.company_id in app_other.take_news()

    await wait_until_async(is_told)
