"""The embedded server: started by the first, joined by others, stopped by the last."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from jetpay.db.embedded import SOCKET_PATH_BYTES, EmbeddedServer, Role
from jetpay.db.postgres_account import ServerRefused
from tests.db.conftest import Holder, postmaster, processes, wait_until_down

pytestmark = pytest.mark.embedded


def select(server: EmbeddedServer, sql: str, role: Role = "app") -> object:
    with psycopg.connect(server.dsn(role).reveal()) as connection:
        found = connection.execute(sql.encode()).fetchone()
    assert found
    return found[0]


def test_the_first_starts_it_and_the_last_stops_it(made_dir: Path) -> None:
    first = EmbeddedServer.acquire(made_dir, durable=False)
    second = EmbeddedServer.acquire(made_dir, durable=False)
    running = postmaster(made_dir)
    first.release()
    assert select(second, "select 1") == 1
    assert postmaster(made_dir) == running
    second.release()
    wait_until_down(made_dir)
    assert not (made_dir / "postgres/postmaster.pid").exists()


def test_each_role_is_itself_in_the_same_database(made_dir: Path) -> None:
    with EmbeddedServer.acquire(made_dir, durable=False) as server:
        roles: tuple[Role, ...] = ("app", "owner", "super")
        for role in roles:
            assert select(server, "select current_user", role) == f"jetpay_{role}"
            assert select(server, "select current_database()", role) == "jetpay"


def test_what_was_written_is_there_after_a_restart(made_dir: Path) -> None:
    with EmbeddedServer.acquire(made_dir) as server:
        with psycopg.connect(server.dsn("owner").reveal()) as connection:
            connection.execute("create table kept as select 4711 as number")
    with EmbeddedServer.acquire(made_dir) as server:
        assert select(server, "select number from kept", "owner") == 4711


def test_another_process_joins_and_keeps_it_up(
    made_dir: Path, start_holder: Callable[[], Holder]
) -> None:
    server = EmbeddedServer.acquire(made_dir, durable=False)
    holder = start_holder()
    holder.wait_until_it_holds()
    server.release()
    assert len(processes(made_dir)) > 0
    holder.release()
    wait_until_down(made_dir)


def test_processes_that_start_at_once_share_one_server(
    data_dir: Path, start_holder: Callable[[], Holder]
) -> None:
    holders = [start_holder() for _ in range(5)]
    for holder in holders:
        holder.wait_until_it_holds()
    log = (data_dir / "postgres.log").read_text()
    assert log.count("database system is ready to accept connections") == 1
    for holder in holders:
        holder.release()
    wait_until_down(data_dir)


def test_starting_and_stopping_at_once_never_takes_the_server_from_anybody(
    made_dir: Path, start_holder: Callable[[], Holder]
) -> None:
    leaving = start_holder()
    leaving.wait_until_it_holds()
    for _ in range(4):
        coming = start_holder()
        leaving.release()
        coming.wait_until_it_holds()
        with EmbeddedServer.acquire(made_dir, durable=False) as server:
            assert select(server, "select 1") == 1
        leaving = coming
    leaving.release()
    wait_until_down(made_dir)


def test_releasing_twice_is_releasing_once(made_dir: Path) -> None:
    first = EmbeddedServer.acquire(made_dir, durable=False)
    second = EmbeddedServer.acquire(made_dir, durable=False)
    first.release()
    first.release()
    assert select(second, "select 1") == 1
    second.release()


def test_a_forked_child_does_not_stop_its_parent_s_server(made_dir: Path) -> None:
    with EmbeddedServer.acquire(made_dir, durable=False) as server:
        child = os.fork()
        if child == 0:
            server.release()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert select(server, "select 1") == 1


def test_a_path_too_long_for_a_socket_gets_a_folder_nobody_can_guess(data_dir: Path) -> None:
    deep = data_dir / ("a" * SOCKET_PATH_BYTES)
    data_dir.chmod(0o711)
    folders = []
    for _ in range(2):
        with EmbeddedServer.acquire(deep, durable=False) as server:
            assert select(server, "select 1") == 1
            folders.append(server._socket_folder())
    assert folders[0] == folders[1]
    assert not folders[0].is_relative_to(data_dir)
    assert folders[0].stat().st_mode & 0o777 == 0o700
    folders[0].rmdir()
    with EmbeddedServer.acquire(deep, durable=False) as server:
        assert server._socket_folder() != folders[0]
        assert select(server, "select 1") == 1
    server._socket_folder().rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_socket_folder_that_somebody_else_made_is_told_no_password(data_dir: Path) -> None:
    deep = data_dir / ("a" * SOCKET_PATH_BYTES)
    data_dir.chmod(0o711)
    with EmbeddedServer.acquire(deep, durable=False) as server:
        folder = server._socket_folder()
    os.chown(folder, 65_534, 65_534)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / ".s.PGSQL.5432"))
        listener.listen()
        listener.setblocking(False)
        with pytest.raises(ServerRefused, match="must belong to"):
            EmbeddedServer.acquire(deep, durable=False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    shutil.rmtree(folder)


def test_a_folder_with_spaces_and_a_quote_works(data_dir: Path) -> None:
    data_dir.chmod(0o711)
    with EmbeddedServer.acquire(data_dir / "it's my data", durable=False) as server:
        assert select(server, "select 1") == 1


@pytest.mark.parametrize("durable, expected", [(True, "on"), (False, "off")])
def test_only_tests_may_lose_what_was_committed(
    made_dir: Path, durable: bool, expected: str
) -> None:
    with EmbeddedServer.acquire(made_dir, durable=durable) as server:
        for name in ("fsync", "full_page_writes"):
            assert select(server, f"select current_setting('{name}')") == expected
        assert select(server, "select current_setting('synchronous_commit')") == "on"
