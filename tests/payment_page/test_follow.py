"""After the acceptance: where the money is, when it comes, what to do when it does not."""

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from jetpay.base.ids import BankFileId, uuid7
from jetpay.credits.model import State
from jetpay.credits.states import Cause, Move, move
from jetpay.events.model import CLOCK, REPORT_READER
from jetpay.payment_page import sentences
from jetpay.rails.fail_reasons import FAIL_REASONS
from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT, Browser
from tests.payment_page.conftest import Link, NewLink
from tests.payment_page.facts import attempts_of, complete, send_back, to_the_bank
from tests.world import ANSWER

Turn = Callable[[timedelta], None]
FILE = """
insert into bank_file (company_id, bank_file_id, bank_account_id, rail, state, currency,
                       cutoff_at, value_date, created_at, sent_at)
select company_id, %s, from_bank_account_id, 'sandbox', 'withdrawn', 'CAD', %s, %s, %s, %s
from credit where company_id = %s and credit_id = %s
"""
FILED = "update payment_attempt set bank_file_id = %s, line = 1 where company_id = %s"


async def accepted(browser: Browser, link: Link, **fields: str) -> None:
    await browser.to_review(link.token, ANSWER, **fields)
    assert (await browser.submit(decision="accept")).state == "initiated"


async def filed(services: Services, link: Link, value_date: date) -> None:
    """In a file that the bank debits on that day."""
    await to_the_bank(services, link)
    file_id, now = BankFileId(uuid7()), services.clock.now()
    async with services.db.connection() as connection:
        values = [file_id, now, value_date, now, now, link.company_id, link.credit_id]
        await connection.execute(FILE.encode(), values)
        await connection.execute(FILED.encode(), [file_id, link.company_id])


async def fail(services: Services, link: Link, reason: str, cause: Cause = Cause.RETURNED) -> None:
    by = CLOCK if cause is Cause.REPAIR_LAPSED else REPORT_READER
    async with services.db.transaction() as tx:
        failed = Move(credit_id=link.credit_id, to=State.FAILED, cause=cause, fail_reason=reason)
        [answer] = await move(tx, link.company_id, [failed], by=by, at=services.clock.now())
        assert not isinstance(answer, Exception), answer


async def test_the_day_is_a_business_day_and_once_it_has_passed_the_page_says_so(
    browser: Browser, link: Link, services: Services, turn: Turn
) -> None:
    await accepted(browser, link)
    await filed(services, link, date(2026, 3, 2))
    page = await browser.get(link.path)
    assert "Expected on Monday, March 2, 2026" in page.words
    assert "The bank has it" in page.words
    assert "the business day after Monday, March 2, 2026" in page.words
    turn(timedelta(days=1))
    await browser.open(link.token)
    page = await browser.submit(answer=ANSWER)
    assert (page.step, page.state) == ("status", "processing")
    assert "The bank was to pay it on Monday, March 2, 2026" in page.words
    assert "Ask Acme Example" in page.words


async def test_an_accepted_payment_is_expected_by_the_cut_offs_and_business_days_of_the_bank(
    browser: Browser, link: Link, turn: Turn
) -> None:
    turn(timedelta(days=4, hours=22))  # Saturday, March 7, 5 in the morning in Toronto
    await accepted(browser, link)
    assert "Expected on Monday, March 9, 2026" in browser.page.words


async def test_a_held_payment_is_being_checked_and_has_no_day(
    browser: Browser, link: Link, services: Services
) -> None:
    await accepted(browser, link)
    hold = "update credit set held = 'possible_duplicate' where company_id = %s and credit_id = %s"
    async with services.db.connection() as connection:
        await connection.execute(hold.encode(), [link.company_id, link.credit_id])
    page = await browser.get(link.path)
    assert "Acme Example is checking the payment" in page.words
    assert "Expected on" not in page.words
    assert "duplicate" not in page.words


