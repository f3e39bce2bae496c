"""Data directories and other processes for the tests of the embedded server."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jetpay.db.embedded import EmbeddedServer
from jetpay.db.postgres_account import Account
from tests.patience import wait_until
from tests.processes import kill, postmaster_of


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Empty, and below a folder that everybody may enter; whatever runs in it is ended."""
    folder = Path(tempfile.mkdtemp(prefix="jetpay-test-"))
    yield folder
    for process in processes(folder):
        kill(process)
    wait_until_down(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def pristine() -> Iterator[Path]:
    """The directory of a server that was made, started and stopped once."""
    folder = Path(tempfile.mkdtemp(prefix="jetpay-test-"))
    EmbeddedServer.acquire(folder, durable=False).release()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def made_dir(data_dir: Path, pristine: Path) -> Path:
    """As `data_dir`, but initdb has been there."""
    subprocess.run(["cp", "--archive", f"{pristine}/.", data_dir], check=True)
    return data_dir


def processes(data_dir: Path) -> list[int]:
    """The `postgres` processes of this directory."""
    return Account.choose().servers_in(data_dir.resolve() / "postgres")


def wait_until_down(data_dir: Path) -> None:
    """A server says that it is down, and then its processes go."""
    wait_until(lambda: processes(data_dir) == [])


def postmaster(data_dir: Path) -> int:
    found = postmaster_of(data_dir)
    assert found
    return found


HOLDER = """
import sys
from pathlib import Path
from jetpay.db.embedded import EmbeddedServer
server = EmbeddedServer.acquire(Path(sys.argv[1]), durable=False)
print("holds", flush=True)
sys.stdin.read()
server.release()
"""


@dataclass
class Holder:
    """Another process that acquires the server and releases it when it is told."""

    process: subprocess.Popen[str]

    def wait_until_it_holds(self) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == "holds\n"

    def release(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start_holder(data_dir: Path) -> Iterator[Callable[[], Holder]]:
    holders: list[Holder] = []

    def start() -> Holder:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(data_dir)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        holders.append(Holder(process))
        return holders[-1]

    yield start
    for holder in holders:
        holder.kill()
