"""A database of its own for each test of the keys: they belong to the whole installation."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from jetpay.base.clock import FixedClock
from jetpay.db.pool import Database
from jetpay.security.keys import Keyring
from jetpay.security.rootkeys import RootKey, generate_root_key, parse_root_keys
from tests.conftest import TestServer

NOW = datetime(2026, 1, 22, 10, 15, 30, tzinfo=UTC)
RSA_BITS = 1024
"""Too few for the world, quick to make for a test."""


@pytest.fixture(scope="session")
def root_keys() -> tuple[RootKey, ...]:
    return parse_root_keys(generate_root_key())


@pytest.fixture(scope="session")
async def with_keys(server: TestServer, root_keys: tuple[RootKey, ...]) -> AsyncIterator[str]:
    """The name of a database with every installation key, to be copied."""
    name = f"{server.template}_with_keys_{secrets.token_hex(4)}"
    server.create(name, server.template)
    database = await Database.open(server.dsn("app", name), max_size=1)
    ring = await Keyring.load(database, root_keys, clock=FixedClock(NOW), rsa_bits=RSA_BITS)
    await ring.ensure(database)
    await database.close()
    yield name
    server.drop(name)


@asynccontextmanager
async def copied(server: TestServer, template: str) -> AsyncIterator[Database]:
    name = f"{server.template}_keys_{secrets.token_hex(4)}"
    server.create(name, template)
    database = await Database.open(server.dsn("app", name), min_size=1, max_size=6)
    yield database
    await database.close()
    server.drop(name)


@pytest.fixture
async def key_database(server: TestServer, with_keys: str) -> AsyncIterator[Database]:
    async with copied(server, with_keys) as database:
        yield database


@pytest.fixture
async def keyless_database(server: TestServer) -> AsyncIterator[Database]:
    async with copied(server, server.template) as database:
        yield database


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def keyring(
    key_database: Database, root_keys: tuple[RootKey, ...], clock: FixedClock
) -> Keyring:
    """A key ring with every installation key."""
    return await Keyring.load(key_database, root_keys, clock=clock, rsa_bits=RSA_BITS)