async def test_the_reference_is_told_and_of_the_account_its_last_three_digits(
    browser: Browser, link: Link, services: Services
) -> None:
    await accepted(browser, link)
    for step in (None, to_the_bank):
        if step:
            await step(services, link)
        for path in (link.path, f"{link.path}?view=receipt"):
            page = await browser.get(path)
            assert re.search(r"\b[A-Z0-9]{12}\b", page.words)
            assert "001" in page.words
            for never in ("1000001", "00002", "Robin Example"):
                assert never not in page.text


@pytest.mark.parametrize("reason", list(sentences.REPAIRS))
async def test_a_repair_marks_the_fields_that_the_bank_s_reason_is_about(
    browser: Browser, link: Link, services: Services, reason: str
) -> None:
    await accepted(browser, link)
    await send_back(services, link, reason)
    page = await browser.to_details(link.token, ANSWER)
    marked = {
        name
        for name, each in page.inputs.items()
        if f"{name}-problem" in str(each.get("aria-describedby") or "")
    }
    shown = set(page.inputs)
    assert marked == set(sentences.FAULTY_FIELDS[reason]) & shown != set()
    assert page.problems == {}, "nothing was typed yet"
    assert sentences.REPAIRS[reason] in page.words
    assert sentences.FAULTS[reason] in page.words
    values = {name: each.get("value") for name, each in page.inputs.items()}
    del values["account_type"]
    assert set(values.values()) == {""}, "what was accepted does not come back"


def test_every_reason_that_a_payee_may_repair_has_its_words_and_fields() -> None:
    repairable = {name for name, each in FAIL_REASONS.items() if each.repairable}
    assert set(sentences.REPAIRS) == repairable
    assert set(sentences.FAULTS) == set(sentences.FAULTY_FIELDS) == repairable


async def test_attempts_are_counted_until_none_is_left(
    browser: Browser, new_link: NewLink, services: Services
) -> None:
    link = await new_link(repairs=2)
    await accepted(browser, link)
    for number in (2, 3):
        await send_back(services, link)
        page = await browser.to_details(link.token, ANSWER)
        assert f"attempt {number} of 3" in page.words
        account = f"200000{number}"
        await browser.submit(
            **{**ACCOUNT, "account_number": account, "account_number_again": account}
        )
        assert (await browser.submit(decision="accept")).state == "initiated"
    await to_the_bank(services, link)
    await fail(services, link, "account_closed")
    page = await browser.get(link.path)
    assert (page.step, page.state) == ("status", "failed")
    assert "The bank says that this account is closed." in page.words
    assert "tried as often as is allowed" in page.words
    assert "Please ask Acme Example what happens next." in page.words
    assert len(await attempts_of(services.db, link)) == 3


async def test_what_came_back_after_it_was_complete_is_told_as_that(
    browser: Browser, new_link: NewLink, services: Services
) -> None:
    repaired, lost = await new_link(), await new_link()
    for link in (repaired, lost):
        await accepted(browser, link)
        await complete(services, link)
        assert (await browser.get(link.path)).headings == ["Your payment is complete"]
    await send_back(services, repaired)
    page = await browser.to_details(repaired.token, ANSWER)
    assert "The payment was complete, and then the bank sent the money back." in page.words
    await fail(services, lost, "account_frozen")
    page = await browser.get(lost.path)
    assert "It was complete, and then the bank sent the money back." in page.words
    assert "The bank sent the money back later" in page.words
    assert "frozen" not in page.words
    assert "view=receipt" not in page.text


async def test_a_repair_that_came_too_late_says_so_and_whom_to_ask(
    browser: Browser, link: Link, services: Services, turn: Turn
) -> None:
    await accepted(browser, link)
    await send_back(services, link)
    turn(timedelta(days=14))
    page = await browser.open(link.token)
    assert (page.status, page.headings) == (410, ["The time for new bank details is over"])
    assert "ask Acme Example" in page.words
    assert "100.00" not in page.text
    await fail(services, link, "account_closed", Cause.REPAIR_LAPSED)
    await browser.open(link.token)
    page = await browser.submit(answer=ANSWER)
    assert page.state == "failed"
    assert "No new bank details came in time, so it can no longer be corrected." in page.words
