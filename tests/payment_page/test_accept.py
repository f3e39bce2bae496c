"""What was reviewed is what is accepted, by the browser that reviewed it, once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT, Browser
from tests.payment_page.conftest import Link, NewBrowser
from tests.payment_page.facts import attempts_of, events_of
from tests.world import ANSWER

OTHER = {
    **ACCOUNT,
    "holder_name": "Somebody Else",
    "account_number": "7654321",
    "account_number_again": "7654321",
}
ONCE = ["requested", "transactions.credits.link_answered", "initiated"]


async def test_details_typed_in_another_browser_change_nothing(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    await browser.to_review(link.token, ANSWER)
    other = new_browser()
    await other.to_review(link.token, ANSWER, **OTHER)
    page = await browser.submit(decision="accept")
    assert page.state == "initiated"
    assert await attempts_of(services.db, link) == [(1, "Robin Example", "001")]
    page = await other.submit(decision="accept")
    assert (page.status, page.step, page.state) == (409, "question", "initiated")
    assert await attempts_of(services.db, link) == [(1, "Robin Example", "001")]


async def test_of_two_browsers_that_accept_at_once_one_wins_and_the_other_is_told(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    other = new_browser()
    await browser.to_review(link.token, ANSWER)
    await other.to_review(link.token, ANSWER, **OTHER)
    pages = await asyncio.gather(browser.submit(decision="accept"), other.submit(decision="accept"))
    assert sorted(page.status for page in pages) == [200, 409]
    told = next(page for page in pages if page.status == 409)
    assert "accepted in another browser" in told.words
    assert len(await attempts_of(services.db, link)) == 1
    assert await events_of(services.db, link) == ONCE


async def test_a_double_click_accepts_once(
    browser: Browser, link: Link, services: Services
) -> None:
    page = await browser.to_review(link.token, ANSWER)
    form = {**page.hidden, "decision": "accept"}
    answers = await asyncio.gather(
        *(browser.client.post(page.action, data=form, follow_redirects=True) for _ in range(5))
    )
    assert [each.status_code for each in answers] == [200] * 5
    assert all('data-state="initiated"' in each.text for each in answers)
    assert await events_of(services.db, link) == ONCE


async def test_an_accept_sent_again_shows_the_status(
    browser: Browser, link: Link, services: Services
) -> None:
    page = await browser.to_review(link.token, ANSWER)
    form, path = {**page.hidden, "decision": "accept"}, page.action
    await browser.send(form)
    browser.page.action = path
    page = await browser.send(form)
    assert (page.status, page.step) == (200, "status")
    assert await events_of(services.db, link) == ONCE


async def test_nothing_is_accepted_without_a_draft(
    browser: Browser, link: Link, services: Services
) -> None:
    """The form is the browser's own and right in all; what it reviewed is no longer there."""
    page = await browser.to_review(link.token, ANSWER)
    form = {**page.hidden, "decision": "accept"}
    async with services.db.connection() as connection:
        deleted = await connection.execute(
            "delete from payee_draft where company_id = %s", [link.company_id]
        )
        assert deleted.rowcount == 1
    page = await browser.send(form)
    assert (page.status, page.step, page.state) == (409, "details", "requested")
    assert await attempts_of(services.db, link) == []


async def test_a_review_of_another_browser_accepts_nothing(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    review = await new_browser().to_review(link.token, ANSWER)
    page = await browser.to_review(link.token, ANSWER, **OTHER)
    form = {**page.hidden, "reviewed": review.hidden["reviewed"], "decision": "accept"}
    page = await browser.send(form)
    assert (page.status, page.step) == (409, "review")
    assert await attempts_of(services.db, link) == []


async def test_a_form_of_another_step_is_answered_with_the_right_page(
    browser: Browser, link: Link, services: Services
) -> None:
    page = await browser.to_details(link.token, ANSWER)
    details, path = page.hidden, page.action
    await browser.submit(**ACCOUNT)
    browser.page.action = path
    page = await browser.send({**details, **OTHER})
    assert (page.status, page.step) == (409, "review")
    assert "Robin Example" in page.words
    await browser.submit(decision="accept")
    assert await attempts_of(services.db, link) == [(1, "Robin Example", "001")]


async def test_details_changed_in_another_tab_void_the_review(
    browser: Browser, link: Link, services: Services
) -> None:
    review = await browser.to_review(link.token, ANSWER)
    await browser.get(f"{link.path}?view=details")
    page = await browser.submit(**OTHER)
    assert (page.status, page.step) == (200, "review")
    page = await browser.send({**review.hidden, "decision": "accept"})
    assert (page.status, page.step) == (409, "review")
    assert "Somebody Else" in page.words
    assert await attempts_of(services.db, link) == []
    await browser.submit(decision="accept")
    assert await attempts_of(services.db, link) == [(1, "Somebody Else", "321")]


async def test_a_review_in_one_language_is_not_accepted_in_another(
    browser: Browser, link: Link, services: Services
) -> None:
    page = await browser.to_review(link.token, ANSWER)
    browser.page.action += "?lang=fr"
    page = await browser.send({**page.hidden, "decision": "accept"})
    assert (page.status, page.step, page.language) == (409, "review", "fr-CA")
    assert await attempts_of(services.db, link) == []


async def test_an_altered_review_is_refused(
    browser: Browser, link: Link, services: Services
) -> None:
    page = await browser.to_review(link.token, ANSWER)
    page = await browser.submit(decision="accept", reviewed="A" * 24)
    assert (page.status, page.step) == (409, "review")
    page = await browser.submit(decision="perhaps")
    assert (page.status, page.step) == (422, "review")
    assert await attempts_of(services.db, link) == []


async def test_a_visit_ends_twenty_minutes_after_the_last_step(
    browser: Browser, link: Link, services: Services, turn: Callable[[timedelta], None]
) -> None:
    await browser.to_details(link.token, ANSWER)
    turn(timedelta(minutes=19))
    await browser.submit(**ACCOUNT)
    assert browser.page.step == "review"
    turn(timedelta(minutes=21))
    page = await browser.submit(decision="accept")
    assert (page.status, page.step) == (409, "question")
    assert "your visit has ended" in page.words
    page = await browser.submit(answer=ANSWER)
    assert (page.status, page.step) == (200, "details")
    assert await attempts_of(services.db, link) == []


async def test_a_visit_lasts_an_hour_at_most(
    browser: Browser, link: Link, turn: Callable[[timedelta], None]
) -> None:
    await browser.to_review(link.token, ANSWER)
    for _ in range(3):
        turn(timedelta(minutes=19))
        await browser.get(f"{link.path}?view=details")
        assert (await browser.submit(**ACCOUNT)).step == "review"
    turn(timedelta(minutes=4))
    assert (await browser.get(link.path)).step == "question"
