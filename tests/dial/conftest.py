"""Whoever is dialled here is real, on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pytest
import pytest_asyncio
import uvloop

from jetpay.security.destinations import Destinations
from jetpay.security.dial import Dialler
from jetpay.security.egress import EgressProxy
from jetpay.security.ourselves import Ourselves
from jetpay.security.secrets import Secret
from tests.dial.certificates import Certificates
from tests.dial.peers import PUBLIC, Peer, connecting, names, nobody


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Jetpay runs on uvloop, its tests mostly on Python's own; TLS is not the same on both."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.SelectorEventLoop}


class Closing(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=Closing)


@pytest_asyncio.fixture(loop_scope="module")
async def closing() -> AsyncIterator[Callable[[C], C]]:
    """Closes at the end what it was given, also after a failure."""
    stack = AsyncExitStack()

    def close_later(each: C) -> C:
        stack.push_async_callback(each.close)
        return each

    async with stack:
        yield close_later


@pytest_asyncio.fixture(loop_scope="module")
async def peer(closing: Callable[[Peer], Peer]) -> Peer:
    return await closing(Peer()).listen()


@pytest_asyncio.fixture(loop_scope="module")
async def dialler(closing: Callable[[Dialler], Dialler]) -> Dialler:
    return closing(Dialler(resolve=names({"hook.test": ["127.0.0.1"]})))


@pytest_asyncio.fixture(loop_scope="module")
async def impatient(closing: Callable[[Dialler], Dialler]) -> Dialler:
    """For those who give no answer: it would have to come soon."""
    return closing(Dialler(resolve=names({}), total_seconds=0.4))


@pytest.fixture
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@dataclass
class World:
    """The public Internet, as far as it is needed: a proxy through which it is one host."""

    host: Peer
    proxy: Peer
    dialler: Dialler
    names: dict[str, list[str]]
    destinations: Destinations
    seconds: list[float]

    def url(self, name: str = "hook.example.com") -> str:
        return f"https://{name}/hook"


@pytest_asyncio.fixture(loop_scope="module")
async def world(certificates: Certificates, closing: Callable[[Any], Any]) -> World:
    host = await closing(Peer(tls=certificates.server("hook.example.com"))).listen()
    proxy = await closing(Peer(talk=connecting(host))).listen()
    seconds, known = [0.0], {"hook.example.com": [PUBLIC]}
    through = EgressProxy.of(Secret(proxy.url()), vets=False)
    destinations = Destinations(lambda: seconds[0])
    dialler = Dialler(
        ourselves=Ourselves([through.place], is_ours=nobody),
        proxy=through,
        resolve=names(known),
        destinations=destinations,
        tls=certificates.trusting("hook.example.com"),
        monotonic=lambda: seconds[0],
    )
    return World(host, proxy, closing(dialler), known, destinations, seconds)
