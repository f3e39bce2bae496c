"""Why something cannot be done with a webhook."""

from jetpay.base.refusals import Conflict, FieldError, Invalid


class TooManyWebhooks(Conflict):
    """A company's webhooks are counted, so that nobody floods us or others."""

    code = "too_many_webhooks"
    title = "Too many webhooks"
    sentence = "This company has {limit} webhooks already; delete one before adding another."


class WebhookHasFailed(Conflict):
    """It must be revived first."""

    code = "webhook_failed"
    title = "This webhook has failed"
    sentence = 'This webhook has failed; set its state to "active" to revive it first.'


def refused_url(code: str, message: str) -> Invalid:
    """The callback URL cannot be called; the codes are those of `DialRefused`."""
    return Invalid([FieldError("callback_url", code, message)])


def url_taken() -> Invalid:
    """The company has a webhook with this URL already."""
    message = "Another webhook of this company has this URL."
    return Invalid([FieldError("callback_url", "taken", message)])


def start_out_of_range(last_event_id: int) -> Invalid:
    """`replay_from_event_id` lies beyond the next event."""
    message = f"This must be between 1 and {last_event_id + 1}, the number of the next event."
    return Invalid([FieldError("replay_from_event_id", "out_of_range", message)])


def two_starts() -> Invalid:
    """Only one place to start from."""
    message = "Give either replay_from_event_id or replay_from_timestamp, not both."
    return Invalid([FieldError("replay_from_timestamp", "not_both", message)])
