"""A call as it goes over the wire: body, token, signature and headers; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID, uuid5

import orjson

from jetpay.base.ids import CompanyId, WebhookId
from jetpay.events.model import SYSTEM, Event, EventType
from jetpay.events.payload import payload
from jetpay.security.secrets import Secret
from jetpay.security.signing import SigningKey, standard_headers, webhook_token
from jetpay.webhooks.model import Secrets

CONTENT_TYPE: Final = "application/json"
REPLAY_HEADER: Final = "X-Jetpay-Replay"
BATCH_BYTES: Final = 65_536
"""A body is not longer, unless one event alone is; 100 usual ones take half of it."""
ENVELOPE_BYTES: Final = 40
NO_EVENT: Final = 0
"""The number of a test, which is no event: no receiver has it, none misses it."""


class Addressee(Protocol):
    """What a call must know of its webhook."""

    @property
    def company_id(self) -> CompanyId: ...
    @property
    def webhook_id(self) -> WebhookId: ...
    @property
    def number(self) -> int: ...
    @property
    def audience(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Replayed:
    """Which events somebody asked for; `replay_id`: none when they are sent for the first time."""

    first_event_id: int
    last_event_id: int
    replay_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call ready to be made within the token's 90 seconds; a test has no events."""

    token_id: UUID
    batch_id: UUID
    first_event_id: int | None
    last_event_id: int | None
    body: bytes
    headers: Secret[Mapping[str, str]]

    @property
    def token(self) -> Secret[str]:
        """What is in `Authorization`."""
        return Secret(self.headers.reveal()["Authorization"].removeprefix("Bearer "))


def prepare(
    webhook: Addressee,
    events: Sequence[Event],
    secrets: Secrets,
    key: SigningKey,
    *,
    token_id: UUID,
    at: datetime,
    replayed: Replayed | None = None,
) -> Prepared:
    """As many as fit of the events: at least one, ascending. `at`: real time."""
    if not events:
        message = "a batch is never empty"
        raise ValueError(message)
    body, taken = render(webhook.number, events)
    first, last = events[0].event_id, events[taken - 1].event_id
    # The same events again are the same message, so retries and crashes keep its id; a replay is
    # meant to be taken once more.
    again = replayed.replay_id if replayed else None
    batch_id = uuid5(again or webhook.webhook_id, f"{first}-{last}")
    headers = _headers(webhook, secrets, key, body, token_id=token_id, batch_id=batch_id, at=at)
    if replayed is not None:
        headers[REPLAY_HEADER] = f"{replayed.first_event_id}-{replayed.last_event_id}"
    return Prepared(token_id, batch_id, first, last, body, Secret(headers))


def prepare_test(
    webhook: Addressee,
    secrets: Secrets,
    key: SigningKey,
    *,
    token_id: UUID,
    created_at: datetime,
    at: datetime,
) -> Prepared:
    """`created_at`: the company's time; `at`: real time."""
    test = Event(
        company_id=webhook.company_id,
        event_id=NO_EVENT,
        created_at=created_at,
        type=EventType.WEBHOOK_TEST,
        subject_id=webhook.webhook_id,
        from_state=None,
        to_state=None,
        because=None,
        actor_kind=SYSTEM.kind,
        actor_id=None,
        data=None,
    )
    body, _ = render(webhook.number, [test])
    headers = _headers(webhook, secrets, key, body, token_id=token_id, batch_id=token_id, at=at)
    return Prepared(token_id, token_id, None, None, body, Secret(headers))


def render(number: int, events: Sequence[Event]) -> tuple[bytes, int]:
    """The body, to the byte what is hashed and signed, and how many of the events are in it."""
    rendered: list[bytes] = []
    size = ENVELOPE_BYTES
    for event in events:
        one = orjson.dumps(payload(event))
        size += len(one) + 1
        if rendered and size > BATCH_BYTES:
            break
        rendered.append(one)
    body = b'{"webhookId":%d,"events":[%b]}' % (number, b",".join(rendered))
    return body, len(rendered)


def _headers(
    webhook: Addressee,
    secrets: Secrets,
    key: SigningKey,
    body: bytes,
    *,
    token_id: UUID,
    batch_id: UUID,
    at: datetime,
) -> dict[str, str]:
    token = webhook_token(
        key,
        body=body,
        company_id=webhook.company_id,
        webhook_id=webhook.webhook_id,
        audience=webhook.audience,
        token_id=token_id,
        at=at,
    )
    standard = standard_headers(
        secrets.signing_secret,
        message_id=str(batch_id),
        at=at,
        body=body,
        previous=secrets.previous,
    )
    headers = {"Content-Type": CONTENT_TYPE, "Authorization": f"Bearer {token}", **standard}
    if secrets.api_key is not None:
        headers["X-API-Key"] = secrets.api_key.reveal()
    return headers
