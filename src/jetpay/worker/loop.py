"""The worker: takes what is due, does it, and lets nobody's failure stop the rest."""

import asyncio
from contextlib import suppress
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from jetpay.base.ids import CompanyId
from jetpay.base.refusals import Unavailable
from jetpay.companies.due import NotYet
from jetpay.db.pool import describe_error
from jetpay.services import Services
from jetpay.worker.due import NOT_YET, Due, back_off, claim, finish, give_back, left
from jetpay.worker.kinds import HANDLERS

AT_ONCE: Final = 4
"""Pieces of work that one process does at the same time; each holds one connection at most."""
LOOK_EVERY_SECONDS: Final = 1.0
"""With nothing due; one piece of work looks for all."""
DATABASE_AWAY_SECONDS: Final = 2.0
TICK_SECONDS: Final = 30.0
TICK_LOOKS_EVERY_SECONDS: Final = 0.02

log = structlog.get_logger(__name__)


async def run_worker(services: Services, stop: asyncio.Event) -> None:
    """Until `stop`; what is under way then is finished. Any number of processes may run it."""
    turn = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(_lane(services, turn, stop))


async def _lane(services: Services, turn: asyncio.Lock, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            async with turn:
                due = await _next(services, stop)
            if due is not None:
                await _do(services, due)
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("worker_lost_database", **describe_error(error))
            await _wait(stop, DATABASE_AWAY_SECONDS)


async def _next(services: Services, stop: asyncio.Event) -> Due | None:
    """What is due, or nothing after a pause: the other lanes wait for it and do not ask, too."""
    if stop.is_set():
        return None
    due = await claim(services.db, now=services.clock.now())
    if due is None:
        await _wait(stop, LOOK_EVERY_SECONDS)
    return due


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def _do(services: Services, due: Due) -> None:
    try:
        await _work(services, due)
    except Exception as error:  # noqa: BLE001 - one failure must not end the worker
        # A text of the database's would hold values of rows, so only what it is about is said.
        log.error(  # noqa: TRY400
            "due_work_failed",
            kind=due.kind,
            company=str(due.company_id),
            subject=str(due.subject_id),
            failures=due.failures + 1,
            **describe_error(error),
        )
        await give_back(services.db, due, pause=back_off(due.failures + 1), failed=True)


async def tick(services: Services, *, only: CompanyId) -> None:
    """Do everything that is due for one company, in the order of the times, until nothing is.

    Helps and waits when another worker is at it. Raises what a piece of work raises, and
    `Unavailable` after 30 seconds; whatever is left then stays due.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + TICK_SECONDS
    while await _tick_once(services, only):
        if clock() > until:
            raise Unavailable


async def _tick_once(services: Services, only: CompanyId) -> bool:
    now = services.clock.now()
    due = await claim(services.db, now=now, only=only)
    if due is None:
        if not await left(services.db, only, now=now):
            return False
        await asyncio.sleep(TICK_LOOKS_EVERY_SECONDS)
        return True
    try:
        await _work(services, due)
    except Exception:
        await give_back(services.db, due, pause=back_off(due.failures + 1), failed=True)
        raise
    return True


async def _work(services: Services, due: Due) -> None:
    try:
        again_at = await HANDLERS[due.kind](services, due)
    except NotYet:
        await give_back(services.db, due, pause=NOT_YET, failed=False)
        return
    await finish(services.db, due, again_at=again_at)
