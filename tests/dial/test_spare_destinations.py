"""One address gets no more than it can be asked to take, whichever companies call it."""

import asyncio
import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jetpay.security import destinations
from jetpay.security.destinations import DestinationBusy, Destinations
from jetpay.security.dial import Dialler, Unreachable, allow_many_connections
from tests.dial.conftest import World
from tests.dial.peers import FINE, PUBLIC, Guest, Peer, connecting, post, saying

pytestmark = pytest.mark.asyncio(loop_scope="module", loop_factories=["uvloop"])

Closer = Callable[[Any], Any]
BAD = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts(clock: Clock) -> Destinations:
    return Destinations(clock, scatter=lambda: 0.5)


async def call(world: World, line: str) -> int:
    return (await post(world.dialler, world.url(), line=line, allowed=())).status


async def test_a_hundred_requests_a_second_go_to_one_address(
    counts: Destinations, clock: Clock
) -> None:
    taken = 0
    for step in range(1000):
        clock.seconds = step / 200  # 5 seconds, 200 a second
        with contextlib.suppress(DestinationBusy):
            counts.request(PUBLIC, step)
            taken += 1
    assert 500 <= taken <= 600  # the first hundred may come at once
    counts.request("93.184.216.35", 1)  # another address is not concerned


async def test_twenty_connections_go_to_one_address(counts: Destinations) -> None:
    for caller in range(20):
        counts.ended(PUBLIC, caller, well=True)
    slots = [counts.connect(PUBLIC, caller) for caller in range(20)]
    with pytest.raises(DestinationBusy):
        counts.connect(PUBLIC, 0)
    slots[0].release()
    counts.connect(PUBLIC, 0)


async def test_half_of_the_connections_are_for_who_is_welcome(counts: Destinations) -> None:
    """So that calls that hang cannot hold up those that are answered."""
    for stranger in range(10):
        counts.connect(PUBLIC, f"stranger {stranger}")
    with pytest.raises(DestinationBusy):
        counts.connect(PUBLIC, "one more stranger")
    counts.ended(PUBLIC, "known", well=True)
    counts.connect(PUBLIC, "known")
    counts.ended(PUBLIC, "known", well=False)
    with pytest.raises(DestinationBusy):
        counts.connect(PUBLIC, "known")


async def test_an_address_rests_when_more_than_half_fail(
    counts: Destinations, clock: Clock
) -> None:
    for number in range(20):
        counts.ended(PUBLIC, number, well=number % 2 == 0)
    counts.request(PUBLIC, "anybody")  # half is not more than half
    for number in range(20):
        counts.ended(PUBLIC, number, well=number % 20 < 9)
    with pytest.raises(DestinationBusy) as busy:
        counts.request(PUBLIC, "anybody")
    assert 5 <= busy.value.retry_in <= 7
    counts.request(PUBLIC, 0)  # it was answered well
    with pytest.raises(DestinationBusy):
        counts.request(PUBLIC, 10)  # it was not
    clock.seconds += 5
    counts.request(PUBLIC, "anybody")


async def test_rests_grow_to_a_minute_and_end_with_success(
    counts: Destinations, clock: Clock
) -> None:
    lengths = []
    for well in [False] * 6 + [True, False]:
        for number in range(20):
            counts.ended(PUBLIC, number, well=well)
        try:
            counts.request(PUBLIC, "stranger")
            lengths.append(0.0)
        except DestinationBusy as busy:
            lengths.append(busy.retry_in - 1)
        clock.seconds += 60
    assert lengths == [5, 10, 20, 40, 60, 60, 0, 5]


async def test_what_is_remembered_is_bounded(
    counts: Destinations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destinations, "ADDRESSES_KEPT", 50)
    monkeypatch.setattr(destinations, "WELCOME_KEPT", 50)
    open_ones = [counts.connect(number, "a") for number in range(30)]
    for number in range(1000):
        counts.request(("address", number), number)
        counts.ended(("address", number), number, well=True)
    assert len(counts._addresses) <= 50
    assert len(counts._welcome) == 50
    assert {each for each in counts._addresses if isinstance(each, int)} == set(range(30))
    for slot in open_ones:
        slot.release()


# ------------------------------------------------------------------- with real connections


async def test_calls_over_the_limit_are_told_to_come_back_and_nothing_is_sent(
    world: World,
) -> None:
    world.host.talk = lambda guest: guest.gone()
    hanging = [asyncio.create_task(call(world, str(number))) for number in range(10)]
    await world.host.until(lambda host: host.came == 10)
    with pytest.raises(DestinationBusy) as busy:
        await call(world, "one more")
    assert 0 < busy.value.retry_in < 5
    assert world.proxy.came == 10
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    world.host.talk = saying(FINE)
    assert await call(world, "one more") == 200


