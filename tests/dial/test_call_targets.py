"""A call goes to the vetted address alone, says what it should, and follows nothing."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jetpay.security.address_table import parse_allowed_list
from jetpay.security.dial import TOTAL_SECONDS, Dialler, DialRefused, Unreachable
from jetpay.security.secrets import Secret
from tests.dial.certificates import Certificates
from tests.dial.conftest import World
from tests.dial.peers import FINE, LOOPBACK, Guest, Peer, Talk, names, post, saying
from tests.patience import PATIENCE_SECONDS
from tests.processes import free_port

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.3", "127.0.0.9"]),
]

Closer = Callable[[Any], Any]
TCP_ESTABLISHED = 1
METADATA = b"http://169.254.169.254/latest/meta-data/"


async def test_a_request_is_told_the_name_and_says_no_more_than_it_must(
    peer: Peer, dialler: Dialler
) -> None:
    answer = await dialler.post(
        "a",
        peer.url("hook.test", path="/hook?a=b%20c&d=é"),
        allowed=LOOPBACK,
        body=b"{}",
        headers=Secret({"X-API-Key": "k"}),
    )
    assert answer.status == 200
    assert peer.requests[0].decode().splitlines() == [
        "POST /hook?a=b%20c&d=%C3%A9 HTTP/1.1",
        f"Host: hook.test:{peer.port}",
        "User-Agent: Jetpay",
        "Accept: */*",
        "X-API-Key: k",
        "Content-Length: 2",
        "",
        "{}",
    ]


@pytest.mark.parametrize("value", ["a\r\nHost: b", "a\nb", "é", "a\x00"])
async def test_a_header_cannot_begin_another_line(peer: Peer, dialler: Dialler, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        await dialler.post(
            "a", peer.url(), allowed=LOOPBACK, body=b"", headers=Secret({"X-API-Key": value})
        )
    assert peer.requests == []
    await peer.until_all_left()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(
    peer: Peer, dialler: Dialler, status: int
) -> None:
    peer.talk = saying(
        b"HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, METADATA)
    )
    assert (await post(dialler, peer.url())).status == status
    assert (peer.came, len(peer.requests)) == (1, 1)


@pytest.mark.parametrize("header", [b"Refresh: 0; url=%s", b"Alt-Svc: h2=%s", b"Link: <%s>"])
async def test_nothing_else_leads_away_either(peer: Peer, dialler: Dialler, header: bytes) -> None:
    peer.talk = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%s\r\n\r\n" % (header % METADATA))
    for _ in range(2):
        assert (await post(dialler, peer.url())).status == 200
    assert len(peer.requests) == 2


async def test_cookies_are_not_kept(peer: Peer, dialler: Dialler) -> None:
    peer.talk = saying(FINE.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\n\r\n"))
    for _ in range(2):
        await post(dialler, peer.url())
    assert len(peer.requests) == 2
    assert b"cookie" not in b"".join(peer.requests).lower()


# ---------------------------------------------------------------------- which address


async def test_a_name_that_changes_its_mind_is_vetted_again(peer: Peer, closing: Closer) -> None:
    answers, seconds = {"rebind.test": ["127.0.0.1"]}, [0.0]
    dialler = closing(Dialler(resolve=names(answers), monotonic=lambda: seconds[0]))
    narrow = parse_allowed_list(["127.0.0.1/32"])

    async def call() -> int:
        return (await post(dialler, peer.url("rebind.test"), allowed=narrow)).status

    assert await call() == 200
    answers["rebind.test"] = ["127.0.0.2"]
    assert await call() == 200  # still on the vetted connection
    seconds[0] = 60.0
    with pytest.raises(DialRefused):
        await call()
    assert (peer.came, len(peer.requests)) == (1, 2)


async def test_each_new_connection_is_vetted(peer: Peer, closing: Closer) -> None:
    answers = {"rebind.test": ["127.0.0.1"]}
    dialler = closing(Dialler(resolve=names(answers)))
    peer.talk = saying(FINE, then_close=True)
    await post(dialler, peer.url("rebind.test"))
    answers["rebind.test"] = ["10.0.0.1"]
    with pytest.raises(DialRefused):
        await post(dialler, peer.url("rebind.test"))


async def test_a_socket_that_leads_elsewhere_is_not_used(
    peer: Peer, closing: Closer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kernel with a rewriting firewall might do."""
    other = await closing(Peer(address="127.0.0.3", port=peer.port)).listen()
    loop = asyncio.get_running_loop()
    if type(loop).__module__.startswith("uvloop"):
        pytest.skip("uvloop's own methods cannot be replaced")
    connect = loop.sock_connect

    async def astray(sock: Any, where: tuple[str, int]) -> None:
        await connect(sock, ("127.0.0.3", where[1]))

    monkeypatch.setattr(loop, "sock_connect", astray)
    with pytest.raises(Unreachable, match="another address"):
        await post(closing(Dialler()), peer.url())
    await other.until(lambda each: each.left == 1)
    assert other.requests == []


