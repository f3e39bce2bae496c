"""The "this was not me" of the notice after an acceptance."""

from datetime import timedelta

import pytest

from jetpay.credits.holds import release
from jetpay.credits.queries import view
from jetpay.db.rows import Command
from jetpay.events.model import OPERATOR
from jetpay.services import Services
from jetpay.worker.advance import advance
from jetpay.worker.loop import tick
from tests.notices.conftest import Office, link_in, new_office
from tests.payment_page.browser import ACCOUNT, Browser
from tests.payment_page.conftest import Link, NewBrowser, NewLink
from tests.payment_page.facts import events_of, fingerprint
from tests.world import ANSWER, Company

DISOWNED = "transactions.credits.disowned"


@pytest.fixture
async def office(company: Company) -> Office:
    office = await new_office(company.services, company)
    await office.member("owner@example.com")
    return office


@pytest.fixture
async def accepted(office: Office, new_link: NewLink, new_browser: NewBrowser) -> Link:
    link, payee = await new_link(), new_browser()
    await payee.to_review(link.token, ANSWER)
    page = await payee.submit(decision="accept")
    assert page.step == "status"
    return link


async def notice(office: Office) -> str:
    await office.deliver()
    [mail] = [each for each in await office.mails() if each.template == "accepted"]
    return link_in(str((await office.shown(mail)).text))


async def test_looking_changes_nothing_and_the_button_holds_it(
    office: Office, accepted: Link, browser: Browser
) -> None:
    services, path = office.services, await notice(office)
    before = await fingerprint(services.db)
    for _ in range(3):
        page = await browser.get(path)
        assert (page.status, page.headers["referrer-policy"]) == (200, "no-referrer")
        assert "100.00" not in page.text
    assert await fingerprint(services.db) == before
    page.action = path
    page = await browser.submit()
    assert "is held" in page.headings[0]
    assert "Test, no money moves." in page.words
    found = await view(services.db, accepted.company_id, accepted.credit_id)
    assert (found.state, found.held) == ("initiated", "disowned")
    await tick(services, only=accepted.company_id)
    await advance(services, accepted.company_id, 5)
    found = await view(services.db, accepted.company_id, accepted.credit_id)
    assert found.state == "initiated", "it waits for a person"
    await office.deliver()
    assert "disowned to owner@example.com: kept" in await office.told()


async def test_saying_it_twice_tells_it_once(
    office: Office, accepted: Link, browser: Browser
) -> None:
    path = await notice(office)
    for _ in range(2):
        page = await browser.get(path)
        page.action = path
        await browser.submit()
    assert (await events_of(office.services.db, accepted)).count(DISOWNED) == 1


async def test_once_it_is_in_a_file_the_company_is_told_and_nothing_held(
    office: Office, accepted: Link, browser: Browser
) -> None:
    path = await notice(office)
    await advance(office.services, accepted.company_id, 1)
    page = await browser.get(path)
    page.action = path
    page = await browser.submit()
    assert "call" in page.words
    found = await view(office.services.db, accepted.company_id, accepted.credit_id)
    assert (found.state, found.held) == ("processing", None)
    assert DISOWNED in await events_of(office.services.db, accepted)


async def test_a_payment_link_disowns_nothing_and_the_notice_claims_nothing(
    office: Office, accepted: Link, browser: Browser
) -> None:
    path = await notice(office)
    assert (await browser.get(f"/payment/not-me/{accepted.token}")).status == 404
    assert (await browser.get(path.replace("not-me", "pay"))).status == 404
    assert (await browser.get(path[:-1] + ("A" if path[-1] != "A" else "B"))).status == 404


@pytest.mark.parametrize(
    "headers, form",
    [
        ({}, {"other": "field"}),
        ({}, {"form_token": "A" * 24}),
        ({"Sec-Fetch-Site": "cross-site"}, None),
        ({"Origin": "https://elsewhere.example"}, None),
    ],
)
async def test_a_form_that_is_not_ours_holds_nothing(
    office: Office,
    accepted: Link,
    browser: Browser,
    headers: dict[str, str],
    form: dict[str, str] | None,
) -> None:
    path = await notice(office)
    page = await browser.get(path)
    page.action = path
    page = await browser.send(page.hidden if form is None else form, headers=headers)
    assert page.status == 403
    assert DISOWNED not in await events_of(office.services.db, accepted)


async def release_it(services: Services, link: Link) -> None:
    now = services.clock.now()
    await release(
        services.db, link.company_id, [link.credit_id], by=OPERATOR, at=now + timedelta(days=1),
        now=now,
    )  # fmt: skip


async def press(browser: Browser, path: str) -> str:
    page = await browser.get(path)
    page.action = path
    page = await browser.submit()
    assert page.status == 200
    return page.headings[0]


async def test_a_payment_that_the_bank_gave_back_is_held_by_the_first_notice_and_only_once(
    office: Office, new_link: NewLink, new_browser: NewBrowser
) -> None:
    services, payee, link = office.services, new_browser(), await new_link()
    refused = {**ACCOUNT, "account_number": "9000901", "account_number_again": "9000901"}
    await payee.to_details(link.token, ANSWER)
    await payee.submit(**refused)
    await payee.submit(decision="accept")
    path = await notice(office)
    await advance(services, link.company_id, 1)
    found = await view(services.db, link.company_id, link.credit_id)
    assert (found.state, found.held, found.attempt) == ("initiated", "file_refused", 2)
    await release_it(services, link)
    assert "is held" in await press(new_browser(), path)
    found = await view(services.db, link.company_id, link.credit_id)
    assert (found.state, found.held) == ("initiated", "disowned")
    await release_it(services, link)
    assert "is held" not in await press(new_browser(), path), "a person has looked"


async def test_what_is_held_already_is_released_by_nobody_who_does_not_know(
    office: Office, accepted: Link, browser: Browser
) -> None:
    path = await notice(office)
    await Command("update credit set held = %(held)s where company_id = %(company_id)s").run(
        office.services.db, held="possible_duplicate", company_id=accepted.company_id
    )
    assert "is held" in await press(browser, path)
    found = await view(office.services.db, accepted.company_id, accepted.credit_id)
    assert found.held == "disowned"
