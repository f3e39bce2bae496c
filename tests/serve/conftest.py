"""A `jetpay serve` of its own, with an embedded database, to be started, watched and killed."""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from jetpay.db.embedded import EmbeddedServer
from tests.cli.conftest import environment_of

START_SECONDS = 100.0
"""A loaded machine of 2 cores starts five interpreters at once."""
FORKED = "--multiprocessing-fork"
ROOT_KEY = "jk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


def wait_until(so: Callable[[], object], seconds: float = START_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@dataclass
class Installation:
    """One data directory, and the server that runs on it."""

    folder: Path
    port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def environment(self) -> dict[str, str]:
        return environment_of(
            self.folder,
            JETPAY_PORT=str(self.port),
            JETPAY_METRICS_LISTEN=f"127.0.0.1:{self.metrics_port}",
            JETPAY_SECRET_KEYS=ROOT_KEY,
        )

    def start(self, *options: str) -> None:
        with (self.folder / "jetpay.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "jetpay", "serve", *options],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self.is_ready)

    def is_ready(self) -> bool:
        assert self.process is None or self.process.poll() is None, self.log
        return self.get("/readyz") == 200

    def get(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def stop(self) -> int:
        """The exit code, of a stop within the 10 seconds that are promised (and a margin)."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10 + 5)

    @property
    def log(self) -> str:
        return (self.folder / "jetpay.log").read_text()

    @property
    def children(self) -> list[psutil.Process]:
        """Of the parent, without the interpreter's own helper."""
        assert self.process is not None
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [each for each in found if is_alive(each) and FORKED in each.cmdline()]

    @property
    def postmaster(self) -> int | None:
        file = self.folder / "postgres" / "postmaster.pid"
        return int(file.read_text().splitlines()[0]) if file.exists() else None


@pytest.fixture
def installation() -> Iterator[Installation]:
    """Not started yet; whatever it started is ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="jetpay-test-"))
    installation = Installation(folder)
    yield installation
    process = installation.process
    if process is not None and process.poll() is None:
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        for each in family:
            if each.is_running():
                each.kill()
        psutil.wait_procs(family, 10)  # or they would still use the database server
    if (folder / "postgres").exists():
        EmbeddedServer.acquire(folder).release()
    shutil.rmtree(folder, ignore_errors=True)


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def pid_lives(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        return is_alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def environment_seen(pid: int) -> bytes:
    """What root can see of it; nobody else can, for our processes cannot be dumped."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
