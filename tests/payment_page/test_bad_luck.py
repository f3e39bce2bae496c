"""Bad luck and scanners: whatever happens to a payee on the way, no money and no hope is lost."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from jetpay.credits.actions import reissue_link
from jetpay.events.model import OPERATOR
from jetpay.security.links import make_link
from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT, Browser, Page
from tests.payment_page.conftest import Link, NewBrowser, NewLink
from tests.payment_page.facts import attempts_of, events_of, fingerprint, gate_of
from tests.world import ANSWER, Company

Turn = Callable[[timedelta], None]
OTHER = {**ACCOUNT, "account_number": "7654321", "account_number_again": "7654321"}
ONCE = ["requested", "transactions.credits.link_answered", "initiated"]
SCANNERS = [
    {"User-Agent": "Mozilla/5.0 (compatible; SafeLinks)"},
    {"User-Agent": "Slackbot-LinkExpanding 1.0", "Range": "bytes=0-32768"},
    {"User-Agent": "WhatsApp/2.23", "Accept": "*/*"},
    {"Purpose": "prefetch", "Sec-Purpose": "prefetch"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
]


async def walked_to(browser: Browser, link: Link, step: str) -> Page:
    """Stands at this step, with all before it done."""
    if step == "question":
        return await browser.open(link.token)
    if step == "details":
        return await browser.to_details(link.token, ANSWER)
    page = await browser.to_review(link.token, ANSWER)
    return page if step == "review" else await browser.submit(decision="accept")


async def accepts(browser: Browser, page: Page) -> Page:
    """Goes on from wherever the page stands, as a payee would who reads what it says."""
    fields = {
        "question": {"answer": ANSWER},
        "details": ACCOUNT,
        "review": {"decision": "accept"},
    }
    for _ in fields:
        if page.step not in fields:
            break
        page = await browser.submit(**fields[page.step or ""])
    return page


@pytest.mark.parametrize("step", ["question", "details", "review", "status"])
async def test_scanners_change_nothing_wherever_the_payee_stands(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services, step: str
) -> None:
    """Twenty, of five kinds, each following the redirect with the cookie that it was given."""
    page = await walked_to(browser, link, step)
    before = await fingerprint(services.db)
    for number in range(20):
        scanner = new_browser(**SCANNERS[number % len(SCANNERS)])
        if number % 2:
            await scanner.client.head(f"/payment/pay/{link.token}")
        seen = await scanner.open(link.token)
        assert (seen.status, seen.step) == (200, "question")
        assert "100.00" not in seen.text
    assert await fingerprint(services.db) == before
    browser.page = page
    assert (await accepts(browser, page)).state == "initiated"
    assert await events_of(services.db, link) == ONCE


@pytest.mark.parametrize("step", ["question", "details", "review"])
async def test_the_back_button_and_the_same_form_again_lose_nothing(
    browser: Browser, link: Link, services: Services, step: str
) -> None:
    """The page before is shown from the browser's memory, and its form is sent once more."""
    page = await walked_to(browser, link, step)
    sent = {"question": {"answer": ANSWER}, "details": OTHER, "review": {"decision": "accept"}}
    form = {**page.hidden, **sent[step]}
    after = await browser.submit(**sent[step])
    events, attempts = await events_of(services.db, link), await attempts_of(services.db, link)
    browser.page.action = link.path
    again = await browser.send(form)
    assert again.status == {"question": 403, "details": 409, "review": 200}[step]
    assert await events_of(services.db, link) == events
    assert await attempts_of(services.db, link) == attempts
    page = await browser.get(link.path)
    assert (page.step, page.state) == (after.step, after.state)
    assert (await accepts(browser, page)).state == "initiated"
    last3 = "001" if step == "question" else "321" if step == "details" else "001"
    assert await attempts_of(services.db, link) == [(1, "Robin Example", last3)]
    assert await gate_of(services.db, link) == (0, 0, 0, False)


async def test_a_double_click_on_any_button_does_it_once(
    browser: Browser, link: Link, services: Services
) -> None:
    page = await browser.open(link.token)
    for fields in ({"answer": ANSWER}, ACCOUNT, {"decision": "accept"}):
        form = {**page.hidden, **fields}
        await asyncio.gather(*(browser.client.post(link.path, data=form) for _ in range(2)))
        page = await browser.get(link.path)
        assert page.status == 200, page.words
    assert (page.step, page.state) == ("status", "initiated")
    assert await events_of(services.db, link) == ONCE
    assert await attempts_of(services.db, link) == [(1, "Robin Example", "001")]
    assert await gate_of(services.db, link) == (0, 0, 0, False)


