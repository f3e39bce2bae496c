"""The OpenAPI file: every call with its scope, its refusals and FastAPI's own operation ids."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from jetpay.api.openapi import openapi_of
from jetpay.api.reference import kind_of
from jetpay.companies.model import Scope
from tests.api.conftest import Connect
from tests.world import Company

OPEN = {"/.well-known/jwks.json", "/.well-known/receipts.jwks.json"}


@pytest.fixture(scope="session")
def document(app: FastAPI) -> dict[str, Any]:
    return openapi_of(app)


def calls(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_operation_ids_are_those_of_the_guide(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["paths"]["/credit"]["put"]["operationId"] == "create_credit_credit_put"
    ids = [operation["operationId"] for _, _, operation in calls(document)]
    assert len(ids) == len(set(ids))


def test_every_call_has_a_tag_of_the_contract(document: dict[str, Any]) -> None:
    tags = {tag for _, _, operation in calls(document) for tag in operation["tags"]}
    assert {"Contacts (v0)", "Bank Accounts (v0)", "Transactions (v0)", "Webhooks (v0)",
            "Events (v0)"} <= tags  # fmt: skip
    assert all(tag.endswith(" (v0)") for tag in tags)


def test_every_call_needs_a_token_with_a_scope_unless_it_is_open(document: dict[str, Any]) -> None:
    for _, path, operation in calls(document):
        assert ("security" in operation) == (path not in OPEN), path
        assert operation.get("x-scope") in ({None} if path in OPEN else set(Scope)), path


def test_every_refusal_is_declared_as_a_problem(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in str(document)
    for method, path, operation in calls(document):
        statuses = set(operation["responses"])
        wanted = {"415", "421", "500", "503"} | (set() if path in OPEN else {"401", "403"})
        if "requestBody" in operation:
            wanted |= {"400", "408", "413", "422"}
        if "{" in path:
            wanted |= {"404"}
        assert wanted <= statuses, (method, path)
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (method, path)


async def test_no_call_answers_without_a_token(
    document: dict[str, Any], stranger: httpx.AsyncClient
) -> None:
    for method, path, _ in calls(document):
        if path not in OPEN:
            answer = await stranger.request(method, re.sub(r"\{.*?\}", str(uuid4()), path))
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path


async def test_no_call_answers_a_token_without_its_scope(
    document: dict[str, Any], company: Company, connect: Connect
) -> None:
    everything = set(Scope)
    for method, path, operation in calls(document):
        if path in OPEN:
            continue
        needed = Scope(operation["x-scope"])
        wide = {Scope.CREDITS_READ: Scope.CREDITS, Scope.BANK_FILES_READ: Scope.BANK_FILES}
        others = everything - {needed, wide.get(needed, needed)}
        other = await company.new_token(*sorted(others))
        async with connect(other.token) as client:
            body: dict[str, Any] | None = {} if "requestBody" in operation else None
            url = re.sub(r"\{.*?\}", str(uuid4()), path)
            answer = await client.request(method, url, json=body)
        refused = answer.status_code == 403
        # The hot path reads the token with the statement that makes the credit.
        assert refused or (path == "/credit" and answer.status_code == 422), (method, path)


async def test_no_text_of_a_query_reaches_the_database_unchecked(
    document: dict[str, Any], client: httpx.AsyncClient
) -> None:
    for method, path, operation in calls(document):
        for parameter in operation.get("parameters", []):
            if method == "get" and parameter["in"] == "query":
                url = re.sub(r"\{.*?\}", str(uuid4()), path)
                for wrong in ("\x00", "a\x00b", "\u202e", "\ud7ff\uffff", "x" * 5000):
                    answer = await client.get(url, params={parameter["name"]: wrong})
                    assert answer.status_code == 422, (path, parameter["name"], wrong)


async def test_the_reference_page_shows_every_call_and_fetches_nothing_from_elsewhere(
    document: dict[str, Any], stranger: httpx.AsyncClient
) -> None:
    page = await stranger.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for _, path, operation in calls(document):
        assert path in page.text
        assert f'id="{operation["operationId"]}"' in page.text
    for name in ("LineTaken", "EventGiven", "TransactionGiven"):
        assert f"<caption>{name}</caption>" in page.text
    assert "requested or " in page.text, "the states, in words"
    assert "`" not in page.text
    assert "<script" not in page.text
    assert 'style="' not in page.text
    fetched = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert all(address.startswith("/") for address in fetched)
    for address in fetched:
        assert (await stranger.get(address)).status_code == 200
    assert (await stranger.get("/openapi.json")).json() == document


@pytest.mark.parametrize(
    "schema, said",
    [
        ({"type": "string", "maxLength": 30}, "string, at most 30 characters"),
        ({"type": "string", "format": "uuid"}, "uuid"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"enum": ["en", "fr"]}, "en or fr"),
        ({"type": "array", "items": {"type": "integer", "minimum": 1}}, "list of integer, from 1"),
        ({"$ref": "#/components/schemas/Thing"}, "Thing"),
        ({"type": "integer", "minimum": 1.0, "maximum": 9e9}, "integer, from 1, to 9000000000"),
        ({}, "anything"),
    ],
)
def test_a_schema_is_said_in_words(schema: dict[str, Any], said: str) -> None:
    assert kind_of(schema) == said
