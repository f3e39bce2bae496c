"""How fast webhooks are delivered, how soon, and what they cost when nothing can be delivered."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.webhook_stage import Company, Hook, Stage, cpu_seconds, memory_mib
from jetpay.db import rows
from jetpay.serve import due_worker  # noqa: F401 - makes all statements of a worker known

PATIENCE_SECONDS: Final = 600.0
WARM_SECONDS: Final = 3.0
IDLE_SECONDS: Final = 20.0
# A call may take 15 seconds: who held a connection meanwhile would be in a transaction for long.
ACTIVITY: Final = """
    select count(*), count(*) filter (
      where state <> 'idle' and clock_timestamp() - state_change > interval '1 second')
    from pg_stat_activity
    where usename = 'jetpay_app' and backend_start > %s
"""
BACKING_OFF: Final = "select count(*) from webhook where failures > 0"
LOG_LINE: Final = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:.]+ UTC \[\d+\] LOG:  execute \S+: ", re.MULTILINE
)


@dataclass(frozen=True)
class Row:
    """A line of the table; `wanted` in words."""

    name: str
    measured: str
    wanted: str = "–"
    is_met: bool = True


def percentile(values: Sequence[float], share: float) -> float:
    """In the unit of the values."""
    ordered = sorted(values)
    return ordered[int((len(ordered) - 1) * share)]


async def throughput(
    stage: Stage, *, size: int, events: int, workers: int, wanted: float, companies: int = 100
) -> Row:
    """What waits when the workers start is delivered, from the first batch to the last."""
    owners = await stage.add_companies(companies)
    hooks = await stage.add_hooks(owners, "ok", max_batch_size=size)
    stage.plan()
    each = events // companies
    await stage.happen(owners, each)
    started = await stage.start_workers(workers)
    await stage.until_taken({hook.index: each for hook in hooks}, seconds=PATIENCE_SECONDS)
    came = [at for *_, at in stage.receiver.ask("report")["arrivals"]]
    rate = each * companies / (max(came) - min(came))
    spent = cpu_seconds(started) * 1_000 / len(came)
    stage.stop_workers()
    return Row(
        f"batches of {size} to {companies} companies, {workers} worker",
        f"{rate:,.0f} events/s, {spent:.2f} ms CPU of the worker a batch",
        f"≥ {wanted:,.0f}/s",
        rate >= wanted,
    )


async def soonness(stage: Stage, *, companies: int, rate: float, seconds: float) -> Row:
    """How long after its commit an event is received."""
    owners = await stage.add_companies(companies)
    hooks = await stage.add_hooks(owners, "ok")
    stage.plan()
    await stage.start_workers(1)
    found = await latencies(stage, owners, hooks, rate=rate, seconds=seconds)
    stage.stop_workers()
    p50, p99 = (percentile(found, share) * 1_000 for share in (0.5, 0.99))
    return Row(
        f"commit to received, {rate:,.0f} events/s over {companies} companies",
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {max(found) * 1_000:.0f} ms",
        "p99 ≤ 250 ms",
        p99 <= 250,
    )


async def latencies(
    stage: Stage, owners: Sequence[Company], hooks: Sequence[Hook], *, rate: float, seconds: float
) -> list[float]:
    """In seconds, of every event of those companies, when connections are there already."""
    await stage.drip(owners, rate=rate, seconds=WARM_SECONDS)
    await all_taken(stage, owners, hooks)
    stage.receiver.ask("report")
    await stage.drip(owners, rate=rate, seconds=seconds)
    await all_taken(stage, owners, hooks)
    return stage.latencies(hooks, stage.receiver.ask("report")["arrivals"])


async def all_taken(stage: Stage, owners: Sequence[Company], hooks: Sequence[Hook]) -> None:
    events = {each.company_id: each.events for each in owners}
    expected = {hook.index: events[hook.company_id] for hook in hooks}
    await stage.until_taken(expected, seconds=PATIENCE_SECONDS)


async def patience(stage: Stage, *, webhooks: int, each: int, seconds: float) -> list[Row]:
    """What it costs that nothing can be delivered: 1 in 20 endpoints hangs, the others refuse."""
    owners = await stage.add_companies(webhooks // each)
    await stage.add_hooks(owners[::20], "hang", each=each)
    rest = [company for number, company in enumerate(owners) if number % 20]
    await stage.add_hooks(rest, "fail", each=each)
    stage.plan()
    began = stage.query("select now()")[0][0]
    (worker,) = await stage.start_workers(1)
    await asyncio.sleep(WARM_SECONDS)
    idle = memory_mib(worker)
    await stage.happen(owners, 1)
    most, held, connections = 0.0, 0, 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        most = max(most, memory_mib(worker))
        now, in_transaction = stage.query(ACTIVITY, began)[0]
        connections, held = max(connections, now), max(held, in_transaction)
        await asyncio.sleep(0.5)
    ((waiting,),) = stage.query(BACKING_OFF)
    stage.stop_workers()
    return [
        Row(
            f"memory with {waiting:,} webhooks backing off",
            f"{idle:.0f} MiB idle, at most {most - idle:.0f} MiB more",
            "< 150 MB more",
            most - idle < 143 and waiting == webhooks,
        ),
        Row(
            "database connections held meanwhile",
            f"{held} of {connections} open ones",
            "0",
            held == 0,
        ),
    ]


async def idleness(stage: Stage, *, webhooks: int) -> list[Row]:
    """Statements of a worker that has nothing to do, as PostgreSQL logs them."""
    owners = await stage.add_companies(webhooks)
    hooks = await stage.add_hooks(owners, "ok")
    stage.plan()
    await stage.happen(owners, 1)
    await stage.start_workers(1)
    await all_taken(stage, owners, hooks)
    stage.query("alter system set log_statement = 'all'")
    stage.query("select pg_reload_conf()")
    await asyncio.sleep(WARM_SECONDS)
    before = stage.server.log.stat().st_size
    await asyncio.sleep(IDLE_SECONDS)
    text = stage.server.log.read_text()[before:]
    stage.stop_workers()
    module = {" ".join(each.text.split()): each.module for each in rows.REGISTRY}
    said = [" ".join(each.split()) for each in LOG_LINE.split(text)[1:]]
    found = Counter(module.get(each, "other") for each in said)
    ours = sum(count for name, count in found.items() if name.startswith("jetpay.webhooks"))
    kinds = ", ".join(f"{name} {count / IDLE_SECONDS:.2f}" for name, count in found.most_common())
    return [
        Row(
            f"idle cost of {webhooks} webhooks",
            f"{ours / IDLE_SECONDS:.2f} queries/s",
            "≤ 1/s",
            ours / IDLE_SECONDS <= 1,
        ),
        Row("the whole worker, idle", f"{len(said) / IDLE_SECONDS:.2f} queries/s ({kinds})"),
    ]
