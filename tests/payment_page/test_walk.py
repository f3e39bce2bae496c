"""The payee's walk from the link to the status, and what each page may say."""

from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT, Browser
from tests.payment_page.conftest import Link, NewBrowser
from tests.payment_page.facts import ask, attempts_of, events_of
from tests.world import ANSWER, QUESTION, Company


async def test_a_payee_gets_from_the_link_to_the_status(
    browser: Browser, link: Link, services: Services
) -> None:
    page = await browser.open(link.token)
    assert (page.status, page.state, page.step) == (200, "requested", "question")
    assert page.headings == ["Acme Example would like to pay you"]
    page = await browser.submit(answer=f" {ANSWER.upper()}! ")
    assert (page.status, page.step) == (200, "details")
    assert "$100.00" in page.words
    page = await browser.submit(**ACCOUNT)
    assert (page.status, page.step) == (200, "review")
    assert "Royal Bank of Canada (003)" in page.words
    page = await browser.submit(decision="accept")
    assert (page.status, page.state, page.step) == (200, "initiated", "status")
    assert "•••001" in page.text
    assert "Expected on Monday, March 2, 2026" in page.words
    assert await attempts_of(services.db, link) == [(1, "Robin Example", "001")]
    assert await events_of(services.db, link) == [
        "requested",
        "transactions.credits.link_answered",
        "initiated",
    ]


async def test_before_the_answer_only_company_and_question_are_shown(
    browser: Browser, link: Link
) -> None:
    page = await browser.open(link.token)
    assert QUESTION in page.words
    for hidden in ("100.00", "Robin", "example.com", "4711"):
        assert hidden not in page.text


async def test_the_account_number_never_comes_back(browser: Browser, link: Link) -> None:
    pages = [await browser.to_details(link.token, ANSWER)]
    pages.append(await browser.submit(**{**ACCOUNT, "transit_number": "1"}))
    assert pages[-1].status == 422
    assert pages[-1].inputs["holder_name"]["value"] == "Robin Example"
    pages.append(await browser.submit(**ACCOUNT))
    pages.append(await browser.get(f"{browser.page.action}?view=details"))
    assert pages[-1].step == "review"
    assert pages[-1].inputs["transit_number"]["value"] == "00002"
    await browser.get(browser.page.action)
    pages.append(await browser.submit(decision="accept"))
    assert pages[-1].state == "initiated"
    assert not [page.status for page in pages if ACCOUNT["account_number"] in page.text]
    for typed in ("00002", "Robin", "003"):
        assert typed not in pages[-1].words


async def test_acceptance_keeps_its_evidence(
    new_browser: NewBrowser, link: Link, services: Services
) -> None:
    browser = new_browser("198.51.100.77")
    await browser.to_review(link.token, ANSWER)
    await browser.submit(decision="accept")
    [row] = await ask(
        services.db,
        "select gate, consent_text, consent_language, length(session_id), client_network,"
        " length(account_index) from payment_attempt where company_id = %s and credit_id = %s",
        link.company_id,
        link.credit_id,
    )
    assert row == ("question", "payee-accept-1", "en", 32, "198.51.100.0/24", 18)


async def test_every_wrong_field_is_named_at_once(browser: Browser, link: Link) -> None:
    await browser.to_details(link.token, ANSWER)
    page = await browser.submit(holder_name=" ", institution_number="12x", account_number="1")
    assert (page.status, page.step) == (422, "details")
    assert set(page.problems) == {
        "holder_name",
        "transit_number",
        "institution_number",
        "account_number_again",
    }
    described = {part for said in page.problems.values() for part in said.split()}
    assert described <= page.identifiers
    assert [name for name, each in page.inputs.items() if "autofocus" in each] == ["holder_name"]


async def test_an_account_number_left_out_of_a_corrected_form_is_asked_for(
    browser: Browser, link: Link
) -> None:
    await browser.to_details(link.token, ANSWER)
    page = await browser.submit(**{**ACCOUNT, "holder_name": ""})
    assert set(page.problems) == {"holder_name", "account_number"}


