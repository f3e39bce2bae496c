"""Making one call of a webhook's URL, and what is kept of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from jetpay.base.ids import WebhookId
from jetpay.security.address_table import AllowedNetwork
from jetpay.security.dial import Dialler, DialRefused, Unreachable
from jetpay.webhooks.excerpts import excerpt
from jetpay.webhooks.model import Attempt, Kind, Secrets
from jetpay.webhooks.prepare import Prepared
from jetpay.webhooks.schedule import Outcome


class Called(Protocol):
    """Whom to call."""

    @property
    def webhook_id(self) -> WebhookId: ...
    @property
    def callback_url(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was made. `accepted`: what the endpoint said in `X-Jetpay-Accept`."""

    prepared: Prepared
    kind: Kind
    at: datetime
    duration_ms: int
    outcome: Outcome
    answer: str = ""
    accepted: str | None = None

    def attempt(self, error: str | None) -> Attempt:
        """What is kept of it; `error`: what went wrong, in words."""
        return Attempt(
            attempt_id=self.prepared.token_id,
            kind=self.kind,
            batch_id=self.prepared.batch_id,
            first_event_id=self.prepared.first_event_id,
            last_event_id=self.prepared.last_event_id,
            at=self.at,
            duration_ms=self.duration_ms,
            status=self.outcome.status,
            error=error,
            answer=self.answer,
        )


async def call(
    dialler: Dialler,
    webhook: Called,
    prepared: Prepared,
    secrets: Secrets,
    *,
    kind: Kind,
    allowed: Sequence[AllowedNetwork],
    at: datetime,
) -> Call:
    """One POST; whatever the other side does is an outcome.

    Raises `DestinationBusy` when the address gets too many calls: nothing was sent.
    """
    began = time.perf_counter()

    def ended(outcome: Outcome, answer: str = "", accepted: str | None = None) -> Call:
        duration_ms = round((time.perf_counter() - began) * 1000)
        return Call(prepared, kind, at, duration_ms, outcome, answer, accepted)

    try:
        answer = await dialler.post(
            webhook.webhook_id,
            webhook.callback_url,
            allowed=allowed,
            body=prepared.body,
            headers=prepared.headers,
        )
    except (DialRefused, Unreachable) as error:
        return ended(Outcome(None, error=str(error)))
    sent = [prepared.token, secrets.api_key, secrets.signing_secret, secrets.previous]
    kept = excerpt(answer.body, sent)
    return ended(Outcome(answer.status, answer.retry_after), kept, answer.accepted)
