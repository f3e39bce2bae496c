"""`kill -9` of those who deliver, while calls fail: nothing is lost, out of order or left out."""

from collections import Counter

import pytest

from bench.webhook_chaos import Arrival, Chaos, live_through, prove
from bench.webhook_stage import stage

OK, FAILED = "ok", "status"
KILL = 5.0
"""When a worker was killed, in the journals below."""


def journal(*rows: tuple[float, int, int, str]) -> list[Arrival]:
    return [Arrival(at, 1, first, last, outcome) for at, first, last, outcome in rows]


def problems(arrivals: list[Arrival], *, kills: tuple[float, ...] = (KILL,)) -> list[str]:
    """What the proof has against a webhook of 6 events."""
    return prove(arrivals, {1: 6}, kills).problems


@pytest.mark.parametrize(
    "arrivals",
    [
        journal((1, 1, 6, OK)),
        journal((1, 1, 3, OK), (2, 4, 6, OK)),
        journal((1, 1, 3, FAILED), (2, 1, 3, FAILED), (3, 1, 3, OK), (4, 4, 6, OK)),
        journal((1, 1, 3, OK), (6, 1, 3, OK), (7, 4, 6, OK)),
        journal((1, 1, 3, OK), (6, 1, 6, OK)),
        journal((1, 1, 3, OK), (6, 1, 3, FAILED), (7, 1, 3, OK), (8, 4, 6, OK)),
        journal((1, 1, 2, OK), (2, 3, 3, FAILED), (6, 3, 6, OK)),
    ],
)
def test_the_proof_has_nothing_against_what_is_promised(arrivals: list[Arrival]) -> None:
    assert problems(arrivals) == []


@pytest.mark.parametrize(
    "arrivals",
    [
        journal((1, 1, 3, OK)),  # lost at the end
        journal((1, 1, 3, OK), (2, 4, 6, FAILED)),
        journal((1, 1, 2, OK), (2, 4, 6, OK)),  # a gap
        journal((1, 4, 6, OK), (2, 1, 3, OK)),  # out of order
        journal((1, 1, 3, OK), (2, 4, 6, OK), (6, 1, 3, OK)),  # older than the last batch
        journal((1, 1, 3, OK), (2, 1, 3, OK), (3, 4, 6, OK)),  # again, and nobody was killed
        journal((1, 1, 3, OK), (6, 1, 3, OK), (7, 1, 3, OK), (8, 4, 6, OK)),  # twice for one kill
        journal((6, 1, 3, OK), (7, 4, 6, OK), (8, 4, 6, OK)),  # for a kill before it was sent
        journal((1, 1, 2, FAILED), (2, 1, 6, OK)),  # another batch after a failure
        journal((1, 1, 6, OK), (2, 7, 8, OK)),  # events that never happened
        [*journal((1, 1, 6, OK)), Arrival(1, 2, 1, 1, OK)],  # a webhook that nobody knows
    ],
)
def test_the_proof_sees_what_must_not_be(arrivals: list[Arrival]) -> None:
    assert problems(arrivals) != []


def test_the_proof_counts_what_came_again() -> None:
    arrivals = journal((1, 1, 3, OK), (6, 1, 4, FAILED), (7, 1, 4, OK), (8, 5, 6, OK))
    proof = prove(arrivals, {1: 6}, [KILL])
    assert (proof.repeats, proof.repeated_events, proof.most_repeats) == (1, 3, 1)
    assert (proof.events, proof.calls, proof.outcomes) == (6, 4, Counter(ok=3, status=1))


async def survive(chaos: Chaos, *, durable: bool) -> None:
    async with stage(durable=durable) as installation:
        proof = await live_through(installation, chaos)
    print(proof)
    assert proof.problems == []
    assert proof.events == chaos.events
    assert proof.calls > proof.outcomes["ok"]
    assert proof.kills > 1


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_every_event_arrives_in_order_whoever_was_killed() -> None:
    chaos = Chaos(
        events=20_000,
        before=0.3,
        write_seconds=5,
        late=0,
        in_a_row=1,  # the pause after a second failure would be half a minute
        kill_every=1,
        end_leases=True,
        seconds=60,
    )
    await survive(chaos, durable=False)


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
async def test_a_million_events_arrive_in_order_whoever_was_killed() -> None:
    await survive(Chaos(events=1_000_000, write_seconds=180), durable=True)
