"""Times are aware, in UTC, and written in one way."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from jetpay.base.clock import Clock, FixedClock, SystemClock, iso

MONTREAL = timezone(-timedelta(hours=5))
NAIVE = datetime(2026, 1, 22, 10, 15)  # noqa: DTZ001 - what is refused


def test_the_system_clock_tells_the_present_in_utc() -> None:
    clock: Clock = SystemClock()
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC


def test_a_fixed_clock_stands_until_it_is_set() -> None:
    clock = FixedClock(datetime(2026, 1, 22, 5, 15, tzinfo=MONTREAL))
    assert clock.now() == clock.now() == datetime(2026, 1, 22, 10, 15, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    clock.at += timedelta(days=1)
    assert clock.now() == datetime(2026, 1, 23, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "at, written",
    [
        (datetime(2026, 1, 22, 10, 15, 30, 123456, UTC), "2026-01-22T10:15:30.123456Z"),
        (datetime(2026, 1, 22, 10, 15, 30, 0, UTC), "2026-01-22T10:15:30.000000Z"),
        (datetime(2026, 1, 22, 22, 15, 30, 5, MONTREAL), "2026-01-23T03:15:30.000005Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_a_time_is_written_in_utc_with_microseconds_and_z(at: datetime, written: str) -> None:
    assert iso(at) == written


def test_a_time_without_a_zone_is_never_taken_for_local_time() -> None:
    with pytest.raises(ValueError, match="zone"):
        iso(NAIVE)
    with pytest.raises(ValueError, match="zone"):
        FixedClock(NAIVE).now()
