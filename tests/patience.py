"""Waiting for what must come: as long as a loaded machine needs, and no longer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg

PATIENCE_SECONDS: Final = 120.0
"""Nothing that a test waits for takes so long anywhere; it costs nothing where all is well."""


def wait_until(so: Callable[[], object]) -> None:
    """Fails when it does not become so."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not so():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.05)


async def wait_until_async(so: Callable[[], Awaitable[object]]) -> None:
    """As `wait_until`, while the loop goes on."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await so():  # noqa: ASYNC110 - looks from outside
            await asyncio.sleep(0.02)


async def wait_until_locked(connection: psycopg.AsyncConnection) -> None:
    """Until somebody in its database waits for what another transaction holds."""
    assert connection.autocommit, "or it would look once"
    waits = """
        select count(*) > 0 from pg_locks join pg_stat_activity using (pid)
        where not granted and datname = current_database()
    """

    async def so() -> bool:
        return await (await connection.execute(waits)).fetchone() == (True,)

    await wait_until_async(so)
