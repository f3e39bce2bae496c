"""What a webhook is, what is asked of one, and what one delivery attempt was."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from jetpay.base.ids import CompanyId, WebhookId
from jetpay.security.secrets import Secret

WEBHOOKS_PER_COMPANY: Final = 20
MAX_BATCH_SIZE: Final = 100
DEFAULT_BATCH_SIZE: Final = 10
MAX_WAIT_SECONDS: Final = 3_600
DEFAULT_WAIT_SECONDS: Final = 60
API_KEY_LENGTH: Final = 256
AUDIENCE_LENGTH: Final = 200
BOTH_SECRETS: Final = timedelta(hours=24)
"""So long the secret before signs beside the new one."""

TABLE: Final = "webhook"
API_KEY: Final = "api_key"
SIGNING_SECRET: Final = "signing_secret"  # noqa: S105 - a column's name
MASK_SHOWS_FROM: Final = 12
"""A shorter secret would be half told by its last four characters."""


class WebhookState(StrEnum):
    """As shown; stored are only `active` and `failed`, the others are seen from the rest."""

    ACTIVE = "active"
    SCHEDULED = "scheduled"
    DISPATCHING = "dispatching"
    BACKING_OFF = "backing_off"
    FAILED = "failed"


class Kind(StrEnum):
    """What a call is for."""

    LIVE = "live"
    REPLAY = "replay"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Webhook:
    """`number`: the small `webhookId` of the wire. The secrets are sealed.

    `last_event_id`: the company's highest; `is_leased`: a call is under way; `is_unproved`: its
    address has to answer a test first; `replay_failures`: none when nothing is replayed.
    """

    company_id: CompanyId
    webhook_id: WebhookId
    number: int
    callback_url: str
    api_key: bytes | None
    signing_secret: bytes
    previous_secret: bytes | None
    previous_until: datetime | None
    audience: str | None
    max_batch_size: int
    max_wait_seconds: int
    stored_state: str
    start_after: int
    last_sent_event_id: int | None
    failures: int
    created_at: datetime
    is_leased: bool
    last_event_id: int
    sandbox: bool
    is_unproved: bool
    replay_failures: int | None

    @property
    def cursor(self) -> int:
        """Every event up to this one was delivered, or is not wanted."""
        return self.start_after if self.last_sent_event_id is None else self.last_sent_event_id

    @property
    def state(self) -> WebhookState:
        """What the contract shows."""
        if self.stored_state == WebhookState.FAILED:
            return WebhookState.FAILED
        if self.is_leased:
            return WebhookState.DISPATCHING
        if self.failures or self.replay_failures:
            return WebhookState.BACKING_OFF
        is_behind = self.last_event_id > self.cursor or self.replay_failures is not None
        return WebhookState.SCHEDULED if is_behind or self.is_unproved else WebhookState.ACTIVE


@dataclass(frozen=True, slots=True)
class Secrets:
    """A webhook's secrets, opened; `previous` signs, too, while it is there."""

    api_key: Secret[str] | None
    signing_secret: Secret[str]
    previous: Secret[str] | None


@dataclass(frozen=True, slots=True)
class Start:
    """Where delivery begins; nothing given: with the next event. At most one may be given.

    `prefix`: of the names that the caller knows these by.
    """

    from_event_id: int | None = None
    from_time: datetime | None = None
    prefix: str = "replay_from"

    @property
    def is_given(self) -> bool:
        return self.from_event_id is not None or self.from_time is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    """`callback_url` was vetted."""

    callback_url: str
    api_key: Secret[str] | None = None
    audience: str | None = None
    max_batch_size: int = DEFAULT_BATCH_SIZE
    max_wait_seconds: int = DEFAULT_WAIT_SECONDS
    start: Start = Start()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST. `attempt_id` is the token's `jti`; a test has no events.

    `error`: in words, also where a status says it; `answer`: its beginning, without our secrets.
    """

    attempt_id: UUID
    kind: Kind
    batch_id: UUID
    first_event_id: int | None
    last_event_id: int | None
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    answer: str = field(repr=False)


Change = Mapping[str, object]
"""The fields of a webhook that are to change, by column; `api_key` is a `Secret` or None."""


def mask(secret: Secret[str] | None) -> str | None:
    """`…` and the last four characters, which tell two secrets apart."""
    if secret is None:
        return None
    value = secret.reveal()
    return "…" + (value[-4:] if len(value) >= MASK_SHOWS_FROM else "")
