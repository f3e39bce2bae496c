"""When a failed batch goes again, and when a webhook is given up."""

from datetime import UTC, datetime, timedelta

import pytest

from jetpay.webhooks.schedule import (
    BACK_OFF_SECONDS,
    HALVED,
    ONE_TOO_LARGE,
    REDIRECTED,
    Batch,
    Outcome,
    Reason,
    Verdict,
    judge,
    seconds_of,
)

NOW = datetime(2026, 1, 22, 10, 15, 30, tzinfo=UTC)
FAILED = Outcome(500)
TOO_LARGE = Outcome(413)


def judged(outcome: Outcome, batch: Batch | None = None, *, jitter: float = 0) -> Verdict:
    return judge(outcome, batch or Batch(11, 20), at=NOW, jitter=jitter, maximum=100)


def pause(failures: int, *, jitter: float = 0, outcome: Outcome = FAILED) -> float:
    verdict = judged(outcome, Batch(11, 20, failures=failures), jitter=jitter)
    return (verdict.not_before - NOW).total_seconds()


def test_pauses_grow_as_the_contract_says() -> None:
    hours = [3600, 3 * 3600, 6 * 3600, 6 * 3600, 6 * 3600]
    assert [pause(failures) for failures in range(10)] == [5, 30, 120, 600, 1800, *hours]
    assert len(BACK_OFF_SECONDS) == 8


def test_each_pause_varies_by_a_fifth() -> None:
    assert (pause(0, jitter=-1), pause(0, jitter=1)) == (4, 6)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_a_success(status: int) -> None:
    batch = Batch(11, 20, failures=9, failing_since=NOW)
    assert judged(Outcome(status), batch) == Verdict(NOW)


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


def test_a_2xx_that_is_not_enough_is_a_failure() -> None:
    verdict = judged(Outcome(200, error="Not yours."))
    assert (verdict.is_failure, verdict.error) == (True, "Not yours.")


def test_gone_ends_it_at_once() -> None:
    assert judged(Outcome(410)).failed is Reason.GONE


def test_five_days_of_failure_end_it() -> None:
    days = timedelta(days=5)
    for age, failed in ((days - timedelta(seconds=1), None), (days, Reason.UNREACHABLE)):
        verdict = judged(FAILED, Batch(11, 20, failures=30, failing_since=NOW - age))
        assert verdict.failed is failed


def test_the_same_batch_goes_again() -> None:
    verdict = judged(FAILED, Batch(11, 20, fits=50))
    assert (verdict.through, verdict.fits, verdict.is_failure) == (20, 50, True)


@pytest.mark.parametrize("last, half", [(12, 1), (13, 1), (14, 2), (20, 5), (110, 50)])
def test_half_of_a_batch_that_is_too_large_goes_at_once(last: int, half: int) -> None:
    verdict = judged(TOO_LARGE, Batch(11, last, failures=3))
    assert verdict == Verdict(NOW, through=10 + half, fits=half, error=HALVED)


def test_a_single_event_that_is_too_large_waits_like_any_failure() -> None:
    verdict = judged(TOO_LARGE, Batch(11, 11, failures=2))
    assert (verdict.is_failure, verdict.through, verdict.error) == (True, 11, ONE_TOO_LARGE)
    assert verdict.not_before == NOW + timedelta(seconds=BACK_OFF_SECONDS[2])


@pytest.mark.parametrize(
    "sent, fits, after",
    [(5, None, None), (5, 5, 6), (3, 5, 5), (99, 99, 100), (100, 100, None)],
)
def test_what_was_too_large_once_grows_by_one(
    sent: int, fits: int | None, after: int | None
) -> None:
    assert judged(Outcome(200), Batch(1, sent, fits=fits)).fits == after


def test_a_redirect_is_told_in_words() -> None:
    assert [judged(Outcome(status)).error for status in (301, 308, 500)] == [
        REDIRECTED,
        REDIRECTED,
        None,
    ]


def test_no_header_asks_for_nothing() -> None:
    assert seconds_of(None, NOW) is None
