"""A batch as it goes over the wire: body, token, signature and headers; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid5

import orjson

from jetpay.base.ids import CompanyId, WebhookId
from jetpay.events.model import Event
from jetpay.events.payload import payload
from jetpay.security.secrets import Secret
from jetpay.security.signing import SigningKey, standard_headers, webhook_token
from jetpay.webhooks.model import Secrets

CONTENT_TYPE = "application/json"


class Addressee(Protocol):
    """What a batch must know of its webhook."""

    @property
    def company_id(self) -> CompanyId: ...
    @property
    def webhook_id(self) -> WebhookId: ...
    @property
    def number(self) -> int: ...
    @property
    def audience(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch ready to be sent within the token's 90 seconds."""

    batch_id: UUID
    first_event_id: int
    last_event_id: int
    body: bytes
    headers: Secret[Mapping[str, str]]


def prepare(
    webhook: Addressee,
    events: Sequence[Event],
    secrets: Secrets,
    key: SigningKey,
    *,
    token_id: UUID,
    at: datetime,
) -> Prepared:
    """`events`: at least one, ascending; `at`: real time, whatever a sandbox's clock says."""
    if not events:
        message = "a batch is never empty"
        raise ValueError(message)
    body = render(webhook.number, events)
    first, last = events[0].event_id, events[-1].event_id
    # The same events again are the same message: retries and crashes keep its id.
    batch_id = uuid5(webhook.webhook_id, f"{first}-{last}")
    token = webhook_token(
        key,
        body=body,
        company_id=webhook.company_id,
        webhook_id=webhook.webhook_id,
        audience=webhook.audience,
        token_id=token_id,
        at=at,
    )
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Authorization": f"Bearer {token}",
        **standard_headers(secrets.signing_secret, message_id=str(batch_id), at=at, body=body),
    }
    if secrets.api_key is not None:
        headers["X-API-Key"] = secrets.api_key.reveal()
    return Prepared(batch_id, first, last, body, Secret(headers))


def render(number: int, events: Sequence[Event]) -> bytes:
    """The body, to the byte what is hashed and signed."""
    return orjson.dumps({"webhookId": number, "events": [payload(event) for event in events]})
