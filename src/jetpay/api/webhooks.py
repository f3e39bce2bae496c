"""The calls about webhooks: register, look, change, delete, and change the secret."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, Field
from starlette.requests import Request

from jetpay.api.auth import Caller, services_of
from jetpay.api.deliveries import EventId, Writer
from jetpay.api.fields import (
    LIST_DEFAULT,
    After,
    GuideTaken,
    IdempotencyKey,
    Identifier,
    Limit,
    Page,
    SecretText,
    Shown,
    Taken,
    Text,
    Time,
    refused,
)
from jetpay.api.frame import router
from jetpay.base.ids import WebhookId
from jetpay.idempotency import Once
from jetpay.security.fingerprints import RequestFingerprint
from jetpay.security.secrets import Secret
from jetpay.webhooks import actions, queries
from jetpay.webhooks.addresses import vet_callback
from jetpay.webhooks.model import (
    API_KEY_LENGTH,
    AUDIENCE_LENGTH,
    DEFAULT_BATCH_SIZE,
    DEFAULT_WAIT_SECONDS,
    MAX_BATCH_SIZE,
    MAX_WAIT_SECONDS,
    NewWebhook,
    Secrets,
    Start,
    Webhook,
    WebhookState,
    mask,
)

SECRETS_SHOWN_FOR: Final = timedelta(hours=24)
"""Answers to the registering call, sent again, show the secrets for so long."""
SECRETS: Final = ("callback_api_key", "signing_secret")

calls = router("Webhooks")


def _visible(value: Secret[str]) -> Secret[str]:
    key = value.reveal()
    if not (
        1 <= len(key) <= API_KEY_LENGTH and key.isascii() and key.isprintable() and " " not in key
    ):
        raise refused("wrong_form", f"A key has 1 to {API_KEY_LENGTH} visible characters.")
    return value


ApiKey = Annotated[SecretText, AfterValidator(_visible)]
Audience = Text(minimum=1, maximum=AUDIENCE_LENGTH)
BatchSize = Annotated[int, Field(ge=1, le=MAX_BATCH_SIZE)]
WaitSeconds = Annotated[int, Field(ge=0, le=MAX_WAIT_SECONDS)]
URL_EXAMPLE: Final = "https://example.com/webhooks/jetpay"


class WebhookTaken(GuideTaken):
    """A webhook to be registered; without `replay_from_…` it begins with the next event."""

    callback_url: Annotated[str, Field(min_length=1, examples=[URL_EXAMPLE])]
    callback_api_key: ApiKey | None = None
    max_batch_size: BatchSize = DEFAULT_BATCH_SIZE
    max_wait_seconds: WaitSeconds = DEFAULT_WAIT_SECONDS
    replay_from_event_id: EventId | None = None
    replay_from_timestamp: Time | None = None
    audience: Audience | None = None  # type: ignore[valid-type]


class WebhookChangeTaken(Taken):
    """What is to change; `null` takes the API key or the audience away."""

    callback_url: Annotated[str, Field(min_length=1)] | None = None
    callback_api_key: ApiKey | None = None
    max_batch_size: BatchSize | None = None
    max_wait_seconds: WaitSeconds | None = None
    replay_from_event_id: EventId | None = None
    replay_from_timestamp: Time | None = None
    audience: Audience | None = None  # type: ignore[valid-type]
    state: Literal["active"] | None = None

    def wanted(self) -> dict[str, object]:
        """The changed fields by column; what cannot be null is not changed by null."""
        plain = self.given()
        names = ("callback_url", "max_batch_size", "max_wait_seconds")
        changed = {name: plain[name] for name in names if name in plain}
        if "audience" in self.model_fields_set:
            changed["audience"] = self.audience
        if "callback_api_key" in self.model_fields_set:
            changed["api_key"] = self.callback_api_key
        return changed


class WebhookGiven(Shown):
    """A webhook. Both secrets are in clear only in the answer that registered it."""

    id: int
    identifier: UUID
    callback_url: str
    callback_api_key: str | None
    state: WebhookState
    last_sent_event_id: int | None
    max_batch_size: int
    max_wait_seconds: int
    audience: str | None
    signing_secret: str
    created_at: Time


class WebhooksGiven(Page[WebhookGiven]):
    """A page of webhooks."""


class OkGiven(Shown):
    """It is done."""

    ok: Literal[True] = True


@calls.post("/webhooks/", status_code=201)
async def create_webhook(
    request: Request, caller: Writer, taken: WebhookTaken, key: IdempotencyKey = None
) -> WebhookGiven:
    """Register a webhook. The answer alone shows its secrets; keep them."""
    services = services_of(request)
    await _vet(request, caller, taken.callback_url)
    new = NewWebhook(
        callback_url=taken.callback_url,
        api_key=taken.callback_api_key,
        audience=taken.audience,
        max_batch_size=taken.max_batch_size,
        max_wait_seconds=taken.max_wait_seconds,
        start=_start(taken.replay_from_event_id, taken.replay_from_timestamp),
    )
    once = _once(request, key, "create_webhook", _LAYOUT, _fields(taken))
    now = services.clock.now()
    made = await actions.register(
        services.db, caller.company_id, new, vault=services.vault, once=once, now=now
    )
    services.wake.announce([caller.company_id])
    is_new = now - made.created_at <= SECRETS_SHOWN_FOR
    return (await _given(request, [made], clear=SECRETS if is_new else ()))[0]


@calls.get("/webhooks/")
async def list_webhooks(
    request: Request, caller: Writer, limit: Limit = LIST_DEFAULT, after: After = None
) -> WebhooksGiven:
    """The company's webhooks, oldest first."""
    found = await queries.webhooks(
        services_of(request).db, caller.company_id, after=after, limit=limit + 1
    )
    return WebhooksGiven.of(await _given(request, found), lambda each: each, limit=limit)


