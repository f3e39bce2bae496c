"""One action, one transaction: opening, joining, running again, and what happens at its end."""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import psycopg
import structlog

RERUNS = 3
"""How often an action is run again after it lost against another transaction."""
BACKOFF_SECONDS = 0.01
"""Upper bound of the first pause before running again; it doubles each time."""
LOST_AGAINST_ANOTHER = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected: nothing was written, running again is right."""

P = ParamSpec("P")
R = TypeVar("R")
CommitHook = Callable[["Transaction"], Awaitable[None]]
Callback = Callable[[], Awaitable[None] | None]

log = structlog.get_logger(__name__)


class Transaction:
    """An open READ COMMITTED transaction; made by `Database.transaction()` alone."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self.connection = connection
        self._hooks: dict[object, CommitHook] = {}
        self._hooks_done: set[object] = set()
        self._callbacks: list[Callback] = []

    def at_commit(self, hook: CommitHook, key: object) -> None:
        """Run `hook` inside the transaction just before its COMMIT, once per key.

        Hooks run in the order in which their keys were first registered. A hook may register
        further keys, but not one that already ran: its work would be forgotten.
        """
        if key in self._hooks_done:
            message = f"the commit hook {key!r} already ran in this transaction"
            raise RuntimeError(message)
        self._hooks.setdefault(key, hook)

    def after_commit(self, callback: Callback) -> None:
        """Run `callback` once the commit is done; it is forgotten when the transaction fails.

        The commit stands whatever the callback does, so its exceptions are logged, not raised.
        """
        self._callbacks.append(callback)

    async def run_hooks(self) -> None:
        """For `Database.transaction()`: the last thing before COMMIT."""
        while self._hooks:
            key = next(iter(self._hooks))
            hook = self._hooks.pop(key)
            self._hooks_done.add(key)
            await hook(self)

    async def run_callbacks(self) -> None:
        """For `Database.transaction()`: the first thing after a successful COMMIT."""
        for callback in self._callbacks:
            try:
                waiting = callback()
                if waiting is not None:
                    await waiting
            except Exception as error:  # noqa: BLE001 - raised, it would look like a failed commit
                name = getattr(callback, "__qualname__", type(callback).__name__)
                log.error(  # noqa: TRY400 - an exception's text may hold values of rows
                    "after_commit_failed", callback=name, error=type(error).__name__
                )


class OpensTransactions(Protocol):
    """What `Database` offers to actions and statements."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Commits at the end of the block, rolls back on any exception."""

    def connection(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection]:
        """Outside transactions: every statement commits by itself."""


def action(
    function: Callable[Concatenate[Transaction, P], Awaitable[R]],
) -> Callable[Concatenate[OpensTransactions | Transaction, P], Coroutine[Any, Any, R]]:
    """Let a function that takes a transaction first be called with the database as well.

    Given a transaction it joins it; given the database it opens one and, when that lost against
    another transaction, runs again from the start, at most `RERUNS` times.
    """

    @functools.wraps(function)
    async def run(tx: OpensTransactions | Transaction, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if isinstance(tx, Transaction):
            return await function(tx, *args, **kwargs)
        for rerun in range(RERUNS + 1):
            try:
                async with tx.transaction() as opened:
                    return await function(opened, *args, **kwargs)
            except psycopg.Error as error:
                if error.sqlstate not in LOST_AGAINST_ANOTHER or rerun == RERUNS:
                    raise
            await asyncio.sleep(random.uniform(0, BACKOFF_SECONDS * 2**rerun))  # noqa: S311 - no secret
        message = "unreachable: the last run returns or raises"
        raise AssertionError(message)

    return run
