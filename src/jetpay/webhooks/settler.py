"""Writes down what became of calls, many in a statement, whatever the database does meanwhile."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final

import psycopg
import psycopg_pool
import structlog

from jetpay.base.ids import CompanyId
from jetpay.db.pool import describe_error
from jetpay.db.transactions import OpensTransactions
from jetpay.security.vault import Vault
from jetpay.webhooks.claims import Settled, settle

SETTLED_AT_ONCE: Final = 200
RETRY_SECONDS: Final = 1.0

LOST: Final = (psycopg.OperationalError, psycopg_pool.PoolTimeout, OSError)
"""What a database that cannot be reached raises."""

log = structlog.get_logger(__name__)


class Settler:
    """One a deliverer; `told` hears whose webhooks are free again."""

    def __init__(
        self,
        db: OpensTransactions,
        vault: Vault,
        told: Callable[[Collection[CompanyId]], None],
    ) -> None:
        self._db = db
        self._vault = vault
        self._told = told
        self._waiting: list[Settled] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, settled: Settled) -> None:
        """What ends while one statement is under way goes into the next one."""
        self._waiting.append(settled)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._settle())

    async def finish(self) -> None:
        """Wait until all is written down."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def cancel(self) -> None:
        """Leave it: leases run out, and what they were for is done again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _settle(self) -> None:
        while self._waiting:
            some = self._waiting[:SETTLED_AT_ONCE]
            try:
                await self._settle_some(some)
            except LOST as error:
                log.warning("settling_waits_for_database", **describe_error(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            del self._waiting[: len(some)]
            self._told([each.claimed.company_id for each in some])

    async def _settle_some(self, settled: Sequence[Settled]) -> None:
        """Raises what says that the database is lost."""
        try:
            await settle(self._db, settled, vault=self._vault)
        except LOST:
            raise
        except Exception as error:  # noqa: BLE001 - its lease runs out, then it is sent again
            if len(settled) == 1:
                number = settled[0].claimed.number
                log.error(  # noqa: TRY400 - an exception's text may hold values of rows
                    "settling_failed", webhook=number, **describe_error(error)
                )
                return
            middle = len(settled) // 2  # one of them is at fault, the others are not
            await self._settle_some(settled[:middle])
            await self._settle_some(settled[middle:])
