"""A company's identifiers are to every other company what identifiers that nobody has are."""

import re
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from jetpay.webhooks.actions import register
from jetpay.webhooks.model import NewWebhook
from tests.api.conftest import Connect
from tests.stage import Stage
from tests.world import Company, make_company

KINDS = {
    "contact": "contact",
    "bank_account": "contact_account",
    "transaction": "credit",
    "webhooks": "webhook",
    "bank_files": "bank_file",
}
"""By the first part of a path: whose identifier stands in it."""
BODIES: dict[str, dict[str, Any]] = {
    "/transaction/{identifier}/link": {"action": "show"},
    "/bank_files/{identifier}": {"action": "mark_sent"},
    "/webhooks/{identifier}/replay": {"from_event_id": 1},
}
"""What the calls with an identifier in their path are sent, if more than nothing."""

Call = tuple[str, str, dict[str, Any]]
Place = tuple[str | int, ...]


@pytest.fixture
async def document(stranger: httpx.AsyncClient) -> dict[str, Any]:
    published: dict[str, Any] = (await stranger.get("/openapi.json")).json()
    return published


@pytest.fixture
async def owner(connect: Connect, company: Company) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(company.token) as client:
        yield client


@pytest.fixture
async def foreigner(connect: Connect, company: Company) -> AsyncIterator[httpx.AsyncClient]:
    """Signed in as another company that may do everything."""
    other = await make_company(company.services, "Other Example")
    async with connect(other.token) as client:
        yield client


@pytest.fixture
async def things(company: Company, tmp_path: Path) -> dict[str, UUID]:
    """One of each kind that a company can have."""
    stage = Stage.of(company, tmp_path)
    paid = await stage.accepted()
    await stage.advance(1)
    [file] = await stage.files()
    new = NewWebhook(callback_url="https://example.com/hook", max_wait_seconds=0)
    webhook = await register(
        company.services.db,
        company.company_id,
        new,
        vault=company.services.vault,
        now=company.services.clock.now(),
    )
    return {
        "contact": company.contact,
        "contact_account": await company.contact_account(),
        "company_account": company.bank_account,
        "credit": await stage.requested(),
        "paid credit": paid,
        "webhook": webhook.webhook_id,
        "bank_file": file.bank_file_id,
        "token": company.token_id,
        "company": company.company_id,
    }


def calls(document: dict[str, Any]) -> list[Call]:
    """Those that take something away come last."""
    found = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return sorted(found, key=lambda call: call[0] == "delete")


def neighbour(identifier: UUID) -> UUID:
    """As good as the same where identifiers are sorted, and nobody's."""
    return UUID(int=identifier.int ^ 1)


