"""Companies with webhooks, workers that deliver, a receiver: what the measurements are made of."""

import asyncio
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psutil
import psycopg

from jetpay.base.ids import CompanyId, WebhookId, uuid7
from jetpay.db.embedded import EmbeddedServer
from jetpay.db.transactions import Transaction
from jetpay.events.model import SYSTEM, Draft, EventType
from jetpay.events.record import record
from jetpay.events.wake import announce
from jetpay.security.key_rows import Purpose
from jetpay.security.signing import key_set
from jetpay.services import Services, open_services
from jetpay.settings import Settings
from jetpay.webhooks import actions
from jetpay.webhooks.model import NewWebhook

START_SECONDS: Final = 60.0
LEAVE_SECONDS: Final = 20.0
AT_ONCE: Final = 8
EVENTS_A_TRANSACTION: Final = 5_000
DRIP_SECONDS: Final = 0.01
DUMP: Final = """
    with c as (
      update event_counter set last_event_id = last_event_id + %s where company_id = %s
      returning company_id, last_event_id - %s as before)
    insert into event (company_id, event_id, created_at, type, subject_id, to_state, actor_kind)
    select company_id, before + n, now(), 'transactions.credits.created',
           (lpad(to_hex(%s), 16, '0') || lpad(to_hex(before + n), 16, '0'))::uuid,
           'requested', 'system'
    from c, generate_series(1, %s) n
"""
ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True)
class Hook:
    """A webhook; `index` is in its path at the receiver."""

    index: int
    company_id: CompanyId
    webhook_id: WebhookId
    number: int


@dataclass
class Company:
    """`index` and an event's number make its subject, by which it is known again."""

    index: int
    company_id: CompanyId
    events: int = 0
    commits: dict[int, float] = field(default_factory=dict)

    def drafts(self, count: int) -> Iterator[Draft]:
        """The next so many events, which get the numbers that their subjects say."""
        at = datetime.now(UTC)
        for number in range(self.events + 1, self.events + count + 1):
            self.events = number
            yield Draft(
                company_id=self.company_id,
                type=EventType.CREDIT_CREATED,
                subject_id=UUID(int=(self.index << 64) | number),
                at=at,
                actor=SYSTEM,
                to_state="requested",
            )