async def test_an_unused_connection_gives_way_to_another_webhook(world: World) -> None:
    for number in range(50):
        assert await call(world, str(number)) == 200
        world.seconds[0] += 0.1
    assert world.host.came == 50
    await world.host.until(lambda host: host.came - host.left <= 20)
    assert await call(world, "49") == 200  # the newest are still there
    assert world.host.came == 50


async def test_a_failing_address_gets_no_more_calls_for_a_while(world: World) -> None:
    world.host.talk = saying(FINE)
    assert await call(world, "healthy") == 200
    world.host.talk = saying(BAD, then_close=True)
    for number in range(19):
        assert await call(world, f"failing {number}") == 500
    with pytest.raises(DestinationBusy):
        await call(world, "failing 0")
    with pytest.raises(DestinationBusy):
        await call(world, "new")
    came = world.host.came
    assert await call(world, "healthy") == 200  # a neighbour's failures are not its own
    assert world.host.came == came
    world.seconds[0] += 6
    assert await call(world, "failing 0") == 500


async def test_a_connection_that_fails_is_not_counted_on(world: World) -> None:
    world.proxy.talk = saying(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
    for number in range(15):
        with pytest.raises(Unreachable):
            await call(world, str(number))
    world.proxy.talk = connecting(world.host)
    assert await call(world, "15") == 200


async def test_who_hangs_does_not_hold_up_who_is_answered(world: World) -> None:
    enough = asyncio.Event()

    async def hang_for_some(guest: Guest) -> None:
        while request := await guest.request():
            if b'"hang"' in request:
                await enough.wait()
                return
            await guest.say(FINE)

    world.host.talk = hang_for_some

    async def one(line: str, body: bytes) -> int:
        answer = await post(world.dialler, world.url(), line=line, body=body, allowed=())
        return answer.status

    assert await one("healthy", b'"fine"') == 200
    hanging = [asyncio.create_task(one(str(each), b'"hang"')) for each in range(15)]
    await world.host.until(lambda host: len(host.requests) == 11)
    assert await one("healthy", b'"fine"') == 200
    enough.set()
    ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert [type(each) for each in ended].count(DestinationBusy) == 5
    assert sum(isinstance(each, Unreachable) for each in ended) == 10


async def test_who_is_answered_late_has_no_more_room_than_who_is_not(world: World) -> None:
    """Else whoever answers 2xx at the last moment, for each of his webhooks, holds up the rest."""

    async def late(guest: Guest) -> None:
        while await guest.request():
            world.seconds[0] += destinations.PROMPT_SECONDS + 1
            await guest.say(FINE)

    assert await call(world, "healthy") == 200
    world.host.talk = late
    for number in range(15):
        assert await call(world, str(number)) == 200
    world.seconds[0] += 61  # each needs a new connection now
    world.host.talk = lambda guest: guest.gone()
    came = world.host.came
    holding = [asyncio.create_task(call(world, str(number))) for number in range(15)]
    await world.host.until(lambda host: host.came == came + 10)
    world.host.talk = saying(FINE)
    assert await call(world, "healthy") == 200
    for task in holding:
        task.cancel()
    ended = await asyncio.gather(*holding, return_exceptions=True)
    assert [type(each) for each in ended].count(DestinationBusy) == 5


async def test_networks_that_an_operator_allows_have_no_limit(peer: Peer, closing: Closer) -> None:
    """They are the operator's own; a hundred webhooks to one machine in the next room are usual."""
    counts = Destinations(lambda: 0.0)
    dialler = closing(Dialler(destinations=counts))
    for number in range(300):
        assert (await post(dialler, peer.url(), line=str(number % 40))).status == 200
    assert peer.came == 40
    assert not counts._addresses


# ------------------------------------------------------------------------- our own shortages


@pytest.fixture
def files() -> Iterator[Callable[[int], None]]:
    """Sets how many files this process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda wanted: resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def highest_file() -> int:
    return max(int(each.name) for each in Path("/proc/self/fd").iterdir())


async def test_a_shortage_of_ours_is_no_failure_of_theirs(
    peer: Peer, closing: Closer, files: Callable[[int], None]
) -> None:
    dialler = closing(Dialler())
    await post(dialler, peer.url(), line="a")
    highest = highest_file()
    with contextlib.ExitStack() as stack:
        for number in range(highest):
            with contextlib.suppress(OSError):
                os.fstat(number)
                continue
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))  # no gap is left
        files(highest)
        with pytest.raises(DestinationBusy):
            await post(dialler, peer.url(), line="b")
    await peer.until(lambda each: each.left == 1)  # the unused connection gave way
    files(highest + 10)
    assert (await post(dialler, peer.url(), line="b")).status == 200


async def test_room_for_many_connections_is_made(files: Callable[[int], None]) -> None:
    files(1000)
    allow_many_connections()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == min(16_384, hard)
    files(hard)
    allow_many_connections()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
