"""What others do to the healthy: endpoints that hang or fail, and a company that dumps events."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from bench.webhook_rates import Row, latencies, percentile
from bench.webhook_stage import Company, Stage
from jetpay.webhooks import actions

WANTED: Final = 1.25
DUMP_STATEMENT: Final = 500
"""As `POST /credits` writes: so many lines, each piece its own commit."""
DUMP_PER_SECOND: Final = 10_000
"""As fast as `POST /credits` takes them."""
ALONE_SECONDS: Final = 15.0
PIECE_SECONDS: Final = 3.0
HANGS_SECONDS: Final = 16.0
"""After so long every call has ended that an endpoint did not answer."""


async def bad_neighbours(stage: Stage, *, companies: int, rate: float, seconds: float) -> Row:
    """A fifth of the endpoints hangs until the time limit, a fifth answers 500.

    The same events happen all the time; the bad endpoints are there in the middle third alone.
    """
    owners = await stage.add_companies(companies)
    fifth = companies // 5
    healthy = await stage.add_hooks(owners[2 * fifth :], "ok")
    stage.plan()
    await stage.start_workers(1)
    before = await latencies(stage, owners, healthy, rate=rate, seconds=seconds)
    bad = await stage.add_hooks(owners[:fifth], "hang")
    bad += await stage.add_hooks(owners[fifth : 2 * fifth], "fail")
    stage.plan()
    beside = await latencies(stage, owners, healthy, rate=rate, seconds=seconds)
    for hook in bad:
        at = datetime.now(UTC)
        await actions.delete(stage.services.db, hook.company_id, hook.webhook_id, at=at)
    await asyncio.sleep(HANGS_SECONDS)
    after = await latencies(stage, owners, healthy, rate=rate, seconds=seconds)
    stage.stop_workers()
    name = f"healthy endpoints beside {fifth} that hang and {fifth} that answer 500"
    return _ratio(name, before, beside, after)


async def dump(stage: Stage, *, companies: int, events: int, rate: float) -> Row:
    """One company has very many events, delivered while they are written."""
    owners = await stage.add_companies(companies)
    hooks = await stage.add_hooks(owners, "ok")
    (big,) = await stage.add_companies(1)
    its = await stage.add_hooks([big], "ok")
    stage.plan()
    await stage.start_workers(1)
    before = await latencies(stage, owners, hooks, rate=rate, seconds=ALONE_SECONDS)
    dumping = asyncio.create_task(_dump(stage, big, events))
    beside: list[float] = []
    began = time.monotonic()
    while stage.taken(its[0]) < events:
        beside += await latencies(stage, owners, hooks, rate=rate, seconds=PIECE_SECONDS)
    spent = time.monotonic() - began
    await dumping
    after = await latencies(stage, owners, hooks, rate=rate, seconds=ALONE_SECONDS)
    stage.stop_workers()
    name = f"healthy endpoints beside a company with {events:,} events ({spent:.0f} s)"
    return _ratio(name, before, beside, after)


async def _dump(stage: Stage, company: Company, events: int) -> None:
    began = time.monotonic()
    for begun in range(0, events, DUMP_STATEMENT):
        await stage.happen_at_once(company, min(DUMP_STATEMENT, events - begun))
        await asyncio.sleep(max(0.0, began + begun / DUMP_PER_SECOND - time.monotonic()))


def _ratio(
    name: str, before: Sequence[float], beside: Sequence[float], after: Sequence[float]
) -> Row:
    alone, disturbed = percentile([*before, *after], 0.99), percentile(beside, 0.99)
    apart = [percentile(each, 0.99) * 1_000 for each in (before, after)]
    return Row(
        name,
        f"p99 {disturbed * 1_000:.0f} ms, without {alone * 1_000:.0f} ms"
        f" ({apart[0]:.0f} before, {apart[1]:.0f} after): × {disturbed / alone:.2f}",
        f"× ≤ {WANTED}",
        disturbed / alone <= WANTED,
    )
