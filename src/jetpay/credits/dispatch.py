"""Collects credits that arrive while the previous statement is under way into the next one.

An idle process answers a single request at once: nothing waits for a timer. What one company
does to the shared batch (an item that fails, a counter that stays locked) is taken out of it
and goes on alone, so that no company delays another.
"""

import asyncio
import os
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
import structlog
from psycopg import errors

from jetpay.base.clock import Clock
from jetpay.base.ids import CompanyId, CreditId
from jetpay.base.refusals import Unavailable
from jetpay.credits.intake import (
    Existing,
    Made,
    NewCredit,
    Problem,
    existing,
    intake,
)
from jetpay.db.pool import Database, describe_error
from jetpay.metrics import INTAKE_DEFECTS
from jetpay.security.keys import Keyring

BATCH_ITEMS = 500
WAITING_ITEMS = 2_000
WAITING_ITEMS_PER_COMPANY = 200
OWN_LANE_SECONDS = 60.0
LOCKED_LANE_SECONDS = 10.0
"""After a lock of the company's took longer than the quick lane waits."""
DATABASE_AWAY_SECONDS = 10.0
RECONNECT_SECONDS = 0.2

DEAD_TOKEN = frozenset({Problem.UNAUTHORIZED, Problem.FORBIDDEN})

log = structlog.get_logger(__name__)
_LOST = (psycopg.OperationalError, psycopg.InterfaceError)


@dataclass(frozen=True, slots=True)
class Answer:
    """`existing`: what was there already under the same key, external id or identifier."""

    made: Made
    existing: Existing | None


