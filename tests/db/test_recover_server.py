"""The embedded server after crashes: the next one finds it up, with all that was committed."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from jetpay.db import embedded
from jetpay.db.embedded import EmbeddedServer
from jetpay.db.postgres_account import Account, ServerRefused
from tests.db.conftest import Holder, postmaster, processes

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
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and is_running(process):
        time.sleep(0.01)


def is_running(process: int) -> bool:
    """A zombie is not: in a container nobody may collect it."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


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
    assert processes(made_dir) == []


def test_a_killed_postmaster_is_replaced_by_the_next_one(made_dir: Path) -> None:
    first = EmbeddedServer.acquire(made_dir)
    write(first, 3)
    kill_and_wait(postmaster(made_dir))
    with EmbeddedServer.acquire(made_dir) as second:
        assert count(second) == count(first) == 3
    first.release()
    assert processes(made_dir) == []


def test_a_user_of_a_killed_server_can_have_it_started_again(made_dir: Path) -> None:
    with EmbeddedServer.acquire(made_dir, durable=False) as server:
        write(server, 3)
        assert not server.keep_up()
        kill_and_wait(postmaster(made_dir))
        assert server.keep_up()
        assert count(server) == 3
    assert processes(made_dir) == []


def test_a_backend_that_outlived_its_postmaster_is_ended(
    made_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "SILENCE_SECONDS", 1)
    server = EmbeddedServer.acquire(made_dir, durable=False)
    write(server, 3)
    psql = psycopg.connect(server.dsn("owner").reveal(), autocommit=True)
    backend = psql.info.backend_pid
    psql.pgconn.send_query(b"do $$ begin loop end loop; end $$")
    time.sleep(0.2)
    kill_and_wait(postmaster(made_dir))
    time.sleep(0.3)
    assert processes(made_dir) == [backend]
    server.release()
    with EmbeddedServer.acquire(made_dir, durable=False) as again:
        assert not is_running(backend)
        assert count(again) == 3
    psql.close()


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process of PostgreSQL's user that has nothing to do with us."""
    account = Account.choose()
    process = subprocess.Popen(["sleep", "60"], user=None if account.is_us else account.uid)
    yield process.pid
    assert process.poll() is None, "a stranger's process was ended"
    process.kill()
    process.wait()


def test_the_pid_of_another_process_in_its_place_does_not_stop_a_start(
    made_dir: Path, stranger: int
) -> None:
    server = EmbeddedServer.acquire(made_dir, durable=False)
    write(server, 3)
    files = [made_dir / "postgres/postmaster.pid", made_dir / "run/.s.PGSQL.5432.lock"]
    left = [path.read_text().splitlines() for path in files]
    kill_and_wait(postmaster(made_dir))
    for path, lines in zip(files, left, strict=True):
        path.write_text("\n".join([str(stranger), *lines[1:]]) + "\n")
    began = time.monotonic()
    with EmbeddedServer.acquire(made_dir, durable=False) as again:
        assert count(again) == 3
    assert time.monotonic() - began < embedded.SILENCE_SECONDS
    server.release()


def test_a_server_that_lives_and_says_nothing_is_replaced(
    made_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "SILENCE_SECONDS", 1)
    monkeypatch.setattr(embedded, "CONNECT_SECONDS", 2)
    server = EmbeddedServer.acquire(made_dir, durable=False)
    write(server, 3)
    os.kill(postmaster(made_dir), signal.SIGSTOP)
    with EmbeddedServer.acquire(made_dir, durable=False) as again:
        assert count(again) == 3
    server.release()
    assert processes(made_dir) == []


def test_a_start_that_was_killed_at_any_moment_is_finished_by_the_next(
    data_dir: Path, start_holder: Callable[[], Holder]
) -> None:
    for _ in range(4):
        holder = start_holder()
        time.sleep(random.uniform(0.3, 1.5))
        holder.kill()
    with EmbeddedServer.acquire(data_dir, durable=False) as server:
        write(server, 3)
        psycopg.connect(server.dsn("app").reveal()).close()
    assert list(data_dir.glob("postgres.new-*")) == []
    assert not (data_dir / "initdb.password").exists()
    assert processes(data_dir) == []


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
    assert "pg_control" in (made_dir / "postgres.log").read_text()


def test_an_old_log_makes_room(made_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOG_BYTES", 10)
    with EmbeddedServer.acquire(made_dir, durable=False) as server:
        assert server.log.read_text().count("is ready to accept connections") == 1
    assert (made_dir / "postgres.log.1").stat().st_mode & 0o777 == 0o600
