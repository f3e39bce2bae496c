"""`jetpay events tail` as a process: started, listened to and stopped."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jetpay.security.tokens import make_api_token
from tests.cli.conftest import SOURCE
from tests.cli.process import PROCESSES, be_jetpay
from tests.patience import PATIENCE_SECONDS
from tests.receiver.live import LiveCompany, LiveServer

JETPAY = (sys.executable, "-P", "-m", "jetpay")
MADE_UP = make_api_token(sandbox=True).reveal()


@dataclass
class Tail:
    """The command as a process, and what it says."""

    company: LiveCompany
    folder: Path
    process: Any = None

    @property
    def state_home(self) -> Path:
        return self.folder / "state"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        usual = {"PYTHONPATH": str(SOURCE), "XDG_STATE_HOME": str(self.state_home)}
        return kept | usual | {"JETPAY_TOKEN": self.company.token}

    def start(self, *options: str, stdin: str = "", **environment: str) -> None:
        url = ("--url", self.company.server.url) if "--url" not in options else ()
        files = [self.folder / name for name in ("stdin", "stdout", "stderr")]
        for file, content in zip(files, (stdin, "", ""), strict=True):
            file.write_text(content)
        told = (("events", "tail", *url, *options), self.environment | environment, files)
        self.process = PROCESSES.Process(target=be_jetpay, args=told)
        self.process.start()

    def ends(self) -> int:
        """With which code."""
        self.process.join(PATIENCE_SECONDS)
        assert self.process.exitcode is not None, "it does not end"
        return int(self.process.exitcode)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        os.kill(self.process.pid, number)
        return self.ends()

    @property
    def out(self) -> list[str]:
        """Its whole lines."""
        return (self.folder / "stdout").read_text().splitlines(keepends=True)

    @property
    def err(self) -> str:
        return (self.folder / "stderr").read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out if line.endswith("\n")]

    @property
    def ids(self) -> list[int]:
        return [event["id"] for event in self.events]

    @property
    def cursors(self) -> list[int]:
        files = sorted(self.state_home.rglob("*.json"))
        return [json.loads(file.read_text())["after"] for file in files]

    def said(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.err)


@pytest.fixture(scope="module")
def one(live: LiveServer) -> LiveCompany:
    """For tests in which nothing happens to it."""
    return live.new_company()


@pytest.fixture
def quiet(one: LiveCompany, tmp_path: Path) -> Iterator[Tail]:
    yield from ending(Tail(one, tmp_path))


@pytest.fixture
def tail(paying: LiveCompany, tmp_path: Path) -> Iterator[Tail]:
    yield from ending(Tail(paying, tmp_path))


def ending(tail: Tail) -> Iterator[Tail]:
    yield tail
    if tail.process is not None:
        tail.process.kill()
        tail.process.join()
