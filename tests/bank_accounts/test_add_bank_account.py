"""Adding and removing accounts: sealed, masked, one scheme, one for a key."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from jetpay.app import create_app
from jetpay.bank_accounts.actions import OPEN_CREDITS, add_company_account
from jetpay.bank_accounts.model import NewBankAccount, Rail
from jetpay.bank_accounts.refusals import RailRequired, SandboxRail
from jetpay.banking.canada import CanadianAccount
from jetpay.base.ids import BankAccountId, CompanyId, QuestionId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.companies.actions import create_company
from jetpay.companies.questions import PreparedQuestion
from jetpay.db.rows import Query
from jetpay.events.model import OPERATOR
from jetpay.security.blind_index import blind_index
from jetpay.security.passwords import AnswerHash
from jetpay.services import Services
from tests.contacts.test_create_contact import events
from tests.world import NOON, Company

NUMBER = "0055512345"
STORED = Query(
    str,
    """
    select concat(b) as stored from bank_account b
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """,
    never_null=("stored",),
)
DETAILS = Query(
    bytes,
    """
    select details from bank_account
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """,
    never_null=("details",),
)
INDEXES = Query(
    bytes,
    """
    select account_index from bank_account
    where company_id = %(company_id)s and contact_id = %(contact_id)s order by bank_account_id
    """,
)
LEDGER = Query(
    str,
    "select account from ledger_account where company_id = %(company_id)s order by account",
)


@pytest.fixture
async def client(company: Company) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(company.services))
    headers = {"Authorization": f"Bearer {company.token}"}
    url = company.services.settings.public_url
    async with httpx.AsyncClient(transport=transport, base_url=url, headers=headers) as client:
        yield client


def account(company: Company, **changes: Any) -> dict[str, Any]:
    sent = {
        "contact_id": str(company.contact),
        "institution": "Royal Bank",
        "title": "Salary",
        "holder_name": "Robin Example",
        "account_type": "savings",
        "transit_number": "00002",
        "institution_number": "003",
        "account_number": NUMBER,
        "holder_address": "1 Main Street",
        "holder_address_postal_code": "K1A 0B1",
        "holder_address_city": "Ottawa",
        "holder_address_country": "CA",
        "holder_email": "robin@example.com",
    }
    return {name: value for name, value in (sent | changes).items() if value is not None}


@pytest.mark.parametrize("path", ["/contact/bank_account", "/contact/bank-account"])
async def test_an_account_is_answered_with_its_last_three_digits(
    path: str, client: httpx.AsyncClient, company: Company
) -> None:
    answer = await client.put(path, json=account(company, colour="ignored"))
    assert answer.status_code == 201
    given = answer.json()
    assert given["account_number_last3"] == "345"
    assert (given["title"], given["account_type"], given["currency"]) == (
        "Salary", "savings", "CAD",
    )  # fmt: skip
    assert NUMBER not in answer.text
    assert "Main Street" not in answer.text
    listed = (await client.get(f"/contact/{company.contact}/bank_accounts")).json()
    assert listed == {"data": [given], "next": None}
    [*_, event] = await events(company)
    assert event.data == {"bankAccountId": given["identifier"], "contactId": str(company.contact)}


async def test_its_numbers_are_sealed(client: httpx.AsyncClient, company: Company) -> None:
    services = company.services
    given = (await client.put("/contact/bank_account", json=account(company))).json()
    place = {"company_id": company.company_id, "bank_account_id": UUID(given["identifier"])}
    stored = await STORED.one(services.db, **place)
    assert not [seed for seed in (NUMBER, "55512345", "Main Street", "K1A") if seed in stored]
    async with services.db.transaction() as tx:
        opened = await services.vault.open(
            tx, company.company_id, table="bank_account", column="details",
            row_key=UUID(given["identifier"]).bytes, blob=await DETAILS.one(tx, **place),
        )  # fmt: skip
    assert opened["account_number"] == NUMBER
    assert opened["holder_address"] == "1 Main Street"


async def test_equal_accounts_have_equal_indexes(
    client: httpx.AsyncClient, company: Company
) -> None:
    for number in (NUMBER, NUMBER.lstrip("0"), "5551234"):
        await client.put("/contact/bank_account", json=account(company, account_number=number))
    first, second, third = await INDEXES.all(
        company.services.db, company_id=company.company_id, contact_id=company.contact
    )
    assert first == second != third


US = {"routing_number": "021000021", "institution_number": None, "transit_number": None}
IBAN = {
    "iban": "DE89370400440532013000",
    "institution_number": None,
    "transit_number": None,
    "account_number": None,
}


@pytest.mark.parametrize(
    "numbers, currency, shown",
    [
        (US, "USD", "345"),
        (IBAN, "EUR", "000"),
        (IBAN | {"iban": "nl91 abna 0417 1643 00"}, "EUR", "300"),
    ],
    ids=["us", "iban", "iban_as_printed"],
)
async def test_accounts_of_other_countries_are_taken_in_their_currency(
    numbers: dict[str, Any], currency: str, shown: str, client: httpx.AsyncClient, company: Company
) -> None:
    answer = await client.put("/contact/bank_account", json=account(company, **numbers))
    assert answer.status_code == 201, answer.text
    assert (answer.json()["currency"], answer.json()["account_number_last3"]) == (currency, shown)
    assert not [each for each in (NUMBER, "0532013", "04171643") if each in answer.text]
    [index] = await INDEXES.all(
        company.services.db, company_id=company.company_id, contact_id=company.contact
    )
    bare = "".join((numbers.get("iban") or "").upper().split())
    parts = (bare[:2], bare) if bare else ("US", "021000021", NUMBER.lstrip("0"))
    assert index == blind_index(company.services.keyring, company.company_id, "bank_account", parts)


@pytest.mark.parametrize(
    "changes, field, code",
    [
        (US | {"routing_number": "123456789"}, "routing_number", "check_digit"),
        (US | {"account_number": None}, "account_number", "required"),
        (IBAN | {"iban": "DE89370400440532013001"}, "iban", "check_digits"),
        (IBAN | {"iban": "BR1800360305000010009795493C1"}, "iban", "country"),
        ({"routing_number": "021000021"}, "routing_number", "one_scheme"),
        ({"iban": "DE89370400440532013000"}, "iban", "one_scheme"),
        (US | {"iban": "DE89370400440532013000"}, "iban", "one_scheme"),
        ({"account_number": None}, "account_number", "required"),
        ({"transit_number": None}, "transit_number", "required"),
        ({"account_number": "12A45"}, "account_number", "not_digits"),
        ({"account_number": 1000001}, "account_number", "wrong_type"),
        ({"institution_number": "0003"}, "institution_number", "wrong_length"),
        ({"holder_name": None}, "holder_name", "required"),
        ({"holder_name": "x" * 61}, "holder_name", "too_long"),
        ({"holder_email": "x"}, "holder_email", "not_an_email_address"),
        ({"account_type": "loan"}, "account_type", "not_an_option"),
        ({"contact_id": "01980000-0000-7000-8000-000000000001"}, "contact_id", "not_found"),
        ({"contact_id": "x"}, "contact_id", "wrong_form"),
    ],
)
async def test_what_is_no_account_is_refused_by_field(
    changes: dict[str, Any], field: str, code: str, client: httpx.AsyncClient, company: Company
) -> None:
    answer = await client.put("/contact/bank_account", json=account(company, **changes))
    assert answer.status_code == 422
    assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [(field, code)]
    assert not [seed for seed in (NUMBER, "12A45", "DE89") if seed in answer.text]


async def test_one_key_makes_one_account_and_names_no_secret_field(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = {"Idempotency-Key": "a"}
    answers = await asyncio.gather(
        *(
            client.put("/contact/bank_account", json=account(company), headers=headers)
            for _ in range(20)
        )
    )
    assert len({(each.status_code, each.content) for each in answers}) == 1
    other = account(company, account_number="7654321")
    answer = await client.put("/contact/bank_account", json=other, headers=headers)
    assert answer.status_code == 409
    assert "secret fields" in answer.json()["detail"]
    assert "account_number" not in answer.json()["detail"]


async def test_one_key_serves_each_operation_apart(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = {"Idempotency-Key": "shared"}
    contact = {"email": "a@example.com", "name": "A"}
    assert (await client.put("/contact", json=contact, headers=headers)).status_code == 200
    made = await client.put("/contact/bank_account", json=account(company), headers=headers)
    assert made.status_code == 201


async def test_a_removed_account_forgets_its_numbers(
    client: httpx.AsyncClient, company: Company
) -> None:
    given = (await client.put("/contact/bank_account", json=account(company))).json()
    path = f"/bank_account/{given['identifier']}"
    assert (await client.delete(path)).json() == {"ok": True}
    assert (await client.delete(path)).status_code == 404
    listed = (await client.get(f"/contact/{company.contact}/bank_accounts")).json()
    assert listed["data"] == []
    place = {"company_id": company.company_id, "bank_account_id": UUID(given["identifier"])}
    assert not any(await DETAILS.all(company.services.db, **place))
    [*_, event] = await events(company)
    assert event.type == "bank_accounts.deleted"


async def test_an_account_that_an_open_credit_pays_into_stays(
    client: httpx.AsyncClient, company: Company
) -> None:
    saved = await company.contact_account()
    request = company.request(to_bank_account=saved)
    await company.services.births.one(company.asker, request, key=None)
    answer = await client.delete(f"/bank_account/{saved}")
    assert (answer.status_code, answer.json()["code"]) == (409, "used_by_credits")


async def test_removing_an_account_does_not_read_all_credits_under_its_lock(
    company: Company,
) -> None:
    saved = await company.contact_account()
    one = company.request(to_bank_account=saved)
    await company.services.births.one(company.asker, one, key=None)
    others = [(company.request(), f"k{n}") for n in range(500)]
    await company.services.births.many(company.asker, others)
    asked = {"company_id": company.company_id, "bank_account_id": saved}
    async with company.services.db.connection() as connection:
        cursor = psycopg.AsyncRawCursor(connection)
        text = f"explain (analyze, format json) {OPEN_CREDITS.text}"
        await cursor.execute(text.encode(), [asked[name] for name in OPEN_CREDITS.names])
        row = await cursor.fetchone()
    assert row is not None
    [scan] = row[0][0]["Plan"]["Plans"]
    read = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
    assert read == 1, scan


async def test_a_companys_own_account_is_not_for_tokens_to_remove(
    client: httpx.AsyncClient, company: Company
) -> None:
    assert (await client.delete(f"/bank_account/{company.bank_account}")).status_code == 404
    listed = (await client.get("/company/bank_accounts")).json()["data"]
    [own] = listed
    assert own["identifier"] == str(company.bank_account)
    assert (own["rail"], own["state"], own["contact_id"]) == ("sandbox", "live", None)


async def add_to(services: Services, company_id: CompanyId, rail: Rail | None) -> BankAccountId:
    return await add_company_account(
        services.db,
        company_id,
        NewBankAccount(account=CanadianAccount("004", "12342", "1234567"), holder_name="Live"),
        rail=rail,
        vault=services.vault,
        keyring=services.keyring,
        by=OPERATOR,
        at=NOON,
    )


async def test_a_live_company_names_its_rail_and_starts_with_a_draft(apart: Services) -> None:
    live, db = CompanyId(uuid7()), apart.db
    question = PreparedQuestion(QuestionId(uuid7()), "Which?", AnswerHash("hash", 1))
    await create_company(db, live, name="Live", question=question, sandbox=False, now=NOON)
    with pytest.raises(RailRequired):
        await add_to(apart, live, None)
    with pytest.raises(SandboxRail):
        await add_to(apart, live, Rail.SANDBOX)
    with pytest.raises(NotFound):
        await add_to(apart, CompanyId(uuid7()), None)
    made = await add_to(apart, live, Rail.CPA005)
    stored = await STORED.one(db, company_id=live, bank_account_id=made)
    assert "draft" in stored
    accounts = await LEDGER.all(db, company_id=live)
    assert f"bank:{made}" in accounts
    assert "payable" in accounts
