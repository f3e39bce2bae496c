"""Waking whoever waits for events, in this process and in others; a lost notice costs a second."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID
from weakref import WeakSet

import psycopg
import psycopg_pool
import structlog

from jetpay.base.ids import CompanyId
from jetpay.base.refusals import Busy, RateLimited
from jetpay.db.pool import Database, describe_error
from jetpay.db.rows import Query

WAITING_CALLS: Final = 2_000
WAITING_CALLS_PER_COMPANY: Final = 20
ASK_EVERY_SECONDS: Final = 1.0
NOTICE_EVERY_SECONDS: Final = 0.05
"""At most so often a process sends a notice: each takes a lock that all commits share."""
COMPANIES_PER_NOTICE: Final = 200
"""PostgreSQL takes less than 8,000 bytes."""
ASK_AT_MOST_EVERY_SECONDS: Final = 0.02
RECONNECT_SECONDS: Final = 1.0

LISTEN: Final = "listen jetpay_event"
UNLISTEN: Final = "unlisten *"
NOTIFY = Query(
    int,
    "select length(pg_notify('jetpay_event', %(companies)s)::text) as said",
    never_null=("said",),
)


@dataclass(frozen=True, slots=True)
class LastEvent:
    company_id: CompanyId
    last_event_id: int


LAST_EVENTS = Query(
    LastEvent,
    """
    select company_id, last_event_id from event_counter
    where company_id = any(%(companies)s::uuid[])
    """,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    after: int
    woken: asyncio.Event


class Wake:
    """One a process. Opens its listening connection when somebody first waits."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: defaultdict[CompanyId, set[_Waiting]] = defaultdict(set)
        self._calls = 0
        self.version = 0
        """Grows with every sign that there may be something new."""
        self._signs: set[asyncio.Event] = set()
        self._news: set[CompanyId] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._asker: asyncio.Task[None] | None = None
        self._notifier: asyncio.Task[None] | None = None
        self._unsaid: set[CompanyId] = set()
        self._said_at = -NOTICE_EVERY_SECONDS
        self._is_closed = False
        _PROCESS.add(self)

    def sign(self, companies: Collection[CompanyId] = ()) -> None:
        """Wake this process alone; `companies`: those with something new."""
        self.version += 1
        if self._news is not None:
            self._news.update(companies)
        for event in self._signs:
            event.set()

    def may_tell(self) -> bool:
        """Whether a statement may carry the notice itself: none went out just now."""
        return not self._unsaid and time.monotonic() - self._said_at >= NOTICE_EVERY_SECONDS

    def announce(self, companies: Collection[CompanyId], *, is_told: bool = False) -> None:
        """Wake this process now, and the others by a notice soon after, unless they were told."""
        self.sign(companies)
        if is_told:
            self._said_at = time.monotonic()
            return
        self._unsaid.update(companies)
        if not self._is_closed and (self._notifier is None or self._notifier.done()):
            self._notifier = asyncio.create_task(self._say())

    def take_news(self) -> set[CompanyId]:
        """The companies of all signs since the last call; kept once somebody has called."""
        news, self._news = self._news or set(), set()
        return news

    async def heard(self, version: int, seconds: float) -> None:
        """Returns when `version` is outdated, or after `seconds`; for loops over the database."""
        self._listen()
        if self.version != version or self._is_closed:
            return
        event = asyncio.Event()
        self._signs.add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self._signs.discard(event)

    async def wait_past(self, company_id: CompanyId, after: int, seconds: float) -> None:
        """Returns when the company has an event above `after`, or after `seconds`.

        Holds no connection. Refuses `RateLimited` and `Busy` when too many wait already.
        """
        if len(self._waiting.get(company_id, ())) >= WAITING_CALLS_PER_COMPANY:
            raise RateLimited(retry_after=1)
        if self._calls >= WAITING_CALLS:
            raise Busy
        if self._is_closed:
            return
        waiting = _Waiting(after, asyncio.Event())
        self._waiting[company_id].add(waiting)
        self._calls += 1
        if self._asker is None or self._asker.done():
            self._asker = asyncio.create_task(self._ask())
        self.sign()  # it may have come between the caller's look and now
        try:
            async with asyncio.timeout(seconds):
                await waiting.woken.wait()
        except TimeoutError:
            pass
        finally:
            self._calls -= 1
            self._waiting[company_id].discard(waiting)
            if not self._waiting[company_id]:
                del self._waiting[company_id]

    async def close(self) -> None:
        """Ends every wait; later ones end at once."""
        self._is_closed = True
        _PROCESS.discard(self)
        for waiting in [each for group in self._waiting.values() for each in group]:
            waiting.woken.set()
        self.sign()
        tasks = [t for t in (self._listener, self._asker, self._notifier) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _listen(self) -> None:
        if not self._is_closed and (self._listener is None or self._listener.done()):
            self._listener = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        while True:
            try:
                async with self._db.connection() as connection:
                    await connection.execute(LISTEN)
                    try:
                        async for notice in connection.notifies():
                            self.sign(_companies(notice.payload))
                    finally:
                        # A connection that listens must not go back into the pool.
                        with contextlib.suppress(psycopg.Error):
                            await connection.execute(UNLISTEN)
            except (psycopg.Error, psycopg_pool.PoolTimeout, OSError) as error:
                log.warning("listening_failed", **describe_error(error))
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _say(self) -> None:
        while self._unsaid:
            await asyncio.sleep(self._said_at + NOTICE_EVERY_SECONDS - time.monotonic())
            self._said_at = time.monotonic()
            unsaid, self._unsaid = list(self._unsaid), set()
            with contextlib.suppress(psycopg.Error, psycopg_pool.PoolTimeout, OSError):
                for start in range(0, len(unsaid), COMPANIES_PER_NOTICE):
                    some = unsaid[start : start + COMPANIES_PER_NOTICE]
                    await NOTIFY.one(self._db, companies=",".join(each.hex for each in some))

    async def _ask(self) -> None:
        """One query for all who wait, at every sign and every second."""
        while self._waiting:
            version = self.version
            try:
                await self._wake_those_past(set(self._waiting))
            except (psycopg.Error, psycopg_pool.PoolTimeout, OSError) as error:
                log.warning("asking_for_events_failed", **describe_error(error))
            await asyncio.sleep(ASK_AT_MOST_EVERY_SECONDS)
            await self.heard(version, ASK_EVERY_SECONDS)

    async def _wake_those_past(self, companies: Collection[CompanyId]) -> None:
        for row in await LAST_EVENTS.all(self._db, companies=list(companies)):
            for waiting in self._waiting.get(row.company_id, ()):
                if row.last_event_id > waiting.after:
                    waiting.woken.set()


_PROCESS: WeakSet[Wake] = WeakSet()
"""Those of this process: who records an event knows none of them."""


def may_tell() -> bool:
    """Whether a statement that records events may tell other processes of them itself."""
    return all(wake.may_tell() for wake in list(_PROCESS))


def announce(companies: Collection[CompanyId], *, is_told: bool = False) -> None:
    """Events of theirs were committed; called by what records them, after the commit.

    `is_told`: their own statement carried the notice.
    """
    for wake in list(_PROCESS):
        wake.announce(companies, is_told=is_told)


def _companies(payload: str) -> set[CompanyId]:
    """Those that a notice names; none where somebody else sent it."""
    try:
        return {CompanyId(UUID(hex=each)) for each in payload.split(",")}
    except ValueError:
        return set()