@dataclass(slots=True, eq=False)
class _Waiting:
    company_id: CompanyId
    item: NewCredit
    future: asyncio.Future[Answer] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def answer(self, answer: Answer) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Dispatcher:
    """One per process. `start()` it in the running loop, `stop()` it before the pools close."""

    def __init__(
        self, *, quick: Database, patient: Database, keyring: Keyring, clock: Clock
    ) -> None:
        """`quick` has a `lock_timeout` of 100 ms, `patient` one of 10 s."""
        self._quick = quick
        self._patient = patient
        self._keyring = keyring
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._waiting: defaultdict[CompanyId, int] = defaultdict(int)
        self._wake = asyncio.Event()
        self._own_lane_until: dict[CompanyId, float] = {}
        self._alone: dict[CompanyId, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._main: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._main = asyncio.create_task(self._drain())

    async def stop(self) -> None:
        """End the loop; whoever still waits is refused with `Unavailable`."""
        tasks = [task for task in (self._main, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for waiting in (*self._queue, *(w for group in self._alone.values() for w in group)):
            waiting.fail(Unavailable())

    async def submit(self, company_id: CompanyId, item: NewCredit) -> Answer:
        """Make the credit with the next statement.

        Raises `Unavailable` when too many wait or the database stays away.
        """
        if (
            len(self._queue) >= WAITING_ITEMS
            or self._waiting[company_id] >= WAITING_ITEMS_PER_COMPANY
        ):
            raise Unavailable
        waiting = _Waiting(company_id, item)
        self._waiting[company_id] += 1
        self._queue.append(waiting)
        self._wake.set()
        try:
            return await waiting.future
        finally:
            self._waiting[company_id] -= 1
            if not self._waiting[company_id]:
                del self._waiting[company_id]

    async def _drain(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                batch = self._take()
                if batch:
                    await self._guarded(batch, self._quick)

    def _take(self) -> list[_Waiting]:
        """The next batch: the oldest first, but at most half of it for one company.

        Requests whose caller has gone are dropped; what fits not stays in its order.
        """
        loop_time = asyncio.get_running_loop().time()
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        taken: defaultdict[CompanyId, int] = defaultdict(int)
        others = len(self._waiting) > 1
        while self._queue and len(batch) < BATCH_ITEMS:
            waiting = self._queue.popleft()
            if waiting.future.done():
                continue
            company_id = waiting.company_id
            if self._own_lane_until and self._goes_alone(company_id, loop_time):
                self._send_alone(company_id, [waiting])
            elif others and taken[company_id] >= BATCH_ITEMS // 2:
                later.append(waiting)
            else:
                taken[company_id] += 1
                batch.append(waiting)
        self._queue.extendleft(reversed(later))
        return batch

    def _goes_alone(self, company_id: CompanyId, loop_time: float) -> bool:
        until = self._own_lane_until.get(company_id)
        if until is None:
            return False
        if until > loop_time:
            return True
        del self._own_lane_until[company_id]
        return False

    def _send_alone(self, company_id: CompanyId, group: Sequence[_Waiting]) -> None:
        """Hand items to the company's own lane: one statement at a time on its own connection."""
        if company_id in self._alone:
            self._alone[company_id].extend(group)
            return
        self._alone[company_id] = list(group)
        task = asyncio.create_task(self._drain_alone(company_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain_alone(self, company_id: CompanyId) -> None:
        try:
            while self._alone[company_id]:
                batch = self._alone[company_id][:BATCH_ITEMS]
                del self._alone[company_id][: len(batch)]
                await self._guarded(batch, self._patient)
        finally:
            for waiting in self._alone.pop(company_id, []):
                waiting.fail(Unavailable())

    async def _guarded(self, batch: Sequence[_Waiting], db: Database) -> None:
        """Whatever happens, every item of the batch ends with an answer or an error."""
        try:
            await self._send(batch, db)
        except asyncio.CancelledError:
            for waiting in batch:
                waiting.fail(Unavailable())
            raise
        except Exception as error:  # noqa: BLE001 - the loop must survive everything
            log.error("intake_failed", items=len(batch), **describe_error(error))  # noqa: TRY400
            for waiting in batch:
                waiting.fail(error)

    async def _send(self, batch: Sequence[_Waiting], db: Database) -> None:
        """Send the rows, again and again with the same identifiers while the connection is lost.

        The same rows sent twice are made once: the second time they are found by identifier.
        """
        give_up_at = asyncio.get_running_loop().time() + DATABASE_AWAY_SECONDS
        while True:
            try:
                await self._once(batch, db)
            except (errors.SerializationFailure, errors.DeadlockDetected):
                continue
            except (errors.LockNotAvailable, errors.DataError, errors.IntegrityError) as error:
                if db is self._patient and isinstance(error, errors.LockNotAvailable):
                    raise Unavailable from None
                await self._apart(batch, db, error)
            except _LOST:
                if asyncio.get_running_loop().time() >= give_up_at:
                    raise Unavailable from None
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            return

    async def _once(self, batch: Sequence[_Waiting], db: Database) -> None:
        made = await intake(
            db,
            [waiting.item for waiting in batch],
            link_key_id=self._keyring.active("link").number,
            at=self._clock.now(),
        )
        await self._answer(batch, made)

    async def _answer(self, batch: Sequence[_Waiting], made: dict[CreditId, Made]) -> None:
        unclear: defaultdict[CompanyId, list[_Waiting]] = defaultdict(list)
        for waiting in batch:
            row = made[waiting.item.credit_id]
            if row.company_id not in (None, waiting.company_id):
                # Somebody else's answer may be in our hands: nothing more may leave this process.
                log.critical("intake_answer_belongs_to_another_company")
                os._exit(70)
            if row.made or row.company_id is None:
                waiting.answer(Answer(row, None))
            elif row.problem in DEAD_TOKEN:
                waiting.answer(Answer(row, None))  # what is there already is not for this token
            elif row.problem is None or waiting.item.idempotency_key is not None:
                unclear[waiting.company_id].append(waiting)
            else:
                waiting.answer(Answer(row, None))
        for company_id, group in unclear.items():
            found = await existing(self._quick, company_id, [waiting.item for waiting in group])
            for waiting in group:
                credit_id = waiting.item.credit_id
                waiting.answer(Answer(made[credit_id], found.get(credit_id)))

    async def _apart(self, batch: Sequence[_Waiting], db: Database, error: Exception) -> None:
        """Find out, half by half, whose items they are; these go on in their company's own lane.

        Items are checked before they enter, so one that the database refuses is a defect: the
        operator is told, and all others are made.
        """
        companies = list(dict.fromkeys(waiting.company_id for waiting in batch))
        is_locked = isinstance(error, errors.LockNotAvailable)
        if not is_locked:
            log.error("intake_item_failed", items=len(batch), **describe_error(error))
        if len(companies) > 1:
            first = set(companies[: len(companies) // 2])
            await self._guarded([w for w in batch if w.company_id in first], db)
            await self._guarded([w for w in batch if w.company_id not in first], db)
            return
        seconds = LOCKED_LANE_SECONDS if is_locked else OWN_LANE_SECONDS
        self._own_lane_until[companies[0]] = asyncio.get_running_loop().time() + seconds
        if is_locked:
            self._send_alone(companies[0], batch)
        elif len(batch) > 1:
            await self._guarded(batch[: len(batch) // 2], db)
            await self._guarded(batch[len(batch) // 2 :], db)
        else:
            INTAKE_DEFECTS.inc()
            batch[0].fail(error)