def said(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All of an answer but the request's own id."""
    headers = [each for each in answer.headers.multi_items() if each[0] != "x-request-id"]
    return answer.status_code, answer.content, headers


async def ask(client: httpx.AsyncClient, call: Call, of: object) -> httpx.Response:
    method, path, operation = call
    body = BODIES.get(path, {}) if "requestBody" in operation else None
    return await client.request(method, re.sub(r"\{.*?\}", str(of), path), json=body)


async def test_a_path_with_a_foreign_identifier_answers_as_with_an_unknown_one(
    document: dict[str, Any],
    owner: httpx.AsyncClient,
    foreigner: httpx.AsyncClient,
    things: dict[str, UUID],
) -> None:
    with_identifier = [call for call in calls(document) if "{" in call[1]]
    assert with_identifier
    before = (await owner.get("/events?limit=200")).json()
    for call in with_identifier:
        unknown = said(await ask(foreigner, call, neighbour(things["contact"])))
        assert unknown[0] == 404, call[:2]
        for kind, identifier in things.items():
            assert said(await ask(foreigner, call, identifier)) == unknown, (call[:2], kind)
        assert said(await ask(foreigner, call, "nonsense")) == unknown, call[:2]
    assert (await owner.get("/events?limit=200")).json() == before
    for call in with_identifier:  # or it would be 404 for another reason
        kind = KINDS[call[1].split("/")[1]]
        answer = await ask(owner, call, things[kind])
        assert answer.status_code not in {404, 422}, (call[:2], answer.text)


async def test_a_query_with_a_foreign_identifier_answers_as_with_an_unknown_one(
    document: dict[str, Any], foreigner: httpx.AsyncClient, things: dict[str, UUID]
) -> None:
    await foreigner.put("/contact", json={"email": "eve@example.com", "name": "Eve"})
    asked = 0
    for method, path, operation in calls(document):
        for parameter in operation.get("parameters", []):
            if "uuid" not in str(parameter["schema"]) or parameter["in"] != "query" or "{" in path:
                continue
            for identifier in things.values():
                answers = [
                    said(await foreigner.request(method, path, params={parameter["name"]: each}))
                    for each in (str(identifier), str(neighbour(identifier)))
                ]
                assert answers[0] == answers[1], (method, path, parameter["name"])
                assert answers[0][0] == 200, (method, path, parameter["name"])
                asked += 1
    assert asked


def places(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[Place]:
    """Where in a body identifiers stand; in a list, in its first item."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for each in schema.get("anyOf", []):
        yield from places(document, each)
    if schema.get("format") == "uuid":
        yield ()
    for name, value in schema.get("properties", {}).items():
        yield from ((name, *rest) for rest in places(document, value))
    if "items" in schema:
        yield from ((0, *rest) for rest in places(document, schema["items"]))


def replaced(body: dict[str, Any], place: Place, value: object) -> dict[str, Any] | None:
    """The body with another value at that place, if it has one there."""
    changed = deepcopy(body)
    inner: Any = changed
    for step in place[:-1]:
        inner = inner[step]
    if place[-1] not in inner:
        return None
    inner[place[-1]] = value
    return changed


def bodies(things: dict[str, UUID]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every call with identifiers in its body, as their owner may send it."""
    by_link = {
        "amount": 100,
        "statement": "Lamp",
        "from_bank_account": str(things["company_account"]),
        "contact_id": str(things["contact"]),
    }
    to_account = {**by_link, "to_bank_account": str(things["contact_account"])}
    account = {
        "contact_id": str(things["contact"]),
        "holder_name": "Robin Example",
        "institution_number": "003",
        "transit_number": "00002",
        "account_number": "1000002",
    }
    returned = {"identifier": str(things["paid credit"]), "reason": "account_closed"}
    return [
        ("put", "/contact/bank_account", account),
        ("put", "/credit", by_link),
        ("put", "/credit", to_account),
        ("post", "/credits", {"credits": [{**by_link, "idempotency_key": "a"}]}),
        ("post", "/credits", {"credits": [{**to_account, "idempotency_key": "b"}]}),
        ("post", "/sandbox/return", returned),
    ]


def wrong_fields(answer: httpx.Response) -> list[tuple[str, str]]:
    """Field and code of what a call, or the only line of one, was refused for."""
    problem = answer.json()
    if answer.status_code == 200:
        [result] = problem["results"]
        problem = result["problem"]
    assert (problem["status"], problem["code"]) == (422, "invalid"), problem
    return [(error["field"], error["code"]) for error in problem["errors"]]


def places_in_bodies(document: dict[str, Any]) -> dict[tuple[str, str], list[Place]]:
    """For each call with identifiers in its body, where."""
    found = {}
    for method, path, operation in calls(document):
        content = operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        if of_body := list(places(document, schema)):
            found[method, path] = of_body
    return found


async def things_of_another(company: Company) -> list[UUID]:
    other = await make_company(company.services, "Other Example")
    born = await other.services.births.one(other.asker, other.request(), key=None)
    return [
        other.contact,
        other.bank_account,
        await other.contact_account(),
        other.company_id,
        born.credit_id,
    ]


async def test_a_body_with_a_foreign_identifier_is_refused_as_with_an_unknown_one(
    document: dict[str, Any], company: Company, owner: httpx.AsyncClient, things: dict[str, UUID]
) -> None:
    theirs, sent = await things_of_another(company), bodies(things)
    tried = set()
    found = places_in_bodies(document)
    for method, path, body in sent:
        for place in found[method, path]:
            for identifier in theirs:
                answers = []
                for each in (identifier, neighbour(identifier)):
                    if changed := replaced(body, place, str(each)):
                        answers.append(await owner.request(method, path, json=changed))
                        tried.add((method, path, place))
                if answers:
                    assert said(answers[0]) == said(answers[1]), (path, place, identifier)
                    assert wrong_fields(answers[0]) == [(place[-1], "not_found")], (path, place)
    assert tried == {(*call, place) for call, of_body in found.items() for place in of_body}
    for method, path, body in sent:  # or it would be refused for another reason
        answer = await owner.request(method, path, json=body)
        assert answer.is_success, (path, answer.text)
        assert '"problem"' not in answer.text, (path, answer.text)
