"""The code by mail: after the question, and at a locked link."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from jetpay.credits.codes import CODES, CodeOutcome, code_required, try_code
from jetpay.credits.page_queries import PageCredit, page_credit
from jetpay.db.rows import Query
from jetpay.security.visits import session_digest
from tests.notices.conftest import Office, code_in, new_office
from tests.payment_page.browser import ACCOUNT, Browser, Page
from tests.payment_page.conftest import Link, NewBrowser, NewLink
from tests.payment_page.facts import ask, attempts_of, events_of, fingerprint
from tests.world import ANSWER, Company

Turn = Callable[[timedelta], None]
WRONG = "a wrong answer"
MINUTE = timedelta(minutes=1)
GATES = Query(
    str,
    """
    select gate from payment_attempt where company_id = %(company_id)s
    """,
)
CODES_ASKED = Query(
    int,
    """
    select count(*)::int as mails from mail
    where company_id = %(company_id)s and template = 'code'
    """,
    never_null=("mails",),
)


@pytest.fixture
async def office(company: Company) -> Office:
    """A sandbox that asks for a code from 50.00 on, and keeps its mails."""
    office = Office(company.services, company, "robin@example.com")
    await office.settle(code_from_amount=5_000)
    return office


@pytest.fixture(autouse=True)
async def own_address(company: Company, office: Office) -> None:
    """An address gets only so many codes a day."""
    office.payee = (await new_office(company.services, company)).payee


async def newest_code(office: Office) -> str:
    await office.deliver()
    mails = [each for each in await office.mails() if each.template == "code"]
    shown = await office.shown(mails[-1])
    assert shown.recipient == office.payee
    assert shown.text is not None
    return code_in(shown.text)


async def to_code(browser: Browser, link: Link) -> Page:
    await browser.open(link.token)
    page = await browser.submit(answer=ANSWER)
    assert (page.status, page.step) == (200, "code"), page.words
    return page


def another(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_above_the_amount_the_question_alone_opens_nothing(
    office: Office, browser: Browser, link: Link
) -> None:
    page = await to_code(browser, link)
    field = page.inputs["code"]
    assert (field["autocomplete"], field["inputmode"]) == ("one-time-code", "numeric")
    assert "100.00" not in page.text
    assert f"{office.payee[0]}•••@example.com" in page.text
    page = await browser.submit(**ACCOUNT, step="details")
    assert page.status == 403
    page = await browser.get(link.path)
    page = await browser.submit(code=await newest_code(office))
    assert (page.status, page.step) == (200, "details")
    await browser.submit(**ACCOUNT)
    page = await browser.submit(decision="accept")
    assert page.step == "status"
    assert await GATES.all(office.services.db, company_id=link.company_id) == ["question+code"]


async def test_below_the_amount_and_without_mail_the_question_is_enough(
    office: Office, browser: Browser, new_link: NewLink
) -> None:
    small = await new_link(amount=4_999)
    await browser.to_details(small.token, ANSWER)


async def test_looking_at_the_step_sends_no_code(
    office: Office, browser: Browser, link: Link
) -> None:
    await to_code(browser, link)
    before = await fingerprint(office.services.db)
    for _ in range(3):
        await browser.get(link.path)
    assert await fingerprint(office.services.db) == before


async def test_a_code_is_for_the_browser_that_asked(
    office: Office, new_browser: NewBrowser, link: Link, turn: Turn
) -> None:
    first, second = new_browser(), new_browser()
    await to_code(first, link)
    code = await newest_code(office)
    turn(2 * MINUTE)
    await to_code(second, link)
    other = await newest_code(office)
    page = await second.submit(code=code if code != other else another(code))
    assert (page.status, page.step) == (422, "code")
    page = await first.submit(code=f" {code[:3]} {code[3:]} ")
    assert page.step == "details"


async def test_a_code_lives_ten_minutes_and_once_and_only_the_newest(
    office: Office, browser: Browser, link: Link, turn: Turn
) -> None:
    await to_code(browser, link)
    first = await newest_code(office)
    turn(MINUTE)
    page = await browser.submit(send="again")
    assert (page.status, page.step) == (200, "code")
    second = await newest_code(office)
    if first != second:
        page = await browser.submit(code=first)
        assert page.status == 422
    turn(10 * MINUTE)
    page = await browser.get(link.path)
    assert "code" not in page.inputs, "there is none to type any more"


async def test_another_code_waits_a_minute_three_are_an_hours_and_ten_a_links(
    office: Office, browser: Browser, link: Link, turn: Turn
) -> None:
    await to_code(browser, link)
    page = await browser.submit(send="again")
    assert page.status == 429
    assert 0 < int(page.headers["Retry-After"]) <= 60
    for _ in range(2):
        turn(MINUTE)
        assert (await browser.submit(send="again")).status == 200
    turn(MINUTE)
    page = await browser.submit(send="again")
    assert (page.status, page.headers["Retry-After"]) == (429, "3600")
    asked = 3
    while asked < CODES:
        turn(timedelta(minutes=61))
        await browser.open(link.token)
        page = await browser.submit(answer=ANSWER)
        asked += 1
    turn(timedelta(minutes=61))
    await browser.open(link.token)
    page = await browser.submit(answer=ANSWER)
    page = await browser.submit(send="again")
    assert page.status == 429
    assert "for a new one" in page.words
    assert await CODES_ASKED.one(office.services.db, company_id=link.company_id) == CODES


async def test_five_wrong_codes_end_a_code_and_fifteen_the_link(
    office: Office, browser: Browser, link: Link, turn: Turn
) -> None:
    await to_code(browser, link)
    for round_ in range(3):
        code = await newest_code(office)
        for tries_left in (4, 3, 2, 1, 0):
            page = await browser.submit(code=another(code))
            if round_ == 2 and not tries_left:
                assert page.status == 423
                break
            assert page.status == 422, page.words
            assert not tries_left or f"You have {tries_left} tr" in page.words
        else:
            page = await browser.submit(code=code)
            assert page.status == 422, "the right one comes too late"
            turn(MINUTE)
            await browser.submit(send="again")
    page = await browser.get(link.path)
    assert (page.status, page.step) == (423, "locked")
    assert page.forms == 0, "no code opens what codes have locked"
    assert (await events_of(office.services.db, link)).count(
        "transactions.credits.link_locked"
    ) == 1


async def test_of_a_hundred_codes_at_once_exactly_five_are_checked(
    office: Office, browser: Browser, link: Link
) -> None:
    services = office.services
    await to_code(browser, link)
    code = await newest_code(office)
    cookie = browser.client.cookies[f"jetpay_pay_{link.credit_id.hex[-12:]}"]
    holder = session_digest(cookie)
    credit = await page_credit(services.db, link.company_id, link.credit_id)
    assert holder is not None
    assert credit is not None

    async def guess(number: int) -> CodeOutcome:
        return await try_code(
            services.db, credit, holder, f"{(int(code) + 1 + number) % 1_000_000:06}",
            reopens=False, keyring=services.keyring, now=services.clock.now(),
        )  # fmt: skip

    outcomes = await asyncio.gather(*(guess(number) for number in range(100)))
    assert sum(each.is_known for each in outcomes) == 5
    again = await page_credit(services.db, link.company_id, link.credit_id)
    assert again is not None
    assert again.code_wrong == 5


async def test_a_locked_link_is_opened_twice_by_a_code_for_three_answers(
    office: Office, browser: Browser, link: Link, turn: Turn
) -> None:
    await browser.open(link.token)
    for tries in (5, 3, 3):
        for _ in range(tries):
            page = await browser.submit(answer=WRONG)
        assert page.status == 423
        page = await browser.get(link.path)
        assert (page.status, page.step) == (423, "locked")
        assert "example.com" not in page.text, "whose address, only who has answered is told"
        if tries == 5 or page.forms:
            turn(MINUTE)
            page = await browser.submit(send="again")
            assert page.status == 423
            code = await newest_code(office)
            page = await browser.submit(code=another(code))
            assert (page.status, "problem" in page.text) == (423, True)
            page = await browser.get(link.path)
            page = await browser.submit(code=code)
            assert (page.status, page.step) == (200, "question"), page.words
    for _ in range(3):
        page = await browser.submit(answer=WRONG)
    page = await browser.get(link.path)
    assert (page.status, page.forms) == (423, 0)


async def test_a_code_is_asked_again_to_follow_the_payment(
    office: Office, browser: Browser, new_browser: NewBrowser, link: Link, turn: Turn
) -> None:
    await to_code(browser, link)
    await browser.submit(code=await newest_code(office))
    await browser.submit(**ACCOUNT)
    await browser.submit(decision="accept")
    assert len(await attempts_of(office.services.db, link)) == 1
    turn(MINUTE)
    other = new_browser()
    page = await to_code(other, link)
    assert ACCOUNT["account_number"][-3:] not in page.words
    page = await other.submit(code=await newest_code(office))
    assert page.step == "status"


async def test_many_wrong_answers_of_a_company_ask_everybody_for_a_code(
    office: Office, new_browser: NewBrowser, new_link: NewLink
) -> None:
    await office.settle(code_from_amount=10_000_000_000)
    await office.member("owner@example.com")
    for _ in range(11):
        browser = new_browser()
        await browser.open((await new_link(statement="Guess")).token)
        for _ in range(5):
            await browser.submit(answer=WRONG)
    honest = new_browser()
    await to_code(honest, await new_link())
    await office.deliver()
    told = [each for each in await office.told() if each.startswith("answers_guessed")]
    assert told == ["answers_guessed to owner@example.com: kept"]


async def test_a_live_company_with_mail_asks_from_a_thousand_on(office: Office, link: Link) -> None:
    credit = await page_credit(office.services.db, link.company_id, link.credit_id)
    assert credit is not None
    live = replace(credit, sandbox=False, code_from_amount=None)

    def asks(of: PageCredit, *, can_mail: bool = True) -> bool:
        return code_required(of, can_mail=can_mail, now=office.services.clock.now())

    assert asks(replace(live, amount=100_000))
    assert not asks(replace(live, amount=99_999))
    assert not asks(replace(live, amount=100_000), can_mail=False), "nobody could get one"
    assert not asks(replace(live, amount=9_999_999_999, code_from_amount=10_000_000_000))
    assert asks(replace(live, amount=1, code_from_amount=0))
    assert not asks(replace(live, amount=9_999_999_999, sandbox=True))
    assert not asks(replace(live, amount=9_999_999_999, gate_email=None)), "erased"


async def test_no_code_is_stored_in_clear(office: Office, browser: Browser, link: Link) -> None:
    await to_code(browser, link)
    code = await newest_code(office)
    rows = await ask(
        office.services.db,
        "select k.mac, m.recipient, m.body, m.cause::bytea from payee_code k"
        " join mail m using (company_id, mail_id) where k.company_id = %s",
        link.company_id,
    )
    assert len(rows) == 1
    assert all(code.encode() not in bytes(value) for value in rows[0])
