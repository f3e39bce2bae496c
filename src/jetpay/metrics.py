"""What Prometheus may ask: the numbers of all our processes, summed, on a listener of their own."""

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    make_wsgi_app,
)
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
PREFIX: Final = "jetpay-metrics-"
LOCK: Final = "lock"
OFF: Final = "off"
SOCKET_MODE: Final = 0o660
STATUS: Final = "jetpay.status"
"""Where the application leaves the status of its answer in the ASGI scope."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# No label holds a company, an identifier or an address (security rule 26).
REQUESTS: Final = Counter(
    "jetpay_http_requests_total", "Requests answered.", ("method", "route", "status")
)
REQUEST_SECONDS: Final = Histogram(
    "jetpay_http_request_seconds",
    "How long an answer took.",
    ("route",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30),
)
PROCESSES_STARTED: Final = Counter(
    "jetpay_processes_started_total", "Processes started, the first of each kind too.", ("kind",)
)
INTAKE_DEFECTS: Final = Counter(
    "jetpay_intake_defects_total",
    "Credits that were checked, and that the database refused all the same.",
)
DUE_LATE_SECONDS: Final = Gauge(
    "jetpay_due_late_seconds",
    "How long the oldest due work has waited.",
    multiprocess_mode="mostrecent",
)
EVENTS_WAITING: Final = Gauge(
    "jetpay_webhook_events_waiting",
    "Events not yet delivered to active webhooks.",
    multiprocess_mode="mostrecent",
)


class CannotListen(Exception):
    """The listener's address cannot be used; the text is a sentence for the operator."""


def count_request(*, method: str, route: str, status: int, seconds: float) -> None:
    """`route`: the template, as in `/contact/{identifier}`."""
    counter, histogram = _series(method if method in METHODS else "other", route, status)
    counter.inc()
    histogram.observe(seconds)


@cache
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), REQUEST_SECONDS.labels(route)


@contextmanager
def shared_by_children() -> Iterator[CollectorRegistry]:
    """Processes started inside count into one folder; the registry sums up, dead ones too."""
    _remove_forgotten()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.environ[FOLDER] = str(folder)  # prometheus_client reads it there alone
    try:
        registry = CollectorRegistry(support_collectors_without_names=True)
        MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
        yield registry
    finally:
        del os.environ[FOLDER]
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_forgotten() -> None:
    """Folders of ours whose process was killed: nobody holds their lock any more."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        if lock.parent.lstat().st_uid != os.geteuid():
            continue
        with suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)


@contextmanager
def listening(listen: str, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    """Answer at `host:port` or `unix:/path`, from a thread; `off` does nothing.

    Raises `CannotListen`.
    """
    if listen == OFF:
        yield
        return
    try:
        server = _server(listen, registry)
    except OSError as error:
        raise CannotListen(
            f"JETPAY_METRICS_LISTEN: nobody can listen on {listen} ({error.strerror}):"
            " set another address, or off."
        ) from None
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        if listen.startswith("unix:"):
            Path(listen.removeprefix("unix:")).unlink(missing_ok=True)


def _server(listen: str, registry: CollectorRegistry) -> WSGIServer:
    app: Any = make_wsgi_app(registry)
    if listen.startswith("unix:"):
        path = Path(listen.removeprefix("unix:"))
        if path.is_socket():
            path.unlink()
        server: WSGIServer = make_server(str(path), 0, app, _UnixServer, _Quiet)
        path.chmod(SOCKET_MODE)
        return server
    host, _, port = listen.rpartition(":")
    kind = _SixServer if ":" in host else _Server
    return make_server(host.strip("[]"), int(port), app, kind, _Quiet)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _SixServer(_Server):
    address_family = socket.AF_INET6


class _UnixServer(_Server):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(str(self.server_address[0]))
        self.server_name, self.server_port = "localhost", 0
        self.setup_environ()

    def get_request(self) -> tuple[Any, Any]:
        connection, _ = super().get_request()
        return connection, ("local", 0)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the parent has it
        """Say nothing of each scrape."""
