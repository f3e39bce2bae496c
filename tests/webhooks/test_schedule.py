"""When a failed batch goes again, and when a webhook is given up."""

from datetime import UTC, datetime, timedelta

import pytest

from jetpay.webhooks.schedule import (
    BACK_OFF_SECONDS,
    Outcome,
    Reason,
    Verdict,
    batch_through,
    judge,
    seconds_of,
)

NOW = datetime(2026, 1, 22, 10, 15, 30, tzinfo=UTC)
FAILED = Outcome(500)


def pause(failures: int, *, jitter: float = 0, outcome: Outcome = FAILED) -> float:
    verdict = judge(outcome, failures=failures, failing_since=None, at=NOW, jitter=jitter)
    assert verdict.not_before is not None
    return (verdict.not_before - NOW).total_seconds()


def test_pauses_grow_as_the_contract_says() -> None:
    hours = [3600, 3 * 3600, 6 * 3600, 6 * 3600, 6 * 3600]
    assert [pause(failures) for failures in range(10)] == [5, 30, 120, 600, 1800, *hours]
    assert len(BACK_OFF_SECONDS) == 8


def test_each_pause_varies_by_a_fifth() -> None:
    assert (pause(0, jitter=-1), pause(0, jitter=1)) == (4, 6)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_a_success(status: int) -> None:
    assert judge(Outcome(status), failures=9, failing_since=NOW, at=NOW, jitter=0) == Verdict()


@pytest.mark.parametrize(
    "header, seconds",
    [
        ("0", 5),
        ("120", 120),
        ("3600", 3600),
        ("86400", 3600),
        ("9" * 400, 3600),
        ("Thu, 22 Jan 2026 10:25:30 GMT", 600),
        ("Thu, 22 Jan 2026 09:00:00 GMT", 5),
        ("soon", 30),
        ("-5", 30),
        ("", 30),
        ("²", 30),
        ("Thu, 22 Jan " + "9" * 40 + " 10:25:30 GMT", 30),
        ("Thu, 22 Jan 2026 10:25:30 +" + "9" * 40, 30),
    ],
)
def test_retry_after_is_obeyed_up_to_an_hour(header: str, seconds: float) -> None:
    assert pause(1, outcome=Outcome(429, header)) == seconds


def test_gone_ends_it_at_once() -> None:
    verdict = judge(Outcome(410), failures=0, failing_since=None, at=NOW, jitter=0)
    assert verdict.failed is Reason.GONE


def test_five_days_of_failure_end_it() -> None:
    days = timedelta(days=5)
    for age, failed in ((days - timedelta(seconds=1), None), (days, Reason.UNREACHABLE)):
        verdict = judge(FAILED, failures=30, failing_since=NOW - age, at=NOW, jitter=0)
        assert verdict.failed is failed


def test_the_same_batch_goes_again_but_half_of_one_too_large() -> None:
    assert batch_through(Outcome(500), 11, 20) == 20
    assert batch_through(Outcome(413), 11, 20) == 15
    assert batch_through(Outcome(413), 11, 11) == 11


def test_no_header_asks_for_nothing() -> None:
    assert seconds_of(None, NOW) is None
