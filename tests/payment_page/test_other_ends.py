"""Cancelled, expired and returned payments: what the payee finds, and how it can be repaired."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from jetpay.credits.actions import cancel
from jetpay.credits.model import State
from jetpay.credits.states import Cause, Move, move
from jetpay.events.model import CLOCK, FILE_BUILDER, OPERATOR, REPORT_READER
from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT, Browser
from tests.payment_page.conftest import Link, NewBrowser
from tests.payment_page.facts import attempts_of, events_of, send_back
from tests.world import ANSWER

Turn = Callable[[timedelta], None]
NEW = {**ACCOUNT, "account_number": "2000002", "account_number_again": "2000002"}


async def accepted(browser: Browser, link: Link) -> None:
    await browser.to_review(link.token, ANSWER)
    assert (await browser.submit(decision="accept")).state == "initiated"


async def test_a_cancelled_payment_says_whom_to_ask(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    await browser.to_review(link.token, ANSWER)
    now = services.clock.now()
    await cancel(services.db, link.company_id, link.credit_id, by=OPERATOR, at=now)
    page = await browser.submit(decision="accept")
    assert (page.status, page.state) == (410, "cancelled")
    page = await new_browser().open(link.token)
    assert (page.status, page.state) == (410, "cancelled")
    assert "Acme Example" in page.words
    assert "100.00" not in page.text
    assert await attempts_of(services.db, link) == []


async def test_a_link_expires_on_the_second_even_if_nobody_wrote_it_down(
    browser: Browser, link: Link, services: Services, turn: Turn
) -> None:
    turn(timedelta(days=30) - timedelta(seconds=1))
    await browser.to_review(link.token, ANSWER)
    turn(timedelta(seconds=1))
    page = await browser.submit(decision="accept")
    assert (page.status, page.state, page.headings) == (410, "expired", ["This link has expired"])
    page = await browser.open(link.token)
    assert (page.status, page.state) == (410, "expired")
    assert await attempts_of(services.db, link) == []


async def test_a_returned_payment_is_repaired_on_the_same_link(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    await accepted(browser, link)
    await send_back(services, link)
    page = await browser.get(link.path)
    assert (page.state, page.step) == ("action_required", "question")
    other = new_browser()
    page = await other.to_details(link.token, ANSWER)
    assert page.state == "action_required"
    assert "The bank says that this account is closed." in page.words
    assert "ending in 001" in page.words
    assert "Monday, March 16, 2026" in page.words
    assert "corrected 3 more times" in page.words
    page = await other.submit(**NEW)
    assert page.step == "review"
    page = await other.submit(decision="accept")
    assert (page.status, page.state) == (200, "initiated")
    assert await attempts_of(services.db, link) == [
        (1, "Robin Example", "001"),
        (2, "Robin Example", "002"),
    ]


async def test_the_account_that_the_bank_refused_is_not_taken_again(
    browser: Browser, link: Link, services: Services
) -> None:
    await accepted(browser, link)
    await send_back(services, link)
    await browser.to_details(link.token, ANSWER)
    again = {**ACCOUNT, "account_number": "0001000001", "account_number_again": "0001000001"}
    for form in (ACCOUNT, again):
        page = await browser.submit(**form)
        assert (page.status, set(page.problems)) == (422, {"account_number"})


async def test_a_repair_needs_a_gate_passed_within_twenty_minutes(
    browser: Browser, link: Link, services: Services, turn: Turn
) -> None:
    await accepted(browser, link)
    await send_back(services, link)
    await browser.to_details(link.token, ANSWER)
    turn(timedelta(minutes=15))
    assert (await browser.submit(**NEW)).step == "review"
    turn(timedelta(minutes=6))
    page = await browser.submit(decision="accept")
    assert (page.status, page.step) == (409, "question")
    assert len(await attempts_of(services.db, link)) == 1


async def test_who_followed_the_payment_is_asked_again_before_repairing(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    await accepted(browser, link)
    follower = new_browser()
    await follower.open(link.token)
    assert (await follower.submit(answer=ANSWER)).step == "status"
    await send_back(services, link)
    assert (await follower.get(link.path)).step == "question"


async def test_a_repair_may_be_declined(browser: Browser, link: Link, services: Services) -> None:
    await accepted(browser, link)
    await send_back(services, link)
    await browser.to_details(link.token, ANSWER)
    await browser.get(f"{link.path}?view=decline")
    page = await browser.submit(decision="decline")
    assert (page.status, page.state) == (410, "declined")
    assert (await events_of(services.db, link))[-1] == "declined"


async def test_after_the_deadline_nothing_can_be_repaired(
    browser: Browser, link: Link, services: Services, turn: Turn
) -> None:
    await accepted(browser, link)
    await send_back(services, link)
    turn(timedelta(days=14))
    page = await browser.open(link.token)
    assert page.status == 410
    assert page.headings == ["The time for new bank details is over"]


@pytest.mark.parametrize("reason", ["payee_deceased", "refused_by_payee"])
async def test_a_failed_payment_is_told_without_its_reason(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services, reason: str
) -> None:
    await accepted(browser, link)
    await send_back(services, link)
    async with services.db.transaction() as tx:
        failed = Move(
            credit_id=link.credit_id,
            to=State.FAILED,
            cause=Cause.REPAIR_LAPSED,
            fail_reason=reason,
        )
        await move(tx, link.company_id, [failed], by=CLOCK, at=services.clock.now())
    other = new_browser()
    page = await other.open(link.token)
    assert (page.status, page.state, page.step) == (200, "failed", "question")
    page = await other.submit(answer=ANSWER)
    assert (page.status, page.headings) == (200, ["The payment could not be made"])
    assert reason not in page.text
    assert "died" not in page.words


async def test_the_status_follows_the_payment(
    browser: Browser, link: Link, services: Services
) -> None:
    await accepted(browser, link)
    now = services.clock.now()
    async with services.db.transaction() as tx:
        claimed = Move(credit_id=link.credit_id, to=State.PROCESSING, cause=Cause.CLAIMED)
        await move(tx, link.company_id, [claimed], by=FILE_BUILDER, at=now)
    page = await browser.get(link.path)
    assert (page.state, page.headings) == ("processing", ["Your payment is on its way"])
    async with services.db.transaction() as tx:
        settled = Move(credit_id=link.credit_id, to=State.COMPLETED, cause=Cause.SETTLED)
        await move(tx, link.company_id, [settled], by=REPORT_READER, at=now)
    page = await browser.get(link.path)
    assert (page.state, page.headings) == ("completed", ["Your payment is complete"])
    assert page.words.index("The payment is complete") < page.words.index("You accepted")