class Receiver:
    """The process of `bench.webhook_receiver`."""

    def __init__(self) -> None:
        self.process = start("-m", "bench.webhook_receiver", cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def ask(self, what: str, told: object = None) -> Any:
        """Its answer to `plan`, `report` or `progress`."""
        url = f"http://127.0.0.1:{self.port}/{what}"
        data = json.dumps(told).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
            return json.loads(answer.read())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Stage:
    """One installation with its database; nothing runs in it but what is started."""

    def __init__(self, folder: Path, services: Services, server: EmbeddedServer) -> None:
        self.folder = folder
        self.log = folder / "work.log"
        self.services = services
        self.server = server
        self.receiver = Receiver()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.companies: list[Company] = []
        self.hooks: list[Hook] = []

    async def add_companies(self, count: int) -> list[Company]:
        """Sandbox companies, of which loopback may be called."""
        first = len(self.companies)
        made = [Company(first + n, CompanyId(uuid7())) for n in range(count)]
        now = datetime.now(UTC)
        async with self.services.db.transaction() as tx, tx.connection.cursor() as cursor:
            await cursor.executemany(
                "insert into company (company_id, short_id, name, sandbox, created_at)"
                " values (%s, %s, 'Bench Example', true, %s)",
                [(each.company_id, secrets.randbits(32), now) for each in made],
            )
            await cursor.executemany(
                "insert into event_counter values (%s, 0)", [(c.company_id,) for c in made]
            )
        self.companies += made
        return made

    async def add_hooks(
        self, companies: Iterable[Company], path: str, *, each: int = 1, **fields: Any
    ) -> list[Hook]:
        """`each` of them for each company, at `/path/<index>` of the receiver."""
        fields = {"max_batch_size": 100, "max_wait_seconds": 0} | fields
        room = asyncio.Semaphore(AT_ONCE)

        async def of(company: Company, first: int) -> list[Hook]:
            async with room, self.services.db.transaction() as tx:
                return [await one(tx, company, first + n) for n in range(each)]

        async def one(tx: Transaction, company: Company, index: int) -> Hook:
            url = f"http://127.0.0.1:{self.receiver.port}/{path}/{index}"
            made = await actions.register(
                tx,
                company.company_id,
                NewWebhook(callback_url=url, **fields),
                vault=self.services.vault,
                now=datetime.now(UTC),
            )
            return Hook(index, company.company_id, made.webhook_id, made.number)

        there = len(self.hooks)
        found = await asyncio.gather(
            *(of(company, there + n * each) for n, company in enumerate(companies))
        )
        hooks = [hook for some in found for hook in some]
        self.hooks += hooks
        return hooks

    def plan(self, **told: Any) -> None:
        """Make the receiver begin anew, knowing all webhooks that are there now."""
        hooks = {
            str(each.index): (str(each.company_id), str(each.webhook_id), each.number)
            for each in self.hooks
        }
        keys = key_set(self.services.keyring.published(Purpose.WEBHOOK_RS256, at=datetime.now(UTC)))
        self.receiver.ask("plan", {"hooks": hooks, "keys": keys, **told})

    async def happen(self, companies: Sequence[Company], each: int) -> None:
        """So many events of each company, through the one door, some thousands a commit."""
        drafts = (draft for company in companies for draft in company.drafts(each))
        while some := list(islice(drafts, EVENTS_A_TRANSACTION)):
            async with self.services.db.transaction() as tx:
                record(tx, *some)

    async def happen_at_once(self, company: Company, count: int) -> None:
        """So many events in one statement, numbered as `record` does, which costs us little."""
        async with self.services.db.connection() as connection:
            await connection.execute(DUMP, [count, company.company_id, count, company.index, count])
        company.events += count
        announce([company.company_id])

    async def happen_once(self, companies: Sequence[Company]) -> None:
        """One event of each, in one commit, whose time is noted just before it is asked for."""
        async with self.services.db.transaction() as tx:
            record(tx, *(draft for company in companies for draft in company.drafts(1)))

            async def note(_: object) -> None:
                now = time.monotonic()
                for company in companies:
                    company.commits[company.events] = now

            tx.at_commit(note, key="bench")

    async def drip(self, companies: Sequence[Company], *, rate: float, seconds: float) -> None:
        """So many events a second over all companies in turn; a late commit makes none later."""
        turn = cycle(random.sample(companies, len(companies)))
        began, made = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            due = min(int(passed * rate) - made, len(companies))
            if due > 0:
                await self.happen_once([next(turn) for _ in range(due)])
                made += due
            await asyncio.sleep(DRIP_SECONDS)

    async def start_workers(self, count: int = 1) -> list[subprocess.Popen[bytes]]:
        """So many more `jetpay work`; returns when they work."""
        beats = "select worker_id from worker_heartbeat"
        before = set(self.query(beats))
        told = {"env": environment(self.folder), "stderr": subprocess.STDOUT}
        with self.log.open("ab") as log:
            made = [start("-P", "-m", "jetpay", "work", stdout=log, **told) for _ in range(count)]
        self.workers += made
        until = time.monotonic() + START_SECONDS
        while len(set(self.query(beats)) - before) < count:
            for each in made:
                assert each.poll() is None, self.log.read_text()
            assert time.monotonic() < until, "the workers do not start"
            await asyncio.sleep(0.05)
        return made

    def kill(self, worker: subprocess.Popen[bytes]) -> float:
        """With -9; when."""
        worker.kill()
        worker.wait()
        self.workers.remove(worker)
        return time.monotonic()

    def stop_workers(self) -> None:
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            worker.wait(LEAVE_SECONDS)
        self.workers.clear()

    def query(self, statement: str, *values: Any) -> list[Any]:
        """As the database's superuser, on a connection of its own."""
        dsn = self.server.dsn("super").reveal()
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def taken(self, hook: Hook) -> int:
        """The last event that its endpoint took."""
        return int(self.receiver.ask("progress")["taken"].get(str(hook.index), 0))

    async def until_taken(self, wanted: Mapping[int, int], *, seconds: float) -> float:
        """Waits until each webhook took all up to the event named; when. Raises `TimeoutError`."""
        until = time.monotonic() + seconds
        while True:
            progress = await asyncio.to_thread(self.receiver.ask, "progress")
            assert not progress["problems"], progress["problems"][:5]
            taken = progress["taken"]
            if all(taken.get(str(index), 0) >= last for index, last in wanted.items()):
                return time.monotonic()
            if time.monotonic() > until:
                behind = sum(taken.get(str(index), 0) < last for index, last in wanted.items())
                raise TimeoutError(f"{behind} webhooks are behind after {seconds:.0f} s")
            await asyncio.sleep(0.1)

    def latencies(self, hooks: Iterable[Hook], arrivals: Iterable[Sequence[Any]]) -> list[float]:
        """From commit to received in seconds, of each event of these webhooks that came."""
        company_of = {each.company_id: each for each in self.companies}
        commits = {each.index: company_of[each.company_id].commits for each in hooks}
        return [
            at - commits[index][number]
            for index, first, last, at in arrivals
            if index in commits
            for number in range(int(first), int(last) + 1)
            if number in commits[index]
        ]


def start(*run: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Python with these words, tied to us."""
    tied = [sys.executable, "-S", str(ROOT / "bench" / "tied.py"), str(os.getpid())]
    return subprocess.Popen([*tied, sys.executable, *run], **options)


def environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        "JETPAY_DATA_DIR": str(folder / "data"),
        "JETPAY_PUBLIC_URL": "http://127.0.0.1:18779",
        "JETPAY_METRICS_LISTEN": "off",
        "JETPAY_LOG_LEVEL": "warning",
        "JETPAY_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }


@asynccontextmanager
async def stage(*, durable: bool = True) -> AsyncIterator[Stage]:
    """In a new folder, which is removed; every process is ended when the block is left."""
    folder = _new_folder()
    try:
        with EmbeddedServer.acquire(folder / "data", durable=durable) as server:
            services = await open_services(Settings.read(environment(folder)))
            made = Stage(folder, services, server)
            try:
                yield made
            finally:
                for worker in made.workers:
                    worker.kill()
                    worker.wait()
                made.receiver.end()
                await services.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def memory_mib(process: subprocess.Popen[bytes]) -> float:
    """Proportional set size."""
    return float(psutil.Process(process.pid).memory_full_info().pss) / 2**20


def cpu_seconds(processes: Iterable["subprocess.Popen[bytes]"]) -> float:
    """Of processes that run, since they started."""
    times = [psutil.Process(each.pid).cpu_times() for each in processes]
    return float(sum(each.user + each.system for each in times))


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="jetpay-bench-", dir=os.environ.get("TMPDIR")))
    folder.chmod(0o711)  # PostgreSQL may have to run as another user
    return folder
