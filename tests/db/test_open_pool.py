"""The pool: what each connection is like, that it survives its server, that errors are mute."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import psycopg
import psycopg_pool
import pytest

from jetpay.db.pool import STATEMENT_LIMIT, WAIT_SECONDS, Database, describe_error
from jetpay.security.secrets import Secret


class Opens(Protocol):
    """`Database.open` of the process's database, closed after the test even if it fails."""

    async def __call__(
        self, *, min_size: int, max_size: int, wait_seconds: float = 30, **settings: str
    ) -> Database: ...


@pytest.fixture
async def open_database(app_dsn: Secret[str]) -> AsyncIterator[Opens]:
    opened: list[Database] = []

    async def open_(
        *, min_size: int, max_size: int, wait_seconds: float = 30, **settings: str
    ) -> Database:
        opened.append(
            await Database.open(
                app_dsn, min_size=min_size, max_size=max_size, wait_seconds=wait_seconds, **settings
            )
        )
        return opened[-1]

    yield open_
    for database in opened:
        await database.close()


async def setting(database: Database, name: str) -> str:
    async with database.connection() as connection:
        found = await (await connection.execute("select current_setting(%s)", [name])).fetchone()
    assert found
    return str(found[0])


async def test_every_connection_is_set_up_alike(database: Database) -> None:
    assert await setting(database, "timezone") == "UTC"
    assert await setting(database, "statement_timeout") == "1min"
    assert await setting(database, "idle_in_transaction_session_timeout") == "1min"
    assert await setting(database, "application_name") == "jetpay"
    assert STATEMENT_LIMIT == "60s"
    async with database.connection() as connection:
        if connection.info.server_version >= 170_000:
            found = await connection.execute("show transaction_timeout")
            assert await found.fetchone() == ("1min",)


async def test_a_pool_may_have_settings_of_its_own(open_database: Opens) -> None:
    database = await open_database(
        min_size=1, max_size=2, application_name="intake", lock_timeout="100ms"
    )
    assert await setting(database, "lock_timeout") == "100ms"
    assert await setting(database, "application_name") == "intake"
    assert await setting(database, "timezone") == "UTC"


async def test_an_unreachable_database_is_said_in_time(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(psycopg_pool.PoolTimeout):
        await Database.open(f"host={tmp_path} dbname=jetpay", wait_seconds=0.5)
    assert time.monotonic() - began < WAIT_SECONDS - 1


async def test_nobody_waits_for_ever_for_a_connection(open_database: Opens) -> None:
    database = await open_database(min_size=1, max_size=1, wait_seconds=1)
    async with database.connection():
        with pytest.raises(psycopg_pool.PoolTimeout):
            async with database.connection():
                pass


async def test_connections_that_the_server_ended_are_replaced_unseen(
    open_database: Opens, database: Database
) -> None:
    ours = await open_database(min_size=4, max_size=4, application_name="ended")
    async with database.connection() as connection:
        # Returns when they are gone, or after so many milliseconds.
        ended = await connection.execute(
            "select count(*) filter (where pg_terminate_backend(pid, 60000))"
            " from pg_stat_activity where application_name = 'ended'"
        )
        assert await ended.fetchone() == (4,)
    for _ in range(8):
        assert await setting(ours, "timezone") == "UTC"


async def test_a_notice_does_not_look_like_the_end_of_a_connection(
    open_database: Opens, database: Database
) -> None:
    listening = await open_database(min_size=1, max_size=1)
    async with listening.connection() as connection:
        await connection.execute("listen something")
        pid = connection.info.backend_pid
    async with database.connection() as other:
        await other.execute("notify something")
    await asyncio.sleep(0.05)  # where it came later, it would disturb nobody
    async with listening.connection() as connection:
        assert connection.info.backend_pid == pid


FAILURES = {
    "unique": (
        """
        insert into network_limit
        select 'secret-4711', 'test', '2026-01-01', 1 from generate_series(1, 2)
        """,
        {
            "error": "UniqueViolation",
            "sqlstate": "23505",
            "constraint": "network_limit_pkey",
            "table": "network_limit",
        },
    ),
    "not null": (
        "insert into network_limit values ('secret-4711', 'test', '2026-01-01', null)",
        {
            "error": "NotNullViolation",
            "sqlstate": "23502",
            "constraint": None,
            "table": "network_limit",
        },
    ),
    "bad number": (
        "select 'secret-4711'::int",
        {
            "error": "InvalidTextRepresentation",
            "sqlstate": "22P02",
            "constraint": None,
            "table": None,
        },
    ),
}


@pytest.mark.parametrize("sql, told", FAILURES.values(), ids=FAILURES)
async def test_an_error_tells_codes_and_names_only(
    database: Database, sql: str, told: dict[str, str | None]
) -> None:
    with pytest.raises(psycopg.Error) as caught:
        async with database.transaction() as tx:
            await tx.connection.execute(sql.encode())
    assert describe_error(caught.value) == told
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value)


def test_an_error_that_is_not_the_database_s_tells_its_kind_only() -> None:
    assert describe_error(ValueError("secret-4711")) == {"error": "ValueError"}


async def test_an_unknown_column_is_named_for_the_developer(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedColumn, match='column "nothing" does not exist'):
        async with database.connection() as connection:
            await connection.execute("select nothing from network_limit")
