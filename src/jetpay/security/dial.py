"""The one way out: it dials the addresses that were vetted, for whatever a company typed."""

import asyncio
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from jetpay.security.address_table import Address, AllowedNetwork, canonical
from jetpay.security.secrets import Secret
from jetpay.security.vetting import DialRefused, Resolve, Surroundings, Target, vet

__all__ = ["Answer", "DialRefused", "Dialler", "Unreachable", "is_own_address", "vet"]

RESOLVE_SECONDS: Final = 5.0
RESOLVER_THREADS: Final = 32
CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 15.0
BODY_BYTES: Final = 65_536
BODY_SECONDS: Final = 2.0
HEADER_BYTES: Final = 16_384
REUSED_SECONDS: Final = 60.0
"""After this an address is looked up and vetted again, and the connection made anew."""
LINES_KEPT: Final = 1_000
"""Connections that wait to be used again, in all."""


class Unreachable(Exception):
    """A call without an answer; its text says why and holds nothing of the other side."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is at most `BODY_BYTES` long, and empty when only status and time may be kept."""

    status: int
    retry_after: str | None
    body: bytes


def is_own_address(address: Address) -> bool:
    """Whether one of our interfaces has it: the kernel answers from the address itself."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))  # sends nothing: only picks a route
            own = probe.getsockname()[0]
        except OSError:
            return False
    return bool(own == str(address))


class _PinnedResolver(AbstractResolver):
    def __init__(self, target: Target) -> None:
        self._target = target

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp names it
    ) -> list[ResolveResult]:
        if host != self._target.parsed.host:
            raise OSError("this line was vetted for another host")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,  # noqa: PLR2004
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._target.addresses
        ]

    async def close(self) -> None:
        """Holds nothing."""


class _PinnedConnector(aiohttp.TCPConnector):
    """Opens sockets to the vetted addresses alone, whoever asked for another."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self._vetted = frozenset(str(address) for address in target.addresses)
        super().__init__(
            resolver=_PinnedResolver(target),
            use_dns_cache=False,
            ssl=tls,
            limit=2,
            socket_factory=self._open_socket,
        )

    def _open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        # Literals never meet a resolver, but they come through here.
        family, kind, protocol, _, where = info
        if where[0] not in self._vetted:
            raise OSError("not a vetted address")
        return socket.socket(family, kind, protocol)

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp names it
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        peer = connection.transport and connection.transport.get_extra_info("peername")
        if not peer or peer[0] not in self._vetted:
            connection.close()
            raise Unreachable("The connection led to another address.")
        return connection


@dataclass(slots=True)
class _Line:
    """An open way to one URL, for one caller."""

    text: str
    allowed: tuple[AllowedNetwork, ...]
    target: Target
    session: aiohttp.ClientSession
    until: float
    users: int = 0


class Dialler:
    """Calls URLs that companies typed; one a process. Needs `close()`."""

    def __init__(
        self,
        *,
        guarded: Sequence[tuple[str, int]] = (),
        resolve: Resolve | None = None,
        is_ours: Callable[[Address], bool] = is_own_address,
        total_seconds: float = TOTAL_SECONDS,
        tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`guarded`: host and port of our own services, which no company may reach."""
        self._guarded = tuple(guarded)
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")
        self._resolve = resolve or self._ask_system
        self._is_ours = is_ours
        self._surroundings: tuple[float, Surroundings] | None = None
        self._total_seconds = total_seconds
        self._tls = tls or _tls_context()
        self._monotonic = monotonic
        self._lines: OrderedDict[Hashable, _Line] = OrderedDict()

    async def vet(self, text: str, allowed: Sequence[AllowedNetwork]) -> Target:
        """As `vet`, with our own name look-up. Raises `DialRefused`."""
        return await vet(text, allowed, self._resolve, await self._look_around())

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

        Raises `DialRefused` before anything is sent, `Unreachable` when no status came in time.
        """
        try:
            async with asyncio.timeout(self._total_seconds):
                way = await self._line(line, text, tuple(allowed))
                way.users += 1
                try:
                    response = await way.session.post(
                        way.target.parsed.url,
                        data=body,
                        headers=headers.reveal(),
                        allow_redirects=False,
                    )
                except BaseException:
                    await self._drop(line)
                    raise
                finally:
                    way.users -= 1
        except TimeoutError:
            raise Unreachable("No answer came in time.") from None
        except (aiohttp.ClientSSLError, ssl.SSLError):
            raise Unreachable("The host's certificate or encryption was not accepted.") from None
        except aiohttp.ClientConnectorError:
            raise Unreachable("No connection could be made.") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise Unreachable("The connection ended without an answer.") from None
        received = await _read(response)
        return Answer(
            status=response.status,
            retry_after=response.headers.get("Retry-After"),
            body=b"" if way.target.is_allowed_only else received,
        )

    async def close(self) -> None:
        """Closes every connection."""
        for line in list(self._lines):
            await self._drop(line)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _line(self, line: Hashable, text: str, allowed: tuple[AllowedNetwork, ...]) -> _Line:
        found = self._lines.get(line)
        if found is not None:
            is_same = (found.text, found.allowed) == (text, allowed)
            if is_same and self._monotonic() < found.until:
                self._lines.move_to_end(line)
                return found
            await self._drop(line)
        target = await self.vet(text, allowed)
        until = self._monotonic() + REUSED_SECONDS
        made = _Line(text, allowed, target, self._session(target), until)
        self._lines[line] = made
        for oldest in list(self._lines)[: max(0, len(self._lines) - LINES_KEPT)]:
            if not self._lines[oldest].users and oldest != line:
                await self._drop(oldest)
        return made

    async def _drop(self, line: Hashable) -> None:
        found = self._lines.pop(line, None)
        if found is not None:
            await found.session.close()

    def _session(self, target: Target) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_PinnedConnector(target, self._tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
            headers={"User-Agent": "Jetpay"},
            skip_auto_headers=("Accept-Encoding",),
            trust_env=False,
            auto_decompress=False,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        )

    async def _look_around(self) -> Surroundings:
        now = self._monotonic()
        if self._surroundings is None or now >= self._surroundings[0]:
            guarded: set[tuple[Address, int]] = set()
            for host, port in self._guarded:
                try:
                    found = await self._resolve(host, port)
                except OSError:
                    continue  # what has no address cannot be reached by one
                guarded |= {(address, port) for each in found if (address := canonical(each))}
            self._surroundings = (
                now + REUSED_SECONDS,
                Surroundings(self._is_ours, frozenset(guarded)),
            )
        return self._surroundings[1]

    async def _ask_system(self, host: str, port: int) -> Sequence[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        looking = asyncio.get_running_loop().run_in_executor(self._threads, ask)
        try:
            found = await asyncio.wait_for(looking, RESOLVE_SECONDS)
        except TimeoutError:
            raise OSError("the name server did not answer") from None
        return [str(info[4][0]) for info in found]


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """What the answer holds, up to a limit; a body that breaks off or never ends is cut."""
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in response.content.iter_any():
                received += piece
                if len(received) > BODY_BYTES:
                    break
    except (aiohttp.ClientError, OSError, TimeoutError):
        pass  # the status was the answer
    finally:
        response.close()  # does nothing when all was read: that connection is kept
    return bytes(received[:BODY_BYTES])


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
