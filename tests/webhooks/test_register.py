"""Registering, changing and deleting webhooks, by the actions and over the API."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from jetpay.api import deliveries as deliveries_api
from jetpay.api import events as events_api
from jetpay.api import jwks as jwks_api
from jetpay.api import webhooks as webhooks_api
from jetpay.api.frame import frame
from jetpay.base.ids import uuid7
from jetpay.security.tokens import make_api_token, parse_api_token
from tests.patience import PATIENCE_SECONDS
from tests.webhooks.stage import API_KEY, Endpoint, Stage, make_company

SCOPES = ["webhooks", "events:read"]


@pytest.fixture
async def api(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """Our calls alone, with a token for the stage's company."""
    app = FastAPI(openapi_url=None)
    frame(app, stage.settings)
    for module in (webhooks_api, deliveries_api, events_api, jwks_api):
        app.include_router(module.calls)
    app.state.services = stage
    token = await give_token(stage)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="https://pay.example",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield client


async def give_token(stage: Stage, *, scopes: list[str] = SCOPES, sandbox: bool = True) -> str:
    token = make_api_token(sandbox).reveal()
    async with stage.db.connection() as connection:
        await connection.execute(
            "insert into api_token (company_id, token_id, sandbox, digest, last4, name, scopes,"
            " created_at) values (%s, %s, %s, %s, %s, 'A', %s, %s)",
            [
                stage.company_id,
                uuid7(),
                sandbox,
                parse_api_token(token),
                token[-4:],
                scopes,
                stage.clock.now(),
            ],
        )
    return token


