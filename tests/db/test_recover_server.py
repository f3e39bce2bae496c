"""The embedded server after crashes: the next one finds it up, with all that was committed."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from jetpay.db import embedded
from jetpay.db.embedded import EmbeddedServer
from jetpay.db.postgres_account import Account, ServerRefused
from tests.db.conftest import Holder, postmaster, processes, wait_until_down
from tests.patience import PATIENCE_SECONDS, wait_until
from tests.processes import is_alive

pytestmark = pytest.mark.embedded

COUNT = "select count(*) from kept"


def write(server: EmbeddedServer, rows: int) -> None:
    with psycopg.connect(server.dsn("owner").reveal()) as connection:
        connection.execute("create table if not exists kept (number int)")
        connection.execute("insert into kept select generate_series(1, %s)", [rows])


def count(server: EmbeddedServer) -> int:
    with psycopg.connect(server.dsn("owner").reveal()) as connection:
        found = connection.execute(COUNT).fetchone()
    assert found
    return int(found[0])


def kill_and_wait(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: not is_alive(process))


def test_a_killed_holder_leaves_a_server_that_the_next_one_uses_and_stops(
    made_dir: Path, start_holder: Callable[[], Holder]
) -> None:
    holder = start_holder()
    holder.wait_until_it_holds()
    running = postmaster(made_dir)
    holder.kill()
    with EmbeddedServer.acquire(made_dir, durable=False) as server:
        write(server, 3)
        assert postmaster(made_dir) == running
    wait_until_down(made_dir)


def test_a_killed_postmaster_is_replaced_by_the_next_one(made_dir: Path) -> None:
    first = EmbeddedServer.acquire(made_dir)
    write(first, 3)
    kill_and_wait(postmaster(made_dir))
    with EmbeddedServer.acquire(made_dir) as second:
        assert count(second) == count(first) == 3
    first.release()
    wait_until_down(made_dir)


def test_a_user_of_a_killed_server_can_have_it_started_again(made_dir: Path) -> None:
    with EmbeddedServer.acquire(made_dir, durable=False) as server:
        write(server, 3)
        assert not server.keep_up()
        kill_and_wait(postmaster(made_dir))
        assert server.keep_up()
        assert count(server) == 3
    wait_until_down(made_dir)


def test_a_backend_that_outlived_its_postmaster_is_ended(
    made_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "SILENCE_SECONDS", 1)
    server = EmbeddedServer.acquire(made_dir, durable=False)
    write(server, 3)
    psql = psycopg.connect(server.dsn("owner").reveal(), autocommit=True)
    backend = psql.info.backend_pid
    psql.pgconn.send_query(b"do $$ begin loop end loop; end $$")
    wait_until(partial(runs_a_query, server, backend))
    kill_and_wait(postmaster(made_dir))
    wait_until(lambda: processes(made_dir) == [backend])  # the others saw it go
    server.release()
    with EmbeddedServer.acquire(made_dir, durable=False) as again:
        assert not is_alive(backend)
        assert count(again) == 3
    psql.close()


def runs_a_query(server: EmbeddedServer, backend: int) -> bool:
    state = "select state = 'active' from pg_stat_activity where pid = %s"
    with psycopg.connect(server.dsn("super").reveal()) as connection:
        return connection.execute(state, [backend]).fetchone() == (True,)


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process of PostgreSQL's user that has nothing to do with us."""
    account = Account.choose()
    process = subprocess.Popen(["sleep", "600"], user=None if account.is_us else account.uid)
    yield process.pid
    assert process.poll() is None, "a stranger's process was ended"
    process.kill()
    process.wait()


def test_the_pid_of_another_process_in_its_place_does_not_stop_a_start(
    made_dir: Path, stranger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long before anybody would be ended for saying nothing.
    monkeypatch.setattr(embedded, "SILENCE_SECONDS", PATIENCE_SECONDS)
    server = EmbeddedServer.acquire(made_dir, durable=False)
    write(server, 3)
    files = [made_dir / "postgres/postmaster.pid", made_dir / "run/.s.PGSQL.5432.lock"]
    left = [path.read_text().splitlines() for path in files]
    kill_and_wait(postmaster(made_dir))
    for path, lines in zip(files, left, strict=True):
        path.write_text("\n".join([str(stranger), *lines[1:]]) + "\n")
    with EmbeddedServer.acquire(made_dir, durable=False) as again:
        assert count(again) == 3
    server.release()


def test_a_server_that_lives_and_says_nothing_is_replaced(
    made_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "SILENCE_SECONDS", 1)
    monkeypatch.setattr(embedded, "CONNECT_SECONDS", 3)
    server = EmbeddedServer.acquire(made_dir, durable=False)
    write(server, 3)
    os.kill(postmaster(made_dir), signal.SIGSTOP)
    with EmbeddedServer.acquire(made_dir, durable=False) as again:
        assert count(again) == 3
    server.release()
    wait_until_down(made_dir)


MOMENTS = [
    *("start.lock", "postgres.new/PG_VERSION", "postgres.new/base/4", "postgres/PG_VERSION"),
    *("postgres/postmaster.pid", "jetpay_owner.password", "jetpay_app.password"),
]
"""What a start writes, in its order."""


def test_a_start_that_was_killed_at_any_moment_is_finished_by_the_next(
    data_dir: Path, start_holder: Callable[[], Holder]
) -> None:
    for number in range(len(MOMENTS)):
        holder = start_holder()
        wait_until(partial(has_written, data_dir, MOMENTS[number:]))
        holder.kill()
    with EmbeddedServer.acquire(data_dir, durable=False) as server:
        write(server, 3)
        psycopg.connect(server.dsn("app").reveal()).close()
        assert databases_open_to_everybody(server) == []
    assert not (data_dir / "postgres.new").exists()
    assert not (data_dir / "initdb.password").exists()
    wait_until_down(data_dir)


def has_written(data_dir: Path, any_of: list[str]) -> bool:
    """The first of them, or what comes later: some are there for a moment only."""
    return any((data_dir / each).exists() for each in any_of)


def databases_open_to_everybody(server: EmbeddedServer) -> list[tuple[str]]:
    """By default each is: no list of rights, or one with rights of no named role."""
    is_open = """
        select datname from pg_database
        where datallowconn and (datacl is null or datacl::text ~ '[{,]=')
    """
    with psycopg.connect(server.dsn("super").reveal()) as connection:
        return connection.execute(is_open.encode()).fetchall()


def test_a_lost_password_of_a_role_is_given_anew(made_dir: Path) -> None:
    (made_dir / "jetpay_app.password").unlink()
    (made_dir / "jetpay_owner.password").write_text("not what the server knows")
    with EmbeddedServer.acquire(made_dir, durable=False) as server:
        psycopg.connect(server.dsn("app").reveal()).close()
        psycopg.connect(server.dsn("owner").reveal()).close()


def test_a_server_that_cannot_start_says_where_the_reason_stands(
    made_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "START_SECONDS", 1)
    (made_dir / "postgres/global/pg_control").unlink()
    with pytest.raises(ServerRefused, match=r"does not start: .*postgres\.log says why"):
        EmbeddedServer.acquire(made_dir, durable=False)
    wait_until(lambda: "pg_control" in (made_dir / "postgres.log").read_text())


def test_an_old_log_makes_room(made_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOG_BYTES", 10)
    with EmbeddedServer.acquire(made_dir, durable=False) as server:
        assert server.log.read_text().count("is ready to accept connections") == 1
    assert (made_dir / "postgres.log.1").stat().st_mode & 0o777 == 0o600