async def test_a_literal_is_vetted_as_a_name_is(peer: Peer, closing: Closer) -> None:
    dialler = closing(Dialler(resolve=names({})))
    for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"):
        with pytest.raises(DialRefused):
            await post(dialler, peer.url(host), allowed=parse_allowed_list(["127.0.0.2/32"]))
    with pytest.raises(DialRefused):  # not even by leave for everything near by
        await post(dialler, peer.url("0.0.0.0"))
    assert peer.came == 0


async def test_the_next_address_is_tried_when_one_refuses(peer: Peer, closing: Closer) -> None:
    resolve = names({"both.test": ["127.0.0.9", "127.0.0.1"]})
    assert (await post(closing(Dialler(resolve=resolve)), peer.url("both.test"))).status == 200


async def test_a_closed_port_is_unreachable(dialler: Dialler) -> None:
    with pytest.raises(Unreachable, match="No connection"):
        await post(dialler, f"http://127.0.0.1:{free_port()}/")


# -------------------------------------------------------------------- the same connection


async def test_a_connection_is_used_again_for_the_same_line_only(
    peer: Peer, dialler: Dialler
) -> None:
    for line in ("a", "a", "b", "a"):
        await post(dialler, peer.url(), line=line)
    assert (peer.came, len(peer.requests)) == (2, 4)


async def test_another_url_or_another_leave_takes_another_connection(
    peer: Peer, dialler: Dialler
) -> None:
    await post(dialler, peer.url())
    await post(dialler, peer.url(path="/other"))
    await post(dialler, peer.url(path="/other"), allowed=LOOPBACK[:1])
    assert peer.came == 3
    with pytest.raises(DialRefused):
        await post(dialler, peer.url(path="/other"), allowed=())


async def test_calls_of_one_line_at_once_do_not_meet(peer: Peer, dialler: Dialler) -> None:
    async def echo(guest: Guest) -> None:
        while request := await guest.request():
            await asyncio.sleep(0.01)
            wanted = request.rpartition(b"\r\n\r\n")[2]
            head = b"HTTP/1.1 200 OK\r\nX-Jetpay-Accept: %s\r\nContent-Length: 0\r\n\r\n"
            await guest.say(head % wanted)

    peer.talk = echo
    bodies = [str(number).encode() for number in range(20)]
    answers = await asyncio.gather(*(post(dialler, peer.url(), body=body) for body in bodies))
    assert [answer.accepted for answer in answers] == [body.decode() for body in bodies]
    await post(dialler, peer.url(), body=b"again")
    assert peer.came == 20


async def test_a_connection_that_was_closed_meanwhile_is_no_failure(
    peer: Peer, dialler: Dialler
) -> None:
    async def leave_at_the_second(guest: Guest) -> None:
        await guest.request()
        await guest.say(FINE)
        if peer.came == 1:
            await guest.request()

    peer.talk = leave_at_the_second
    for _ in range(2):
        assert (await post(dialler, peer.url())).status == 200
    assert (peer.came, len(peer.requests)) == (2, 3)


@pytest.mark.parametrize("noise", [FINE, b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"\x00"])
async def test_what_comes_between_two_calls_is_no_answer(
    peer: Peer, dialler: Dialler, noise: bytes
) -> None:
    async def talk_too_much(guest: Guest) -> None:
        await guest.request()
        await guest.say(FINE)
        await asyncio.sleep(0.05)
        await guest.say(noise)
        await guest.gone()

    peer.talk = talk_too_much
    await post(dialler, peer.url())
    await peer.until_all_left()
    peer.talk = saying(b"HTTP/1.1 202 Fine\r\nContent-Length: 0\r\n\r\n")
    assert (await post(dialler, peer.url())).status == 202


async def test_an_unused_connection_is_closed_after_a_minute(world: World) -> None:
    """By the loop's own timer, which `close` ends too."""
    await post(world.dialler, world.url(), allowed=())
    [timer] = [way.timer for way in world.dialler._kept.values()]
    assert timer is not None
    assert 0 < timer.when() - asyncio.get_running_loop().time() < 60.1
    await world.dialler.close()
    assert timer.cancelled()
    await world.host.until_all_left()


# ------------------------------------------------------------------------------- TLS


async def tls_peer(closing: Closer, context: ssl.SSLContext) -> Peer:
    made: Peer = await closing(Peer(tls=context)).listen()
    return made


def trusting(
    closing: Closer, certificates: Certificates, *trusted: str, seconds: float = TOTAL_SECONDS
) -> Dialler:
    table = {name: ["127.0.0.1"] for name in ("hook.test", "other.test")}
    tls = certificates.trusting(*trusted)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    made = Dialler(resolve=names(table), total_seconds=seconds, tls=tls)
    closing(made)
    return made


