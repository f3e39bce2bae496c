"""The list of attempts tells what was answered, and no secret; and ends after 30 days."""

import html
import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from jetpay.security import dial, vetting
from jetpay.security.secrets import Secret
from jetpay.security.vetting import Target
from jetpay.webhooks import attempts as attempts_module
from jetpay.webhooks import retention
from jetpay.webhooks.excerpts import EXCERPT_BYTES, excerpt
from jetpay.webhooks.model import Attempt, Kind, Webhook
from jetpay.webhooks.prepare import CONTENT_TYPE
from tests.webhooks.stage import API_KEY, Endpoint, Received, Stage, make_company

SECRET = "whsec_" + b64encode(bytes([0xFB, 0xEF, 0xBE] * 8 + [*range(8)])).decode()
TOKEN = "eyJhbGciOi.eyJqdGkiOi.c2lnbmF0dXJl" + "a" * 40
KEY = "key/with+odd=characters&more"
SENT = [Secret(TOKEN), Secret(KEY), Secret(SECRET), None]
HIDDEN = [TOKEN, KEY, SECRET.removeprefix("whsec_")]


@pytest.mark.parametrize("secret", HIDDEN)
@pytest.mark.parametrize(
    "spell",
    [
        lambda value: value,
        lambda value: quote(value, safe=""),
        html.escape,
        lambda value: json.dumps({"a": value}),
        lambda value: value.replace("/", "\\/"),
        lambda value: f"Bearer {value}{value} {value}",
        lambda value: "x" * (EXCERPT_BYTES - 20) + value,
        lambda value: "x" * 100 + value[:-1],
        lambda value: "x" * 100 + value[:12],
    ],
)
def test_no_secret_is_kept_however_it_comes_back(secret: str, spell: Any) -> None:
    said = excerpt(spell(secret).encode(), SENT)
    for begins in range(len(secret) - 8):
        part = secret[begins : begins + 9]
        assert part not in said
        assert quote(part, safe="") not in said or quote(part, safe="") == part


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody here can reach the real one, of whose answers something may be kept."""

    async def vet(*asked: Any) -> Target:
        return replace(await vetting.vet(*asked), is_allowed_only=False)

    monkeypatch.setattr(dial, "vet", vet)


def test_an_answer_is_text_whatever_it_is() -> None:
    assert excerpt(b"", SENT) == ""
    assert excerpt(b"fine \xff\x00", SENT) == "fine \ufffd\x00"
    assert excerpt("é".encode() * 2_000, SENT) == "é" * (EXCERPT_BYTES // 2)


def test_other_tokens_go_as_well() -> None:
    assert excerpt(b"got eyJhbGciOiJSUzI1NiJ9.e30.abc-_ thanks", []) == "got ••• thanks"


@pytest.mark.usefixtures("loopback_is_public")
async def test_what_an_endpoint_says_is_sealed_and_shown(stage: Stage, endpoint: Endpoint) -> None:
    def echo(call: Received) -> web.Response:
        return web.Response(status=500, text=json.dumps(dict(call.headers)) + "sorry")

    endpoint.answer = echo
    webhook = await stage.register(endpoint.url, api_key=Secret(API_KEY))
    await stage.happen()
    await stage.tick()
    [attempt] = await stage.attempts(webhook)
    [call] = endpoint.calls
    assert (attempt.status, attempt.kind) == (500, Kind.LIVE)
    assert CONTENT_TYPE in attempt.answer
    assert attempt.answer.endswith("sorry")
    assert call.headers["webhook-id"] in attempt.answer
    for secret in (API_KEY, call.headers["Authorization"][7:]):
        assert secret not in attempt.answer
    assert "sorry" not in repr(attempt)
    async with stage.db.connection() as connection:
        cursor = await connection.execute(
            "select answer from webhook_attempt where webhook_id = %s", [webhook.webhook_id]
        )
        [[sealed]] = await cursor.fetchall()
    assert b"sorry" not in sealed


async def test_nothing_is_kept_of_what_a_private_address_says(
    stage: Stage, endpoint: Endpoint
) -> None:
    endpoint.answer = lambda _: web.Response(text="what only insiders know")
    webhook = await stage.register(endpoint.url)
    await stage.happen()
    await stage.tick()
    [attempt] = await stage.attempts(webhook)
    assert (attempt.status, attempt.answer) == (200, "")


async def test_attempts_are_paged_from_the_latest(stage: Stage, endpoint: Endpoint) -> None:
    webhook = await stage.register(endpoint.url)
    for _ in range(5):
        stage.later(seconds=1)
        await stage.happen()
        await stage.tick()
    seen: list[Attempt] = []
    while page := await page_after(stage, webhook, seen):
        seen += page
    assert [each.first_event_id for each in seen] == [5, 4, 3, 2, 1]


async def page_after(stage: Stage, webhook: Webhook, seen: list[Attempt]) -> list[Attempt]:
    return await attempts_module.attempts(
        stage.db,
        stage.company_id,
        webhook.webhook_id,
        after=seen[-1].attempt_id if seen else None,
        limit=2,
        vault=stage.vault,
    )


async def test_attempts_end_after_thirty_days(
    stage: Stage, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FORGOTTEN_AT_ONCE", 2)
    webhooks = []
    for company_id in [stage.company_id, await make_company(stage.db)]:
        each = stage.of(company_id)
        webhooks.append((each, await each.register(endpoint.url, max_batch_size=1)))
        await each.happen(5)
        await each.tick()
    stage.later(days=29, hours=23)
    for each, webhook in webhooks:
        await each.happen()
        await each.tick()
        await retention.forget_old(stage.db, now=stage.clock.now())
        assert len(await each.attempts(webhook)) == 6
    stage.clock.at += timedelta(hours=2)
    await retention.forget_old(stage.db, now=stage.clock.now())
    for each, webhook in webhooks:
        assert [one.first_event_id for one in await each.attempts(webhook)] == [6]
