"""Identifiers are UUIDs of version 7 that sort by their time."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import RFC_4122, UUID

import pytest

from jetpay.base.ids import uuid7


def milliseconds(identifier: UUID) -> int:
    return identifier.int >> 80


def test_an_identifier_carries_its_time_its_version_and_its_variant() -> None:
    # The time of RFC 9562, appendix A.6.
    at = datetime(2022, 2, 22, 14, 22, 22, tzinfo=timezone(-timedelta(hours=5)))
    identifier = uuid7(at)
    assert milliseconds(identifier) == 0x017F22E279B0
    assert identifier.version == 7
    assert identifier.variant == RFC_4122


def test_without_a_time_an_identifier_carries_the_present_one() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = datetime.fromtimestamp(milliseconds(uuid7()) / 1000, UTC)
    assert before <= made <= datetime.now(UTC)


def test_identifiers_of_later_milliseconds_sort_later() -> None:
    first = datetime(2026, 1, 22, 10, 15, 30, 999_999, tzinfo=UTC)
    made = [uuid7(first + timedelta(milliseconds=step)) for step in range(1000)]
    assert sorted(made, key=str) == made


def test_identifiers_of_one_millisecond_differ_in_every_random_bit() -> None:
    at = datetime(2026, 1, 22, tzinfo=UTC)
    made = [uuid7(at).int for _ in range(2000)]
    assert len(set(made)) == len(made)
    ever_set, ever_clear = 0, 0
    for number in made:
        ever_set |= number
        ever_clear |= ~number
    random_bits = ((1 << 12) - 1) << 64 | (1 << 62) - 1
    assert ever_set & ever_clear & ((1 << 128) - 1) == random_bits


@pytest.mark.parametrize(
    "at", [datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]
)
def test_a_time_before_1970_is_refused(at: datetime) -> None:
    with pytest.raises(ValueError, match="from 1970 on"):
        uuid7(at)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        uuid7(datetime(2026, 1, 1))  # noqa: DTZ001 - the case
