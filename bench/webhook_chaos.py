"""Workers are killed and calls fail while events flow; every arrival is held against the rules."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from bench.webhook_stage import Company, Hook, Stage

BATCH_SIZES: Final = (100, 50, 25)
PIECES: Final = 50
SETTLE_SECONDS: Final = 60.0
"""A lease that must run out, and the pause after a failure."""
END_LEASES: Final = "update webhook set lease_until = now() where lease_until is not null"
CURSORS: Final = """
    select number, last_sent_event_id, failures from webhook where deleted_at is null
"""
COUNTS: Final = """
    select c.company_id, c.last_event_id, count(e.event_id), max(e.event_id)
    from event_counter c left join event e using (company_id) group by 1, 2
"""


@dataclass(frozen=True, kw_only=True)
class Chaos:
    """What happens to whom.

    `events`: in all; `before`: the share of them that waits when the workers start. `failing`: the
    share of calls that fail, `late` the share of those answered too late, `in_a_row` the most
    failures of one webhook in a row. `end_leases`: one worker dies, then the other, and only when
    nobody lives what they had in hand is given back at once; without it leases run out. `seconds`:
    how long after the last event all must have come.
    """

    events: int
    companies: int = 100
    workers: int = 2
    before: float = 0.5
    write_seconds: float = 60.0
    failing: float = 0.05
    late: float = 0.02
    in_a_row: int = 1_000
    slow: float = 0.05
    kill_every: float = 5.0
    end_leases: bool = False
    seconds: float = 1_200.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A line of the receiver's file; `at`: monotonic seconds."""

    at: float
    index: int
    first: int
    last: int
    outcome: str


@dataclass
class Proof:
    """What came of it; `problems` is empty when every rule was kept.

    `repeats`: batches that came again although they had been taken, one for each kill at most;
    `repeated_events`: those in them.
    """

    webhooks: int = 0
    events: int = 0
    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    repeats: int = 0
    repeated_events: int = 0
    most_repeats: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        failed = ", ".join(f"{n} {how}" for how, n in sorted(self.outcomes.items()) if how != "ok")
        share = 1 - self.outcomes["ok"] / max(1, self.calls)
        return (
            f"{self.events:,} events at {self.webhooks} webhooks, {len(self.problems)} problems;"
            f" {self.calls:,} calls, {share:.1%} of which failed ({failed});"
            f" {self.kills} kills, {self.repeats} batches came again ({self.repeated_events:,}"
            f" events, at most {self.most_repeats} batches at one webhook); {self.seconds:.0f} s"
        )


def read_journal(path: Path) -> Iterator[Arrival]:
    with path.open() as lines:
        for line in lines:
            at, index, first, last, outcome = line.split()
            yield Arrival(float(at), int(index), int(first), int(last), outcome)


def prove(journal: Sequence[Arrival], expected: Mapping[int, int], kills: Sequence[float]) -> Proof:
    """Holds what came against the rules; `expected`: the last event of each webhook."""
    proof = Proof(webhooks=len(expected), calls=len(journal), kills=len(kills))
    proof.outcomes = Counter(each.outcome for each in journal)
    by_index = {
        index: list(arrivals)
        for index, arrivals in groupby(
            sorted(journal, key=lambda each: each.index), key=lambda each: each.index
        )
    }
    proof.problems += [f"webhook {n}: nobody knows it" for n in by_index.keys() - expected.keys()]
    for index, last in expected.items():
        one = _OneWebhook(index, kills)
        for arrival in by_index.get(index, ()):
            one.follow(arrival)
        if one.taken != last:
            one.problems.append(f"webhook {index}: {last} events, {one.taken} came")
        proof.events += one.taken
        proof.repeats += one.repeats
        proof.repeated_events += one.repeated_events
        proof.most_repeats = max(proof.most_repeats, one.repeats)
        proof.problems += one.problems
    return proof


