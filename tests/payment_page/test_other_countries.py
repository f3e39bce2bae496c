"""Bank details of each country: typed, refused beside the field, reviewed masked, and paid."""

from pathlib import Path

import pytest

from jetpay.bank_accounts.actions import add_company_account
from jetpay.bank_accounts.model import NewBankAccount, Rail
from jetpay.bank_accounts.refusals import CurrencyUnreached
from jetpay.banking.canada import CanadianAccount
from jetpay.base.ids import BankAccountId
from jetpay.credits.model import State
from jetpay.events.model import OPERATOR
from tests.payment_page.browser import ACCOUNT, Browser
from tests.payment_page.conftest import Link, NewLink
from tests.payment_page.facts import ask
from tests.stage import Stage
from tests.world import ANSWER, Company

US = {
    "holder_name": "Robin Example",
    "routing_number": "021000021",
    "account_number": "00987654",
    "account_number_again": "0098-7654",
    "account_type": "savings",
}
IBAN = {"holder_name": "Robin Example", "iban": "DE89 3704 0044 0532 0130 00"}


async def account_in(company: Company, currency: str, rail: Rail | None = None) -> BankAccountId:
    """An account of the company in another currency."""
    return await add_company_account(
        company.services.db,
        company.company_id,
        NewBankAccount(
            account=CanadianAccount("004", "12342", "7654321"),
            holder_name="Acme Example",
            currency=currency,
        ),
        rail=rail,
        vault=company.services.vault,
        keyring=company.services.keyring,
        by=OPERATOR,
        at=company.services.clock.now(),
    )


async def dollars(company: Company, new_link: NewLink) -> Link:
    return await new_link(from_bank_account=await account_in(company, "USD"))


async def euros(company: Company, new_link: NewLink) -> Link:
    return await new_link(from_bank_account=await account_in(company, "EUR"))


async def test_dollars_ask_for_an_american_account(
    browser: Browser, company: Company, new_link: NewLink
) -> None:
    link = await dollars(company, new_link)
    page = await browser.to_details(link.token, ANSWER)
    assert {*page.inputs} == {*US}
    assert "US$100.00" in page.words
    wrong = {"routing_number": "021000022", "account_number": "12", "account_type": "loan"}
    page = await browser.submit(**{**US, **wrong})
    assert page.status == 422
    assert [*page.problems] == ["routing_number", "account_number", "account_type"]
    assert page.inputs["routing_number"]["value"] == "021000022"
    assert page.inputs["account_number"]["value"] == ""
    page = await browser.submit(**{**US, "account_number_again": "00987655"})
    assert [*page.problems] == ["account_number_again"]
    page = await browser.submit(**US)
    assert (page.status, page.step) == (200, "review")
    assert "021000021" in page.words
    assert "ending in 654" in page.words
    assert "00987654" not in page.text
    page = await browser.submit(decision="accept")
    assert page.state == "initiated"
    stored = await ask(
        company.services.db,
        "select scheme, account_type, currency, last3 from payment_attempt where credit_id = %s",
        link.credit_id,
    )
    assert stored == [("us", "savings", "USD", "654")]


async def test_euros_ask_for_an_iban(browser: Browser, company: Company, new_link: NewLink) -> None:
    link = await euros(company, new_link)
    page = await browser.to_details(link.token, ANSWER)
    assert {*page.inputs} == {*IBAN}
    page = await browser.submit(**{**IBAN, "iban": "DE89 3704 0044 0532 0130 01"})
    assert (page.status, [*page.problems]) == (422, ["iban"])
    assert page.inputs["iban"]["value"] == ""
    assert page.inputs["holder_name"]["value"] == "Robin Example"
    page = await browser.submit(holder_name="", iban=IBAN["iban"])
    assert [*page.problems] == ["holder_name", "iban"], "it was not given back"
    page = await browser.submit(**IBAN)
    assert (page.status, page.step) == (200, "review")
    for said in ("Commerzbank", "Germany", "ending in 000", "€100.00"):
        assert said in page.words
    assert "05320130" not in page.text.replace(" ", "")
    assert (await browser.submit(decision="accept")).state == "initiated"


async def test_a_whole_line_pasted_into_one_field_fills_all_three(
    browser: Browser, link: Link
) -> None:
    await browser.to_details(link.token, ANSWER)
    line = {"transit_number": "00002-003 1000001", "institution_number": "", "account_number": ""}
    page = await browser.submit(**{**ACCOUNT, **line, "account_number_again": ""})
    assert [*page.problems] == ["account_number_again"]
    typed = {name: page.inputs[name]["value"] for name in line}
    assert typed == {"transit_number": "00002", "institution_number": "003", "account_number": ""}
    page = await browser.submit(**{**ACCOUNT, **line, "account_number_again": "1000001"})
    assert (page.step, page.status) == ("review", 200)
    assert "Royal Bank of Canada (003)" in page.words


@pytest.mark.parametrize("currency, typed", [("USD", US), ("EUR", IBAN)])
@pytest.mark.parametrize(
    "number, state",
    [("1000001", State.COMPLETED), ("9000101", State.ACTION_REQUIRED)],
    ids=["paid", "returned"],
)
async def test_the_sandbox_bank_pays_and_returns_them(
    *,
    currency: str,
    typed: dict[str, str],
    number: str,
    state: State,
    browser: Browser,
    company: Company,
    new_link: NewLink,
    tmp_path: Path,
) -> None:
    stage = Stage.of(company, tmp_path)
    link = await new_link(from_bank_account=await account_in(company, currency))
    await browser.to_details(link.token, ANSWER)
    ibans = {"1000001": "DE88370400440001000001", "9000101": "DE92370400440009000101"}
    if currency == "EUR":
        typed = {**typed, "iban": ibans[number]}
    else:
        typed = {**typed, "account_number": number, "account_number_again": number}
    page = await browser.submit(**typed)
    assert page.step == "review", page.words
    await browser.submit(decision="accept")
    await stage.advance(10)
    assert await stage.state(link.credit_id) is state
    page = await browser.open(link.token)
    if state is State.ACTION_REQUIRED:
        await browser.submit(answer=ANSWER)
        page = await browser.submit(**typed)
        assert page.status == 422
        assert [*page.problems][-1] in {"account_number", "iban"}


async def test_a_rail_has_its_currencies(company: Company) -> None:
    with pytest.raises(CurrencyUnreached):
        await account_in(company, "GBP")
    with pytest.raises(CurrencyUnreached):
        await account_in(company, "CAD", Rail.NACHA)
