"""What our signatures say, and that changing a secret or a key breaks no receiver."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt as pyjwt
import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from jetpay.security.keys import Purpose
from jetpay.security.rotation import maintain, rotate
from jetpay.security.signing import key_set, payload_hash, signing_key
from jetpay.webhooks import actions, queries
from jetpay.webhooks.model import Webhook, mask
from jetpay.webhooks.prepare import prepare
from jetpay.webhooks.refusals import SecretChangedLately
from jetpay.webhooks.retention import forget_old
from tests.webhooks.stage import Endpoint, Received, Stage

ANY_TIME: Any = {"verify_exp": False, "verify_iat": False}


async def delivered(stage: Stage, endpoint: Endpoint, **fields: Any) -> tuple[Webhook, Received]:
    webhook = await stage.register(endpoint.url, **fields)
    await stage.happen(2)
    await stage.tick()
    return webhook, endpoint.calls[0]


def published(stage: Stage) -> pyjwt.PyJWKSet:
    keys = stage.keyring.published(Purpose.WEBHOOK_RS256, at=stage.clock.now())
    return pyjwt.PyJWKSet.from_dict(json.loads(json.dumps(key_set(keys))))


def token_of(call: Received) -> str:
    return call.headers["Authorization"].removeprefix("Bearer ")


async def secret_of(stage: Stage, webhook: Webhook) -> str:
    [secrets] = await queries.opened(stage.db, [await stage.webhook(webhook)], vault=stage.vault)
    return secrets.signing_secret.reveal()


async def rotate_secret(stage: Stage, webhook: Webhook) -> str:
    await actions.rotate_secret(
        stage.db,
        stage.company_id,
        webhook.webhook_id,
        vault=stage.vault,
        now=stage.clock.now(),
    )
    return await secret_of(stage, webhook)


async def test_the_token_says_who_calls_whom_with_what(stage: Stage, endpoint: Endpoint) -> None:
    webhook, call = await delivered(stage, endpoint)
    header = pyjwt.get_unverified_header(token_of(call))
    key = published(stage)[header["kid"]]
    claims = pyjwt.decode(token_of(call), key, algorithms=["RS256"], issuer="jetpay")
    assert header["typ"] == "webhook+jwt"
    assert claims["sub"] == "webhook"
    assert claims["exp"] - claims["iat"] == 90
    assert claims["company"] == str(stage.company_id)
    assert claims["webhook"] == str(webhook.webhook_id)
    assert claims["payload_hash"] == payload_hash(call.body)
    assert "aud" not in claims
    [attempt] = await stage.attempts(webhook)
    assert claims["jti"] == str(attempt.attempt_id)
    assert call.headers["webhook-id"] == str(attempt.batch_id)


async def test_an_audience_is_sent_when_the_webhook_has_one(
    stage: Stage, endpoint: Endpoint
) -> None:
    _, call = await delivered(stage, endpoint, audience="https://shop.example")
    key = published(stage).keys[0]
    with pytest.raises(pyjwt.InvalidAudienceError):
        pyjwt.decode(token_of(call), key, algorithms=["RS256"])
    pyjwt.decode(token_of(call), key, algorithms=["RS256"], audience="https://shop.example")


async def test_for_a_day_both_secrets_are_good(stage: Stage, endpoint: Endpoint) -> None:
    webhook, _ = await delivered(stage, endpoint)
    old = await secret_of(stage, webhook)
    new = await rotate_secret(stage, webhook)
    assert old != new
    for hours, signatures in ((0, 2), (23, 2), (1, 1)):
        stage.later(hours=hours)
        await stage.happen()
        await stage.tick()
        call = endpoint.calls[-1]
        said = call.headers["webhook-signature"].split(" ")
        # Its own clock is the real one, the signature's is the stage's.
        verifiers = [StandardWebhook(secret) for secret in (new, old)]
        good = [
            verifier.sign(call.headers["webhook-id"], stage.clock.now(), call.body.decode())
            for verifier in verifiers
        ]
        assert said == good[:signatures]


async def test_a_secret_is_not_changed_again_before_the_day_is_over(
    stage: Stage, endpoint: Endpoint
) -> None:
    webhook, _ = await delivered(stage, endpoint)
    await rotate_secret(stage, webhook)
    stage.later(hours=23)
    with pytest.raises(SecretChangedLately):
        await rotate_secret(stage, webhook)
    await forget_old(stage.db, now=stage.clock.now())
    assert (await stage.webhook(webhook)).previous_secret is not None
    stage.later(hours=1)
    await forget_old(stage.db, now=stage.clock.now())
    assert (await stage.webhook(webhook)).previous_secret is None
    await rotate_secret(stage, webhook)


async def test_a_receiver_with_the_keys_of_yesterday_verifies_through_a_rotation(
    stage: Stage, endpoint: Endpoint
) -> None:
    """It fetches the set once a day and never in between."""
    await stage.register(endpoint.url)
    kids = set()
    began = stage.clock.now()
    fetched = published(stage)
    await rotate(stage.db, stage.keyring, Purpose.WEBHOOK_RS256, at=began)
    for hour in range(1, 100):
        stage.clock.at = began + timedelta(hours=hour)
        await maintain(stage.db, stage.keyring, at=stage.clock.at)
        await stage.happen()
        await stage.tick()
        token = token_of(endpoint.calls[-1])
        kids.add(pyjwt.get_unverified_header(token)["kid"])
        key = fetched[pyjwt.get_unverified_header(token)["kid"]]
        pyjwt.decode(token, key, algorithms=["RS256"], options=ANY_TIME)
        if hour % 24 == 23:
            fetched = published(stage)
    assert len(kids) == 2
    assert len(fetched.keys) == 1


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
    webhook, call = await delivered(stage, endpoint)
    [secrets] = await queries.opened(stage.db, [webhook], vault=stage.vault)
    secret = secrets.signing_secret
    assert secret.reveal() not in repr(replace(secrets))
    assert mask(secret) == "…" + secret.reveal()[-4:]
    assert mask(type(secret)("short")) == "…"
    verifier = StandardWebhook(secret.reveal())
    assert verifier.verify(call.body, dict(call.headers)) == call.content
    with pytest.raises(WebhookVerificationError):
        verifier.verify(call.body + b" ", dict(call.headers))
