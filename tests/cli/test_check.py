"""`jetpay check` finds what is unsafe or broken, and says what to do."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from jetpay.db.embedded import EmbeddedServer
from jetpay.security.rootkeys import generate_root_key
from jetpay.security.secrets import Secret
from tests.cli.conftest import Command, environment_of, url_of
from tests.conftest import TestServer


def checked(jetpay: Command, **settings: str) -> dict[str, Any]:
    """Level and message by check; of several findings the worst."""
    done = jetpay.under(**settings).run("check", "--json")
    found = json.loads(done.stdout)
    order = ["ok", "warn", "red"]
    worst = sorted(found["checks"], key=lambda each: order.index(each["level"]))
    reds = [each for each in found["checks"] if each["level"] == "red"]
    assert done.returncode == (1 if reds else 0)
    assert found["ok"] is not bool(reds)
    return {each["check"]: each for each in worst}


@pytest.fixture
def worker_seen(server: TestServer, cli_database: str) -> Iterator[psycopg.Connection]:
    """To write down when a worker was seen; forgotten afterwards."""
    dsn = server.dsn("owner", cli_database).reveal()
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
        connection.execute("delete from worker_heartbeat")


def see(connection: psycopg.Connection, ago: timedelta) -> None:
    connection.execute(
        "insert into worker_heartbeat values (%s, %s)", [uuid4(), datetime.now(UTC) - ago]
    )


def test_it_misses_a_worker_until_one_was_seen(
    jetpay: Command, worker_seen: psycopg.Connection
) -> None:
    assert "none is known" in checked(jetpay)["worker"]["message"]
    see(worker_seen, timedelta(minutes=10))
    found = checked(jetpay)["worker"]
    assert (found["level"], "10 minutes ago" in found["message"]) == ("red", True)
    see(worker_seen, timedelta(seconds=5))
    assert checked(jetpay)["worker"]["level"] == "ok"


def test_a_worker_is_not_missed_while_jetpay_starts(
    jetpay: Command,
    worker_seen: psycopg.Connection,
    server: TestServer,
    cli_database: str,
) -> None:
    see(worker_seen, timedelta(minutes=10))
    dsn = server.dsn("app", cli_database).reveal()
    with psycopg.connect(dsn, application_name="jetpay"):
        assert checked(jetpay)["worker"]["level"] == "warn"
    assert checked(jetpay)["worker"]["level"] == "red"


def test_a_clock_that_was_turned_back_is_seen(
    jetpay: Command, worker_seen: psycopg.Connection
) -> None:
    assert checked(jetpay)["clock"]["level"] == "ok"
    see(worker_seen, timedelta(hours=-1))
    assert checked(jetpay)["clock"]["level"] == "red"


def test_a_database_that_is_away_is_found(jetpay: Command) -> None:
    found = checked(jetpay, JETPAY_DATABASE_URL="postgresql://jetpay@127.0.0.1:1/jetpay")
    assert found["database"]["level"] == "red"
    assert "no server answers there" in found["database"]["message"]
    assert found["production"]["level"] == "ok"


def test_why_a_database_does_not_let_us_in_is_told(jetpay: Command, server: TestServer) -> None:
    missing = url_of(server.dsn("app", "jetpay_test_missing").reveal())
    wrong = url_of(make_conninfo(server.dsn("app", "postgres").reveal(), password="geheim"))
    for url, words in (
        (missing, 'database "jetpay_test_missing" does not exist'),
        (wrong, "password authentication failed"),
    ):
        found = checked(jetpay, JETPAY_DATABASE_URL=url)["database"]
        assert (found["level"], words in found["message"]) == ("red", True), found
        refused = jetpay.under(JETPAY_DATABASE_URL=url).refused("company", "list")
        assert words in refused
        assert "geheim" not in refused


@pytest.mark.slow
def test_a_database_whose_owner_may_make_no_roles_is_set_up_step_by_step(data_dir: Path) -> None:
    with EmbeddedServer.acquire(data_dir, durable=False) as server:
        with psycopg.connect(server.dsn("super", "postgres").reveal(), autocommit=True) as admin:
            admin.execute("alter role jetpay_app rename to away")
            admin.execute("create role boss login password 'b'")
            admin.execute("create database pay owner boss")

            def of(role: str, password: str) -> str:
                dsn = server.dsn("super", "pay").reveal()
                return url_of(make_conninfo(dsn, user=role, password=password))

            jetpay = Command(environment_of(data_dir, JETPAY_DATABASE_URL=of("boss", "b")))
            first = jetpay.run("migrate")
            assert first.returncode == 0
            assert "create role jetpay_app" in first.stderr
            assert checked(jetpay)["role"]["level"] == "warn"
            admin.execute("create role jetpay_app login password 'a'")
            program = {"JETPAY_DATABASE_URL": of("jetpay_app", "a")}
            lacking = checked(jetpay, **program)["database"]
            assert (lacking["level"], "jetpay migrate" in lacking["message"]) == ("red", True)
            again = jetpay.run("migrate")
            assert (again.returncode, again.stderr) == (0, "")
            assert checked(jetpay, **program)["role"]["level"] == "ok"


def test_missing_migrations_are_found(jetpay: Command, empty_database: Secret[str]) -> None:
    found = checked(jetpay, JETPAY_DATABASE_URL=url_of(empty_database.reveal()))
    assert "jetpay migrate" in found["migrations"]["message"]


def test_a_mistyped_setting_is_a_warning(jetpay: Command) -> None:
    assert "settings" not in checked(jetpay)
    found = checked(jetpay, JETPAY_PROT="8081")["settings"]
    assert (found["level"], "JETPAY_PROT" in found["message"]) == ("warn", True)


def test_that_nothing_is_mailed_is_a_warning(jetpay: Command) -> None:
    found = checked(jetpay)["mail"]
    assert (found["level"], "no codes" in found["message"]) == ("warn", True)
    set_up = {"JETPAY_SMTP_URL": "smtp://127.0.0.1", "JETPAY_MAIL_FROM": "pay@example.com"}
    assert checked(jetpay, **set_up)["mail"]["level"] == "ok"


def test_production_without_https_or_own_keys_is_found(jetpay: Command) -> None:
    found = checked(jetpay, JETPAY_PUBLIC_URL="http://pay.example.com")
    assert found["production"]["level"] == "red"
    done = jetpay.under(JETPAY_PUBLIC_URL="http://pay.example.com").run("check")
    assert "JETPAY_PUBLIC_URL must be https" in done.stdout
    assert "JETPAY_SECRET_KEYS" in done.stdout


def test_https_without_a_named_proxy_is_found(jetpay: Command) -> None:
    https = {"JETPAY_PUBLIC_URL": "https://pay.example.com"}
    assert checked(jetpay, **https)["proxies"]["level"] == "red"
    assert "proxies" not in checked(jetpay, **https, JETPAY_TRUSTED_PROXIES="127.0.0.1/32")


def test_keys_that_others_can_read_are_found(jetpay: Command, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("jk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
    for mode, level in ((0o644, "red"), (0o640, "red"), (0o600, "ok")):
        keys.chmod(mode)
        found = checked(jetpay, JETPAY_SECRET_KEYS_FILE=str(keys))["keys"]
        assert found["level"] == level
        assert str(keys) in found["message"]


def test_root_keys_of_another_installation_are_found(jetpay: Command, tmp_path: Path) -> None:
    jetpay.json("company", "list")  # the first to come makes the keys
    assert checked(jetpay)["root-keys"]["level"] == "ok"
    foreign = checked(jetpay, JETPAY_SECRET_KEYS=generate_root_key())["root-keys"]
    assert (foreign["level"], "JETPAY_SECRET_KEYS" in foreign["message"]) == ("red", True)
    lost = checked(jetpay, JETPAY_DATA_DIR=str(tmp_path))["root-keys"]
    assert (lost["level"], str(tmp_path / "root-keys") in lost["message"]) == ("red", True)
    assert not list(tmp_path.iterdir()), "who only looks makes nothing"


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can give files away")
def test_root_keys_that_belong_to_somebody_else_are_found(jetpay: Command, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(generate_root_key())
    keys.chmod(0o600)
    os.chown(keys, 12_345, 12_345)
    found = checked(jetpay, JETPAY_SECRET_KEYS_FILE=str(keys))["keys"]
    assert (found["level"], "user 12345" in found["message"]) == ("red", True)


def test_an_owner_or_superuser_of_an_external_database_is_told_apart(
    jetpay: Command, server: TestServer, cli_database: str
) -> None:
    levels = {"app": "ok", "owner": "warn", "super": "red"}
    for role in ("app", "owner", "super"):
        url = url_of(server.dsn(role, cli_database).reveal())
        assert checked(jetpay, JETPAY_DATABASE_URL=url)["role"]["level"] == levels[role]


def test_what_holds_old_rows_is_found(
    jetpay: Command, server: TestServer, cli_database: str
) -> None:
    slot = "jetpay_test_forgotten"
    with psycopg.connect(server.dsn("super", cli_database).reveal(), autocommit=True) as admin:
        assert checked(jetpay)["snapshots"]["level"] == "ok"
        admin.execute("select pg_create_physical_replication_slot(%s)", [slot])
        try:
            assert checked(jetpay)["snapshots"]["level"] == "warn"
        finally:
            admin.execute("select pg_drop_replication_slot(%s)", [slot])


@pytest.mark.slow
def test_the_embedded_database_is_checked_for_what_was_changed(data_dir: Path) -> None:
    jetpay = Command(environment_of(data_dir))
    assert "jetpay serve" in checked(jetpay)["database"]["message"]
    assert not list(data_dir.iterdir()), "who only looks makes nothing"
    jetpay.json("migrate")
    assert checked(jetpay)["hardening"]["level"] == "ok"
    (data_dir / "jetpay_app.password").chmod(0o644)
    found = checked(jetpay)["hardening"]
    assert found["level"] == "red"
    assert "jetpay_app.password" in found["message"]
