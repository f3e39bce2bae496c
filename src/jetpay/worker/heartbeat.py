"""That a worker lives and how far behind the work is, for `jetpay check` and for Prometheus."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from jetpay.db.pool import describe_error
from jetpay.db.rows import Command, Query
from jetpay.metrics import DUE_LATE_SECONDS, EVENTS_WAITING
from jetpay.services import Services

BEAT_SECONDS: Final = 10.0
DEAD_AFTER: Final = timedelta(seconds=60)
FORGOTTEN_AFTER: Final = timedelta(days=1)

BEAT = Command(
    """
    insert into worker_heartbeat (worker_id, seen_at) values (%(worker_id)s, %(now)s)
    on conflict (worker_id) do update set seen_at = excluded.seen_at
    """
)
FORGET = Command(
    """
    delete from worker_heartbeat where worker_id = %(worker_id)s or seen_at < %(before)s
    """
)
LAST_SEEN = Query(datetime, "select seen_at from worker_heartbeat order by seen_at desc limit 1")
OLDEST_DUE = Query(datetime, "select due_at from due order by due_at limit 1")
WAITING = Query(
    int,
    """
    select coalesce(sum(greatest(
      c.last_event_id - greatest(coalesce(w.last_sent_event_id, 0), w.start_after), 0)), 0)::bigint
      as waiting
    from webhook w join event_counter c on c.company_id = w.company_id
    where w.deleted_at is null and w.state = 'active'
    """,
    never_null=("waiting",),
)

log = structlog.get_logger(__name__)


async def run_heartbeat(services: Services, stop: asyncio.Event) -> None:
    """Until `stop`; then the worker is forgotten, so that nobody takes it for dead."""
    worker_id = uuid4()
    while not stop.is_set():
        await _try(_beat(services, worker_id))
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT_SECONDS):
                await stop.wait()
    await _try(_forget(services, worker_id))


async def _try(work: Awaitable[None]) -> None:
    try:
        await work
    except (psycopg.Error, PoolTimeout) as error:
        log.warning("heartbeat_failed", **describe_error(error))


async def _beat(services: Services, worker_id: UUID) -> None:
    now = services.clock.now()
    await BEAT.run(services.db, worker_id=worker_id, now=now)
    oldest = await OLDEST_DUE.first(services.db)
    DUE_LATE_SECONDS.set(0 if oldest is None else max(0.0, (now - oldest).total_seconds()))
    EVENTS_WAITING.set(await WAITING.one(services.db))


async def _forget(services: Services, worker_id: UUID) -> None:
    before = services.clock.now() - FORGOTTEN_AFTER
    await FORGET.run(services.db, worker_id=worker_id, before=before)
