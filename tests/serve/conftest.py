"""A `jetpay serve` of its own, with an embedded database, to be started, watched and killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from jetpay.db.embedded import EmbeddedServer
from tests.cli.conftest import Command, environment_of
from tests.conftest import RUN_FOLDER, only_one
from tests.patience import PATIENCE_SECONDS, wait_until
from tests.processes import command_of, family_of, free_port, is_alive, kill, postmaster_of

FORKED = "--multiprocessing-fork"
ROOT_KEY = "jk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


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
        return self.get("/readyz", timeout=5) == 200

    def get(self, path: str, timeout: float = PATIENCE_SECONDS) -> int:
        """The status; 0 where nobody answers."""
        try:
            url = f"http://127.0.0.1:{self.port}{path}"
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except (OSError, HTTPException):
            return 0

    def stop(self) -> int:
        """The exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    @property
    def log(self) -> str:
        return (self.folder / "jetpay.log").read_text()

    @property
    def children(self) -> list[psutil.Process]:
        """Of the parent, without the interpreter's own helper."""
        return [each for each in self.family if is_alive(each) and FORKED in command_of(each)]

    @property
    def family(self) -> list[psutil.Process]:
        """All that descend from the parent."""
        assert self.process is not None
        return family_of(self.process.pid)

    @property
    def postmaster(self) -> int | None:
        return postmaster_of(self.folder)


@pytest.fixture
def new_installation() -> Iterator[Installation]:
    """Nothing is there yet; whatever it started is ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="jetpay-test-"))
    installation = Installation(folder)
    yield installation
    process = installation.process
    if process is not None and process.poll() is None:
        family = installation.family
        process.kill()
        process.wait()
        for each in family:
            kill(each)
        # Or they would still use the database server.
        wait_until(lambda: not any(is_alive(each) for each in family))
    if (folder / "postgres").exists():
        EmbeddedServer.acquire(folder).release()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def installation(new_installation: Installation, pristine: Path) -> Installation:
    """As if it had been started and stopped before."""
    subprocess.run(["cp", "--archive", f"{pristine}/.", new_installation.folder], check=True)
    return new_installation


@pytest.fixture(scope="session")
def pristine() -> Path:
    """The data directory of an installation, made once a run."""
    folder = Path(os.environ[RUN_FOLDER]) / "pristine"
    with only_one("pristine"):
        if not folder.exists():
            fresh = folder.with_suffix(".new")
            fresh.mkdir()
            Command(environment_of(fresh, JETPAY_SECRET_KEYS=ROOT_KEY)).json("keys", "status")
            fresh.rename(folder)
    return folder