async def test_an_unusual_account_is_shown_for_a_second_look_and_not_refused(
    browser: Browser, link: Link
) -> None:
    number = {"account_number": "123456789", "account_number_again": "1234-56789"}
    page = await browser.to_review(link.token, ANSWER, **number)
    assert "usually have a different number of digits" in page.words
    page = await browser.submit(decision="accept")
    assert page.state == "initiated"


async def test_a_payee_may_decline_with_a_reason(
    browser: Browser, link: Link, services: Services
) -> None:
    await browser.to_review(link.token, ANSWER)
    page = await browser.submit(decision="decline", reason="Not mine.\r\nReally.")
    assert (page.status, page.state) == (410, "declined")
    assert page.headings == ["This payment was declined"]
    assert "100.00" not in page.text
    rows = await ask(
        services.db,
        "select state, decline_reason from credit where company_id = %s and credit_id = %s",
        link.company_id,
        link.credit_id,
    )
    assert rows == [("declined", "Not mine.\nReally.")]
    drafts = "select 1 from payee_draft where company_id = %s"
    assert await ask(services.db, drafts, link.company_id) == []


async def test_a_payee_may_decline_without_giving_an_account(browser: Browser, link: Link) -> None:
    page = await browser.to_details(link.token, ANSWER)
    page = await browser.get(f"{page.action}?view=decline")
    assert (page.status, page.forms) == (200, 1)
    page = await browser.submit(decision="decline")
    assert (page.status, page.state) == (410, "declined")


async def test_a_reason_that_is_too_long_is_told(browser: Browser, link: Link) -> None:
    await browser.to_review(link.token, ANSWER)
    page = await browser.submit(decision="decline", reason="n" * 501)
    assert (page.status, page.step, set(page.problems)) == (422, "review", {"reason"})


async def test_leaving_ends_the_visit(browser: Browser, link: Link, services: Services) -> None:
    await browser.to_review(link.token, ANSWER)
    await browser.get(f"{link.path}?view=leave")
    page = await browser.submit()
    assert (page.status, page.headings) == (200, ["You have left this page"])
    assert (await browser.get(link.path)).status == 404
    left = "select ended_at is not null from payee_session where company_id = %s"
    assert await ask(services.db, left, link.company_id) == [(True,)]
    drafts = "select 1 from payee_draft where company_id = %s"
    assert await ask(services.db, drafts, link.company_id) == []


async def test_a_used_link_answers_with_the_question_and_then_the_status(
    browser: Browser, new_browser: NewBrowser, link: Link
) -> None:
    await browser.to_review(link.token, ANSWER)
    await browser.submit(decision="accept")
    other = new_browser()
    page = await other.open(link.token)
    assert (page.status, page.state, page.step) == (200, "initiated", "question")
    page = await other.submit(answer=ANSWER)
    assert (page.status, page.state, page.step) == (200, "initiated", "status")


async def test_a_sandbox_company_s_pages_say_so(browser: Browser, link: Link) -> None:
    page = await browser.open(link.token)
    assert "Test, no money moves." in page.words
    page = await browser.submit(answer=ANSWER)
    assert "Test, no money moves." in page.words


async def test_each_step_has_one_heading_and_one_form(browser: Browser, link: Link) -> None:
    pages = [await browser.open(link.token), await browser.submit(answer=ANSWER)]
    pages.append(await browser.submit(**ACCOUNT))
    pages.append(await browser.submit(decision="accept"))
    assert [len(page.headings) for page in pages] == [1, 1, 1, 1]
    assert [page.forms for page in pages] == [1, 1, 1, 0]
    assert company_is_named(pages[0].words)


def company_is_named(words: str) -> bool:
    return "Acme Example" in words


async def test_text_of_a_company_is_never_markup(
    browser: Browser, company: Company, services: Services, link: Link
) -> None:
    name = "<script>alert(1)</script>"
    async with services.db.connection() as connection:
        await connection.execute(
            b"update company set name = %s where company_id = %s", (name, company.company_id)
        )
    page = await browser.open(link.token)
    assert name not in page.text
    assert name in page.words
