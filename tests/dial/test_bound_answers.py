"""Whatever the other side sends or withholds: a call ends in time and takes no more than it may."""

import asyncio
import contextlib
import gc
import resource
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jetpay.security import exchange
from jetpay.security.dial import Dialler, Unreachable
from jetpay.security.exchange import HEADER_BYTES
from tests.dial.peers import FINE, Guest, Peer, Talk, endlessly, names, post, saying
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module", loop_factories=["uvloop"])

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SENT_AT_MOST = 32 * 1024 * 1024
"""What a sender without end gets rid of before it notices: the buffers of both kernels."""


def reset(guest: Guest) -> None:
    """Ends the connection as a crashed machine's kernel would."""
    sock = guest.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    guest.writer.transport.abort()


async def hang(guest: Guest) -> None:
    await guest.gone()


async def never_read(_guest: Guest) -> None:
    await asyncio.Event().wait()


async def leave_at_once(guest: Guest) -> None:
    await guest.request()


async def half_close(guest: Guest) -> None:
    await guest.request()
    guest.writer.write_eof()
    await guest.gone()


async def half_close_in_head(guest: Guest) -> None:
    await guest.request()
    await guest.say(OK + b"Content-Le")
    guest.writer.write_eof()
    await guest.gone()


async def reset_in_head(guest: Guest) -> None:
    await guest.request()
    await guest.say(OK)
    reset(guest)


async def drip_the_head(guest: Guest) -> None:
    await guest.request()
    for byte in OK + b"X-Slow: " + b"a" * 10_000:
        await guest.say(bytes([byte]))
        await asyncio.sleep(0.02)


