"""Actions and transactions: commit, rollback, running again, and what happens at the end."""

import asyncio
from uuid import uuid4

import psycopg
import pytest
import structlog

from jetpay.db.pool import Database
from jetpay.db.transactions import RERUNS, Transaction, action

INSERT = "insert into network_limit (network, kind, window_start, hits) values (%s, %s, %s, 0)"
RAISE = "update network_limit set hits = hits + 1 where network = %s and kind = %s"
READ = "select hits from network_limit where network = %s and kind = %s"


@pytest.fixture
def kind() -> str:
    """Rows of one test: none but it writes them."""
    return str(uuid4())


async def insert(tx: Transaction, network: str, kind: str) -> None:
    await tx.connection.execute(INSERT, (network, kind, "2026-01-01T00:00:00Z"))


async def hits(database: Database, network: str, kind: str) -> int | None:
    async with database.connection() as connection:
        found = await (await connection.execute(READ, (network, kind))).fetchone()
    return found[0] if found else None


@action
async def make(tx: Transaction, network: str, *, kind: str) -> str:
    await insert(tx, network, kind)
    return f"{network} made"


async def test_an_action_given_the_database_commits(database: Database, kind: str) -> None:
    assert await make(database, "a", kind=kind) == "a made"
    assert await hits(database, "a", kind) == 0


async def test_an_action_given_a_transaction_joins_it(database: Database, kind: str) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - one transaction
        async with database.transaction() as tx:
            await make(tx, "a", kind=kind)
            raise ZeroDivisionError
    assert await hits(database, "a", kind) is None


async def test_a_transaction_is_read_committed(database: Database) -> None:
    async with database.transaction() as tx:
        found = await tx.connection.execute("show transaction_isolation")
        assert await found.fetchone() == ("read committed",)


@action
async def raise_seeing_old(tx: Transaction, kind: str, runs: list[int], disturb: Database) -> None:
    """Loses to `disturb`, which writes what it read, on every run but the third."""
    runs.append(len(runs))
    await tx.connection.execute("set transaction isolation level serializable")
    await tx.connection.execute(READ, ("a", kind))
    if len(runs) <= 2:
        async with disturb.connection() as other:
            await other.execute(RAISE, ("a", kind))
    await tx.connection.execute(RAISE, ("a", kind))


async def test_a_serialization_failure_is_run_again(database: Database, kind: str) -> None:
    await make(database, "a", kind=kind)
    runs: list[int] = []
    await raise_seeing_old(database, kind, runs, database)
    assert len(runs) == 3
    assert await hits(database, "a", kind) == 3


@action
async def raise_both(tx: Transaction, first: str, second: str, kind: str) -> None:
    await tx.connection.execute(RAISE, (first, kind))
    await asyncio.sleep(0.05)
    await tx.connection.execute(RAISE, (second, kind))


async def test_a_deadlock_is_run_again(database: Database, kind: str) -> None:
    await make(database, "a", kind=kind)
    await make(database, "b", kind=kind)
    await asyncio.gather(raise_both(database, "a", "b", kind), raise_both(database, "b", "a", kind))
    assert (await hits(database, "a", kind), await hits(database, "b", kind)) == (2, 2)


