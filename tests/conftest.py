"""A real PostgreSQL for the tests: one server a run, one migrated database a test process."""

import asyncio
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from jetpay.db.embedded import EmbeddedServer, Role
from jetpay.db.migrate import migrate
from jetpay.db.pool import Database
from jetpay.security.secrets import Secret

pytest_plugins = ["tests.world", "tests.stage", "tests.receiver.live"]
RUN_FOLDER = "JETPAY_TEST_RUN"
"""Shared by the processes of one run; the first one makes it, and removes it at the end."""
DATABASE_URL = "JETPAY_TEST_DATABASE_URL"
"""A PostgreSQL to use instead of the embedded one, as a role that may create databases and roles:
its databases `jetpay_test_…` come and go, its role `jetpay_app` gets a new password."""


# A proof of all changes tries the same examples again; a campaign looks for new ones.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", calm, derandomize=True)
settings.register_profile("new", calm)
settings.load_profile("same")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        # Not below pytest's own folder: where we are root, PostgreSQL's user cannot enter that.
        os.environ[RUN_FOLDER] = folder = tempfile.mkdtemp(prefix="jetpay-test-")
        Path(folder).chmod(0o711)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ.pop(RUN_FOLDER))
        if DATABASE_URL in os.environ and (folder / "template.done").exists():
            external = TestServer(folder, None)
            external.drop(external.template)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Of all processes of the run at a time."""
    with (Path(os.environ[RUN_FOLDER]) / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class TestServer:
    """Where the run's databases live: embedded, or the one of `JETPAY_TEST_DATABASE_URL`."""

    __test__ = False

    folder: Path
    embedded: EmbeddedServer | None

    @property
    def template(self) -> str:
        """The name of a migrated database that nobody uses."""
        return f"jetpay_test_{self.folder.name[-8:]}"

    def dsn(self, role: Role, database: str) -> Secret[str]:
        """The owner migrates, Jetpay runs as app, super makes and drops databases."""
        if self.embedded:
            return self.embedded.dsn(role, database)
        dsn = make_conninfo(os.environ[DATABASE_URL], dbname=database)
        if role == "app":
            password = (self.folder / "app.password").read_text()
            dsn = make_conninfo(dsn, user="jetpay_app", password=password)
        return Secret(dsn)

    def create(self, database: str, template: str) -> None:
        """Owned by the role that migrates. Only one at a time may copy a template."""
        names = {"database": sql.Identifier(database), "template": sql.Identifier(template)}
        create = sql.SQL("create database {database} template {template}").format(**names)
        with only_one("create"), self._connect("super", "postgres") as connection:
            connection.execute(create)
            if self.embedded:
                give = sql.SQL("alter database {database} owner to jetpay_owner")
                connection.execute(give.format(**names))

    def drop(self, database: str) -> None:
        drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database))
        with self._connect("super", "postgres") as connection:
            connection.execute(drop)

    def make_template(self) -> None:
        """Once a run, by the process that comes first."""
        done = self.folder / "template.done"
        with only_one("template"):
            if done.exists():
                return
            self.create(self.template, "template0")
            asyncio.run(migrate(self.dsn("owner", self.template)))
            if not self.embedded:
                password = secrets.token_urlsafe()
                (self.folder / "app.password").write_text(password)
                give = sql.SQL("alter role jetpay_app login password {}").format(password)
                with self._connect("super", "postgres") as connection:
                    connection.execute(give)
            done.touch()

    def _connect(self, role: Role, database: str) -> psycopg.Connection:
        return psycopg.connect(self.dsn(role, database).reveal(), autocommit=True)


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """The run's server, with the migrated template."""
    folder = Path(os.environ[RUN_FOLDER])
    if DATABASE_URL in os.environ:
        server = TestServer(folder, None)
        server.make_template()
        yield server
        return
    with EmbeddedServer.acquire(folder, durable=False) as embedded:
        server = TestServer(folder, embedded)
        server.make_template()
        yield server


@pytest.fixture(scope="session")
def database_name(server: TestServer) -> Iterator[str]:
    """The database of this test process: migrated, its own."""
    name = f"{server.template}_{os.getpid()}"
    server.create(name, server.template)
    yield name
    server.drop(name)


@pytest.fixture(scope="session")
def owner_dsn(server: TestServer, database_name: str) -> Secret[str]:
    """The process's database as the role that may change the schema."""
    return server.dsn("owner", database_name)


@pytest.fixture(scope="session")
def app_dsn(server: TestServer, database_name: str) -> Secret[str]:
    """The process's database as the role Jetpay runs as."""
    return server.dsn("app", database_name)


@pytest.fixture(scope="session")
async def database(app_dsn: Secret[str]) -> AsyncIterator[Database]:
    """The process's database, opened as Jetpay opens it; each test makes its own company."""
    database = await Database.open(app_dsn, min_size=1, max_size=10)
    yield database
    await database.close()


@pytest.fixture
def empty_database(server: TestServer) -> Iterator[Secret[str]]:
    """A database without a schema, as its owner, for one test."""
    name = f"{server.template}_empty_{secrets.token_hex(4)}"
    server.create(name, "template0")
    yield server.dsn("owner", name)
    server.drop(name)
