"""What keeps the installation itself in order: keys, and what need not be known any longer."""

import asyncio
from contextlib import suppress
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from jetpay.credits import codes, payee_sessions
from jetpay.db.pool import describe_error
from jetpay.notices import queue
from jetpay.security import limits
from jetpay.security.rotation import maintain
from jetpay.services import Services
from jetpay.webhooks import retention

UPKEEP_SECONDS: Final = 60.0

log = structlog.get_logger(__name__)


async def run_upkeep(services: Services, stop: asyncio.Event) -> None:
    """Until `stop`; any number of processes may run it."""
    while not stop.is_set():
        try:
            await _put_in_order(services)
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("upkeep_failed", **describe_error(error))
        with suppress(TimeoutError):
            async with asyncio.timeout(UPKEEP_SECONDS):
                await stop.wait()


async def _put_in_order(services: Services) -> None:
    now = services.clock.now()
    await maintain(services.db, services.keyring, at=now)
    await payee_sessions.forget_old(services.db, now=now)
    await limits.forget_old(services.db, now=now)
    await retention.forget_old(services.db, now=now)
    await codes.forget_old(services.db, now=now)
    await queue.forget_old(services.db, now=now)