async def test_two_tabs_of_one_browser_share_the_visit_and_pay_once(
    browser: Browser, link: Link, services: Services
) -> None:
    first = await browser.to_review(link.token, ANSWER)
    second = await browser.open(link.token)
    assert second.step == "review"
    await browser.submit(decision="accept")
    browser.page = first
    page = await browser.send({**first.hidden, "decision": "decline"})
    assert (page.status, page.step, page.state) == (409, "status", "initiated"), "it was accepted"
    browser.page = first
    assert (await browser.submit(decision="accept")).status == 200
    assert await events_of(services.db, link) == ONCE


async def test_of_an_accept_and_a_decline_at_once_one_holds_and_both_tabs_are_told_which(
    browser: Browser, link: Link, services: Services
) -> None:
    page = await browser.to_review(link.token, ANSWER)
    forms = [{**page.hidden, "decision": decision} for decision in ("accept", "decline")]
    await asyncio.gather(*(browser.client.post(link.path, data=form) for form in forms))
    events = await events_of(services.db, link)
    assert events[-1] in ("initiated", "declined")
    assert len(events) == 3
    page = await browser.open(link.token)
    assert page.state == events[-1]
    assert len(await attempts_of(services.db, link)) == (events[-1] == "initiated")


async def test_two_links_in_two_tabs_are_paid_apart(
    browser: Browser, new_link: NewLink, services: Services
) -> None:
    """Step by step, in turns; the form of one never reaches the other."""
    one, two = await new_link(), await new_link(amount=20_000)
    tabs = {link: await browser.open(link.token) for link in (one, two)}
    for fields in ({"answer": ANSWER}, ACCOUNT, {"decision": "accept"}):
        for link, other in ((one, two), (two, one)):
            browser.page = tabs[link]
            browser.page.action = other.path
            before = await events_of(services.db, other)
            assert (await browser.submit(**fields)).status == 403
            assert await events_of(services.db, other) == before
            browser.page = tabs[link]
            browser.page.action = link.path
            tabs[link] = await browser.submit(**fields)
    assert "$100.00" in tabs[one].words
    assert "$200.00" in tabs[two].words
    for link in (one, two):
        assert await events_of(services.db, link) == ONCE


@pytest.mark.parametrize("step", ["question", "details", "review", "status"])
async def test_a_lost_cookie_costs_the_question_and_nothing_else(
    browser: Browser, link: Link, services: Services, step: str
) -> None:
    page = await walked_to(browser, link, step)
    events = await events_of(services.db, link)
    browser.client.cookies.clear()
    lost = await browser.submit(answer=ANSWER) if page.forms else await browser.get(link.path)
    assert (lost.status, lost.headings) == (404, ["This link does not work"])
    assert "open the link from your message again" in lost.words
    assert await events_of(services.db, link) == events
    page = await accepts(browser, await browser.open(link.token))
    assert (page.status, page.state) == (200, "initiated")
    assert await events_of(services.db, link) == ONCE
    assert await attempts_of(services.db, link) == [(1, "Robin Example", "001")]
    assert await gate_of(services.db, link) == (0, 0, 0, False)


@pytest.mark.parametrize("step", ["details", "review"])
async def test_a_visit_that_ended_in_the_middle_says_what_is_lost(
    browser: Browser, link: Link, services: Services, turn: Turn, step: str
) -> None:
    page = await walked_to(browser, link, step)
    turn(timedelta(minutes=21))
    page = await browser.submit(**(ACCOUNT if step == "details" else {"decision": "accept"}))
    assert (page.status, page.step) == (409, "question")
    assert "your visit has ended" in page.words
    assert "What you typed was not kept" in page.words
    assert "1000001" not in page.text
    assert await attempts_of(services.db, link) == []
    assert (await accepts(browser, page)).state == "initiated"


@pytest.mark.parametrize("step", ["question", "details", "review"])
async def test_a_link_that_is_issued_again_meanwhile_is_told_where_the_old_one_is_opened(
    browser: Browser, company: Company, link: Link, services: Services, step: str
) -> None:
    page = await walked_to(browser, link, step)
    now, key = services.clock.now(), services.keyring.active("link")
    await reissue_link(
        services.db, link.company_id, link.credit_id,
        link_key_id=key.number, by=OPERATOR, at=now, now=now,
    )  # fmt: skip
    fields = {"question": {"answer": ANSWER}, "details": ACCOUNT, "review": {"decision": "accept"}}
    page = await browser.submit(**fields[step])
    assert page.status == 404
    assert await attempts_of(services.db, link) == []
    page = await browser.open(link.token)
    assert (page.status, page.headings) == (410, ["There is a newer link"])
    newer = make_link(key, link.company_id, company.asker.short_id, link.credit_id, 2)
    page = await browser.open(newer)
    assert page.step == "question"
    assert (await accepts(browser, page)).state == "initiated"
    assert len(await attempts_of(services.db, link)) == 1