NO_ANSWER: dict[str, Talk] = {
    "says nothing": hang,
    "reads nothing": never_read,
    "leaves": leave_at_once,
    "half-closes": half_close,
    "half-closes within the head": half_close_in_head,
    "resets within the head": reset_in_head,
    "drips the head": drip_the_head,
    "headers without end": endlessly(OK, b"X-Some: thing\r\n" * 50),
    "slow headers without end": endlessly(OK, b"X-Some: thing\r\n", pause=0.01),
    "one header without end": endlessly(OK + b"X-Long: ", b"a" * 1000),
    "one header name without end": endlessly(OK, b"a" * 1000),
    "a status line without end": endlessly(b"HTTP/1.1 200 ", b"OK" * 500),
    "interim answers without end": endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40),
    "early hints without end": endlessly(b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"),
    "empty lines without end": endlessly(b"", b"\r\n" * 500),
    "a mail server": saying(b"220 mail.example ESMTP\r\n"),
    "a shell": saying(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "a database": saying(b"-ERR unknown command 'POST'\r\n"),
    "HTTP/0.9": saying(b"<html>hello</html>"),
    "HTTP/2": saying(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)),
    "HTTP/3.1": saying(b"HTTP/3.1 200 OK\r\n\r\n"),
    "a request": saying(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a TLS alert": saying(b"\x15\x03\x01\x00\x02\x02\x46"),
    "a status that is no number": saying(b"HTTP/1.1 abc OK\r\n\r\n"),
    "two lengths": saying(OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfine"),
    "a negative length": saying(OK + b"Content-Length: -4\r\n\r\n"),
    "a length beyond all numbers": saying(OK + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n"),
    "a length and chunks": saying(
        OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a header with a zero byte": saying(OK + b"X-A: a\x00b\r\n\r\n"),
    "a folded header": saying(OK + b"X-A: a\r\n b\r\n bare\rcr: 1\r\n\r\n"),
}

CUT: dict[str, Talk] = {
    "a body without end": endlessly(OK + b"\r\n", b"a" * 1000),
    "a long body that drips": endlessly(OK + b"Content-Length: 99999999\r\n\r\n", b"a", pause=0.02),
    "a length beyond memory": endlessly(OK + b"Content-Length: 9999999999999\r\n\r\n", b"a" * 9999),
    "chunks without end": endlessly(CHUNKED, b"3e8\r\n" + b"a" * 1000 + b"\r\n"),
    "tiny chunks without end": endlessly(CHUNKED, b"1\r\na\r\n" * 100),
    "a chunk beyond memory": endlessly(CHUNKED + b"ffffffffffff\r\n", b"a" * 9999),
    "a chunk size without end": endlessly(CHUNKED, b"0" * 1000),
    "a chunk extension without end": endlessly(CHUNKED + b"1;", b"a=b;" * 250),
    "trailers without end": endlessly(CHUNKED + b"0\r\n", b"X-Some: thing\r\n" * 50),
    "a wrong chunk": saying(CHUNKED + b"what?\r\n"),
    "half a body, then closed": saying(OK + b"Content-Length: 9\r\n\r\nhalf", then_close=True),
    "half a body, then nothing": saying(OK + b"Content-Length: 9\r\n\r\nhalf"),
    "two answers to one request": saying(FINE * 2),
    "an answer, then noise": saying(FINE + b"\x00" * 1000),
}


@pytest.mark.parametrize("talk", NO_ANSWER.values(), ids=NO_ANSWER)
async def test_what_is_no_answer_ends_in_time(peer: Peer, impatient: Dialler, talk: Talk) -> None:
    peer.talk = talk
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(Unreachable) as unreachable:
            await post(impatient, peer.url())
    assert str(unreachable.value).count(".") == 1
    if talk is not never_read:
        await peer.until_all_left()


@pytest.mark.parametrize("talk", CUT.values(), ids=CUT)
async def test_an_answer_that_does_not_end_well_is_its_status(
    peer: Peer, dialler: Dialler, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BODY_SECONDS", 0.4)
    peer.talk = talk
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await post(dialler, peer.url())).status == 200
    await peer.until_all_left()  # such a connection is not used again


async def test_a_large_request_that_nobody_reads_ends_in_time(
    peer: Peer, impatient: Dialler
) -> None:
    peer.talk = never_read
    with pytest.raises(Unreachable, match="in time"):
        await post(impatient, peer.url(), body=b"a" * 20_000_000)


FLOODS = {
    "headers": (OK, b"X-A: " + b"a" * 4_000 + b"\r\n"),
    "one header": (OK + b"X-A: ", b"a" * 65_536),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2_600),
    "a body": (OK + b"\r\n", b"a" * 65_536),
    "chunks": (CHUNKED, b"ffff\r\n" + b"a" * 65_535 + b"\r\n"),
    "a chunk extension": (CHUNKED + b"1;", b"a=b;" * 16_384),
    "a chunk size": (CHUNKED, b"0" * 65_536),
    "trailers": (CHUNKED + b"0\r\n", b"X-A: " + b"a" * 4_000 + b"\r\n"),
}


@pytest.mark.parametrize("begin, again", FLOODS.values(), ids=FLOODS)
async def test_a_sender_without_end_gets_rid_of_little(
    peer: Peer, closing: Callable[[Any], Any], begin: bytes, again: bytes
) -> None:
    dialler, sent = closing(Dialler(total_seconds=3)), [0]

    async def flood(guest: Guest) -> None:
        await guest.request()
        await guest.say(begin)
        while True:
            await guest.say(again)
            sent[0] += len(again)

    peer.talk = flood
    with contextlib.suppress(Unreachable):
        assert (await post(dialler, peer.url())).status == 200
    await peer.until_all_left()
    assert sent[0] < SENT_AT_MOST


async def test_headers_may_be_16_kib_long_and_no_longer(peer: Peer, dialler: Dialler) -> None:
    def with_head_of(size: int) -> bytes:
        begin, end = OK + b"Content-Length: 0\r\nX-Fill: ", b"\r\n\r\n"
        return begin + b"a" * (size - len(begin) - len(end)) + end

    peer.talk = saying(with_head_of(HEADER_BYTES))
    assert (await post(dialler, peer.url())).status == 200
    peer.talk = saying(with_head_of(HEADER_BYTES + 1))
    with pytest.raises(Unreachable, match="headers are too long"):
        await post(dialler, peer.url(), line="b")


@pytest.mark.parametrize(
    "status",
    [b"101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade", b"101 Whatever"],
)
async def test_the_protocol_is_not_changed(peer: Peer, dialler: Dialler, status: bytes) -> None:
    peer.talk = saying(b"HTTP/1.1 " + status + b"\r\n\r\n")
    assert (await post(dialler, peer.url())).status == 101
    await peer.until_all_left()


async def test_an_interim_answer_is_not_the_answer(peer: Peer, dialler: Dialler) -> None:
    interim = b"HTTP/1.1 100 Continue\r\nRetry-After: 1\r\nX-Jetpay-Accept: early\r\n\r\n"
    peer.talk = saying(interim + FINE)
    answer = await post(dialler, peer.url())
    assert (answer.status, answer.retry_after, answer.accepted) == (200, None, None)


@pytest.mark.parametrize(
    "value, read",
    [
        (b"01980000-0000-7000-8000-0000000000aa", "01980000-0000-7000-8000-0000000000aa"),
        (b"  two words  ", "two words"),
        (b"a" * 64, "a" * 64),
        (b"a" * 65, None),
        (b"", None),
        (b"\xc3\xa9", None),
        (b"tab\there", None),
        (b"\x1b[31mred", None),
    ],
)
async def test_a_header_that_is_read_is_short_and_visible(
    peer: Peer, dialler: Dialler, value: bytes, read: str | None
) -> None:
    headers = b"Retry-After: " + value + b"\r\nx-jetpay-ACCEPT: " + value
    peer.talk = saying(OK + headers + b"\r\nContent-Length: 0\r\n\r\n")
    try:
        answer = await post(dialler, peer.url())
    except Unreachable:
        assert value.startswith(b"\x1b")  # no header at all
    else:
        assert (answer.retry_after, answer.accepted) == (read, read)


async def test_of_a_header_that_comes_twice_the_first_counts(peer: Peer, dialler: Dialler) -> None:
    twice = b"X-Jetpay-Accept: a\r\nX-Jetpay-Accept: b\r\nContent-Length: 0\r\n\r\n"
    peer.talk = saying(OK + twice)
    assert (await post(dialler, peer.url())).accepted == "a"


async def test_of_an_allowed_network_only_status_and_time_are_kept(
    peer: Peer, dialler: Dialler
) -> None:
    peer.talk = saying(FINE)
    assert (await post(dialler, peer.url())).body == b""


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_nothing_is_left_open(peer: Peer) -> None:
    """After all of the above at once, a few times over."""
    dialler = Dialler(resolve=names({}), total_seconds=0.2)
    talks = [*NO_ANSWER.values(), *CUT.values()]

    async def attack(number: int) -> None:
        with contextlib.suppress(Unreachable):
            await post(dialler, peer.url(), line=str(number))

    async def one_of_each(guest: Guest) -> None:
        await talks[peer.came % len(talks)](guest)

    peer.talk = one_of_each
    await attack(-1)
    gc.collect()
    before = open_files()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await asyncio.gather(*(attack(number) for number in range(3 * len(talks))))
    await dialler.close()
    await peer.until(lambda each: each.came - each.left <= 3)  # who reads nothing sees nothing
    assert open_files() <= before + 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000  # kB
