"""Why something cannot be done with a webhook."""

from jetpay.base.refusals import Conflict, FieldError, Invalid
from jetpay.webhooks.model import Start


class TooManyWebhooks(Conflict):
    """A company's webhooks are counted, so that nobody floods us or others."""

    code = "too_many_webhooks"
    title = "Too many webhooks"
    sentence = "This company has {limit} webhooks already; delete one before adding another."


class SecretChangedLately(Conflict):
    """A third secret would end the first one before its day is over."""

    code = "secret_changed_lately"
    title = "The secret was changed lately"
    sentence = "The secret before this one is valid until {until}; then it can be changed again."


class ReplayUnderWay(Conflict):
    """One at a time for each company."""

    code = "replay_under_way"
    title = "A replay is under way"
    sentence = "Events are being sent again to the webhook {webhook}; that must end first."


def refused_url(code: str, message: str) -> Invalid:
    """The callback URL cannot be called; the codes are those of `DialRefused`."""
    return Invalid([FieldError("callback_url", code, message)])


def url_taken() -> Invalid:
    """The company has a webhook with this URL already."""
    message = "Another webhook of this company has this URL."
    return Invalid([FieldError("callback_url", "taken", message)])


def start_out_of_range(start: Start, last: int) -> Invalid:
    """The place to start from lies beyond `last`."""
    by_number = f"This must be between 1 and {last}." if last else "No event was sent yet."
    by_time = "No event of this time or later can be sent again."
    if start.from_time is not None:
        return Invalid([FieldError(f"{start.prefix}_timestamp", "out_of_range", by_time)])
    return Invalid([FieldError(f"{start.prefix}_event_id", "out_of_range", by_number)])


def two_starts(start: Start) -> Invalid:
    """Only one place to start from."""
    message = f"Give either {start.prefix}_event_id or {start.prefix}_timestamp, not both."
    return Invalid([FieldError(f"{start.prefix}_timestamp", "not_both", message)])


def no_start(start: Start) -> Invalid:
    """A replay must begin somewhere."""
    message = f"Give {start.prefix}_event_id or {start.prefix}_timestamp."
    return Invalid([FieldError(f"{start.prefix}_event_id", "required", message)])
