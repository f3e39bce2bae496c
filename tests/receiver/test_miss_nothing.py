"""Doubles are dropped and gaps are told, so that a receiver has each event once, in order."""

from typing import Any

import pytest

from jetpay.receiver import EventsMissing, new_events


def events(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number} for number in numbers]


@pytest.mark.parametrize(
    "last, came, new",
    [
        pytest.param(None, (7, 8), (7, 8), id="the first ones, wherever they begin"),
        pytest.param(0, (1, 2), (1, 2), id="from the very first"),
        pytest.param(7, (8,), (8,), id="the next"),
        pytest.param(7, (6, 7, 8), (8,), id="some are known"),
        pytest.param(8, (7, 8), (), id="all are known: a retry or a replay"),
        pytest.param(8, (1, 2), (), id="long known"),
        pytest.param(8, (), (), id="none"),
        pytest.param(8, (0,), (), id="a test"),
        pytest.param(None, (0,), (), id="a test before anything else"),
    ],
)
def test_what_is_known_is_dropped(
    last: int | None, came: tuple[int, ...], new: tuple[int, ...]
) -> None:
    assert new_events(last, events(*came)) == events(*new)


@pytest.mark.parametrize(
    "last, came, missing",
    [
        pytest.param(8, (10,), (8, 10), id="before"),
        pytest.param(0, (2,), (0, 2), id="the very first"),
        pytest.param(8, (8, 9, 11), (9, 11), id="within"),
        pytest.param(None, (1, 3), (1, 3), id="within the first ones"),
    ],
)
def test_a_gap_is_told(last: int | None, came: tuple[int, ...], missing: tuple[int, int]) -> None:
    with pytest.raises(EventsMissing) as told:
        new_events(last, events(*came))
    assert (told.value.last_event_id, told.value.first_event_id) == missing
    assert str(told.value) == f"events {missing[0] + 1} to {missing[1] - 1} did not arrive"
