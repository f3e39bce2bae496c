"""A real server with a company to which things happen, and an endpoint that sees what it sends."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command, environment_of, url_of
from tests.conftest import TestServer
from tests.patience import PATIENCE_SECONDS
from tests.serve.conftest import ROOT_KEY, Installation

HOST = "127.0.0.1"


def call(
    port: int,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by their names in lower case, and body."""
    connection = HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, named, answer.read()
    finally:
        connection.close()


@dataclass
class LiveServer(Installation):
    """`jetpay serve` as a process, on a database of the tests' server; may call loopback."""

    database_url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return environment_of(
            self.folder,
            JETPAY_DATABASE_URL=self.database_url,
            JETPAY_PORT=str(self.port),
            JETPAY_SECRET_KEYS=ROOT_KEY,
            JETPAY_WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
            JETPAY_WORKERS="1",
        )

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def jwks_url(self) -> str:
        return f"{self.url}/.well-known/jwks.json"

    def new_company(self) -> "LiveCompany":
        jetpay = Command(self.environment)
        company = jetpay.new_company()
        scopes = [
            word for each in ("contacts", "webhooks", "events:read") for word in ("--scope", each)
        ]
        made = jetpay.json("token", "create", "--company", company, "--name", "tests", *scopes)
        return LiveCompany(self, company, made["token"])


@dataclass
class LiveCompany:
    """Of a `LiveServer`."""

    server: LiveServer
    identifier: str
    token: str

    def api(self, method: str, path: str, content: object = None) -> Any:
        """The JSON of a successful answer."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = None if content is None else json.dumps(content).encode()
        status, _, said = call(self.server.port, method, path, headers=headers, body=body)
        assert 200 <= status < 300, (method, path, status, said)
        return json.loads(said)

    def happen(self, count: int = 1) -> None:
        """So many events."""
        for _ in range(count):
            self.api("PUT", "/contact", {"email": "ana@example.com", "name": "Ana Example"})

    @property
    def events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.api("GET", "/events?limit=200")["events"]
        return events

    def register(self, url: str, **fields: object) -> Any:
        """A webhook that sends at once."""
        return self.api("POST", "/webhooks/", {"callback_url": url, "max_wait_seconds": 0} | fields)


@contextmanager
def serving(server: TestServer, folder: Path) -> Iterator[LiveServer]:
    """Migrated and started."""
    name = f"{server.template}_live_{os.getpid()}"
    server.create(name, server.template)
    live = LiveServer(folder, database_url=url_of(server.dsn("app", name).reveal()))
    try:
        live.start()
        yield live
    finally:
        if live.process is not None and live.process.poll() is None:
            live.process.terminate()
            try:
                live.process.wait(20)
            except subprocess.TimeoutExpired:
                live.process.kill()
                live.process.wait()
        server.drop(name)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Received:
    """A request as it came, and what was answered."""

    headers: Mapping[str, str]
    body: bytes
    status: int

    @property
    def token(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    @property
    def ids(self) -> list[int]:
        return [event["id"] for event in json.loads(self.body)["events"]]


@dataclass
class Endpoint:
    """Answers each POST by `answer`, and keeps it; a GET by `page`."""

    answer: Callable[[Mapping[str, str], bytes], int] = lambda *_: 204
    retry_after: str | None = None
    page: bytes = b""
    received: list[Received] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/hook"

    @property
    def taken(self) -> list[int]:
        """The ids of events that were answered with 2xx, in the order in which they came."""
        return [i for each in self.received if 200 <= each.status < 300 for i in each.ids]

    def until(self, is_so: Callable[[], object]) -> None:
        with self.came:
            came = self.came.wait_for(is_so, PATIENCE_SECONDS)
            assert came, [each.status for each in self.received]

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        status = self.answer(headers, body)
        with self.came:
            self.received.append(Received(headers, body, status))
            self.came.notify_all()
        return status

    @contextmanager
    def listening(self) -> Iterator["Endpoint"]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = endpoint.take(dict(self.headers), body)
                self.send_response(status)
                if endpoint.retry_after is not None:
                    self.send_header("Retry-After", endpoint.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(endpoint.page)))
                self.end_headers()
                self.wfile.write(endpoint.page)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        server = ThreadingHTTPServer((HOST, self.port), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.fixture(scope="session")
def live(server: TestServer) -> Iterator[LiveServer]:
    """One a test process."""
    with serving(server, Path(tempfile.mkdtemp(prefix="jetpay-test-"))) as live:
        yield live


@pytest.fixture
def paying(live: LiveServer) -> LiveCompany:
    """A company of the test's own."""
    return live.new_company()


@pytest.fixture
def sink() -> Iterator[Endpoint]:
    """Where webhooks can be sent."""
    with Endpoint().listening() as endpoint:
        yield endpoint
