"""A form is taken from our own page in the same browser, and from nowhere else."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jetpay.payment_page import posted
from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT, Browser
from tests.payment_page.conftest import Link, NewBrowser, NewLink
from tests.payment_page.facts import attempts_of, gate_of
from tests.world import ANSWER

OURS = "http://127.0.0.1:8080"

HEADERS = [
    ({}, True),
    ({"Origin": OURS}, True),
    ({"Origin": "null"}, True),
    ({"Origin": OURS, "Sec-Fetch-Site": "same-origin"}, True),
    ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "none"}, False),
    ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "https://127.0.0.1:8080"}, False),
    ({"Origin": OURS, "Sec-Fetch-Site": "cross-site"}, False),
]


@pytest.mark.parametrize("headers,taken", HEADERS)
async def test_where_a_form_may_come_from(
    browser: Browser, link: Link, services: Services, headers: dict[str, str], taken: bool
) -> None:
    page = await browser.open(link.token)
    page = await browser.send({**page.hidden, "answer": "wrong"}, headers=headers)
    assert page.status == (422 if taken else 403)
    counted = await gate_of(services.db, link)
    assert counted == ((1, 0, 0, False) if taken else None)


@pytest.mark.parametrize("headers,taken", HEADERS)
async def test_where_an_accept_may_come_from(
    browser: Browser, link: Link, services: Services, headers: dict[str, str], taken: bool
) -> None:
    page = await browser.to_review(link.token, ANSWER)
    page = await browser.send({**page.hidden, "decision": "accept"}, headers=headers)
    assert page.status == (200 if taken else 403)
    assert len(await attempts_of(services.db, link)) == int(taken)


@pytest.mark.parametrize("token", [None, "", "A" * 24, "é"])
async def test_a_form_without_its_token_is_refused_and_no_try_counted(
    browser: Browser, link: Link, services: Services, token: str | None
) -> None:
    page = await browser.open(link.token)
    form = {**page.hidden, "answer": "wrong"}
    del form["form_token"]
    page = await browser.send(form if token is None else {**form, "form_token": token})
    assert (page.status, page.headings) == (403, ["This form cannot be used any more"])
    assert "Start again" in page.words
    assert await gate_of(services.db, link) is None


async def test_a_token_fits_its_own_step_credit_and_browser_alone(
    browser: Browser, new_browser: NewBrowser, link: Link, new_link: NewLink
) -> None:
    page = await browser.open(link.token)
    token = page.hidden["form_token"]
    for step in ("details", "review", "leave", "unheard of", ""):
        form = {"step": step, "form_token": token, **ACCOUNT, "decision": "accept"}
        browser.page.action = link.path
        assert (await browser.send(form)).status == 403
    form = {"step": "question", "form_token": token, "answer": ANSWER}
    for other in (link, await new_link()):
        stranger = new_browser()
        await stranger.open(other.token)
        assert (await stranger.send(form)).status == 403


async def test_the_question_s_token_is_dead_after_the_answer(browser: Browser, link: Link) -> None:
    page = await browser.open(link.token)
    question, path = page.hidden, page.action
    await browser.submit(answer=ANSWER)
    browser.page.action = path
    assert (await browser.send({**question, "answer": ANSWER})).status == 403


@pytest.mark.parametrize(
    "body,content_type,status",
    [
        (b"{}", "application/json", 415),
        (b"answer=a", "text/plain", 415),
        (b"answer=a", "multipart/form-data; boundary=x", 415),
        (b"answer=%ff%fe", "application/x-www-form-urlencoded", 400),
        (b"answer=\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join([b"a=1"] * 40), "application/x-www-form-urlencoded", 400),
        (b"answer=" + b"a" * 40_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_what_is_no_form_is_refused(
    browser: Browser, link: Link, body: bytes, content_type: str, status: int
) -> None:
    await browser.open(link.token)
    response = await browser.client.post(
        link.path, content=body, headers={"Content-Type": content_type}
    )
    assert response.status_code == status


async def test_a_form_that_does_not_come_is_given_up(
    browser: Browser, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posted, "BODY_SECONDS", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"answer="
        await asyncio.Event().wait()

    await browser.open(link.token)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await browser.client.post(link.path, content=slow(), headers=form)
    assert response.status_code == 400


async def test_hostile_text_is_refused_or_shown_as_text(browser: Browser, link: Link) -> None:
    await browser.to_details(link.token, ANSWER)
    page = await browser.submit(**{**ACCOUNT, "holder_name": "Robin\u202eExample"})
    assert (page.status, set(page.problems)) == (422, {"holder_name", "account_number"})
    page = await browser.submit(**{**ACCOUNT, "holder_name": "A\x00B"})
    assert page.status == 422
    page = await browser.submit(**{**ACCOUNT, "holder_name": "<b>\"Robin\" & 'Co'</b>"})
    assert (page.status, page.step) == (200, "review")
    assert "<b>" not in page.text
    assert "<b>\"Robin\" & 'Co'</b>" in page.words
