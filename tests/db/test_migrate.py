"""Migrations: each file once, in order, unchanged, whoever else starts at the same moment."""

import asyncio
import os
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import psycopg
import pytest

from jetpay.db import migrate as module
from jetpay.db.migrate import MigrationRefused, available, migrate, pending
from jetpay.security.secrets import Secret
from tests.patience import PATIENCE_SECONDS, wait_until_locked

FILES = Path(module.__file__).parent / "migrations"


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Migrations of this test in place of ours."""
    texts: dict[str, str] = {}
    monkeypatch.setattr(module, "available", lambda: dict(sorted(texts.items())))
    return texts


def select(dsn: Secret[str], sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn.reveal(), autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_every_file_is_called_by_a_number_of_its_own_and_a_name() -> None:
    names = [path.name for path in sorted(FILES.iterdir())]
    assert all(re.fullmatch(r"[0-9]{4}_[a-z_]+\.sql", name) for name in names)
    assert [int(name[:4]) for name in names] == list(range(len(names)))


async def test_all_files_are_applied_once(empty_database: Secret[str]) -> None:
    assert await pending(empty_database) == list(available())
    assert await migrate(empty_database) == list(available())
    assert await pending(empty_database) == []
    assert await migrate(empty_database) == []


async def test_asking_what_is_pending_changes_nothing(empty_database: Secret[str]) -> None:
    await pending(empty_database)
    assert select(empty_database, "select to_regclass('schema_migration')") == [(None,)]


async def test_a_file_that_fails_leaves_nothing_of_its_company(
    empty_database: Secret[str], texts: dict[str, str]
) -> None:
    texts |= {"0001_a": "create table a (x int);", "0002_b": "create table b (x nothing);"}
    with pytest.raises(psycopg.errors.UndefinedObject):
        await migrate(empty_database)
    assert select(empty_database, "select to_regclass('a')") == [(None,)]
    texts["0002_b"] = "create table b (x int);"
    assert await migrate(empty_database) == ["0001_a", "0002_b"]


async def test_a_file_that_was_changed_is_refused_with_a_sentence(
    empty_database: Secret[str], texts: dict[str, str]
) -> None:
    texts["0001_a"] = "create table a (x int);"
    await migrate(empty_database)
    texts |= {"0001_a": "create table a (x text);", "0002_b": "create table b (x int);"}
    for ask in (migrate, pending):
        with pytest.raises(MigrationRefused, match="0001_a was changed after this database had it"):
            await ask(empty_database)
    assert select(empty_database, "select to_regclass('b')") == [(None,)]


async def test_a_database_ahead_of_the_files_is_left_alone(
    empty_database: Secret[str], texts: dict[str, str]
) -> None:
    texts |= {"0001_a": "create table a (x int);", "0002_b": "create table b (x int);"}
    await migrate(empty_database)
    del texts["0002_b"]  # the release before, started again
    assert await pending(empty_database) == []
    assert await migrate(empty_database) == []


async def test_a_file_marked_so_runs_outside_a_transaction_and_in_its_turn(
    empty_database: Secret[str], texts: dict[str, str]
) -> None:
    texts |= {
        "0001_a": "create table a (x int);",
        "0002_b": "-- concurrently\ncreate index concurrently if not exists a_x on a (x);\n"
        "create index concurrently if not exists a_x2 on a (x, x);\n",
        "0003_c": "alter table a add y int;",
    }
    assert await migrate(empty_database) == ["0001_a", "0002_b", "0003_c"]
    indexes = select(empty_database, "select indisvalid from pg_index where indrelid='a'::regclass")
    assert indexes == [(True,), (True,)]


async def test_many_at_once_apply_each_file_once(
    empty_database: Secret[str], texts: dict[str, str]
) -> None:
    texts |= {
        "0001_a": "create table a (x int); insert into a values (1); select pg_sleep(0.2);",
        "0002_b": "-- concurrently\ncreate index concurrently if not exists a_x on a (x);\n",
        "0003_c": "insert into a values (3);",
    }
    applied = await asyncio.gather(*(migrate(empty_database) for _ in range(8)))
    assert sorted(chain(*applied)) == ["0001_a", "0002_b", "0003_c"]
    assert select(empty_database, "select x from a order by x") == [(1,), (3,)]


def test_two_processes_may_migrate_at_once(empty_database: Secret[str]) -> None:
    program = (
        "import asyncio, os; from jetpay.db.migrate import migrate;"
        "print(len(asyncio.run(migrate(os.environ['DSN']))))"
    )
    environment = os.environ | {
        "DSN": empty_database.reveal(),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    counts = sorted(int(process.communicate()[0]) for process in processes)
    assert counts == [0, 0, len(available())]


async def test_a_locked_table_is_waited_for_in_short_tries(
    empty_database: Secret[str], texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_TIMEOUT", "set lock_timeout = '200ms'")
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(module, "RETRIES", 1_000)
    texts["0001_a"] = "create table a (x int);"
    await migrate(empty_database)
    texts["0002_b"] = "alter table a add y int;"
    async with await psycopg.AsyncConnection.connect(empty_database.reveal()) as holder:
        await holder.execute("select * from a")
        trying = asyncio.create_task(migrate(empty_database))
        async with await psycopg.AsyncConnection.connect(
            empty_database.reveal(), autocommit=True
        ) as reader:
            await wait_until_locked(reader)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await reader.execute("select * from a")  # behind the try, which gives up
        assert not trying.done()
    assert await trying == ["0002_b"]


async def test_a_lock_that_never_frees_ends_with_an_error(
    empty_database: Secret[str], texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_TIMEOUT", "set lock_timeout = '10ms'")
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(module, "RETRIES", 2)
    texts["0001_a"] = "create table a (x int);"
    await migrate(empty_database)
    texts["0002_b"] = "alter table a add y int;"
    async with await psycopg.AsyncConnection.connect(empty_database.reveal()) as holder:
        await holder.execute("select * from a")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await migrate(empty_database)
