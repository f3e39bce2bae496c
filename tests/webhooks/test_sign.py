"""Independent verifiers accept what we send, and refuse it when one byte is changed."""

import asyncio
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from jetpay.receiver import EventsMissing, NotGenuine, Receiver, new_events
from jetpay.security.encoding import b64url
from jetpay.security.keys import Purpose
from jetpay.security.signing import key_set, payload_hash, signing_key
from jetpay.webhooks import queries
from jetpay.webhooks.model import Webhook, mask
from jetpay.webhooks.prepare import prepare
from tests.webhooks.stage import Endpoint, Received, Stage

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
DOCUMENT = ROOT / "docs" / "webhooks.md"


async def delivered(stage: Stage, endpoint: Endpoint, **fields: Any) -> tuple[Webhook, Received]:
    webhook = await stage.register(endpoint.url, **fields)
    await stage.happen(2)
    await stage.tick()
    return webhook, endpoint.calls[0]


def published(stage: Stage) -> dict[str, Any]:
    keys = stage.keyring.published(Purpose.WEBHOOK_RS256, at=stage.clock.now())
    answer: dict[str, Any] = json.loads(json.dumps(key_set(keys)))
    return answer


def receiver_of(stage: Stage, **fields: Any) -> Receiver:
    company = fields.pop("company", str(stage.company_id))
    return Receiver(
        lambda: published(stage),
        company=company,
        clock=lambda: stage.clock.now().timestamp(),
        **fields,
    )


async def test_pyjwt_as_the_guide_uses_it_accepts_the_token(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook, call = await delivered(stage, endpoint)
    token = call.headers["Authorization"].removeprefix("Bearer ")
    keys = pyjwt.PyJWKSet.from_dict(published(stage))
    header = pyjwt.get_unverified_header(token)
    claims = pyjwt.decode(token, keys[header["kid"]], algorithms=["RS256"], issuer="jetpay")
    assert header["typ"] == "webhook+jwt"
    assert claims["sub"] == "webhook"
    assert claims["exp"] - claims["iat"] == 90
    assert claims["company"] == str(stage.company_id)
    assert claims["webhook"] == str(webhook.webhook_id)
    assert claims["payload_hash"] == payload_hash(call.body)
    assert "aud" not in claims


async def test_an_audience_is_sent_when_the_webhook_has_one(
    stage: Stage, endpoint: Endpoint
) -> None:
    _, call = await delivered(stage, endpoint, audience="https://shop.example")
    token = call.headers["Authorization"].removeprefix("Bearer ")
    key = pyjwt.PyJWKSet.from_dict(published(stage)).keys[0]
    with pytest.raises(pyjwt.InvalidAudienceError):
        pyjwt.decode(token, key, algorithms=["RS256"])
    pyjwt.decode(token, key, algorithms=["RS256"], audience="https://shop.example")
    receiver_of(stage, audience="https://shop.example").verify(f"Bearer {token}", call.body)
    with pytest.raises(NotGenuine, match="audience"):
        receiver_of(stage, audience="https://other.example").verify(f"Bearer {token}", call.body)


async def test_standard_webhooks_accepts_the_signature(stage: Stage, endpoint: Endpoint) -> None:
    webhook, call = await delivered(stage, endpoint)
    [secrets] = await queries.opened(stage.db, [webhook], vault=stage.vault)
    verifier = StandardWebhook(secrets.signing_secret.reveal())
    assert verifier.verify(call.body, dict(call.headers)) == call.content
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        headers = {**call.headers, name: changed_text(call.headers[name])}
        with pytest.raises(WebhookVerificationError):
            verifier.verify(call.body, headers)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(call.body.replace(b"requested", b"completed"), dict(call.headers))


def changed_text(text: str) -> str:
    middle = len(text) // 2
    other = "1" if text[middle] != "1" else "2"
    return text[:middle] + other + text[middle + 1 :]


async def test_the_receiver_kit_accepts_what_is_genuine(stage: Stage, endpoint: Endpoint) -> None:
    webhook, call = await delivered(stage, endpoint)
    delivery = receiver_of(stage).verify(call.headers["Authorization"], call.body)
    assert delivery.webhook == str(webhook.webhook_id)
    assert delivery.webhook_id == webhook.number
    assert [event["id"] for event in delivery.events] == [1, 2]


@pytest.mark.parametrize("position", [0, 20, -1])
async def test_the_receiver_kit_refuses_a_changed_byte_of_the_body(
    stage: Stage, endpoint: Endpoint, position: int
) -> None:
    _, call = await delivered(stage, endpoint)
    body = bytearray(call.body)
    body[position] ^= 1
    with pytest.raises(NotGenuine):
        receiver_of(stage).verify(call.headers["Authorization"], bytes(body))


async def test_the_receiver_kit_refuses_a_changed_byte_of_the_token(
    stage: Stage, endpoint: Endpoint
) -> None:
    _, call = await delivered(stage, endpoint)
    token = call.headers["Authorization"].removeprefix("Bearer ")
    for part in range(3):
        parts = token.split(".")
        parts[part] = changed_text(parts[part])
        with pytest.raises(NotGenuine):
            receiver_of(stage).verify(f"Bearer {'.'.join(parts)}", call.body)
    odd_key = b64url(b'{"alg":"RS256","typ":"webhook+jwt","kid":[]}')
    odd = f"Bearer {odd_key}.{token.partition('.')[2]}"
    for header in (None, "", "Bearer", token, f"Basic {token}", "Bearer a.b.c", odd):
        with pytest.raises(NotGenuine):
            receiver_of(stage).verify(header, call.body)


async def test_the_receiver_kit_refuses_an_old_token_and_a_foreign_one(
    stage: Stage, endpoint: Endpoint
) -> None:
    _, call = await delivered(stage, endpoint)
    with pytest.raises(NotGenuine, match="another company"):
        receiver_of(stage, company="other").verify(call.headers["Authorization"], call.body)
    stage.later(seconds=90 + 31)
    with pytest.raises(NotGenuine, match="expired"):
        receiver_of(stage).verify(call.headers["Authorization"], call.body)


async def test_the_receiver_kit_takes_no_token_of_another_kind(
    stage: Stage, endpoint: Endpoint
) -> None:
    """A receipt, or whatever else the same installation may sign one day."""
    _, call = await delivered(stage, endpoint)
    key = stage.keyring.active(Purpose.WEBHOOK_RS256)
    private = RSAKey.import_key(key.secret.reveal())
    kid = stage.keyring.key_id(Purpose.WEBHOOK_RS256)
    claims = pyjwt.decode(
        call.headers["Authorization"].removeprefix("Bearer "), options={"verify_signature": False}
    )
    for typ, more in (("receipt+jwt", {}), ("webhook+jwt", {"sub": "receipt"})):
        header = {"alg": "RS256", "kid": kid, "typ": typ}
        token = jwt.encode(header, claims | more, private)
        with pytest.raises(NotGenuine, match="not a webhook's"):
            receiver_of(stage).verify(f"Bearer {token}", call.body)


async def test_the_receiver_kit_fetches_keys_anew_for_an_unknown_one(
    stage: Stage, endpoint: Endpoint
) -> None:
    _, call = await delivered(stage, endpoint)
    answers: list[dict[str, Any]] = [{"keys": []}, published(stage)]
    receiver = Receiver(
        lambda: answers.pop(0),
        company=str(stage.company_id),
        clock=lambda: stage.clock.now().timestamp(),
    )
    for _ in range(2):  # the second time it does not ask again
        with pytest.raises(NotGenuine, match="unknown key"):
            receiver.verify(call.headers["Authorization"], call.body)
    stage.later(seconds=60)
    receiver.verify(call.headers["Authorization"], call.body)
    assert answers == []


def events(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number} for number in numbers]