class _OneWebhook:
    """Follows one webhook's arrivals, in the order in which they came.

    A batch begins with the event after the last one that was answered 200. It may begin where the
    last such batch began only if a worker was killed since the batch before that was answered, for
    then nobody may have noted the answer; and each kill excuses one such repetition. A batch that
    was not answered 200 comes again with the same events, or after a kill with others behind them.
    """

    def __init__(self, index: int, kills: Sequence[float]) -> None:
        self.index = index
        self.taken = self.repeats = self.repeated_events = 0
        self.problems: list[str] = []
        self._kills = sorted(kills)
        self._position = 0
        self._last_ok: Arrival | None = None
        self._ok_before = 0.0
        self._failed: Arrival | None = None

    def follow(self, arrival: Arrival) -> None:
        if arrival.first == self._position + 1:
            self._check_end(arrival)
        elif self._last_ok is not None and arrival.first == self._last_ok.first:
            self._repeat(arrival)
        else:
            self._complain(arrival, f"does not follow {self._position}")
        self._position = arrival.first - 1
        self._failed = arrival
        if arrival.outcome == "ok":
            self._ok_before = self._last_ok.at if self._last_ok else 0.0
            self._position, self._last_ok, self._failed = arrival.last, arrival, None
            self.taken = max(self.taken, arrival.last)

    def _check_end(self, arrival: Arrival) -> None:
        failed = self._failed
        if failed is not None and arrival.last != failed.last:
            since = self._last_ok.at if self._last_ok else 0.0
            if not any(since <= kill <= arrival.at for kill in self._kills):
                self._complain(arrival, f"ended with {failed.last} before, and nobody was killed")

    def _repeat(self, arrival: Arrival) -> None:
        self.repeats += 1
        self.repeated_events += min(arrival.last, self.taken) - arrival.first + 1
        excuse = next((k for k in self._kills if self._ok_before <= k <= arrival.at), None)
        if excuse is None:
            self._complain(arrival, "was taken before, and nobody was killed since")
        else:
            self._kills.remove(excuse)

    def _complain(self, arrival: Arrival, why: str) -> None:
        events = f"{arrival.first} to {arrival.last}"
        self.problems.append(f"webhook {self.index}: batch {events} {why}")


async def live_through(stage: Stage, chaos: Chaos) -> Proof:
    """Companies whose events are delivered while workers die; what it came to."""
    companies = await stage.add_companies(chaos.companies)
    hooks: list[Hook] = []
    for number, size in enumerate(BATCH_SIZES):
        some = companies[number :: len(BATCH_SIZES)]
        hooks += await stage.add_hooks(some, "chaos", max_batch_size=size)
    journal = stage.folder / "journal"
    told = {"failing": chaos.failing, "late": chaos.late, "in_a_row": chaos.in_a_row}
    stage.plan(journal=str(journal), slow=chaos.slow, check_every=1, **told)
    each = chaos.events // chaos.companies
    expected = {hook.index: each for hook in hooks}
    await stage.happen(companies, int(each * chaos.before))
    began = time.monotonic()
    await stage.start_workers(chaos.workers)
    kills: list[float] = []
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(_write(stage, companies, each, chaos.write_seconds))
        taking = group.create_task(_take(stage, writing, expected, chaos.seconds))
        killing_ends = writing if chaos.end_leases else taking
        await _kill(stage, chaos, killing_ends, kills)
    seconds = time.monotonic() - began
    problems = await _settled(stage, expected)
    stage.stop_workers()
    proof = prove(list(read_journal(journal)), expected, kills)
    proof.problems += problems + stage.receiver.ask("progress")["problems"]
    proof.seconds = seconds
    return proof


async def _write(stage: Stage, companies: list[Company], each: int, seconds: float) -> None:
    """Until each company has so many events, in so many pieces over the time."""
    began, there = time.monotonic(), companies[0].events
    for piece in range(1, PIECES + 1):
        upto = there + (each - there) * piece // PIECES
        await stage.happen(companies, upto - companies[0].events)
        await asyncio.sleep(max(0.0, began + seconds * piece / PIECES - time.monotonic()))


async def _take(
    stage: Stage, writing: asyncio.Task[None], expected: Mapping[int, int], seconds: float
) -> None:
    """Until all has come, or too long after the last event; the proof then says what did not."""
    await asyncio.wait([writing])
    with suppress(TimeoutError):
        await stage.until_taken(expected, seconds=seconds)


async def _kill(stage: Stage, chaos: Chaos, until: asyncio.Task[None], kills: list[float]) -> None:
    """Now one worker, now another; the dead are replaced."""
    while not until.done() or len(stage.workers) < chaos.workers:
        await asyncio.wait([until], timeout=chaos.kill_every * random.uniform(0.5, 1.5))
        if until.done() and len(stage.workers) == chaos.workers:
            break
        kills.append(stage.kill(random.choice(stage.workers)))
        if not chaos.end_leases:
            await stage.start_workers(1)
        elif not stage.workers:
            stage.query(END_LEASES)
            await stage.start_workers(chaos.workers)


async def _settled(stage: Stage, expected: Mapping[int, int]) -> list[str]:
    """What the database says in the end, or after a while still does not say."""
    until = time.monotonic() + SETTLE_SECONDS
    numbers = {hook.number: expected[hook.index] for hook in stage.hooks if hook.index in expected}
    while True:
        found = {number: rest for number, *rest in stage.query(CURSORS)}
        wrong = [n for n, last in numbers.items() if found[n] != [last, 0]]
        if not wrong or time.monotonic() > until:
            break
        await asyncio.sleep(0.2)
    gaps = [company for company, *counts in stage.query(COUNTS) if len({*counts}) > 1]
    return [f"webhook number {n} stands at {found[n]}" for n in wrong] + [
        f"company {company} has gaps in its events" for company in gaps
    ]
