"""Wrong answers: five per link version, whoever sends them and however fast."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from jetpay.base.refusals import Busy
from jetpay.services import Services
from tests.payment_page.browser import Browser
from tests.payment_page.conftest import Link, NewBrowser, NewLink
from tests.payment_page.facts import ask, events_of, gate_of
from tests.world import ANSWER

LOCKED = "transactions.credits.link_locked"
Turn = Callable[[timedelta], None]


async def test_a_wrong_answer_says_how_many_tries_are_left_and_the_fifth_locks(
    browser: Browser, link: Link, services: Services
) -> None:
    await browser.open(link.token)
    for left in (4, 3, 2):
        page = await browser.submit(answer="wrong")
        assert (page.status, page.step) == (422, "question")
        assert f"You have {left} tries left." in page.words
    page = await browser.submit(answer="wrong")
    assert "You have 1 try left." in page.words
    page = await browser.submit(answer="wrong")
    assert (page.status, page.headings) == (423, ["This link is locked"])
    assert "100.00" not in page.text
    assert (await browser.open(link.token)).status == 423
    assert await events_of(services.db, link) == ["requested", LOCKED]


async def test_of_a_hundred_guesses_at_once_exactly_five_are_checked(
    browser: Browser, link: Link, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = 0
    verify = services.hasher.verify

    async def count(*given: object) -> bool:
        nonlocal checked
        checked += 1
        return await verify(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(services.hasher, "verify", count)
    page = await browser.open(link.token)
    form = {**page.hidden, "answer": "wrong"}
    answers = await asyncio.gather(
        *(browser.client.post(page.action, data=form) for _ in range(100))
    )
    assert checked == 5
    statuses = [each.status_code for each in answers]
    assert statuses.count(422) == 4
    assert set(statuses) <= {422, 423, 503}
    assert statuses.count(423) >= 1
    late = await browser.client.post(page.action, data=form)
    assert (late.status_code, checked) == (423, 5)
    assert await gate_of(services.db, link) == (5, 0, 0, True)
    assert (await events_of(services.db, link)).count(LOCKED) == 1


async def test_a_right_answer_is_not_told_that_others_have_locked_the_link_before_they_have(
    browser: Browser,
    new_browser: NewBrowser,
    link: Link,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checking, go_on = asyncio.Semaphore(0), asyncio.Event()
    verify = services.hasher.verify

    async def slowly(*given: object) -> bool:
        checking.release()
        await go_on.wait()
        return await verify(*given)  # type: ignore[arg-type]

    guesser = new_browser()
    page = await guesser.open(link.token)
    form = {**page.hidden, "answer": "wrong"}
    await browser.open(link.token)
    with monkeypatch.context() as slow:
        slow.setattr(services.hasher, "verify", slowly)
        guesses = [
            asyncio.create_task(guesser.client.post(page.action, data={**form, "answer": answer}))
            for answer in ("wrong", "wrong", "wrong", "wrong", ANSWER)
        ]
        for _ in guesses:
            await checking.acquire()
        refused = await browser.submit(answer=ANSWER)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert "no try was used" in refused.words
        go_on.set()
        statuses = sorted(each.status_code for each in await asyncio.gather(*guesses))
    assert statuses == [303, 422, 422, 422, 422]
    assert await gate_of(services.db, link) == (4, 0, 0, False)
    await browser.open(link.token)
    assert (await browser.submit(answer=ANSWER)).step == "details"


async def test_the_right_answer_does_not_open_a_locked_link(browser: Browser, link: Link) -> None:
    await browser.open(link.token)
    form = browser.page.hidden
    for _ in range(5):
        await browser.send({**form, "answer": "wrong"})
        browser.page.action = link.path
    page = await browser.send({**form, "answer": ANSWER})
    assert page.status == 423


async def test_a_lock_does_not_end_a_visit_that_passed(
    browser: Browser, new_browser: NewBrowser, link: Link
) -> None:
    await browser.to_review(link.token, ANSWER)
    guesser = new_browser()
    await guesser.open(link.token)
    for _ in range(5):
        await guesser.submit(answer="wrong")
    assert guesser.page.status == 423
    page = await browser.submit(decision="accept")
    assert page.state == "initiated"


async def test_right_answers_do_not_give_tries_back(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    await browser.open(link.token)
    await browser.submit(answer="wrong")
    await browser.submit(answer=ANSWER)
    other = new_browser()
    await other.open(link.token)
    page = await other.submit(answer="wrong")
    assert "You have 3 tries left." in page.words
    answered = "transactions.credits.link_answered"
    await other.submit(answer=ANSWER)
    assert (await events_of(services.db, link)).count(answered) == 1


async def test_after_the_acceptance_wrong_answers_lock_nothing(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services, turn: Turn
) -> None:
    await browser.to_review(link.token, ANSWER)
    await browser.submit(decision="accept")
    other = new_browser()
    await other.open(link.token)
    form, path = other.page.hidden, other.page.action
    statuses = []
    for _ in range(6):
        other.page.action = path
        statuses.append((await other.send({**form, "answer": "wrong"})).status)
    assert statuses == [422] * 5 + [429]
    assert await gate_of(services.db, link) == (0, 0, 5, False)
    assert LOCKED not in await events_of(services.db, link)
    other.page.action = path
    assert (await other.send({**form, "answer": ANSWER})).status == 429
    turn(timedelta(hours=24, minutes=1))
    await other.open(link.token)
    assert (await other.submit(answer=ANSWER)).step == "status"


@pytest.mark.parametrize("answer", ["", "   ", "x" * 257, "\ufdfa" * 300])
async def test_what_cannot_be_an_answer_takes_no_try(
    browser: Browser, link: Link, services: Services, answer: str
) -> None:
    await browser.open(link.token)
    page = await browser.submit(answer=answer)
    assert (page.status, set(page.problems)) == (422, {"answer"})
    assert await gate_of(services.db, link) is None


async def test_a_busy_server_gives_the_try_back(
    browser: Browser, link: Link, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> bool:
        raise Busy

    monkeypatch.setattr(services.hasher, "verify", refuse)
    await browser.open(link.token)
    page = await browser.submit(answer=ANSWER)
    assert page.status == 503
    assert int(page.headers["retry-after"]) >= 1
    assert await gate_of(services.db, link) == (0, 0, 0, False)


async def test_a_network_has_twenty_wrong_answers_an_hour(
    new_browser: NewBrowser, new_link: NewLink, services: Services, turn: Turn
) -> None:
    address = "203.0.113.20"
    for _ in range(5):
        link = await new_link()
        browser = new_browser(address)
        await browser.open(link.token)
        for _ in range(4):
            assert (await browser.submit(answer="wrong")).status == 422
    link = await new_link()
    browser = new_browser(address)
    await browser.open(link.token)
    page = await browser.submit(answer=ANSWER)
    assert (page.status, page.headers["retry-after"]) == (429, "3600")
    assert await gate_of(services.db, link) is None
    neighbour = new_browser("203.0.113.21")
    await neighbour.to_details(link.token, ANSWER)
    turn(timedelta(hours=1, minutes=6))
    await browser.open(link.token)
    assert (await browser.submit(answer=ANSWER)).step == "details"


async def test_right_answers_of_a_network_are_not_counted(
    new_browser: NewBrowser, link: Link, services: Services
) -> None:
    address = "203.0.113.40"
    for _ in range(3):
        await new_browser(address).to_details(link.token, ANSWER)
    hits = "select sum(hits) from network_limit where network = %s"
    assert await ask(services.db, hits, f"{address}/32") == [(0,)]
