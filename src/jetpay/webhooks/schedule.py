"""What follows from a call's outcome: taken, tried again when, or given up; pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

BACK_OFF_SECONDS: Final = (5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600)
"""After the first, second … failure in a row; the last one for all that follow."""
JITTER: Final = 0.2
LONGEST_RETRY_AFTER_SECONDS: Final = 3_600
GIVE_UP_AFTER: Final = timedelta(days=5)
GONE: Final = 410
TOO_LARGE: Final = 413
REDIRECTED: Final = "Redirects are not followed."
HALVED: Final = "The batch was too large for the endpoint; the next call has half of it."
ONE_TOO_LARGE: Final = "A single event is too large for the endpoint; it is tried again later."


class Reason(StrEnum):
    """Why a webhook has failed, as in the event `webhooks.failed`."""

    GONE = "gone"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status`: none when no answer came, and then `error` says why in words."""

    status: int | None
    retry_after: str | None = None
    error: str | None = None

    @property
    def is_success(self) -> bool:
        """Any 2xx; a redirect is none."""
        return self.error is None and self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - 2xx

    @property
    def is_redirect(self) -> bool:
        return self.status is not None and 300 <= self.status < 400  # noqa: PLR2004 - 3xx


@dataclass(frozen=True, slots=True)
class Batch:
    """The events that were sent, none in a test; how many the endpoint takes; failures so far."""

    first: int | None
    last: int | None
    fits: int | None = None
    failures: int = 0
    failing_since: datetime | None = None

    @property
    def events(self) -> int:
        return 0 if self.first is None or self.last is None else self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """`not_before`: when the next call may be; `failed`: why there is none.

    `through`: the event that ends the batch when it goes again; `fits`: the most events of one.
    """

    not_before: datetime
    is_failure: bool = False
    failed: Reason | None = None
    through: int | None = None
    fits: int | None = None
    error: str | None = None


def judge(outcome: Outcome, batch: Batch, *, at: datetime, jitter: float, maximum: int) -> Verdict:
    """`jitter`: a random number from -1 to 1; `maximum`: as many events as a batch ever has."""
    if outcome.is_success:
        return Verdict(at, fits=_grown(batch, maximum))
    asked = seconds_of(outcome.retry_after, at)
    if outcome.status == TOO_LARGE and batch.events > 1:
        return _halved(batch, at + timedelta(seconds=_pause_of(asked or 0)))
    is_over = batch.failing_since is not None and at - batch.failing_since >= GIVE_UP_AFTER
    failed = Reason.GONE if outcome.status == GONE else Reason.UNREACHABLE if is_over else None
    step = BACK_OFF_SECONDS[min(batch.failures, len(BACK_OFF_SECONDS) - 1)]
    pause = step * (1 + JITTER * jitter)
    if asked is not None:
        pause = _pause_of(max(asked, BACK_OFF_SECONDS[0]))
    return Verdict(
        not_before=at + timedelta(seconds=pause),
        is_failure=True,
        failed=failed,
        through=batch.last,
        fits=batch.fits,
        error=in_words(outcome),
    )


def _grown(batch: Batch, maximum: int) -> int | None:
    """What an endpoint has once found too large, it may take one day: one more at a time."""
    if batch.fits is None or batch.events < batch.fits:
        return batch.fits
    return batch.fits + 1 if batch.fits < maximum else None


def _halved(batch: Batch, not_before: datetime) -> Verdict:
    assert batch.first is not None
    half = batch.events // 2
    return Verdict(not_before, through=batch.first + half - 1, fits=half, error=HALVED)


def in_words(outcome: Outcome) -> str | None:
    """What went wrong, where the status alone does not tell."""
    if outcome.error is not None:
        return outcome.error
    if outcome.status == TOO_LARGE:
        return ONE_TOO_LARGE
    return REDIRECTED if outcome.is_redirect else None


def _pause_of(asked: float) -> float:
    return min(asked, LONGEST_RETRY_AFTER_SECONDS)


def seconds_of(retry_after: str | None, at: datetime) -> float | None:
    """What a `Retry-After` header asks for, in seconds or as a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - at).total_seconds())
