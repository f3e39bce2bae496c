"""The one way out: it dials the addresses that were vetted, for whatever a company typed."""

import asyncio
import errno
import resource
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Final

from jetpay.security.address_table import Address, AllowedNetwork, is_public
from jetpay.security.destinations import BUSY_SECONDS, DestinationBusy, Destinations, Slot
from jetpay.security.egress import EgressProxy
from jetpay.security.exchange import (
    BODY_BYTES,
    SUCCESSES,
    Dropped,
    Exchange,
    Reply,
    Unreachable,
    request,
)
from jetpay.security.names import Names
from jetpay.security.ourselves import Ourselves
from jetpay.security.secrets import Secret
from jetpay.security.vetting import DialRefused, Resolve, Target, vet, vet_name

__all__ = [
    "TOTAL_SECONDS",
    "Answer",
    "DestinationBusy",
    "DialRefused",
    "Dialler",
    "Unreachable",
    "allow_many_connections",
]

CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 15.0
REUSED_SECONDS: Final = 60.0
"""After this an address is looked up and vetted again, and the connection made anew."""
WAYS_KEPT: Final = 1_000
"""Connections that wait to be used again, in all."""
FILES: Final = 16_384
"""More than a thousand calls, as many connections that wait, and their look-ups need."""
# Shortages of this machine, which are no fault of the other side.
SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
NO_CONNECTION: Final = "No connection could be made."


@dataclass(frozen=True, slots=True)
class Answer:
    """`body`: at most 64 KiB; empty when only status and time may be kept.

    `accepted`: what the header `X-Jetpay-Accept` says, at most 64 visible characters.
    """

    status: int
    retry_after: str | None
    accepted: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class _Call:
    """`until`: the loop's time by which a status must have come."""

    line: Hashable
    text: str
    allowed: tuple[AllowedNetwork, ...]
    body: bytes
    headers: Secret[Mapping[str, str]]
    until: float

    def sent_to(self, target: Target) -> bytes:
        """The request's bytes."""
        ours = {"Host": target.parsed.authority, "User-Agent": "Jetpay", "Accept": "*/*"}
        length = {"Content-Length": str(len(self.body))}
        headers = {**ours, **self.headers.reveal(), **length}
        return request("POST", target.parsed.target, headers, self.body)


@dataclass(slots=True, eq=False)
class _Way:
    """An open connection to one of the target's addresses, for one line."""

    text: str
    allowed: tuple[AllowedNetwork, ...]
    target: Target
    place: Address | str
    until: float
    exchange: Exchange
    slot: Slot | None
    timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Once."""
        self.exchange.close()
        if self.slot is not None:
            self.slot.release()
        if self.timer is not None:
            self.timer.cancel()


def allow_many_connections() -> int:
    """How many files this process may have open; systems often begin with a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if 0 <= soft < wanted:  # no limit is -1
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return FILES if soft < 0 else soft