async def test_an_action_that_always_loses_is_given_up(database: Database) -> None:
    runs = 0

    @action
    async def lose(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        await tx.connection.execute("do $$ begin raise sqlstate '40001'; end $$")

    with pytest.raises(psycopg.errors.SerializationFailure):
        await lose(database)
    assert runs == 1 + RERUNS


async def test_other_errors_are_not_run_again(database: Database, kind: str) -> None:
    runs = 0

    @action
    async def collide(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        await insert(tx, "a", kind)
        await insert(tx, "a", kind)

    with pytest.raises(psycopg.errors.UniqueViolation):
        await collide(database)
    assert runs == 1


async def test_an_action_that_joined_is_not_run_again_alone(database: Database) -> None:
    runs = 0

    @action
    async def lose(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        await tx.connection.execute("do $$ begin raise sqlstate '40001'; end $$")

    with pytest.raises(psycopg.errors.SerializationFailure):
        async with database.transaction() as tx:
            await lose(tx)
    assert runs == 1


async def test_hooks_run_once_in_order_of_their_keys_before_commit(
    database: Database, kind: str
) -> None:
    ran: list[str] = []

    async def first(tx: Transaction) -> None:
        ran.append("first")
        tx.at_commit(last, "last")

    async def second(tx: Transaction) -> None:
        ran.append("second")
        await insert(tx, "by hook", kind)

    async def last(tx: Transaction) -> None:
        ran.append("last")

    async with database.transaction() as tx:
        tx.at_commit(first, "first")
        tx.at_commit(second, "second")
        tx.at_commit(first, "first")
        tx.after_commit(lambda: ran.append("after"))
        ran.append("body")
    assert ran == ["body", "first", "second", "last", "after"]
    assert await hits(database, "by hook", kind) == 0


async def test_a_hook_that_fails_rolls_back(database: Database, kind: str) -> None:
    async def fail(tx: Transaction) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - one transaction
        async with database.transaction() as tx:
            await insert(tx, "a", kind)
            tx.at_commit(fail, "fail")
    assert await hits(database, "a", kind) is None


async def test_work_queued_for_a_hook_that_ran_is_refused(database: Database) -> None:
    async def first(tx: Transaction) -> None:
        pass

    async def second(tx: Transaction) -> None:
        tx.at_commit(first, "first")

    with pytest.raises(RuntimeError, match="already ran"):  # noqa: PT012 - one transaction
        async with database.transaction() as tx:
            tx.at_commit(first, "first")
            tx.at_commit(second, "second")


async def test_callbacks_see_the_commit_and_are_dropped_on_rollback(
    database: Database, kind: str
) -> None:
    seen: list[int | None] = []

    async def look() -> None:
        seen.append(await hits(database, "a", kind))

    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - one transaction
        async with database.transaction() as tx:
            tx.after_commit(look)
            raise ZeroDivisionError
    assert seen == []
    async with database.transaction() as tx:
        await insert(tx, "a", kind)
        tx.after_commit(look)
        assert seen == []
    assert seen == [0]


async def test_a_run_that_is_repeated_leaves_no_hook_or_callback_behind(
    database: Database, kind: str
) -> None:
    ran: list[str] = []

    @action
    async def lose_once(tx: Transaction) -> None:
        async def hook(_: Transaction) -> None:
            ran.append("hook")

        is_first = "body" not in ran
        ran.append("body")
        tx.at_commit(hook, "hook")
        tx.after_commit(lambda: ran.append("after"))
        if is_first:
            await tx.connection.execute("do $$ begin raise sqlstate '40P01'; end $$")

    await lose_once(database)
    assert ran == ["body", "body", "hook", "after"]


async def test_a_callback_that_fails_does_not_undo_or_repeat_the_action(
    database: Database, kind: str
) -> None:
    runs = 0

    @action
    async def write(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        await insert(tx, "a", kind)
        tx.after_commit(fail)
        tx.after_commit(lambda: told.append("the second callback"))

    def fail() -> None:
        raise psycopg.errors.SerializationFailure("Key (account)=(1234567)")

    told: list[str] = []
    with structlog.testing.capture_logs() as logs:
        await write(database)
    assert (runs, told) == (1, ["the second callback"])
    assert await hits(database, "a", kind) == 0
    assert [entry["error"] for entry in logs] == ["SerializationFailure"]
    assert "1234567" not in str(logs)


async def test_a_cancelled_action_leaves_nothing_and_a_usable_pool(
    database: Database, kind: str
) -> None:
    @action
    async def linger(tx: Transaction) -> None:
        await insert(tx, "a", kind)
        await tx.connection.execute("select pg_sleep(30)")

    for _ in range(3):
        task = asyncio.create_task(linger(database))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await hits(database, "a", kind) is None
