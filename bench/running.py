"""A real Jetpay to measure: `jetpay serve` on an embedded, durable database of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

START_SECONDS = 60
HOST = "127.0.0.1"


@dataclass
class Site:
    """The running server and what its calls need."""

    process: psutil.Process
    url: str
    data_dir: Path
    company: str
    token: str
    account: str
    contact: str
    rows: list[dict[str, object]] = field(default_factory=list)

    def note(self, name: str, **numbers: object) -> None:
        """Keep what was measured, for `--json`."""
        self.rows.append({"name": name, **numbers})

    @property
    def body(self) -> str:
        """The guide's own example."""
        return json.dumps(
            {
                "amount": 10_000,
                "statement": "Payment 4711",
                "note": "Internal note",
                "from_bank_account": self.account,
                "contact_id": self.contact,
            }
        )

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """One call of the API with the token; the parsed answer."""
        return call(method, self.url + path, body, Authorization=f"Bearer {self.token}", **headers)

    def processes(self) -> list[tuple[str, psutil.Process]]:
        """Every process of the server, PostgreSQL's included, with a name for people."""
        own = [self.process, *self.process.children(recursive=True)]
        postgres = [
            each
            for each in psutil.process_iter(["name", "cmdline"])
            if each.info["name"] == "postgres" and str(self.data_dir) in _commands(each)
        ]
        named = []
        for each in (*own, *postgres):
            with suppress(psutil.NoSuchProcess):  # a connection that has just ended
                named.append((_name(each), each))
        return named


def _commands(process: psutil.Process) -> str:
    """The process's own command line and its parent's: that of the postmaster names the data."""
    with suppress(psutil.NoSuchProcess):
        parent = process.parent()
        return " ".join([*process.cmdline(), *(parent.cmdline() if parent else [])])
    return ""


def _name(process: psutil.Process) -> str:
    words = process.cmdline() or [process.name()]
    return "postgres" if process.name() == "postgres" else " ".join(words)[-60:]


def call(method: str, url: str, body: object = None, **headers: str) -> Any:
    """One HTTP call with a JSON body. Raises `HTTPError`."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    request.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


@contextmanager
def throw_away() -> Iterator[Path]:
    """A folder that PostgreSQL can enter when it must run as another user."""
    folder = Path(tempfile.mkdtemp(prefix="jetpay-bench-", dir=os.environ.get("TMPDIR")))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def site(data_dir: Path, *, workers: int) -> Iterator[Site]:
    """Up with a sandbox company when the block begins, down when it ends."""
    port = _free_port()
    url = f"http://{HOST}:{port}"
    environ = {
        **os.environ,
        "JETPAY_DATA_DIR": str(data_dir),
        "JETPAY_PUBLIC_URL": url,
        "JETPAY_ACCESS_LOG": "false",
        "JETPAY_METRICS_LISTEN": "off",
    }
    serve = [sys.executable, "-m", "jetpay", "serve", "--port", str(port), "--workers"]
    log = (data_dir.parent / "serve.log").open("w")
    process = subprocess.Popen([*serve, str(workers)], env=environ, stdout=log, stderr=log)
    try:
        _wait_for(f"{url}/readyz", process)
        yield _furnish(psutil.Process(process.pid), url, data_dir, environ)
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _furnish(process: psutil.Process, url: str, data_dir: Path, environ: dict[str, str]) -> Site:
    def jetpay(*words: str) -> Any:
        run = [sys.executable, "-m", "jetpay", *words, "--json"]
        done = subprocess.run(run, env=environ, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    company = jetpay(
        *("company", "create", "--name", "Bench Example", "--sandbox"),
        *("--question", "On which rock stands the lighthouse?", "--answer", "Orcas Rock"),
    )["identifier"]
    account = jetpay(
        *("bank-account", "create", "--company", company, "--title", "Payouts"),
        *("--holder-name", "Bench Example", "--institution-number", "004"),
        *("--transit-number", "12342", "--account-number", "1234567"),
    )["identifier"]
    scopes = ("contacts", "credits", "events:read", "sandbox")
    token = jetpay(
        *("token", "create", "--company", company, "--name", "bench"),
        *(word for scope in scopes for word in ("--scope", scope)),
    )["token"]
    contact = call(
        "PUT",
        f"{url}/contact",
        {"email": "robin@example.com", "name": "Robin Example"},
        Authorization=f"Bearer {token}",
        Idempotency_Key="contact",
    )["identifier"]
    return Site(process, url, data_dir, company, token, account, contact)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url).close()
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > give_up or process.poll() is not None:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def bare() -> Iterator[str]:
    """The bare ASGI handler on the same server; its URL."""
    run = [sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--no-ws"]
    port = _free_port()
    run += ["--host", HOST, "--port", str(port), "--no-log", "bench.bare:app"]
    process = subprocess.Popen(run, cwd=Path(__file__).parent.parent)
    try:
        url = f"http://{HOST}:{port}"
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            try:
                call("PUT", url, {})
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)