async def register(api: httpx.AsyncClient, url: str, **fields: Any) -> dict[str, Any]:
    answer = await api.post("/webhooks/", json={"callback_url": url, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def problem(answer: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    content = answer.json()
    errors = [(each["field"], each["code"]) for each in content.get("errors", [])]
    return answer.status_code, content["code"], errors


async def test_only_the_first_answer_shows_the_secrets(
    api: httpx.AsyncClient, endpoint: Endpoint
) -> None:
    made = await register(api, endpoint.url, callback_api_key=API_KEY)
    assert made["callback_api_key"] == API_KEY
    assert made["signing_secret"].startswith("whsec_")
    assert (made["state"], made["last_sent_event_id"]) == ("active", None)
    assert (made["max_batch_size"], made["max_wait_seconds"]) == (10, 60)
    assert isinstance(made["id"], int)
    one = f"/webhooks/{made['identifier']}"
    for answer in (
        await api.get(one),
        await api.get("/webhooks/"),
        await api.patch(one, json={"max_batch_size": 7}),
        await api.post(f"{one}/test"),
        await api.get(f"{one}/attempts"),
    ):
        assert answer.status_code == 200, answer.text
        assert API_KEY not in answer.text
        assert made["signing_secret"] not in answer.text
    shown = (await api.get(one)).json()
    assert shown["callback_api_key"] == "…" + API_KEY[-4:]
    assert shown["signing_secret"] == "…" + made["signing_secret"][-4:]
    assert shown["max_batch_size"] == 7


async def test_the_same_key_makes_one_webhook(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    async def call(url: str) -> httpx.Response:
        body = {"callback_url": url, "callback_api_key": API_KEY}
        return await api.post("/webhooks/", json=body, headers={"Idempotency-Key": "k1"})

    first, again = await call(endpoint.url), await call(endpoint.url)
    assert first.json() == again.json()
    stage.later(hours=25)
    assert (await call(endpoint.url)).json()["callback_api_key"] == "…" + API_KEY[-4:]
    assert problem(await call(endpoint.url + "2"))[:2] == (409, "idempotency_conflict")


async def test_a_url_is_unique_per_company(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    made = await register(api, endpoint.url)
    answer = await api.post("/webhooks/", json={"callback_url": endpoint.url})
    assert problem(answer) == (422, "invalid", [("callback_url", "taken")])
    other = await register(api, endpoint.url + "/2")
    answer = await api.patch(
        f"/webhooks/{other['identifier']}", json={"callback_url": endpoint.url}
    )
    assert problem(answer) == (422, "invalid", [("callback_url", "taken")])
    assert (await api.delete(f"/webhooks/{made['identifier']}")).json() == {"ok": True}
    await register(api, endpoint.url)
    stage.company_id = await make_company(stage.db)
    await stage.register(endpoint.url)


async def test_a_deleted_webhook_is_gone_and_gets_nothing(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    made = await register(api, endpoint.url, max_wait_seconds=0)
    await stage.happen()
    one = f"/webhooks/{made['identifier']}"
    assert (await api.delete(one)).status_code == 200
    assert await stage.tick() == 0
    for answer in (await api.get(one), await api.delete(one), await api.patch(one, json={})):
        assert problem(answer)[:2] == (404, "not_found")


@pytest.mark.parametrize(
    "url, code",
    [
        ("http://93.184.216.34/", "https_only"),
        ("https://10.0.0.1/", "not_public"),
        ("https://user@example.com/", "bad_url"),
        ("https://93.184.216.34:22/", "bad_port"),
        ("https://0x7f.1/", "bad_host"),
    ],
)
async def test_a_url_that_must_not_be_called_is_refused(
    api: httpx.AsyncClient, endpoint: Endpoint, url: str, code: str
) -> None:
    answer = await api.post("/webhooks/", json={"callback_url": url})
    assert problem(answer) == (422, "invalid", [("callback_url", code)])
    made = await register(api, endpoint.url)
    answer = await api.patch(f"/webhooks/{made['identifier']}", json={"callback_url": url})
    assert problem(answer) == (422, "invalid", [("callback_url", code)])


async def test_the_operators_networks_serve_sandboxes_alone(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    stage.company_id = await make_company(stage.db, sandbox=False, networks=())
    token = await give_token(stage, sandbox=False)
    headers = {"Authorization": f"Bearer {token}"}
    body = {"callback_url": endpoint.url}
    answer = await api.post("/webhooks/", json=body, headers=headers)
    assert problem(answer) == (422, "invalid", [("callback_url", "https_only")])
    webhook = await stage.register(endpoint.url)
    await stage.happen()
    await stage.tick()
    assert endpoint.calls == []
    attempts = await api.get(f"/webhooks/{webhook.webhook_id}/attempts", headers=headers)
    [attempt] = attempts.json()["data"]
    assert (attempt["status"], attempt["error"]) == (
        None,
        "The URL must begin with https://.",
    )
    async with stage.db.connection() as connection:
        await connection.execute(
            "update company set allowed_networks = '{127.0.0.1/32}' where company_id = %s",
            [stage.company_id],
        )
    stage.later(minutes=1)
    await stage.tick()
    assert endpoint.ids == [0, 1]  # the test that proves the address, then the event


@pytest.mark.parametrize(
    "fields, where, code",
    [
        ({"max_batch_size": 0}, "max_batch_size", "out_of_range"),
        ({"max_batch_size": 101}, "max_batch_size", "out_of_range"),
        ({"max_batch_size": True}, "max_batch_size", "wrong_type"),
        ({"max_wait_seconds": -1}, "max_wait_seconds", "out_of_range"),
        ({"max_wait_seconds": 3601}, "max_wait_seconds", "out_of_range"),
        ({"replay_from_event_id": 0}, "replay_from_event_id", "out_of_range"),
        ({"replay_from_event_id": 5}, "replay_from_event_id", "out_of_range"),
        ({"replay_from_timestamp": "2026-01-01"}, "replay_from_timestamp", "wrong_form"),
        ({"audience": "a" * 201}, "audience", "too_long"),
        ({"callback_api_key": "a b"}, "callback_api_key", "wrong_form"),
        ({"callback_api_key": "a\r\nb"}, "callback_api_key", "wrong_form"),
    ],
)
async def test_a_wrong_field_is_refused(
    api: httpx.AsyncClient, endpoint: Endpoint, fields: dict[str, object], where: str, code: str
) -> None:
    answer = await api.post("/webhooks/", json={"callback_url": endpoint.url, **fields})
    assert problem(answer) == (422, "invalid", [(where, code)])


async def test_replay_begins_where_it_was_asked_to(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for day in range(5):
        await stage.happen(at=start + timedelta(days=day))
    await register(api, endpoint.url, replay_from_event_id=4, max_wait_seconds=0)
    await stage.tick()
    assert endpoint.ids == [4, 5]
    at = (start + timedelta(days=2)).isoformat()
    await register(api, endpoint.url + "/2", replay_from_timestamp=at, max_wait_seconds=0)
    await stage.tick()
    assert endpoint.ids == [4, 5, 3, 4, 5]
    both = {"replay_from_event_id": 1, "replay_from_timestamp": at}
    answer = await api.post("/webhooks/", json={"callback_url": endpoint.url + "/3", **both})
    assert problem(answer) == (422, "invalid", [("replay_from_timestamp", "not_both")])


async def test_patch_replays_changes_and_revives(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    made = await register(api, endpoint.url, max_wait_seconds=0, audience="a")
    one = f"/webhooks/{made['identifier']}"
    await stage.happen(2)
    await stage.tick()
    changed = await api.patch(one, json={"replay_from_event_id": 2, "audience": None})
    assert (changed.json()["audience"], changed.json()["state"]) == (None, "scheduled")
    await stage.tick()
    assert endpoint.ids == [1, 2, 2]
    assert (await api.get(one)).json()["last_sent_event_id"] == 2
    answer = await api.patch(one, json={"replay_from_event_id": 3})
    assert problem(answer) == (422, "invalid", [("replay_from_event_id", "out_of_range")])
    for body, code in (
        ({"state": "failed"}, "not_an_option"),
        ({"unknown": 1}, "unknown_field"),
    ):
        answer = await api.patch(one, json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == code
    assert (await api.patch(one, json={"state": "active"})).json()["state"] == "active"


async def test_a_replay_is_asked_for_by_number_or_time(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = await register(api, endpoint.url, max_wait_seconds=0)
    for day in range(4):
        await stage.happen(at=start + timedelta(days=day))
    await stage.tick()
    path = f"/webhooks/{made['identifier']}/replay"
    begun = await api.post(path, json={"from_event_id": 3})
    assert begun.json() == {"first_event_id": 3, "last_event_id": 4, "sent_through": 2}
    await stage.tick()
    at = (start + timedelta(days=1)).isoformat()
    assert (await api.post(path, json={"from_timestamp": at})).json()["first_event_id"] == 2
    await stage.tick()
    assert endpoint.ids == [1, 2, 3, 4, 3, 4, 2, 3, 4]
    other = await register(api, endpoint.url + "/2")
    await api.post(path, json={"from_event_id": 1})
    busy = await api.post(f"/webhooks/{other['identifier']}/replay", json={"from_event_id": 1})
    assert problem(busy)[:2] == (409, "replay_under_way")
    late = (stage.clock.now() + timedelta(days=9)).isoformat()
    for body, errors in (
        ({}, [("from_event_id", "required")]),
        ({"from_event_id": 1, "from_timestamp": at}, [("from_timestamp", "not_both")]),
        ({"from_event_id": 5}, [("from_event_id", "out_of_range")]),
        ({"from_event_id": 0}, [("from_event_id", "out_of_range")]),
        ({"from_timestamp": late}, [("from_timestamp", "out_of_range")]),
        ({"from": 1}, [("from", "unknown_field")]),
    ):
        assert problem(await api.post(path, json=body)) == (422, "invalid", errors)


async def test_a_new_secret_is_shown_once_and_again_for_the_same_key(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    made = await register(api, endpoint.url, callback_api_key=API_KEY)
    path = f"/webhooks/{made['identifier']}/rotate-secret"
    key = {"Idempotency-Key": "r1"}
    first = (await api.post(path, headers=key)).json()
    assert first["signing_secret"].startswith("whsec_")
    assert first["signing_secret"] != made["signing_secret"]
    assert first["callback_api_key"] == "…" + API_KEY[-4:]
    assert (await api.post(path, headers=key)).json() == first
    assert problem(await api.post(path))[:2] == (409, "secret_changed_lately")
    shown = (await api.get(f"/webhooks/{made['identifier']}")).json()
    assert shown["signing_secret"] == "…" + first["signing_secret"][-4:]
    other = await register(api, endpoint.url + "/2")
    again = await api.post(f"/webhooks/{other['identifier']}/rotate-secret", headers=key)
    assert problem(again)[:2] == (409, "idempotency_conflict")
    stage.later(hours=25)
    assert (await api.post(path, headers=key)).json()["signing_secret"].startswith("…")
    assert (await api.post(path)).json()["signing_secret"].startswith("whsec_")


async def test_a_test_tells_what_came_of_it(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    made = await register(api, endpoint.url)
    path = f"/webhooks/{made['identifier']}"
    said = (await api.post(f"{path}/test")).json()
    assert (said["kind"], said["status"], said["error"], said["answer"]) == ("test", 200, None, "")
    assert (said["first_event_id"], said["last_event_id"]) == (None, None)
    assert endpoint.calls[0].headers["webhook-id"] == said["batch_id"]
    assert (await api.get(f"{path}/attempts")).json() == {"data": [said], "next": None}
    assert (await api.get("/events")).json() == {"events": []}
    for _ in range(5):
        assert (await api.post(f"{path}/test")).status_code == 200
    limited = await api.post(f"{path}/test")
    assert problem(limited)[:2] == (429, "rate_limited")
    assert int(limited.headers["retry-after"]) <= 60


async def test_the_twenty_first_webhook_is_refused(api: httpx.AsyncClient, stage: Stage) -> None:
    for number in range(20):
        await stage.register(f"https://93.184.216.34/{number}")
    answer = await api.post("/webhooks/", json={"callback_url": "https://93.184.216.34/20"})
    assert problem(answer)[:2] == (409, "too_many_webhooks")
    page = (await api.get("/webhooks/", params={"limit": 15})).json()
    rest = (await api.get("/webhooks/", params={"after": page["next"]})).json()
    assert (len(page["data"]), len(rest["data"]), rest["next"]) == (15, 5, None)


async def test_a_token_without_the_scope_may_not(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    token = await give_token(stage, scopes=["credits"])
    headers = {"Authorization": f"Bearer {token}"}
    for path in ("/webhooks/", "/events"):
        assert (await api.get(path, headers=headers)).status_code == 403
        assert (await api.get(path, headers={"Authorization": "Bearer no"})).status_code == 401


async def test_another_companys_webhook_is_not_found(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    mine = stage.company_id
    stage.company_id = await make_company(stage.db)
    foreign = await stage.register(endpoint.url)
    stage.company_id = mine
    one = f"/webhooks/{foreign.webhook_id}"
    for answer in (
        await api.get(one),
        await api.patch(one, json={"max_batch_size": 1}),
        await api.delete(one),
        await api.get(f"{one}/attempts"),
        await api.post(f"{one}/test"),
        await api.post(f"{one}/replay", json={"from_event_id": 1}),
        await api.post(f"{one}/rotate-secret"),
    ):
        assert problem(answer)[:2] == (404, "not_found")


async def test_the_key_set_is_public_and_may_be_kept_five_minutes(
    api: httpx.AsyncClient,
) -> None:
    answer = await api.get("/.well-known/jwks.json", headers={"Authorization": ""})
    assert answer.headers["cache-control"] == "public, max-age=300"
    [key] = answer.json()["keys"]
    assert set(key) == {"kty", "n", "e", "alg", "use", "kid"}


async def test_events_are_pulled_as_they_would_be_pushed(
    api: httpx.AsyncClient, stage: Stage, endpoint: Endpoint
) -> None:
    await register(api, endpoint.url, max_wait_seconds=0)
    await stage.happen(3)
    await stage.tick()
    pulled = (await api.get("/events", params={"after": 1})).json()
    assert pulled["events"] == endpoint.taken[0].content["events"][1:]
    assert (await api.get("/events", params={"after": 3})).json() == {"events": []}


async def test_a_pull_waits_for_the_next_event(api: httpx.AsyncClient, stage: Stage) -> None:
    pulling = asyncio.create_task(api.get("/events", params={"wait_seconds": 10}))
    await asyncio.sleep(0.2)
    await stage.happen()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert [each["id"] for each in (await pulling).json()["events"]] == [1]
    for params in ({"wait_seconds": 31}, {"limit": 201}, {"limit": 0}, {"after": -1}):
        assert (await api.get("/events", params=params)).status_code == 422
