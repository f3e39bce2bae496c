"""An API token: found by its digest, alive, with the scope, from an allowed network."""

from datetime import timedelta
from ipaddress import ip_network
from typing import cast

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from jetpay.api.auth import allows, authenticate
from jetpay.app import create_api, create_app
from jetpay.base.clock import FixedClock
from jetpay.base.refusals import Unauthorized
from jetpay.companies.model import Scope
from jetpay.companies.tokens import TokenLimits, create_token, revoke_token
from jetpay.db.rows import Query
from jetpay.security.tokens import make_api_token
from tests.api.conftest import BASE_URL, Connect
from tests.world import Company


def asking(app: FastAPI, *authorizations: str, peer: str = "192.0.2.9") -> Request:
    headers = [(b"authorization", value.encode()) for value in authorizations]
    return Request({"type": "http", "headers": headers, "app": app, "client": (peer, 1)})


async def test_a_token_says_who_calls_and_when(
    app: FastAPI, company: Company, clock: FixedClock
) -> None:
    caller = await authenticate(asking(app, f"Bearer {company.token}"), Scope.CONTACTS)
    assert (caller.company_id, caller.token_id) == (company.company_id, company.token_id)
    assert (caller.sandbox, caller.at) == (True, clock.now())
    assert caller.actor.identifier == company.token_id


@pytest.mark.parametrize(
    "spoil",
    [
        "",
        "{token}",
        "Basic {token}",
        "Bearer",
        "Bearer {token}x",
        "Bearer {unknown}",
        "Bearer {token}, Bearer {token}",
    ],
)
async def test_whatever_is_wrong_with_a_token_the_answer_has_the_same_bytes(
    spoil: str, company: Company, stranger: httpx.AsyncClient
) -> None:
    unknown = make_api_token(sandbox=True).reveal()
    header = spoil.format(token=company.token, unknown=unknown)
    answer = await stranger.get("/contact", headers={"Authorization": header})
    without = await stranger.get("/contact")
    assert (answer.status_code, answer.content) == (401, without.content)
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_two_authorization_headers_are_none(app: FastAPI, company: Company) -> None:
    twice = f"Bearer {company.token}"
    with pytest.raises(Unauthorized):
        await authenticate(asking(app, twice, twice), Scope.CONTACTS)


async def test_a_revoked_token_is_dead_at_once(company: Company, connect: Connect) -> None:
    async with connect(company.token) as client:
        assert (await client.get("/contact")).status_code == 200
        now = company.services.clock.now()
        await revoke_token(company.services.db, company.company_id, company.token_id, now=now)
        assert (await client.get("/contact")).status_code == 401


async def test_a_token_ends_when_it_was_said_to(
    app: FastAPI, company: Company, clock: FixedClock
) -> None:
    made = await create_token(
        company.services.db, company.company_id, name="short", scopes=[Scope.CONTACTS],
        now=clock.now(), expires_at=clock.now() + timedelta(minutes=1),
    )  # fmt: skip
    asked = asking(app, f"Bearer {made.token.reveal()}")
    await authenticate(asked, Scope.CONTACTS)
    before = clock.at
    clock.at = before + timedelta(minutes=1)
    try:
        with pytest.raises(Unauthorized):
            await authenticate(asked, Scope.CONTACTS)
    finally:
        clock.at = before


async def test_a_token_bound_to_networks_is_refused_elsewhere(
    app: FastAPI, company: Company
) -> None:
    limits = TokenLimits(networks=[ip_network("198.51.100.0/24"), ip_network("2001:db8::/32")])
    bound = await company.new_token(Scope.CONTACTS, limits=limits)
    for peer in ("198.51.100.7", "2001:db8::1", "::ffff:198.51.100.7"):
        await authenticate(asking(app, f"Bearer {bound.token}", peer=peer), Scope.CONTACTS)
    for peer in ("192.0.2.9", "2001:db9::1", ""):
        with pytest.raises(Unauthorized):
            await authenticate(asking(app, f"Bearer {bound.token}", peer=peer), Scope.CONTACTS)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "in front"])
async def test_from_another_network_every_call_gives_the_one_answer_of_an_unknown_token(
    company: Company, stranger: httpx.AsyncClient, declared: bool
) -> None:
    limits = TokenLimits(networks=[ip_network("198.51.100.0/24")])
    bound = await company.new_token(limits=limits)
    unknown = await stranger.get("/contact")
    served = (create_api if declared else create_app)(company.services)
    transport = httpx.ASGITransport(served, client=("192.0.2.9", 1))
    credit: dict[str, object] = {
        "amount": 100,
        "statement": "Payment",
        "from_bank_account": str(company.bank_account),
        "contact_id": str(company.contact),
    }
    question = {"security_question": "Which street was it?", "security_answer": "Larch Alley"}
    account = {"to_bank_account": str(await company.contact_account())}
    async with httpx.AsyncClient(
        transport=transport,
        base_url=BASE_URL,
        headers={"Authorization": f"Bearer {bound.token}", "Idempotency-Key": "one"},
    ) as client:
        answers = [
            await client.get("/contact"),
            await client.put("/contact", json={"email": "a@example.com", "name": "Ana"}),
            await client.put("/credit", json=credit),
            await client.put("/credit", json=credit | question),
            await client.put("/credit", json=credit | account),
            await client.post("/credits", json={"credits": [credit]}),
        ]
    assert {(each.status_code, each.content) for each in answers} == {(401, unknown.content)}


@pytest.mark.parametrize(
    "has, wants, may",
    [
        (Scope.CREDITS, Scope.CREDITS_READ, True),
        (Scope.CREDITS_READ, Scope.CREDITS, False),
        (Scope.BANK_FILES, Scope.BANK_FILES_READ, True),
        (Scope.CONTACTS, Scope.BANK_ACCOUNTS, False),
    ],
)
def test_a_scope_includes_no_more_than_it_says(has: Scope, wants: Scope, *, may: bool) -> None:
    assert allows(frozenset({has}), wants) is may


LAST_USED = Query(
    object,
    "select last_used_at from api_token"
    " where company_id = %(company_id)s and token_id = %(token_id)s",
)


async def test_the_last_use_is_remembered_once_a_minute(
    app: FastAPI, company: Company, clock: FixedClock
) -> None:
    async def used() -> object:
        return await LAST_USED.one(
            company.services.db, company_id=company.company_id, token_id=company.token_id
        )

    asked, before = asking(app, f"Bearer {company.token}"), clock.at
    try:
        await authenticate(asked, Scope.CONTACTS)
        assert await used() == before
        clock.at = before + timedelta(seconds=59)
        await authenticate(asked, Scope.CONTACTS)
        assert await used() == before
        clock.at = before + timedelta(seconds=61)
        await authenticate(asked, Scope.CONTACTS)
        assert cast("object", clock.at) == await used()
    finally:
        clock.at = before
