"""HTTP/1.1 on one open connection: a request out, an answer of bounded size and time back."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

import httptools

BODY_BYTES: Final = 65_536
BODY_SECONDS: Final = 2.0
HEADER_BYTES: Final = 16_384
HEADER_LENGTH: Final = 64
"""Of a header's value that we read: longer ones count as absent."""
SUCCESSES: Final = range(200, 300)
HEADERS_READ: Final = frozenset({b"retry-after", b"x-jetpay-accept"})

_VISIBLE: Final = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]+: [\x20-\x7e]*")
_SWITCHING: Final = 101
_FINAL: Final = 200


class Unreachable(Exception):
    """A call without an answer; its text says why and holds nothing of the other side."""


class Dropped(Unreachable):
    """The connection was closed before anything of the answer came."""


@dataclass(slots=True)
class Reply:
    """`headers`: of `HEADERS_READ`, in lower case. `is_last`: the connection ends with it."""

    status: int = 0
    headers: dict[bytes, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    is_last: bool = True


def request(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The request's bytes. Raises `ValueError` for a header that is not one visible line."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if not all(_HEADER.fullmatch(line) for line in lines):
        message = "a header is a name and a line of visible ASCII"
        raise ValueError(message)
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("ascii") + body


class Exchange(asyncio.Protocol):
    """What is not an answer to a request of ours ends the connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.is_open = False
        self.when_lost: Callable[[], None] = lambda: None
        self._reply: Reply | None = None

    async def ask(self, sent: bytes, *, until: float, has_body: bool = True) -> Reply:
        """The answer's head by `until` (the loop's time), and as much of its body as comes soon.

        `has_body=False`: what follows the head is not HTTP, and begins when we begin it. Raises
        `Unreachable`, `Dropped` and `TimeoutError`; then, or when the reply `is_last`, close it.
        """
        loop = asyncio.get_running_loop()
        self._reply, self._parser = Reply(), httptools.HttpResponseParser(self)
        self._received = self._received_of_head = 0
        self._head: asyncio.Future[None] = loop.create_future()
        self._end: asyncio.Future[None] = loop.create_future()
        reply = self._reply
        try:
            if not self.is_open or self.transport is None:
                raise Dropped("The connection ended without an answer.")
            self.transport.write(sent)
            async with asyncio.timeout_at(until):
                await self._head
            if not has_body:
                reply.is_last = bool(reply.body) if not self._end.done() else reply.is_last
                return reply
            try:
                async with asyncio.timeout_at(min(until, loop.time() + BODY_SECONDS)):
                    await self._end
            except TimeoutError:
                pass  # the status was the answer
        finally:
            self._reply = None
        return reply

    def close(self) -> None:
        """At once: without waiting for the other side's goodbye."""
        self.is_open = False
        if self.transport is not None:
            self.transport.abort()

    # -------------------------------------------------------------- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None or self._end.done():
            self.close()  # nobody asked for more
            return
        self._received += len(data)
        rest = memoryview(data)
        try:
            while rest and not self._head.done():
                room = HEADER_BYTES - self._received_of_head
                if room <= 0:
                    self._give_up("The answer's headers are too long.")
                    return
                piece, rest = rest[:room], rest[room:]
                self._received_of_head += len(piece)
                self._parser.feed_data(piece)
            if rest:
                self._parser.feed_data(rest)
        except httptools.HttpParserError:  # also where it would change to another protocol
            if not self._head.done():
                self._give_up("The answer was not HTTP.")
            self._cut()
        if len(reply.body) > BODY_BYTES or self._received > HEADER_BYTES + BODY_BYTES:
            self._cut()

    def eof_received(self) -> None:
        self._lose()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        self._lose()

    # ------------------------------------------------------------------ what the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if self._reply is not None and name in HEADERS_READ and name not in self._reply.headers:
            value = value.strip()
            if len(value) <= HEADER_LENGTH and _VISIBLE.fullmatch(value):
                self._reply.headers[name] = value.decode("ascii")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._reply is None or self._head.done():
            return
        if status < _FINAL and status != _SWITCHING:
            self._reply.headers.clear()  # an interim answer; the real one follows
            return
        self._reply.status = status
        self._head.set_result(None)

    def on_body(self, piece: bytes) -> None:
        if self._reply is not None and len(self._reply.body) <= BODY_BYTES:
            self._reply.body += piece[: BODY_BYTES + 1 - len(self._reply.body)]

    def on_message_begin(self) -> None:
        if self._reply is not None and self._end.done():
            self._reply.is_last = True  # a second answer, that nobody asked for

    def on_message_complete(self) -> None:
        if self._reply is not None and self._head.done() and not self._end.done():
            self._reply.is_last = not (self._parser.should_keep_alive() and self.is_open)
            self._end.set_result(None)

    def _lose(self) -> None:
        """The other side ends."""
        self.is_open = False
        if self._reply is None:
            self.when_lost()
            return
        if not self._head.done():
            kind = Unreachable if self._received else Dropped
            self._head.set_exception(kind("The connection ended without an answer."))
        self._cut()

    def _give_up(self, sentence: str) -> None:
        self._head.set_exception(Unreachable(sentence))
        self.close()

    def _cut(self) -> None:
        """Enough: the status was the answer."""
        if self._reply is not None:
            self._reply.is_last = True
        if not self._end.done():
            self._end.set_result(None)
