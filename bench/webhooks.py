"""Measures how webhooks are delivered: `python -m bench webhooks`, `--campaign` to prove it."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from typing import Final

import uvloop

from bench.webhook_chaos import Chaos, live_through
from bench.webhook_fairness import bad_neighbours, dump
from bench.webhook_rates import Row, idleness, patience, soonness, throughput
from bench.webhook_stage import Stage, stage

MILLION: Final = 1_000_000
Rows = list[Row]


@dataclass(frozen=True)
class Measurement:
    """`run` gets an installation of its own and what was asked for on the command line."""

    meaning: str
    run: Callable[[Stage, argparse.Namespace], Awaitable[Rows]]
    is_usual: bool = True


async def _batches(on: Stage, given: argparse.Namespace) -> Rows:
    events = given.events or (100_000 if given.quick else 400_000)
    return [await throughput(on, size=100, events=events, workers=given.workers, wanted=5_000)]


async def _one_by_one(on: Stage, given: argparse.Namespace) -> Rows:
    events = given.events or (8_000 if given.quick else 24_000)
    return [await throughput(on, size=1, events=events, workers=given.workers, wanted=1_000)]


async def _soon(on: Stage, given: argparse.Namespace) -> Rows:
    seconds = given.seconds or (8 if given.quick else 20)
    return [await soonness(on, companies=200, rate=given.rate or 500, seconds=seconds)]


async def _idle(on: Stage, given: argparse.Namespace) -> Rows:
    return await idleness(on, webhooks=given.webhooks or 100)


async def _patience(on: Stage, given: argparse.Namespace) -> Rows:
    webhooks = given.webhooks or (2_000 if given.quick else 10_000)
    return await patience(on, webhooks=webhooks, each=20, seconds=30 if given.quick else 60)


async def _neighbours(on: Stage, given: argparse.Namespace) -> Rows:
    seconds = given.seconds or (8 if given.quick else 20)
    companies = given.webhooks or 200
    return [await bad_neighbours(on, companies=companies, rate=given.rate or 200, seconds=seconds)]


async def _dump(on: Stage, given: argparse.Namespace) -> Rows:
    events = given.events or (MILLION if given.campaign else 50_000 if given.quick else 200_000)
    return [await dump(on, companies=100, events=events, rate=given.rate or 200)]


async def _chaos(on: Stage, given: argparse.Namespace) -> Rows:
    chaos = Chaos(
        events=given.events or (MILLION if given.campaign else 100_000),
        failing=given.failing,
        kill_every=given.kill_every,
        write_seconds=given.seconds or (180 if given.campaign else 60),
        workers=max(2, given.workers),
    )
    proof = await live_through(on, chaos)
    for problem in proof.problems[:20]:
        print(f"  {problem}", file=sys.stderr)
    wanted = "0 lost, 0 out of order, 0 gaps"
    return [Row("killed workers, failing calls", str(proof), wanted, not proof.problems)]


MEASUREMENTS: Final = {
    "batches": Measurement("events a second in batches of 100", _batches),
    "one-by-one": Measurement("events a second in batches of 1", _one_by_one),
    "soon": Measurement("time from commit to received", _soon),
    "idle": Measurement("queries a second with nothing to do", _idle),
    "patience": Measurement("memory and connections while thousands back off", _patience),
    "neighbours": Measurement("healthy endpoints beside bad ones", _neighbours),
    "dump": Measurement("healthy endpoints beside a dump of events", _dump),
    "chaos": Measurement("nothing is lost when workers are killed", _chaos, is_usual=False),
}


def main(arguments: Sequence[str]) -> int:
    """The exit code: 1 when an event was lost, out of order or not what it should be."""
    given = _parse(arguments)
    names = given.only or [name for name, each in MEASUREMENTS.items() if each.is_usual]
    if given.campaign and not given.only:
        names = ["chaos", "dump"]
    with redirect_stdout(sys.stderr if given.json else sys.stdout):
        print(f"{os.cpu_count()} cores, fsync on; webhooks\n")
        code, rows = uvloop.run(_measure(names, given))
    if given.json:
        print(json.dumps({"cores": os.cpu_count(), "rows": [asdict(row) for row in rows]}))
    return code


async def _measure(names: Sequence[str], given: argparse.Namespace) -> tuple[int, Rows]:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    is_proved, rows = True, []
    for name in names:
        async with stage() as on:
            for row in await MEASUREMENTS[name].run(on, given):
                missed = "" if row.is_met else "  ← not met"
                print(f"{row.name}: {row.measured} (wanted {row.wanted}){missed}", flush=True)
                is_proved = is_proved and (name != "chaos" or row.is_met)
                rows.append(row)
    return (0 if is_proved else 1), rows


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench webhooks",
        epilog="; ".join(f"{name}: {each.meaning}" for name, each in MEASUREMENTS.items()),
    )
    add = parser.add_argument
    add("--json", action="store_true", help="one object at the end, on stdout")
    add("--quick", action="store_true", help="smaller sizes")
    add("--campaign", action="store_true", help="a million events each, in chaos and in a dump")
    add("--only", action="append", choices=MEASUREMENTS, help="this measurement; repeatable")
    add("--workers", type=int, default=1, help="processes that deliver (default 1)")
    add("--events", type=int, help="how many in all, where events are counted")
    add("--webhooks", type=int, help="how many, where webhooks are counted")
    add("--rate", type=float, help="events a second, where they come by time")
    add("--seconds", type=float, help="of each window, or of the writing in chaos")
    add("--failing", type=float, default=0.05, help="the share of failing calls in chaos")
    add("--kill-every", type=float, default=5.0, help="seconds between kills in chaos")
    return parser.parse_args(arguments)