class Dialler:
    """Calls URLs that companies typed; one a process. Needs `close()`."""

    def __init__(
        self,
        *,
        ourselves: Ourselves | None = None,
        proxy: EgressProxy | None = None,
        resolve: Resolve | None = None,
        destinations: Destinations | None = None,
        total_seconds: float = TOTAL_SECONDS,
        tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ourselves` knows `proxy` as well."""
        self._ourselves = ourselves or Ourselves()
        self._proxy = proxy
        self._resolve = resolve or Names()
        self._destinations = destinations or Destinations()
        self._total_seconds = total_seconds
        self._tls = tls or _tls_context()
        self._monotonic = monotonic
        self._kept: OrderedDict[Hashable, _Way] = OrderedDict()

    async def vet(self, text: str, allowed: Sequence[AllowedNetwork]) -> Target:
        """The only addresses at which this URL may be called now. Raises `DialRefused`."""
        surroundings = await self._ourselves.surroundings()
        if self._proxy is not None and self._proxy.vets:
            return vet_name(text, allowed, surroundings)
        return await vet(text, allowed, self._resolve, surroundings)

    async def post(
        self,
        line: Hashable,
        text: str,
        *,
        allowed: Sequence[AllowedNetwork],
        body: bytes,
        headers: Secret[Mapping[str, str]],
    ) -> Answer:
        """One POST, no redirect followed. Connections are shared by calls of equal `line` only.

        Raises `DialRefused` and `DestinationBusy` before anything is sent, `Unreachable` when no
        status came in time.
        """
        until = asyncio.get_running_loop().time() + self._total_seconds
        began = self._monotonic()
        call = _Call(line, text, tuple(allowed), body, headers, until)
        try:
            way, reply = await self._reply(call)
        except TimeoutError:
            raise Unreachable("No answer came in time.") from None
        seconds = self._monotonic() - began
        self._ended(call, way.place, well=reply.status in SUCCESSES, seconds=seconds)
        self._keep(call, way, reply)
        return Answer(
            status=reply.status,
            retry_after=reply.headers.get(b"retry-after"),
            accepted=reply.headers.get(b"x-jetpay-accept"),
            body=b"" if way.target.is_allowed_only else bytes(reply.body[:BODY_BYTES]),
        )

    async def close(self) -> None:
        """Closes every connection that is not in use."""
        while self._kept:
            self._kept.popitem()[1].close()
        await self._ourselves.close()

    async def _reply(self, call: _Call) -> tuple[_Way, Reply]:
        way = self._take(call)
        if way is not None:
            try:
                return way, await _ask(call, way)
            except Dropped:
                pass  # it was closed while it waited: nothing is wrong with who answers
        async with asyncio.timeout_at(call.until):
            way = await self._open(call, await self.vet(call.text, call.allowed))
        try:
            return way, await _ask(call, way)
        except (Unreachable, TimeoutError):
            self._ended(call, way.place, well=False)
            raise

    def _ended(
        self, call: _Call, place: Address | str, *, well: bool, seconds: float = 0.0
    ) -> None:
        if _is_counted(place):
            self._destinations.ended(place, call.line, well=well, seconds=seconds)

    # ------------------------------------------------------------------------ connections

    def _take(self, call: _Call) -> _Way | None:
        """The line's own connection, if it is still good. Raises `DestinationBusy`."""
        way = self._kept.get(call.line)
        if way is None:
            return None
        is_same = (way.text, way.allowed) == (call.text, call.allowed)
        if not is_same or not way.exchange.is_open or self._monotonic() >= way.until:
            self._drop(call.line, way)
            return None
        if _is_counted(way.place):
            self._destinations.request(way.place, call.line)
        return self._kept.pop(call.line)

    def _keep(self, call: _Call, way: _Way, reply: Reply) -> None:
        if reply.is_last or not way.exchange.is_open:
            way.close()
            return
        older = self._kept.pop(call.line, None)
        if older is not None:
            older.close()
        self._kept[call.line] = way
        way.exchange.when_lost = partial(self._drop, call.line, way)
        if len(self._kept) > WAYS_KEPT:
            self._kept.popitem(last=False)[1].close()

    def _drop(self, line: Hashable, way: _Way) -> None:
        if self._kept.get(line) is way:
            del self._kept[line]
            way.close()

    async def _open(self, call: _Call, target: Target) -> _Way:
        """To the first address that takes the connection."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + CONNECT_SECONDS
        places = target.addresses or (target.parsed.host,)
        problem: DestinationBusy | Unreachable | None = None
        for number, place in enumerate(places):
            share = (ends - loop.time()) / (len(places) - number)
            try:
                return await self._open_at(call, target, place, loop.time() + share)
            except DestinationBusy as busy:
                problem = busy
            except Unreachable as unreachable:
                problem = problem or unreachable
        raise problem or Unreachable(NO_CONNECTION)

    async def _open_at(
        self, call: _Call, target: Target, place: Address | str, ends: float
    ) -> _Way:
        until = self._monotonic() + REUSED_SECONDS
        exchange, slot = Exchange(), self._admit(call, place)
        try:
            async with asyncio.timeout_at(ends):
                await self._connect(exchange, target, place, ends)
        except BaseException as error:  # noqa: BLE001 - goes on, told otherwise where it may be
            exchange.close()
            if slot is not None:
                slot.release()
            told = _told(error)
            if isinstance(told, Unreachable):
                self._ended(call, place, well=False)
            elif isinstance(told, DestinationBusy) and self._kept:
                self._kept.popitem(last=False)[1].close()
            raise (told or error) from None
        way = _Way(call.text, call.allowed, target, place, until, exchange, slot)
        loop = asyncio.get_running_loop()
        way.timer = loop.call_later(REUSED_SECONDS, self._drop, call.line, way)
        return way

    def _admit(self, call: _Call, place: Address | str) -> Slot | None:
        """Raises `DestinationBusy`; before, an unused connection to the same address gives way."""
        if not _is_counted(place):
            return None
        self._destinations.request(place, call.line)
        try:
            return self._destinations.connect(place, call.line)
        except DestinationBusy:
            unused = [each for each in self._kept.items() if each[1].place == place]
            of_others = [each for each in unused if each[1].slot and each[1].slot.of_others]
            giving_way = of_others or (unused if self._destinations.is_full(place) else [])
            if not giving_way:
                raise
            self._drop(*giving_way[0])
            return self._destinations.connect(place, call.line)

    async def _connect(
        self, exchange: Exchange, target: Target, place: Address | str, ends: float
    ) -> None:
        parsed = target.parsed
        if self._proxy is not None:
            await self._through(self._proxy, exchange, target, place, ends)
        else:
            assert not isinstance(place, str)
            name = parsed.host if parsed.scheme == "https" else None
            await self._dial(exchange, place, parsed.port, name)

    async def _through(
        self,
        proxy: EgressProxy,
        exchange: Exchange,
        target: Target,
        place: Address | str,
        ends: float,
    ) -> None:
        problem: OSError | None = None
        for address in await self._ourselves.addresses(proxy.place):
            try:
                name = proxy.host if proxy.is_tls else None
                await self._dial(exchange, address, proxy.port, name)
                break
            except OSError as error:
                problem = error
        else:
            raise problem or Unreachable("The egress proxy cannot be reached.")
        shown = f"[{place}]" if ":" in str(place) else str(place)
        await proxy.tunnel(exchange, f"{shown}:{target.parsed.port}", until=ends)
        if target.parsed.scheme == "https":
            loop = asyncio.get_running_loop()
            if exchange.transport is None or not exchange.is_open:
                raise Unreachable(NO_CONNECTION)
            exchange.transport = await loop.start_tls(
                exchange.transport, exchange, self._tls, server_hostname=target.parsed.host
            )

    async def _dial(
        self, exchange: Exchange, address: Address, port: int, name: str | None
    ) -> None:
        """Connects to this address and no other; `name` is the one its certificate must have."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await loop.sock_connect(made, (str(address), port))
            _hold_to(made, address)
            tls = None if name is None else self._tls
            await loop.create_connection(lambda: exchange, sock=made, ssl=tls, server_hostname=name)
        except BaseException:
            made.close()
            raise


def _is_counted(place: Address | str) -> bool:
    """Networks that an operator allows are his own to burden."""
    return isinstance(place, str) or is_public(place)


async def _ask(call: _Call, way: _Way) -> Reply:
    try:
        return await way.exchange.ask(call.sent_to(way.target), until=call.until)
    except BaseException:
        way.close()
        raise


def _hold_to(made: socket.socket, address: Address) -> None:
    if ip_address(made.getpeername()[0]) != address:
        raise Unreachable("The connection led to another address.")


def _told(error: BaseException) -> Unreachable | DestinationBusy | None:
    """What may be said of it; None for what is no fault of the other side."""
    if isinstance(error, Unreachable):
        return error
    if isinstance(error, ssl.SSLError):
        return Unreachable("The host's certificate or encryption was not accepted.")
    if isinstance(error, OSError) and error.errno in SHORTAGES:
        return DestinationBusy(BUSY_SECONDS)
    return Unreachable(NO_CONNECTION) if isinstance(error, OSError) else None


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context
