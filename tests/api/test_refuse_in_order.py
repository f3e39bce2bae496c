"""What is wrong first is said first: path, method, token, scope, size, form, fields, thing."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from jetpay.api.body import BODY_BYTES
from jetpay.companies.model import Scope
from tests.api.conftest import Connect
from tests.world import Company, make_company

BIG = b" " * (BODY_BYTES + 1)
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NOBODYS = f"/contact/{uuid4()}"


async def unreadable() -> AsyncIterator[bytes]:
    """A body whose reading fails the test: it must not be looked at yet."""
    yield b"{"
    raise AssertionError("the body was read before the token was known")


# Each line is wrong in everything that stands to the right of its answer, too.
Case = tuple[str, str, str, dict[str, str], bytes, int, str]
ORDER: list[Case] = [
    ("no such path", "PUT", "/nowhere", FORM, BIG, 404, "not_found"),
    ("no such method", "POST", NOBODYS, FORM, BIG, 405, "method_not_allowed"),
    ("no token", "PATCH", NOBODYS, FORM, BIG, 401, "unauthorized"),
    ("no scope", "PATCH", NOBODYS, FORM, BIG, 403, "forbidden"),
    ("too large", "PATCH", NOBODYS, FORM, BIG, 413, "too_large"),
    ("another type", "PATCH", NOBODYS, FORM, b"{", 415, "unsupported_media_type"),
    ("a compressed body", "PATCH", NOBODYS, {**JSON, "Content-Encoding": "gzip"}, b"{", 415,
     "unsupported_media_type"),
    ("not JSON", "PATCH", NOBODYS, JSON, b"{", 400, "malformed"),
    ("a wrong field", "PATCH", NOBODYS, JSON, b'{"name": 1}', 422, "invalid"),
    ("a wrong field of no identifier", "PATCH", "/contact/x", JSON, b'{"name": 1}', 422, "invalid"),
    ("no identifier", "PATCH", "/contact/x", JSON, b"{}", 404, "not_found"),
    ("nobody's contact", "PATCH", NOBODYS, JSON, b"{}", 404, "not_found"),
]  # fmt: skip


@pytest.mark.parametrize("case", ORDER, ids=[each[0] for each in ORDER])
async def test_what_is_wrong_first_is_said_first(
    case: Case, company: Company, connect: Connect
) -> None:
    what, method, path, headers, body, status, code = case
    powerless = await company.new_token(Scope.EVENTS_READ)
    token = {"no token": None, "no scope": powerless.token}.get(what, company.token)
    async with connect(token) as client:
        answer = await client.request(method, path, headers=headers, content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


async def test_a_refusal_says_what_to_do(company: Company, connect: Connect) -> None:
    powerless = await company.new_token(Scope.EVENTS_READ)
    async with connect(powerless.token) as client:
        assert (await client.get("/contact")).json()["detail"].endswith(" needs: contacts.")
        assert (await client.put("/credit", json={})).json()["detail"].endswith(" needs: credits.")
    async with connect(company.token) as client:
        said = {
            body: (await client.put("/credit", headers=JSON, content=body)).json()["detail"]
            for body in (b"", b"{", b"[]")
        }
        assert len(set(said.values())) == 3
        wrong = await client.put("/contact", headers=FORM, content=b"{}")
        assert "application/json" in wrong.json()["detail"]
        for empty in ("", None):
            body = {"amount": 1, "statement": "A", "contact_id": empty}
            answer = await client.put("/credit", json=body)
            found = {each["field"]: each["code"] for each in answer.json()["errors"]}
            assert found.get("contact_id") == "required", answer.json()


async def test_a_mistyped_parameter_is_refused_but_on_the_guides_own_call(
    client: httpx.AsyncClient,
) -> None:
    for path in ("/events?afer=3", "/contact?limit=1&nxt=a"):
        answer = await client.get(path)
        assert answer.status_code == 422, path
        assert [each["code"] for each in answer.json()["errors"]] == ["unknown_field"]
    assert (await client.get(f"/transaction/{uuid4()}/status?x=1")).status_code == 404
    assert (await client.get("/events?after=0&limit=1")).status_code == 200


@pytest.mark.parametrize("scope", [None, Scope.EVENTS_READ])
async def test_no_byte_of_a_body_is_read_before_token_and_scope_are_known(
    scope: Scope | None, company: Company, connect: Connect
) -> None:
    token = (await company.new_token(scope)).token if scope else None
    async with connect(token) as client:
        answer = await client.put("/contact", headers=JSON, content=unreadable())
    assert answer.status_code == (403 if scope else 401)


async def test_a_body_without_a_length_is_too_large_once_it_is(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(18):
            yield b" " * 65_536

    answer = await client.put("/contact", headers=JSON, content=endless())
    assert answer.status_code == 413


async def test_a_foreign_identifier_answers_the_same_bytes_as_an_unknown_one(
    company: Company, connect: Connect, client: httpx.AsyncClient
) -> None:
    other = await make_company(company.services)
    foreign, unknown = other.contact, uuid4()
    for method, path, body in (
        ("GET", "/contact/{}", None),
        ("PATCH", "/contact/{}", {"name": "New"}),
        ("DELETE", "/contact/{}", None),
        ("GET", "/contact/{}/bank_accounts", None),
    ):
        said = [
            await client.request(method, path.format(identifier), json=body)
            for identifier in (foreign, unknown)
        ]
        assert [each.status_code for each in said] == [404, 404]
        assert said[0].content == said[1].content
    account = await client.put(
        "/contact/bank_account",
        json={"contact_id": str(foreign), "holder_name": "A", "institution_number": "003",
              "transit_number": "00002", "account_number": "1000001"},
    )  # fmt: skip
    assert account.status_code == 422
    assert account.json()["errors"][0]["field"] == "contact_id"
    assert account.json()["errors"][0]["code"] == "not_found"
    async with connect(other.token) as theirs:
        assert (await theirs.get(f"/contact/{foreign}")).status_code == 200
