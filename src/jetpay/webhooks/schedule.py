"""What follows from an attempt's outcome: delivered, tried again when, or given up; pure."""

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
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - 2xx


@dataclass(frozen=True, slots=True)
class Verdict:
    """`not_before`: when to try again; `failed`: why it is not tried again."""

    not_before: datetime | None = None
    failed: Reason | None = None


def judge(
    outcome: Outcome,
    *,
    failures: int,
    failing_since: datetime | None,
    at: datetime,
    jitter: float,
) -> Verdict:
    """`failures`: those in a row before this one; `jitter`: a random number from -1 to 1."""
    if outcome.is_success:
        return Verdict()
    if outcome.status == GONE:
        return Verdict(failed=Reason.GONE)
    if failing_since is not None and at - failing_since >= GIVE_UP_AFTER:
        return Verdict(failed=Reason.UNREACHABLE)
    asked = seconds_of(outcome.retry_after, at)
    if asked is None:
        pause = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)] * (1 + JITTER * jitter)
    else:
        pause = min(max(asked, BACK_OFF_SECONDS[0]), LONGEST_RETRY_AFTER_SECONDS)
    return Verdict(not_before=at + timedelta(seconds=pause))


def batch_through(outcome: Outcome, first_event_id: int, last_event_id: int) -> int:
    """The event that ends the batch at its next try: the same, or half of one too large."""
    if outcome.status == TOO_LARGE:
        return first_event_id + (last_event_id - first_event_id) // 2
    return last_event_id


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
