"""A stage for each test of webhooks, on keys that all of them share."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from jetpay.base.clock import FixedClock, SystemClock
from jetpay.db.pool import Database
from jetpay.events.wake import Wake
from jetpay.security.address_table import parse_allowed
from jetpay.security.dial import Dialler
from jetpay.security.keys import Keyring
from jetpay.security.ourselves import Ourselves
from jetpay.security.rootkeys import generate_root_key, parse_root_keys
from jetpay.security.vault import Vault
from jetpay.settings import Settings
from tests.conftest import TestServer
from tests.dial.peers import nobody
from tests.webhooks.stage import Endpoint, Stage, make_company


@pytest.fixture(scope="module")
async def webhook_database(server: TestServer) -> AsyncIterator[Database]:
    """One a module: keys belong to a whole installation."""
    name = f"{server.template}_webhooks_{secrets.token_hex(4)}"
    server.create(name, server.template)
    database = await Database.open(server.dsn("app", name), min_size=1, max_size=8)
    yield database
    await database.close()
    server.drop(name)


@pytest.fixture(scope="module")
async def webhook_keyring(webhook_database: Database) -> Keyring:
    root_keys = parse_root_keys(generate_root_key())
    ring = await Keyring.load(webhook_database, root_keys, clock=SystemClock(), rsa_bits=2048)
    await ring.ensure(webhook_database)
    return ring


@pytest.fixture
def settings() -> Settings:
    return Settings.model_construct(
        webhook_allowed_networks=(parse_allowed("127.0.0.0/8"),),
        public_url="https://pay.example",
        database_url=None,
        smtp_url=None,
    )


@pytest.fixture
async def stage(
    webhook_database: Database, webhook_keyring: Keyring, settings: Settings
) -> AsyncIterator[Stage]:
    wake = Wake(webhook_database)
    dialler = Dialler(ourselves=Ourselves(is_ours=nobody))
    yield Stage(
        db=webhook_database,
        keyring=webhook_keyring,
        vault=Vault(webhook_keyring),
        clock=FixedClock(datetime.now(UTC)),
        wake=wake,
        dialler=dialler,
        settings=settings,
        company_id=await make_company(webhook_database),
    )
    await dialler.close()
    await wake.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    made.url = f"{made.base}/hook"
    yield made
    await runner.cleanup()