async def test_the_certificate_must_be_the_names(
    closing: Closer, certificates: Certificates
) -> None:
    context, asked = certificates.server("hook.test"), list[str | None]()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    peer = await tls_peer(closing, context)
    dialler = trusting(closing, certificates, "hook.test")
    assert (await post(dialler, peer.url("hook.test", scheme="https"))).status == 200
    assert asked == ["hook.test"]
    with pytest.raises(Unreachable, match="certificate"):
        await post(dialler, peer.url("other.test", scheme="https"), line="b")
    assert len(peer.requests) == 1


async def test_an_addresses_certificate_must_name_the_address(
    closing: Closer, certificates: Certificates
) -> None:
    good = await tls_peer(closing, certificates.server("127.0.0.1"))
    bad = await tls_peer(closing, certificates.server("hook.test"))
    dialler = trusting(closing, certificates, "127.0.0.1", "hook.test")
    assert (await post(dialler, good.url(scheme="https"))).status == 200
    with pytest.raises(Unreachable, match="certificate"):
        await post(dialler, bad.url(scheme="https"), line="b")


async def test_a_certificate_must_be_trusted_and_in_date(
    closing: Closer, certificates: Certificates
) -> None:
    unknown = await tls_peer(closing, certificates.server("hook.test"))
    with pytest.raises(Unreachable, match="certificate"):
        await post(trusting(closing, certificates), unknown.url("hook.test", scheme="https"))
    old = await tls_peer(closing, certificates.server("other.test", age=timedelta(days=9)))
    dialler = trusting(closing, certificates, "other.test")
    with pytest.raises(Unreachable, match="certificate"):
        await post(dialler, old.url("other.test", scheme="https"))
    assert unknown.requests == old.requests == []


async def test_our_own_context_verifies_and_takes_tls_1_2_at_least(dialler: Dialler) -> None:
    tls = dialler._tls
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert tls.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_an_old_tls_is_refused(closing: Closer, certificates: Certificates) -> None:
    context = certificates.server("hook.test")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    peer = await tls_peer(closing, context)
    lax = certificates.trusting("hook.test")
    lax.set_ciphers("ALL:@SECLEVEL=0")
    lax.minimum_version = ssl.TLSVersion.TLSv1_1
    where = (peer.address, peer.port)
    _, writer = await asyncio.open_connection(*where, ssl=lax, server_hostname="hook.test")
    writer.transport.abort()  # so it is the version alone that keeps us away
    with pytest.raises(Unreachable):
        await post(
            trusting(closing, certificates, "hook.test"), peer.url("hook.test", scheme="https")
        )
    assert peer.requests == []


async def hold_the_handshake(guest: Guest) -> None:
    await guest.gone()


async def drip_a_record(guest: Guest) -> None:
    for byte in b"\x16\x03\x03\x40\x00\x02" + b"\x00" * 16_000:
        await guest.say(bytes([byte]))
        await asyncio.sleep(0.02)


async def flood_records(guest: Guest) -> None:
    while True:
        await guest.say(b"\x16\x03\x03\x40\x00" + b"\x00" * 16_384)


BAD_TLS: dict[str, Talk] = {
    "never shakes hands": hold_the_handshake,
    "drips its greeting": drip_a_record,
    "floods with greetings": flood_records,
    "speaks plain HTTP": saying(FINE),
    "leaves": lambda guest: guest.reader.read(1),  # type: ignore[dict-item,return-value]
}


@pytest.mark.parametrize("talk", BAD_TLS.values(), ids=BAD_TLS)
async def test_a_handshake_that_fails_ends_in_time(
    peer: Peer, closing: Closer, certificates: Certificates, talk: Talk
) -> None:
    peer.talk = talk
    dialler = trusting(closing, certificates, seconds=0.5)
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(Unreachable):
            await post(dialler, peer.url("hook.test", scheme="https"))
    await peer.until_all_left()


async def test_nobody_waits_for_goodbye(closing: Closer, certificates: Certificates) -> None:
    """A host that never answers the end of TLS does not keep a socket of ours."""
    states = []

    async def never_say_goodbye(guest: Guest) -> None:
        await guest.request()
        guest.stop_reading()
        await guest.say(FINE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        handle = guest.writer.get_extra_info("socket").fileno()
        with socket.socket(fileno=os.dup(handle)) as raw:
            for _ in range(200):
                await asyncio.sleep(0.01)
                states.append(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])

    peer = await tls_peer(closing, certificates.server("hook.test"))
    peer.talk = never_say_goodbye
    dialler = trusting(closing, certificates, "hook.test")
    assert (await post(dialler, peer.url("hook.test", scheme="https"))).status == 200
    await peer.until_all_left()
    assert states[-1] != TCP_ESTABLISHED
