"""The calls about bank files and the sandbox."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from jetpay.app import create_app
from jetpay.companies.model import Scope
from tests.stage import Stage

BASE_URL = "http://127.0.0.1:8080"


def connected(stage: Stage, token: str | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(stage.services)),
        base_url=BASE_URL,
        headers={"Authorization": f"Bearer {token or stage.company.token}"},
    )


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    async with connected(stage) as client:
        yield client


async def test_files_are_listed_the_newest_first_and_by_pages(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    for _ in range(3):
        await stage.accepted(amount=500)
        await stage.advance(1)
    first = (await client.get("/bank_files", params={"limit": 2})).json()
    rest = (await client.get("/bank_files", params={"after": first["next"]})).json()
    numbers = [each["number"] for each in first["data"] + rest["data"]]
    assert (numbers, rest["next"]) == ([3, 2, 1], None)
    one = (await client.get(f"/bank_files/{first['data'][0]['identifier']}")).json()
    assert one == first["data"][0]
    assert (one["state"], one["credit_count"], one["total"]) == ("acknowledged", 1, 500)
    assert (one["value_date"], one["cutoff_at"]) == ("2026-03-04", "2026-03-04T12:00:00.000000Z")
    assert len(one["sha256"]) == 64


async def test_a_file_is_withdrawn_by_call_and_then_no_more(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    await stage.use_profile("sandbox_by_hand")
    credit = await stage.accepted()
    await stage.tick()
    path = f"/bank_files/{(await stage.files())[0].bank_file_id}"
    answer = await client.post(path, json={"action": "withdraw"})
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")
    await stage.prove()
    assert (await stage.view(credit)).held == "withdrawn"
    for action, code in (("withdraw", "hand_over_began"), ("mark_sent", "not_with_you")):
        answer = await client.post(path, json={"action": action})
        assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_a_file_is_marked_sent_by_call(stage: Stage, client: httpx.AsyncClient) -> None:
    await stage.use_profile("sandbox_by_hand")
    await stage.accepted()
    await stage.tick()
    path = f"/bank_files/{(await stage.files())[0].bank_file_id}"
    answer = await client.post(path, json={"action": "mark_sent"})
    assert (answer.status_code, answer.json()["state"]) == (200, "sent")
    await stage.tick()
    assert (await client.get(path)).json()["state"] == "acknowledged"


@pytest.mark.parametrize("body", [{}, {"action": "send"}, {"action": "withdraw", "by": "me"}])
async def test_another_action_is_not_taken(
    client: httpx.AsyncClient, body: dict[str, object]
) -> None:
    assert (await client.post(f"/bank_files/{uuid4()}", json=body)).status_code == 422


async def test_an_unknown_file_is_not_found(client: httpx.AsyncClient) -> None:
    path = f"/bank_files/{uuid4()}"
    assert (await client.get(path)).status_code == 404
    assert (await client.post(path, json={"action": "withdraw"})).status_code == 404


async def test_looking_and_acting_have_their_own_scopes(stage: Stage) -> None:
    reader = await stage.company.new_token(Scope.BANK_FILES_READ)
    async with connected(stage, reader.token) as client:
        assert (await client.get("/bank_files")).status_code == 200
        refused = await client.post(f"/bank_files/{uuid4()}", json={"action": "withdraw"})
        assert refused.status_code == 403
        assert (await client.post("/sandbox/advance", json={"days": 1})).status_code == 403


async def test_the_clock_is_turned_by_call(stage: Stage, client: httpx.AsyncClient) -> None:
    credit = await stage.accepted("9000101")
    before = len(await stage.events())
    answer = await client.post("/sandbox/advance", json={"days": 2})
    assert answer.status_code == 200
    said = answer.json()
    assert said == {
        "now": "2026-03-04T12:00:00.000000Z",
        "first_event_id": before + 1,
        "last_event_id": len(await stage.events()),
    }
    assert (await stage.view(credit)).state == "action_required"
    again = (await client.post("/sandbox/advance", json={"days": 0})).json()
    assert (again["first_event_id"], again["last_event_id"]) == (None, said["last_event_id"])


@pytest.mark.parametrize("days", [-1, 367, True, 1.5, "1", None])
async def test_a_wrong_number_of_days_is_refused(client: httpx.AsyncClient, days: object) -> None:
    answer = await client.post("/sandbox/advance", json={"days": days})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "days")


async def test_a_payment_is_returned_by_call(stage: Stage, client: httpx.AsyncClient) -> None:
    credit = await stage.accepted()
    body = {"identifier": str(credit), "reason": "R02"}
    early = await client.post("/sandbox/return", json=body)
    assert (early.status_code, early.json()["code"]) == (409, "not_at_the_bank")
    await stage.tick()
    answer = await client.post("/sandbox/return", json=body)
    assert answer.status_code == 200
    assert answer.json()["first_event_id"] == answer.json()["last_event_id"]
    assert (await stage.view(credit)).fail_reason == "account_closed"
    unknown = await client.post("/sandbox/return", json={**body, "identifier": str(uuid4())})
    [error] = unknown.json()["errors"]
    assert (unknown.status_code, error["field"], error["code"]) == (
        422,
        "identifier",
        "not_found",
    )


async def test_a_live_company_has_no_clock_to_turn_and_no_bank_to_ask(live_stage: Stage) -> None:
    other = await live_stage.company.new_token()
    async with connected(live_stage, other.token) as client:
        turned = await client.post("/sandbox/advance", json={"days": 1})
        body = {"identifier": str(uuid4()), "reason": "R02"}
        returned = await client.post("/sandbox/return", json=body)
    assert (turned.status_code, returned.status_code) == (403, 403)
