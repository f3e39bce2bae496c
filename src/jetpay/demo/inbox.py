"""The company's webhook receiver: takes deliveries only when they are genuine and in order."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any, Final

from jetpay.receiver import (
    EventsMissing,
    Headers,
    Keys,
    KeysUnavailable,
    NotGenuine,
    Receiver,
    new_events,
)

MAXIMUM_BYTES: Final = 1_000_000
API_KEY_HEADER: Final = "X-API-Key"


class Inbox:
    """Listens on a port of its own from the start; `events` are what was taken."""

    def __init__(self, host: str) -> None:
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = min(int(self.headers["Content-Length"]), MAXIMUM_BYTES)
                status = inbox.take(self.rfile.read(size), self.headers)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self.url = f"http://{host}:{self.port}/webhooks"
        self.events: list[dict[str, Any]] = []
        self.batches = 0
        self.problems: list[str] = []
        self._receiver: Receiver | None = None
        self._api_key = ""
        self._came = Condition()
        Thread(target=self._server.serve_forever, name="inbox", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def expect(self, keys: Callable[[], Keys], *, company: str, api_key: str) -> None:
        """From now on deliveries are judged; before they are refused."""
        self._receiver = Receiver(keys, company=company)
        self._api_key = api_key

    def take(self, body: bytes, headers: Headers) -> int:
        """The status to answer."""
        with self._came:
            if self._receiver is None or headers.get(API_KEY_HEADER) != self._api_key:
                self.problems.append("a delivery came without our API key")
                return 401
            last = self.events[-1]["id"] if self.events else 0
            try:
                delivery = self._receiver.verify(headers, body)
                fresh = new_events(last, delivery.events)
            except (NotGenuine, KeysUnavailable, EventsMissing) as problem:
                self.problems.append(str(problem))
                return 401
            self.events += fresh
            self.batches += 1
            self._came.notify_all()
            return 200

    def wait_for(self, last_event_id: int, seconds: float) -> bool:
        """Whether everything up to that event has come in time."""
        with self._came:
            return self._came.wait_for(
                lambda: bool(self.events) and self.events[-1]["id"] >= last_event_id, seconds
            )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
