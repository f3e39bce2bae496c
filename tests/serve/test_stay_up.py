"""`jetpay serve` and its family: what dies comes back, and nobody outlives the parent."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from functools import partial

import psutil
import pytest

from tests.cli.conftest import Command
from tests.serve.conftest import (
    ROOT_KEY,
    Installation,
    environment_seen,
    is_alive,
    pid_lives,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_it_starts_all_it_needs_and_leaves_nothing_behind(installation: Installation) -> None:
    installation.start("--workers", "2")
    assert len(installation.children) == 3, "two HTTP workers and the worker loop"
    for each in family_of(installation):
        assert ROOT_KEY not in " ".join(each.cmdline())
        assert ROOT_KEY.encode() not in environment_seen(each.pid)
    postmaster = installation.postmaster
    family = family_of(installation)
    check_metrics(installation)
    check_worker(installation)
    assert installation.stop() == 0
    # PostgreSQL has said that it is down; Python's resource tracker sees that we have gone.
    wait_until(lambda: not pid_lives(postmaster), 5)
    wait_until(lambda: not [each for each in family if is_alive(each)], 5)


def family_of(installation: Installation) -> list[psutil.Process]:
    assert installation.process is not None
    return psutil.Process(installation.process.pid).children(recursive=True)


def check_metrics(installation: Installation) -> None:
    """Summed over the processes, and never on the public port."""
    for _ in range(20):
        assert installation.get("/healthz") == 200
    url = f"http://127.0.0.1:{installation.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        text = answer.read().decode()
    counted = [line for line in text.splitlines() if 'route="/healthz"' in line]
    total = next(line for line in counted if line.startswith("jetpay_http_requests_total"))
    assert total.endswith('status="200"} 20.0')
    assert 'jetpay_processes_started_total{kind="http"} 2.0' in text
    assert 'jetpay_processes_started_total{kind="worker"} 1.0' in text
    assert installation.get("/metrics") == 404


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


def test_killed_children_come_back_again_and_again(installation: Installation) -> None:
    installation.start("--workers", "2")
    for _ in range(3):
        before = installation.children
        for each in before:
            each.kill()
        # Twice within 5.5 seconds, which Granian alone would take for a crash loop.
        wait_until(partial(have_new_children, installation, before))
    wait_until(installation.is_ready)
    assert installation.stop() == 0


def test_a_killed_database_server_is_started_again(installation: Installation) -> None:
    installation.start("--workers", "1")
    for _ in range(2):
        postmaster = installation.postmaster
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)
        wait_until(partial(has_new_postmaster, installation, postmaster))
        wait_until(installation.is_ready)
    assert installation.stop() == 0


def test_nobody_outlives_a_killed_parent(installation: Installation) -> None:
    installation.start("--workers", "2")
    family, postmaster = family_of(installation), installation.postmaster
    assert installation.process is not None
    installation.process.kill()
    installation.process.wait()
    wait_until(lambda: not [each for each in family if is_alive(each)], 60)
    wait_until(lambda: not pid_lives(postmaster), 60)


def test_a_call_that_waits_is_answered_when_the_server_stops(installation: Installation) -> None:
    installation.start("--workers", "1")
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
        with urllib.request.urlopen(request, timeout=40) as answer:
            answers.append(answer.status)

    waiting = threading.Thread(target=wait_for_events)
    waiting.start()
    time.sleep(2)
    assert installation.stop() == 0
    waiting.join()
    assert answers == [200]


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
    assert done.stderr.strip().startswith(f"Nobody can listen on 127.0.0.1:{installation.port}")
    assert not pid_lives(installation.postmaster)


def test_without_its_worker_only_requests_are_served(installation: Installation) -> None:
    installation.start("--workers", "1", "--no-worker")
    assert len(installation.children) == 1
    with (installation.folder / "work.log").open("wb") as log:
        work = subprocess.Popen(
            [sys.executable, "-P", "-m", "jetpay", "work"],
            env=installation.environment,
            stderr=log,
        )
    try:
        check_worker(installation)
        work.send_signal(signal.SIGTERM)
        assert work.wait(15) == 0
    finally:
        work.kill()
    assert "none is known" in Command(installation.environment).run("check").stdout
