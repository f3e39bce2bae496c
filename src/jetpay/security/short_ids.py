"""Which company a link's pseudonym means, known in memory before the MAC is checked."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from jetpay.db.rows import Query
from jetpay.db.transactions import OpensTransactions

MAX_SHORT_IDS: Final = 500_000
"""About 100 MB; an installation with more companies raises it by the constructor."""

REFRESH_AT_MOST_EVERY_SECONDS: Final = 0.25

OVERLAP: Final = timedelta(minutes=10)
"""How far apart the clocks of two machines and a company's transaction may lie."""


@dataclass(frozen=True, slots=True)
class _ShortId:
    short_id: int
    company_id: UUID
    created_at: datetime


# Every company of the installation: this is how a link's company is found at all.
_MADE_SINCE: Final = Query(
    _ShortId,
    """
    select short_id, company_id, created_at from company
    where created_at >= %(since)s order by created_at limit %(maximum)s
    """,
)


class ShortIds:
    """The bounded map short id → company. A short id is never given to another company.

    A short id that is not in the map leads to at most four reads of the newest companies a
    second, for all requests together: a company made a moment ago by another process is
    found, and strangers cannot turn guesses into database work.
    """

    def __init__(
        self,
        *,
        maximum: int = MAX_SHORT_IDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._maximum = maximum
        self._monotonic = monotonic
        self._companies: dict[int, UUID] = {}
        self._newest = datetime.min.replace(tzinfo=UTC) + OVERLAP
        self._read_at: float | None = None

    def company_of(self, short_id: int) -> UUID | None:
        """The company, as far as memory knows; never asks the database."""
        return self._companies.get(short_id)

    def add(self, short_id: int, company_id: UUID) -> None:
        """Takes over a company that was met another way, as by its API token."""
        if len(self._companies) < self._maximum:
            self._companies[short_id] = company_id

    async def learn(self, db: OpensTransactions, short_id: int) -> None:
        """Looks for new companies when the short id is unknown and the last look is long ago."""
        if short_id in self._companies or self._read_lately():
            return
        self._read_at = self._monotonic()
        await self.refresh(db)

    async def refresh(self, db: OpensTransactions) -> None:
        """Takes over the companies made since the last time, up to the maximum."""
        rows = await _MADE_SINCE.all(db, since=self._newest - OVERLAP, maximum=self._maximum)
        for row in rows:
            if len(self._companies) >= self._maximum:
                break
            self._companies[row.short_id] = row.company_id
            self._newest = max(self._newest, row.created_at)

    def _read_lately(self) -> bool:
        if self._read_at is None:
            return False
        return self._monotonic() - self._read_at < REFRESH_AT_MOST_EVERY_SECONDS
