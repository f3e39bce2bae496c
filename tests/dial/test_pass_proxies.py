"""Through the operator's proxy: to the vetted address, or to a name that the proxy vets."""

import asyncio
import base64
import gzip
from collections.abc import Callable
from typing import Any

import pytest

from jetpay.security.dial import Dialler, DialRefused, Unreachable
from jetpay.security.egress import EgressProxy
from jetpay.security.exchange import BODY_BYTES
from jetpay.security.ourselves import Ourselves
from jetpay.security.secrets import Secret
from tests.dial.certificates import Certificates
from tests.dial.conftest import World
from tests.dial.peers import (
    CONNECTED,
    FINE,
    PUBLIC,
    Guest,
    Peer,
    Talk,
    connecting,
    endlessly,
    names,
    nobody,
    post,
    saying,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

Closer = Callable[[Any], Any]
BOMB = gzip.compress(bytes(50_000_000))


async def call(world: World, *, line: str = "a", name: str = "hook.example.com") -> bytes:
    return (await post(world.dialler, world.url(name), line=line, allowed=())).body


async def test_the_proxy_is_told_the_vetted_address_and_the_host_its_name(world: World) -> None:
    assert await call(world) == b"fine"
    assert world.proxy.requests == [
        f"CONNECT {PUBLIC}:443 HTTP/1.1\r\nHost: {PUBLIC}:443\r\n\r\n".encode()
    ]
    [request] = world.host.requests
    assert request.startswith(b"POST /hook HTTP/1.1\r\nHost: hook.example.com\r\n")


async def test_an_ipv6_address_is_told_in_brackets(world: World) -> None:
    world.names["hook.example.com"] = ["2606:4700:4700::1111"]
    await call(world)
    assert world.proxy.requests[0].startswith(b"CONNECT [2606:4700:4700::1111]:443 HTTP/1.1\r\n")


async def test_what_is_not_public_is_refused_before_the_proxy_hears_of_it(world: World) -> None:
    world.names["hook.example.com"] = [PUBLIC, "10.0.0.1"]
    with pytest.raises(DialRefused, match="public"):
        await call(world)
    assert world.proxy.came == 0


async def test_the_certificate_is_checked_through_the_proxy(world: World) -> None:
    world.names["other.example.com"] = [PUBLIC]
    with pytest.raises(Unreachable, match="certificate"):
        await call(world, name="other.example.com")
    assert world.host.requests == []


async def test_the_tunnel_is_kept_for_the_same_webhook_only(world: World) -> None:
    for line in ("a", "a", "b"):
        await call(world, line=line)
    assert len(world.proxy.requests) == 2


async def test_a_second_address_is_tried_where_the_first_is_refused(world: World) -> None:
    world.names["hook.example.com"] = ["93.184.216.33", PUBLIC]
    lead = connecting(world.host)

    async def refuse_the_first(guest: Guest) -> None:
        if world.proxy.came == 1:
            await guest.request()
            await guest.say(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        else:
            await lead(guest)

    world.proxy.talk = refuse_the_first
    assert await call(world) == b"fine"


HOSTILE: dict[str, Talk] = {
    "refuses": saying(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
    "wants a password": saying(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
    "redirects": saying(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"),
    "says more than yes": saying(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    "answers for the host": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"),
    "is no proxy": saying(b"220 smtp\r\n"),
    "never ends": endlessly(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 100),
    "leaves": saying(b"", then_close=True),
    "leads nowhere": saying(b"HTTP/1.1 200 OK\r\n\r\n"),
}


@pytest.mark.parametrize("talk", HOSTILE.values(), ids=HOSTILE)
async def test_a_proxy_that_does_not_lead_there_is_no_answer(world: World, talk: Talk) -> None:
    world.proxy.talk = talk
    world.dialler._total_seconds = 1
    with pytest.raises(Unreachable):
        await call(world)
    assert world.host.came == 0


@pytest.mark.parametrize(
    "yes",
    [
        b"HTTP/1.0 200 Connection established\r\nProxy-Agent: tinyproxy/1.11.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 201 \r\n\r\n",
    ],
)
async def test_proxies_say_yes_in_many_ways(world: World, yes: bytes) -> None:
    world.proxy.talk = connecting(world.host, yes)
    assert await call(world) == b"fine"


@pytest.mark.parametrize("more", [CONNECTED, FINE, b"\x16\x03\x03"])
async def test_a_tunnel_begins_with_our_own_words(world: World, more: bytes) -> None:
    """Whatever the proxy says beyond yes would be taken for the host's."""
    world.proxy.talk = connecting(world.host, CONNECTED + more)
    with pytest.raises(Unreachable):
        await call(world)
    assert world.host.requests == []


async def test_a_proxy_that_is_not_there_is_no_answer(world: World) -> None:
    await world.proxy.close()
    with pytest.raises(Unreachable):
        await call(world)


async def test_variables_of_the_environment_change_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, closing: Closer
) -> None:
    trap, host = await closing(Peer()).listen(), await closing(Peer()).listen()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, trap.url())
        monkeypatch.setenv(name.lower(), trap.url())
    assert await call(world) == b"fine"
    await post(closing(Dialler()), host.url())
    assert (host.came, trap.came) == (1, 0)


async def test_a_body_is_kept_to_64_kib(world: World) -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000
    world.host.talk = saying(long)
    assert await call(world) == b"a" * BODY_BYTES


async def test_a_bomb_stays_packed(world: World) -> None:
    assert 40_000 < len(BOMB) < BODY_BYTES
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
    world.host.talk = saying(head + BOMB)
    assert await call(world) == BOMB
    assert b"accept-encoding" not in world.host.requests[0].lower()


async def test_the_proxy_is_tried_at_each_of_its_addresses(
    world: World, certificates: Certificates, closing: Closer
) -> None:
    through = EgressProxy.of(Secret(f"http://localhost:{world.proxy.port}"), vets=False)
    both = names({"localhost": ["::1", "127.0.0.1"]})
    dialler = Dialler(
        ourselves=Ourselves([through.place], is_ours=nobody, resolve=both),
        proxy=through,
        resolve=names(world.names),
        tls=certificates.trusting("hook.example.com"),
    )
    assert (await post(closing(dialler), world.url(), allowed=())).body == b"fine"


async def test_a_password_goes_to_the_proxy_alone(
    world: World, certificates: Certificates, closing: Closer
) -> None:
    url = world.proxy.url().replace("//", "//jetpay:p%40ss@")
    through = EgressProxy.of(Secret(url), vets=False)
    dialler = Dialler(
        ourselves=Ourselves([through.place], is_ours=nobody),
        proxy=through,
        resolve=names(world.names),
        tls=certificates.trusting("hook.example.com"),
    )
    await post(closing(dialler), world.url(), allowed=())
    basic = base64.b64encode(b"jetpay:p@ss")
    assert b"Proxy-Authorization: Basic " + basic in world.proxy.requests[0]
    assert b"Authorization" not in world.host.requests[0]


async def test_the_proxy_itself_may_be_reached_by_tls(
    world: World, certificates: Certificates, closing: Closer
) -> None:
    made = Peer(talk=connecting(world.host), tls=certificates.server("127.0.0.1"))
    proxy = await closing(made).listen()
    through = EgressProxy.of(Secret(proxy.url(scheme="https")), vets=False)

    def dialler(*trusted: str) -> Dialler:
        made = Dialler(
            ourselves=Ourselves([through.place], is_ours=nobody),
            proxy=through,
            resolve=names(world.names),
            tls=certificates.trusting(*trusted),
        )
        closing(made)
        return made

    trusting = dialler("hook.example.com", "127.0.0.1")
    assert (await post(trusting, world.url(), allowed=())).body == b"fine"
    with pytest.raises(Unreachable, match="certificate"):
        await post(dialler("hook.example.com"), world.url(), allowed=())


@pytest.fixture
def vetting(world: World, certificates: Certificates, closing: Closer) -> Dialler:
    """Names are the proxy's affair: looking one up here would fail."""
    through = EgressProxy.of(Secret(world.proxy.url()), vets=True)
    made = Dialler(
        ourselves=Ourselves([through.place, ("pay.example.com", 443)], is_ours=nobody),
        proxy=through,
        resolve=names({}),
        tls=certificates.trusting("hook.example.com"),
    )
    closing(made)
    return made


async def test_a_proxy_that_vets_is_told_the_name(world: World, vetting: Dialler) -> None:
    assert (await post(vetting, world.url(), allowed=())).body == b"fine"
    assert world.proxy.requests[0].startswith(b"CONNECT hook.example.com:443 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "url, code",
    [
        ("http://hook.example.com/", "https_only"),
        ("https://hook.example.com:25/", "bad_port"),
        ("https://10.0.0.1/", "not_public"),
        ("https://[::ffff:127.0.0.1]/", "bad_host"),
        ("https://0x7f000001/", "bad_host"),
        ("https://localhost/", "not_public"),
        ("https://metadata.google.internal/", "not_public"),
        ("https://redis/", "not_public"),
        ("https://pay.example.com/", "not_public"),
        ("https://a@hook.example.com/", "bad_url"),
    ],
)
async def test_what_needs_no_look_up_is_refused_also_where_the_proxy_vets(
    world: World, vetting: Dialler, url: str, code: str
) -> None:
    with pytest.raises(DialRefused) as refused:
        await post(vetting, url, allowed=())
    assert refused.value.code == code
    assert world.proxy.came == 0


async def test_a_proxy_that_vets_may_refuse(world: World, vetting: Dialler) -> None:
    world.proxy.talk = saying(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    with pytest.raises(Unreachable, match="proxy"):
        await post(vetting, world.url(), allowed=())


async def test_a_call_given_up_ends_at_the_proxy_too(world: World) -> None:
    world.proxy.talk = lambda guest: guest.gone()
    calling = asyncio.create_task(call(world))
    await world.proxy.until(lambda proxy: proxy.came == 1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await world.proxy.until_all_left()
