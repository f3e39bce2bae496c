"""`jetpay serve` and its family: what dies comes back, and nobody outlives the parent."""

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from functools import partial

import psutil
import psycopg
import pytest

from jetpay.db.embedded import EmbeddedServer
from jetpay.events.wake import LISTEN
from tests.cli.conftest import Command
from tests.patience import PATIENCE_SECONDS, wait_until
from tests.processes import command_of, environment_seen, is_alive, kill
from tests.serve.conftest import ROOT_KEY, Installation

pytestmark = pytest.mark.slow


def test_it_starts_all_it_needs_and_leaves_nothing_behind(new_installation: Installation) -> None:
    installation = new_installation
    installation.start("--workers", "2")
    # Two HTTP workers and the worker loop.
    wait_until(lambda: len(installation.children) == 3)
    wait_until(lambda: '"event": "serving"' in installation.log)
    family, postmaster = installation.family, installation.postmaster
    for each in family:
        assert ROOT_KEY not in " ".join(command_of(each))
        assert ROOT_KEY.encode() not in environment_seen(each.pid)
    check_metrics(installation)
    check_worker(installation)
    assert installation.stop() == 0
    wait_until(lambda: all_are_gone(family, postmaster))


def all_are_gone(family: list[psutil.Process], postmaster: int | None) -> bool:
    return not any(is_alive(each) for each in (*family, postmaster))


def check_metrics(installation: Installation) -> None:
    """Summed over the processes, and never on the public port."""
    for _ in range(20):
        assert installation.get("/healthz") == 200
    wait_until(partial(has_counted, installation, 'route="/healthz",status="200"} 20.0'))
    wait_until(partial(has_counted, installation, '_started_total{kind="http"} 2.0'))
    wait_until(partial(has_counted, installation, '_started_total{kind="worker"} 1.0'))
    assert installation.get("/metrics") == 404


def has_counted(installation: Installation, said: str) -> bool:
    url = f"http://127.0.0.1:{installation.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
        return said in answer.read().decode()


def check_worker(installation: Installation) -> None:
    """The command finds it alive, through the same embedded server."""
    jetpay = Command(installation.environment)
    wait_until(lambda: "A worker is running" in jetpay.run("check").stdout)
    assert jetpay.json("check")["ok"] is True


def have_new_children(installation: Installation, old: list[psutil.Process]) -> bool:
    now = installation.children
    return len(now) == len(old) and not set(now) & set(old)


def has_new_postmaster(installation: Installation, old: int) -> bool:
    return installation.postmaster not in {None, old}


def test_whoever_is_killed_comes_back_again_and_again(installation: Installation) -> None:
    installation.start("--workers", "1")
    wait_until(lambda: len(installation.children) == 2)
    for _ in range(2):
        # Twice within 5.5 seconds, which Granian alone would take for a crash loop.
        before = installation.children
        for each in before:
            kill(each)
        wait_until(partial(have_new_children, installation, before))
    wait_until(installation.is_ready)
    for _ in range(2):
        postmaster = installation.postmaster
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)
        wait_until(partial(has_new_postmaster, installation, postmaster))
        wait_until(installation.is_ready)
    assert installation.stop() == 0


def test_nobody_outlives_a_killed_parent(installation: Installation) -> None:
    installation.start("--workers", "1")
    wait_until(lambda: len(installation.children) == 2)
    family, postmaster = installation.family, installation.postmaster
    assert installation.process is not None
    installation.process.kill()
    installation.process.wait()
    wait_until(lambda: all_are_gone(family, postmaster))


def test_a_call_that_waits_is_answered_when_the_server_stops(installation: Installation) -> None:
    installation.start("--workers", "1", "--no-worker")
    jetpay = Command(installation.environment)
    token = jetpay.json(
        *("token", "create", "--company", jetpay.new_company(), "--name", "T"),
        *("--scope", "events:read"),
    )["token"]
    request = urllib.request.Request(
        f"http://127.0.0.1:{installation.port}/events?wait_seconds=30&after=0",
        headers={"Authorization": f"Bearer {token}"},
    )
    answers: list[int] = []

    def wait_for_events() -> None:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            answers.append(answer.status)

    waiting = threading.Thread(target=wait_for_events)
    waiting.start()
    wait_until(partial(somebody_listens, installation))
    assert installation.stop() == 0
    waiting.join(PATIENCE_SECONDS)
    assert answers == [200]


def somebody_listens(installation: Installation) -> bool:
    """Nobody but the worker loop does before a call waits for events."""
    listens = "select count(*) = 1 from pg_stat_activity where query = %s"
    with EmbeddedServer.acquire(installation.folder) as server:
        with psycopg.connect(server.dsn("super").reveal()) as connection:
            return connection.execute(listens, [LISTEN]).fetchone() == (True,)


def test_a_port_that_is_taken_stops_the_start_with_a_sentence(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", installation.port)):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "jetpay", "serve"],
            env=installation.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"Nobody can listen on 127.0.0.1:{installation.port} (Address already in use): "
    )
    assert installation.postmaster is None


def test_without_its_worker_only_requests_are_served(installation: Installation) -> None:
    installation.start("--workers", "1", "--no-worker")
    with (installation.folder / "work.log").open("wb") as log:
        work = subprocess.Popen(
            [sys.executable, "-P", "-m", "jetpay", "work"],
            env=installation.environment,
            stderr=log,
        )
    try:
        check_worker(installation)
        assert len(installation.children) == 1
        work.send_signal(signal.SIGTERM)
        assert work.wait(PATIENCE_SECONDS) == 0
    finally:
        work.kill()
        work.wait()
    assert "No worker is" in Command(installation.environment).run("check").stdout
