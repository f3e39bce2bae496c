"""Servers that answer byte by byte as a test wants, well or ill."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from jetpay.security.address_table import Address, AllowedNetwork, parse_allowed_list
from jetpay.security.dial import Answer, Dialler
from jetpay.security.secrets import Secret
from tests.patience import PATIENCE_SECONDS

LOOPBACK = parse_allowed_list(["127.0.0.0/8", "::1/128"])
PUBLIC = "93.184.216.34"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"


def nobody(_address: Address) -> bool:
    """No interface of ours: asking the kernel would need a route to the Internet."""
    return False


def names(table: dict[str, list[str]]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A look-up of what the table holds at that moment."""

    async def resolve(host: str, _port: int) -> list[str]:
        if host not in table:
            raise OSError("no such name")
        return table[host]

    return resolve


@dataclass
class Guest:
    """One connection of who came."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[bytes]

    async def request(self) -> bytes:
        """Head and body of the next one; b"" when the caller is gone."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        lines = head.lower().split(b"\r\n")
        length = next((int(each[15:]) for each in lines if each.startswith(b"content-length:")), 0)
        whole = head + await self.reader.readexactly(length)
        self.requests.append(whole)
        return whole

    async def say(self, piece: bytes) -> None:
        self.writer.write(piece)
        await self.writer.drain()

    def stop_reading(self) -> None:
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    async def gone(self) -> None:
        """Until the caller leaves."""
        while await self.reader.read(65_536):
            pass


Talk = Callable[[Guest], Awaitable[None]]


def saying(*pieces: bytes, then_close: bool = False) -> Talk:
    """Answers each request with the same bytes."""

    async def talk(guest: Guest) -> None:
        while await guest.request():
            for piece in pieces:
                await guest.say(piece)
            if then_close:
                return

    return talk


def endlessly(begin: bytes, again: bytes, *, pause: float = 0.0) -> Talk:
    """Begins an answer and goes on for as long as anybody listens."""

    async def talk(guest: Guest) -> None:
        await guest.request()
        await guest.say(begin)
        while True:
            await guest.say(again)
            await asyncio.sleep(pause)

    return talk


def connecting(to: "Peer", yes: bytes = CONNECTED) -> Talk:
    """A proxy that says yes to everybody and leads all of them to the same place."""

    async def talk(guest: Guest) -> None:
        assert (await guest.request()).startswith(b"CONNECT ")
        reader, writer = await asyncio.open_connection(to.address, to.port)
        there = asyncio.create_task(_pass_on(guest.reader, writer))
        try:
            await guest.say(yes)
            await _pass_on(reader, guest.writer)
        finally:
            there.cancel()
            writer.transport.abort()

    return talk


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@dataclass
class Peer:
    """Talks by `talk` to each who comes; knows what they said, and who left."""

    talk: Talk = field(default_factory=lambda: saying(FINE))
    port: int = 0
    address: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    requests: list[bytes] = field(default_factory=list)
    came: int = 0
    left: int = 0
    _server: asyncio.Server | None = None
    _talks: set[asyncio.Task[None]] = field(default_factory=set)

    async def listen(self) -> "Peer":
        """From here on it can be reached."""
        self._server = await asyncio.start_server(self._meet, self.address, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        """Breaks what is under way."""
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def until(self, is_so: Callable[["Peer"], bool]) -> None:
        """Waits for what must come."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_so(self):  # noqa: ASYNC110 - what it waits for may be anything
                await asyncio.sleep(0.005)

    async def until_all_left(self) -> None:
        await self.until(lambda peer: peer.left == peer.came)

    def url(self, host: str = "127.0.0.1", *, scheme: str = "http", path: str = "/") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        self.came += 1
        # uvloop says RuntimeError to who writes to a caller that is gone.
        gone = (OSError, RuntimeError, asyncio.CancelledError, asyncio.IncompleteReadError)
        try:
            with contextlib.suppress(*gone):
                await self.talk(Guest(reader, writer, self.requests))
        finally:
            writer.transport.abort()
            self.left += 1
            self._talks.discard(task)


async def post(
    dialler: Dialler,
    url: str,
    *,
    line: str = "a",
    allowed: Sequence[AllowedNetwork] = LOOPBACK,
    body: bytes = b"{}",
) -> Answer:
    return await dialler.post(line, url, allowed=allowed, body=body, headers=Secret({}))