@calls.get("/webhooks/{identifier}")
async def get_webhook(request: Request, caller: Writer, identifier: Identifier) -> WebhookGiven:
    """One webhook with its state."""
    db = services_of(request).db
    found = await queries.webhook(db, caller.company_id, WebhookId(identifier))
    return (await _given(request, [found]))[0]


@calls.patch("/webhooks/{identifier}")
async def change_webhook(
    request: Request, caller: Writer, identifier: Identifier, taken: WebhookChangeTaken
) -> WebhookGiven:
    """Change fields. `"state": "active"` revives a failed webhook where it stopped."""
    services = services_of(request)
    if taken.callback_url is not None:
        await _vet(request, caller, taken.callback_url)
    changed = await actions.change(
        services.db,
        caller.company_id,
        WebhookId(identifier),
        taken.wanted(),
        start=_start(taken.replay_from_event_id, taken.replay_from_timestamp),
        revive=taken.state is not None,
        vault=services.vault,
        now=services.clock.now(),
    )
    services.wake.announce([caller.company_id])
    return (await _given(request, [changed]))[0]


@calls.delete("/webhooks/{identifier}")
async def delete_webhook(request: Request, caller: Writer, identifier: Identifier) -> OkGiven:
    """Stop sending; events stay readable by `GET /events`."""
    services = services_of(request)
    await actions.delete(
        services.db, caller.company_id, WebhookId(identifier), at=services.clock.now()
    )
    return OkGiven()


@calls.post("/webhooks/{identifier}/rotate-secret")
async def rotate_webhook_secret(
    request: Request, caller: Writer, identifier: Identifier, key: IdempotencyKey = None
) -> WebhookGiven:
    """Sign with a new secret, shown here alone, and for 24 hours with the old one as well."""
    services = services_of(request)
    now = services.clock.now()
    once = _once(request, key, "rotate_webhook_secret", _ROTATED, {"webhook": identifier})
    made = await actions.rotate_secret(
        services.db,
        caller.company_id,
        WebhookId(identifier),
        vault=services.vault,
        once=once,
        now=now,
    )
    is_new = made.previous_until is not None and made.previous_until > now
    return (await _given(request, [made], clear=("signing_secret",) if is_new else ()))[0]


async def _vet(request: Request, caller: Caller, callback_url: str) -> None:
    services = services_of(request)
    await vet_callback(
        services.db,
        services.dialler,
        services.settings,
        caller.company_id,
        callback_url,
        sandbox=caller.sandbox,
    )


def _start(event_id: int | None, at: datetime | None) -> Start:
    return Start(from_event_id=event_id, from_time=at)


_LAYOUT: Final = RequestFingerprint(tuple(WebhookTaken.model_fields))
_ROTATED: Final = RequestFingerprint(("webhook",))


def _once(
    request: Request,
    key: str | None,
    operation: str,
    layout: RequestFingerprint,
    fields: dict[str, Any],
) -> Once | None:
    if key is None:
        return None
    services = services_of(request)
    return Once(
        operation=operation,
        key=key,
        layout=layout,
        fields=fields,
        keyring=services.keyring,
        now=services.clock.now(),
    )


def _fields(taken: WebhookTaken) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(taken, name) for name in WebhookTaken.model_fields}
    if taken.replay_from_timestamp is not None:
        fields["replay_from_timestamp"] = taken.replay_from_timestamp.isoformat()
    return fields


async def _given(
    request: Request, webhooks: list[Webhook], *, clear: Collection[str] = ()
) -> list[WebhookGiven]:
    services = services_of(request)
    secrets = await queries.opened(services.db, webhooks, vault=services.vault)
    return [_shown(each, of, clear) for each, of in zip(webhooks, secrets, strict=True)]


def _shown(webhook: Webhook, secrets: Secrets, clear: Collection[str]) -> WebhookGiven:
    def said(name: str, secret: Secret[str] | None) -> str | None:
        return secret.reveal() if name in clear and secret is not None else mask(secret)

    return WebhookGiven(
        id=webhook.number,
        identifier=webhook.webhook_id,
        callback_url=webhook.callback_url,
        callback_api_key=said("callback_api_key", secrets.api_key),
        state=webhook.state,
        last_sent_event_id=webhook.last_sent_event_id,
        max_batch_size=webhook.max_batch_size,
        max_wait_seconds=webhook.max_wait_seconds,
        audience=webhook.audience,
        signing_secret=str(said("signing_secret", secrets.signing_secret)),
        created_at=webhook.created_at,
    )