def test_doubles_are_dropped_and_gaps_are_told() -> None:
    assert new_events(None, events(7, 8)) == events(7, 8)
    assert new_events(7, events(6, 7, 8)) == events(8)
    assert new_events(8, events(7, 8)) == []
    with pytest.raises(EventsMissing) as missing:
        new_events(8, events(10))
    assert (missing.value.last_event_id, missing.value.first_event_id) == (8, 10)
    with pytest.raises(EventsMissing):
        new_events(None, events(1, 3))


async def test_an_empty_batch_is_never_prepared(stage: Stage) -> None:
    webhook = await stage.register("https://example.com/")
    [secrets] = await queries.opened(stage.db, [webhook], vault=stage.vault)
    with pytest.raises(ValueError, match="never empty"):
        prepare(
            webhook,
            [],
            secrets,
            signing_key(stage.keyring),
            token_id=webhook.webhook_id,
            at=stage.clock.now(),
        )


async def test_a_prepared_batch_shows_no_secret(stage: Stage, endpoint: Endpoint) -> None:
    webhook, _ = await delivered(stage, endpoint)
    [secrets] = await queries.opened(stage.db, [webhook], vault=stage.vault)
    assert secrets.signing_secret.reveal() not in repr(replace(secrets))
    assert mask(secrets.signing_secret) == "…" + secrets.signing_secret.reveal()[-4:]
    assert mask(type(secrets.signing_secret)("short")) == "…"


async def test_the_kit_imports_nothing_of_the_server() -> None:
    script = "import sys, jetpay.receiver; print(*sys.modules)"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=SOURCE
    )
    said, _ = await process.communicate()
    modules = said.decode().split()
    heavy = {"aiohttp", "psycopg", "fastapi", "pydantic", "orjson"}
    assert [m for m in modules if m.startswith("jetpay.") or m in heavy] == ["jetpay.receiver"]


async def test_the_documents_example_works(stage: Stage, endpoint: Endpoint) -> None:
    _, call = await delivered(stage, endpoint)
    [example] = re.findall(r"```python\n(.+?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 - our own document
    names["receiver"] = receiver_of(stage)
    take, authorization = names["take"], call.headers["Authorization"]
    assert take(authorization, call.body, 1) == (200, call.content["events"][1:])
    assert take(authorization, call.body + b" ", 1) == (401, [])
