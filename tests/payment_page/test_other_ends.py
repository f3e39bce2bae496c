"""Cancelled, expired and returned payments: what the payee finds, and how it can be repaired."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from jetpay.contacts.erasure import erase_contact
from jetpay.credits.actions import cancel
from jetpay.credits.model import State
from jetpay.credits.states import Cause, Move, move
from jetpay.events.model import CLOCK, FILE_BUILDER, OPERATOR, PAYEE, REPORT_READER
from jetpay.payment_page import views
from jetpay.security.secrets import Secret
from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT, Browser
from tests.payment_page.conftest import Link, NewBrowser, NewLink
from tests.payment_page.facts import attempts_of, events_of, send_back
from tests.world import ANSWER, Company

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
    assert "attempt 2 of 4" in page.words
    assert "before March 16, 2026, 8:00 a.m. EDT" in page.words
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


@pytest.mark.parametrize(
    "reason, other",
    [
        ("details_invalid", {"holder_name": "Robin Exemple"}),
        ("account_type_refused", {"account_type": "savings"}),
    ],
)
async def test_who_has_one_account_only_can_repair_what_was_wrong_with_it(
    browser: Browser, link: Link, services: Services, reason: str, other: dict[str, str]
) -> None:
    await accepted(browser, link)
    await send_back(services, link, reason)
    page = await browser.to_details(link.token, ANSWER)
    assert "sent the payment back" not in page.words
    page = await browser.submit(**ACCOUNT)
    assert page.status == 422
    assert set(page.problems) == {*other, "account_number"}, "which is not given back"
    assert "Please type the account number again." in page.words
    assert (await browser.submit(**ACCOUNT | other)).step == "review"
    assert (await browser.submit(decision="accept")).state == "initiated"
    assert len(await attempts_of(services.db, link)) == 2


async def test_two_who_repair_at_once_are_told_which_field_is_wrong(
    browser: Browser, link: Link, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the acceptance finds, although the form let it pass."""
    await accepted(browser, link)
    await send_back(services, link, "details_invalid")
    await browser.to_details(link.token, ANSWER)
    with monkeypatch.context() as blind:

        async def nothing(*_: object) -> None:
            return None

        blind.setattr(views, "refused_before", nothing)
        assert (await browser.submit(**ACCOUNT)).step == "review"
    page = await browser.submit(decision="accept")
    assert (page.status, set(page.problems)) == (422, {"holder_name", "account_number"})
    assert len(await attempts_of(services.db, link)) == 1


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


async def test_the_locked_link_of_a_failed_payment_says_that_it_failed(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services, turn: Turn
) -> None:
    """Nobody can unlock it any more."""
    await accepted(browser, link)
    await send_back(services, link)
    guesser = new_browser()
    await guesser.open(link.token)
    for _ in range(5):
        page = await guesser.submit(answer="wrong")
    assert (page.status, page.state) == (423, "action_required")
    assert "unlock the link" in page.words
    now = services.clock.now()
    async with services.db.transaction() as tx:
        failed = Move(
            credit_id=link.credit_id,
            to=State.FAILED,
            cause=Cause.REPAIR_LAPSED,
            fail_reason="account_closed",
        )
        await move(tx, link.company_id, [failed], by=CLOCK, at=now)
    page = await new_browser().open(link.token)
    assert (page.status, page.state) == (423, "failed")
    assert "The payment could not be made. Please ask Acme Example" in page.words
    assert "unlock" not in page.words
    assert "100.00" not in page.text


async def test_an_erased_contact_s_own_question_leaves_a_neutral_page(
    browser: Browser, new_browser: NewBrowser, company: Company, new_link: NewLink
) -> None:
    link = await new_link(security_question="Which ship?", security_answer=Secret("Karla Maria"))
    services = company.services
    await browser.open(link.token)
    async with services.db.transaction() as tx:
        at = services.clock.now()
        done = Move(credit_id=link.credit_id, to=State.INITIATED, cause=Cause.ACCEPTED)
        await move(tx, link.company_id, [done], by=PAYEE, at=at)
    for to, cause, by in (
        (State.PROCESSING, Cause.CLAIMED, FILE_BUILDER),
        (State.COMPLETED, Cause.SETTLED, CLOCK),
    ):
        async with services.db.transaction() as tx:
            await move(
                tx, link.company_id, [Move(credit_id=link.credit_id, to=to, cause=cause)],
                by=by, at=at,
            )  # fmt: skip
    await erase_contact(services.db, link.company_id, company.contact, by=OPERATOR, at=at)
    for page in (
        await browser.submit(answer="Karla Maria"),
        await new_browser().open(link.token),
    ):
        assert (page.status, page.headings) == (410, ["This link is no longer used"])
        assert "Acme Example" in page.words
        assert "100.00" not in page.text


async def test_an_account_whose_bank_is_not_known_yet_has_no_day_of_arrival(
    browser: Browser, link: Link, services: Services
) -> None:
    await accepted(browser, link)
    assert "Monday, March 2" in (await browser.get(link.path)).words
    other = "update bank_account set rail = 'cpa005' where company_id = %s and contact_id is null"
    async with services.db.connection() as connection:
        await connection.execute(other.encode(), [link.company_id])
    page = await browser.get(link.path)
    assert (page.status, page.state) == (200, "initiated")
    assert "Monday, March 2" not in page.words


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
