"""Forged orders, stolen forms and cookies: even with our own token nothing is done out of turn."""

import pytest

from jetpay.credits.actions import reissue_link
from jetpay.events.model import OPERATOR
from jetpay.payment_page.posted import FORMS
from jetpay.payment_page.views import EXPECTED_FORMS
from jetpay.security.forms import form_token
from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT, Browser, Page
from tests.payment_page.conftest import Link, NewBrowser, NewLink
from tests.payment_page.facts import attempts_of, events_of, fingerprint
from tests.payment_page.test_bad_luck import walked_to
from tests.world import ANSWER

STEPS = ("question", "details", "review", "status")
EVERYTHING = {**ACCOUNT, "answer": ANSWER, "decision": "accept", "reviewed": "A" * 24}


def with_token(services: Services, browser: Browser, link: Link, name: str) -> dict[str, str]:
    """The form as our own page of another step would have it, for this very browser."""
    [cookie] = browser.client.cookies.values()
    token = form_token(services.keyring.active("csrf"), link.company_id, cookie, name)
    return {**EVERYTHING, "step": name, "form_token": token}


@pytest.mark.parametrize("step", STEPS)
async def test_a_forged_order_of_steps_is_answered_with_the_step_that_is_right(
    browser: Browser, link: Link, services: Services, step: str
) -> None:
    await walked_to(browser, link, step)
    events, attempts = await events_of(services.db, link), await attempts_of(services.db, link)
    for name in set(FORMS) - EXPECTED_FORMS[step]:  # type: ignore[index]
        browser.page.action = link.path
        page = await browser.send(with_token(services, browser, link, name))
        # Of an accepted payment, a yes once more is a double click.
        assert page.status == (200 if step == "status" else 409), name
        assert page.step == step
    assert await events_of(services.db, link) == events
    assert await attempts_of(services.db, link) == attempts


@pytest.mark.parametrize("step", ["question", "details", "review"])
async def test_a_stolen_form_is_worth_nothing_in_another_browser(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services, step: str
) -> None:
    page = await walked_to(browser, link, step)
    before = await fingerprint(services.db)
    thief = new_browser()
    thief.page.action = link.path
    assert (await thief.send({**EVERYTHING, **page.hidden})).status == 404, "no cookie"
    await thief.open(link.token)
    assert (await thief.send({**EVERYTHING, **page.hidden})).status == 403, "a cookie of its own"
    assert await fingerprint(services.db) == before


async def test_a_form_is_not_taken_with_the_cookie_of_another_payment(
    browser: Browser, new_link: NewLink, services: Services
) -> None:
    mine, other = await new_link(), await new_link()
    await browser.to_review(mine.token, ANSWER)
    form = with_token(services, browser, mine, "review")
    [session] = browser.client.cookies.values()
    name = f"jetpay_pay_{other.credit_id.hex[-12:]}"
    browser.client.cookies.clear()
    browser.client.cookies.set(name, session, domain="127.0.0.1")
    before = await fingerprint(services.db)
    response = await browser.client.post(other.path, data=form)
    assert response.status_code == 404
    assert f'{name}=""' in response.headers["set-cookie"]
    assert await fingerprint(services.db) == before


@pytest.mark.parametrize("step", STEPS[:3])
async def test_the_cookie_of_an_older_link_is_cleared_and_opens_nothing(
    browser: Browser, link: Link, services: Services, step: str
) -> None:
    await walked_to(browser, link, step)
    form = with_token(services, browser, link, step)
    now = services.clock.now()
    await reissue_link(
        services.db, link.company_id, link.credit_id,
        link_key_id=services.keyring.active("link").number, by=OPERATOR, at=now, now=now,
    )  # fmt: skip
    before = await fingerprint(services.db)
    posted = await browser.client.post(link.path, data=form)
    assert posted.status_code == 404
    shown = await browser.client.get(link.path)
    assert shown.status_code == 404
    assert "jetpay_pay_" in posted.headers["set-cookie"]
    assert "Max-Age=0" in posted.headers["set-cookie"]
    assert await fingerprint(services.db) == before


async def test_a_planted_visit_does_not_become_the_session(
    browser: Browser, new_browser: NewBrowser, link: Link
) -> None:
    """Who planted the first cookie has nothing when the payee has answered with it."""
    planter = new_browser()
    await planter.open(link.token)
    [(name, planted)] = planter.client.cookies.items()
    browser.client.cookies.set(name, planted, domain="127.0.0.1")
    page = await browser.get(link.path)
    page = await browser.submit(answer=ANSWER)
    assert page.step == "details"
    assert planted not in [each.value for each in browser.client.cookies.jar if each.value]
    assert (await planter.get(link.path)).step == "question"


async def test_with_nine_cookies_the_oldest_payment_asks_for_its_link_again(
    browser: Browser, new_link: NewLink, services: Services
) -> None:
    links = [await new_link() for _ in range(9)]
    pages: list[Page] = [await browser.to_details(link.token, ANSWER) for link in links]
    assert len(browser.client.cookies) == 8
    assert (await browser.get(links[0].path)).status == 404
    for link, page in zip(links[1:], pages[1:], strict=True):
        browser.page = page
        assert (await browser.submit(**ACCOUNT)).step == "review", link.path
    await browser.to_review(links[0].token, ANSWER)
    assert (await browser.submit(decision="accept")).state == "initiated"
