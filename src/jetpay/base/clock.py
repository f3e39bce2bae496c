"""The time: business code takes it from a `Clock`, never from the system or the database."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells an aware UTC time."""

    def now(self) -> datetime:
        """The current time of this clock, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The machine's time, in UTC."""
        return datetime.now(UTC)


@dataclass
class FixedClock:
    """Stands at `at` until somebody sets `at` again; for tests."""

    at: datetime

    def now(self) -> datetime:
        """What the clock was set to, in UTC; `ValueError` if that has no zone."""
        return _utc(self.at)


def iso(at: datetime) -> str:
    """`2026-01-22T10:15:30.123456Z`: UTC, always with microseconds; `ValueError` without zone."""
    return _utc(at).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _utc(at: datetime) -> datetime:
    # astimezone() would take a naive time for local time, silently.
    if at.utcoffset() is None:
        message = "a time must carry its zone"
        raise ValueError(message)
    return at.astimezone(UTC)
