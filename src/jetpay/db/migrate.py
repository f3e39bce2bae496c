"""Bringing a database to the schema of this release: each SQL file once, in order, unchanged."""

import asyncio
import hashlib
import random
from contextlib import suppress
from importlib.resources import files
from itertools import takewhile

import psycopg

from jetpay.base.clock import SystemClock
from jetpay.security.secrets import Secret

LOCK_TIMEOUT = "set lock_timeout = '2s'"
"""A change of a table that waits makes everybody behind it wait too: give up and try again."""
RETRIES = 15
PAUSE_SECONDS = 2
OUTSIDE = "-- concurrently"
"""First line of a file that runs outside a transaction, statement by statement. It may be run
again after it was broken off, so each statement says `if exists` or `if not exists`."""
CREATED_MEANWHILE = (
    psycopg.errors.DuplicateObject,
    psycopg.errors.DuplicateTable,
    psycopg.errors.UniqueViolation,
)
"""What `create table if not exists` may say when another process does the same."""
BOOKKEEPING = """
    create table if not exists schema_migration (
        name text primary key,
        digest text not null,
        applied_at timestamptz not null
    )
"""
ALONE = "lock table schema_migration in share row exclusive mode"
LACKS_RIGHTS = """
    select exists (
        select from pg_roles app, pg_class c
        where app.rolname = 'jetpay_app' and c.oid = to_regclass('schema_migration')
          and not has_table_privilege(app.oid, c.oid, 'select')
          and pg_has_role(c.relowner, 'usage'))
"""
"""The program's role was made after the tables, and we may give it its rights."""


class MigrationRefused(Exception):
    """The database does not fit the files; the text is a sentence for the operator."""


def available() -> dict[str, str]:
    """The SQL of each migration by its name, in order."""
    folder = files("jetpay.db") / "migrations"
    found = {file.name: file for file in folder.iterdir() if file.name.endswith(".sql")}
    return {name.removesuffix(".sql"): found[name].read_text("utf-8") for name in sorted(found)}


def rights() -> str:
    """The SQL that gives the role of the running program what it needs."""
    return (files("jetpay.db") / "rights.sql").read_text("utf-8")


async def has_program_role(dsn: Secret[str] | str) -> bool:
    """Whether there is a role to run as that is not the tables' owner."""
    async with await _connect(dsn) as connection:
        found = await connection.execute("select from pg_roles where rolname = 'jetpay_app'")
        return await found.fetchone() is not None


async def pending(dsn: Secret[str] | str) -> list[str]:
    """Names of what the database lacks; changes nothing. Raises `MigrationRefused`."""
    async with await _connect(dsn) as connection:
        return await _missing(connection)


async def migrate(dsn: Secret[str] | str) -> list[str]:
    """Apply what is missing and name it. Several processes may do so at once."""
    applied: list[str] = []
    tries = 0
    while True:
        try:
            step = await _apply_next(dsn)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            tries += 1
            if tries > RETRIES:
                raise
            await asyncio.sleep(random.uniform(0.1, PAUSE_SECONDS))  # noqa: S311 - no secret
            continue
        if not step:
            return applied
        applied += step


async def _apply_next(dsn: Secret[str] | str) -> list[str]:
    """All missing files in one transaction, up to one that must run outside, or that one."""
    async with await _connect(dsn) as connection:
        if not await _missing(connection):
            lacks = await connection.execute(LACKS_RIGHTS)
            if (await lacks.fetchone() or [False])[0]:
                async with connection.transaction():
                    await connection.execute(ALONE)
                    await connection.execute(rights().encode())
            return []
        with suppress(*CREATED_MEANWHILE):
            await connection.execute(BOOKKEEPING)
        async with connection.transaction():
            await connection.execute(ALONE)
            await connection.execute(LOCK_TIMEOUT)
            texts = available()
            missing = await _missing(connection)
            step = list(takewhile(lambda name: not texts[name].startswith(OUTSIDE), missing))
            for name in step:
                await connection.execute(texts[name].encode())
            if missing and not step:
                step = missing[:1]
                await _run_outside(dsn, texts[step[0]])
            for name in step:
                await connection.execute(
                    "insert into schema_migration (name, digest, applied_at) values (%s, %s, %s)",
                    (name, _digest(texts[name]), SystemClock().now()),
                )
            await connection.execute(rights().encode())
    return step


async def _run_outside(dsn: Secret[str] | str, text: str) -> None:
    async with await _connect(dsn) as connection:
        await connection.execute(LOCK_TIMEOUT)
        for statement in text.split(";\n"):
            await connection.execute(statement.encode())


async def _missing(connection: psycopg.AsyncConnection) -> list[str]:
    known = await connection.execute("select to_regclass('schema_migration') is not null")
    if not (await known.fetchone() or [False])[0]:
        return list(available())
    rows = await connection.execute("select name, digest from schema_migration")
    applied: dict[str, str] = dict(await rows.fetchall())
    for name, text in available().items():
        if applied.get(name, _digest(text)) != _digest(text):
            raise MigrationRefused(
                f"Migration {name} was changed after this database had it. Migrations are never"
                " edited: restore the file of the release and put the change into a new one."
            )
    return [name for name in available() if name not in applied]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def _connect(dsn: Secret[str] | str) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(
        dsn.reveal() if isinstance(dsn, Secret) else dsn,
        autocommit=True,
        application_name="jetpay migrate",
        prepare_threshold=None,
    )
