"""The pool of connections, how each is set up, and what may be said of a database error."""

import select
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import psycopg
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from psycopg_pool import AsyncConnectionPool

from jetpay.db.transactions import Transaction
from jetpay.security.secrets import Secret

STATEMENT_LIMIT = "60s"
"""No transaction of ours lives longer: an open snapshot slows everybody down."""
CONNECT_SECONDS = 10
RECONNECT_SECONDS = 5.0
"""The pool doubles its pauses between tries; after so long the next caller starts it anew."""
UnreachableDatabase = psycopg.OperationalError
"""What a database that cannot be reached raises, its pool's timeout among it."""
WAIT_SECONDS = 30.0
"""How long a caller waits for a free connection."""
PREPARED_STATEMENTS = 1_000
"""Per connection; more than the program has, so that none is ever dropped."""
SESSION = {
    "timezone": "UTC",
    "statement_timeout": STATEMENT_LIMIT,
    "idle_in_transaction_session_timeout": STATEMENT_LIMIT,
    "default_transaction_isolation": "read committed",
}
TRANSACTION_TIMEOUT_SINCE = 170_000
APPLY_SETTINGS = """
    select set_config(name, value, false)
    from unnest(%(names)s::text[], %(values)s::text[]) as setting(name, value)
"""


class Database:
    """A pool of connections to one database."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection]) -> None:
        self._pool = pool

    @classmethod
    async def open(
        cls,
        dsn: Secret[str] | str,
        *,
        min_size: int = 1,
        max_size: int = 10,
        application_name: str = "jetpay",
        wait_seconds: float = WAIT_SECONDS,
        **settings: str,
    ) -> Self:
        """Raises `psycopg_pool.PoolTimeout` when nobody answers within `wait_seconds`.

        `settings` are PostgreSQL session settings, as in `lock_timeout="100ms"`.
        """

        async def configure(connection: psycopg.AsyncConnection) -> None:
            await prepare_session(connection, settings)

        pool = AsyncConnectionPool(
            dsn.reveal() if isinstance(dsn, Secret) else dsn,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 0,
                "application_name": application_name,
                "connect_timeout": CONNECT_SECONDS,
            },
            min_size=min_size,
            max_size=max_size,
            timeout=wait_seconds,
            configure=configure,
            reconnect_timeout=RECONNECT_SECONDS,
            name=application_name,
            open=False,
        )
        try:
            await pool.open(wait=True, timeout=wait_seconds)
        except BaseException:
            await pool.close()
            raise
        return cls(pool)

    async def close(self) -> None:
        """Closes idle connections at once, and those in use when they come back."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """Outside transactions: every statement commits by itself."""
        try:
            connection = await self._take()
            try:
                async with connection:
                    yield connection
            finally:
                await self._pool.putconn(connection)
        except psycopg.Error as error:
            scrub(error)
            raise

    async def _take(self) -> psycopg.AsyncConnection:
        """A living one. The pool's own check would sleep a second, two, four for each dead one."""
        give_up = time.monotonic() + self._pool.timeout
        while True:
            connection = await self._pool.getconn(max(0.0, give_up - time.monotonic()))
            try:
                await check_still_there(connection)
            except psycopg.Error:
                await self._pool.putconn(connection)  # which replaces it
            except BaseException:
                await self._pool.putconn(connection)
                raise
            else:
                return connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, rolls back on any exception."""
        async with self.connection() as connection:
            async with connection.transaction():
                tx = Transaction(connection)
                yield tx
                await tx.run_hooks()
        await tx.run_callbacks()


async def prepare_session(
    connection: psycopg.AsyncConnection, settings: dict[str, str] | None = None
) -> None:
    """Give a new connection what every connection of ours has."""
    session = SESSION | (settings or {})
    if connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE:
        session = {"transaction_timeout": STATEMENT_LIMIT} | session
    connection.prepared_max = PREPARED_STATEMENTS
    # By default psycopg picks int2, int4 or int8 by the value, so that one statement would be
    # prepared and planned several times and an error could depend on an amount's size.
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    await connection.execute(
        APPLY_SETTINGS, {"names": list(session), "values": list(session.values())}
    )


async def check_still_there(connection: psycopg.AsyncConnection) -> None:
    """Raise if the server has gone. Costs no round trip: a living idle server says nothing."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await connection.execute("")


def is_connection_lost(error: psycopg.Error) -> bool:
    """Whether nobody knows what became of the statement: no answer came, or the server left."""
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def describe_error(error: BaseException) -> dict[str, str | None]:
    """What a log may say of a database error; its text and detail quote values of rows."""
    if not isinstance(error, psycopg.Error):
        return {"error": type(error).__name__}
    return {
        "error": type(error).__name__,
        "sqlstate": error.sqlstate,
        "constraint": error.diag.constraint_name,
        "table": error.diag.table_name,
    }


def why_unreachable(error: psycopg.Error) -> str:
    """Half a sentence for the operator: what the server says, if one does.

    Only the server's own words, which name role and database. Of the rest of the text parts may
    come from a mistyped connection string, even of its password.
    """
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "the role may not use Jetpay's tables: run 'jetpay migrate' as their owner"
    if error.sqlstate is not None:
        return f"it fails with SQLSTATE {error.sqlstate}"
    _, is_said, words = str(error).rpartition("FATAL:")
    if is_said:
        return f"it says '{words.strip().partition(chr(10))[0]}'"
    return "no server answers there; is it up, the address right?"


def scrub(error: psycopg.Error) -> None:
    """Take values of rows out of an error's text, in case somebody prints it all the same.

    Class 42 (syntax, unknown names) quotes nothing but the statement, which is a constant.
    """
    if error.sqlstate is None:
        return
    said: dict[str, Any] = {name: value for name, value in describe_error(error).items() if value}
    if error.sqlstate.startswith("42"):
        said["message"] = error.diag.message_primary
    error.args = (" ".join(f"{name}={value}" for name, value in said.items()),)
