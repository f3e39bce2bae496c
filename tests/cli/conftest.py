"""The command as it is installed: a process of its own, with a database of its own."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from psycopg.conninfo import conninfo_to_dict

from jetpay.db.migrate import available
from tests.cli.process import PROCESSES, be_jetpay
from tests.conftest import TestServer
from tests.patience import PATIENCE_SECONDS

SOURCE = Path(__file__).resolve().parents[2] / "src"


@dataclass(frozen=True)
class Command:
    """Runs `jetpay`; `environment` is all that it sees."""

    environment: dict[str, str]

    def under(self, **settings: str) -> "Command":
        """The same with other settings."""
        return Command(self.environment | settings)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as name:
            files = [Path(name, stream) for stream in ("stdin", "stdout", "stderr")]
            files[0].write_text(stdin)
            told = (arguments, self.environment, files)
            process = PROCESSES.Process(target=be_jetpay, args=told)
            process.start()
            process.join(PATIENCE_SECONDS)
            assert process.exitcode is not None, "it does not end"
            out, err = files[1].read_text(), files[2].read_text()
            return subprocess.CompletedProcess(arguments, process.exitcode, out, err)

    def json(self, *arguments: str, stdin: str = "") -> Any:
        """What it prints with `--json`; it must succeed and say nothing else."""
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *arguments: str, code: int = 1, stdin: str = "") -> str:
        """The one sentence on stderr."""
        done = self.run(*arguments, stdin=stdin)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr.strip()

    def new_company(self, name: str = "Lighthouse Supplies") -> str:
        made = self.json(
            *("company", "create", "--name", name, "--sandbox"),
            *("--question", "Where was our first shop?", "--answer", "Trois-Pistoles"),
        )
        return str(made["identifier"])


def environment_of(folder: Path, **settings: str) -> dict[str, str]:
    """What any Jetpay process of a test needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    usual = {"PYTHONPATH": str(SOURCE), "JETPAY_DATA_DIR": str(folder)}
    return {**kept, **usual, "JETPAY_METRICS_LISTEN": "off", **settings}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not below pytest's own folder: where we are root, PostgreSQL's user cannot enter that."""
    folder = Path(tempfile.mkdtemp(prefix="jetpay-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cli_database(server: TestServer) -> Iterator[str]:
    """Not the one of the other tests: the command makes its own keys."""
    name = f"{server.template}_cli_{secrets.token_hex(4)}"
    server.create(name, server.template)
    yield name
    server.drop(name)


@pytest.fixture(scope="session")
def jetpay(
    server: TestServer, cli_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Command:
    """Companies and keys of earlier tests are there too."""
    url = url_of(server.dsn("app", cli_database).reveal())
    folder = tmp_path_factory.mktemp("data")
    folder.chmod(0o700)
    return Command(environment_of(folder, JETPAY_DATABASE_URL=url))


def url_of(dsn: str) -> str:
    """`postgresql://` with the parts as parameters, which takes a socket folder too."""
    parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    return f"postgresql:///?{urlencode(parts, quote_via=quote)}"


def migrations() -> list[str]:
    return list(available())
