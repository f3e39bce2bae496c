"""Opening a link: a GET changes nothing, and what is no link looks like every other."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from jetpay.base.ids import CreditId, uuid7
from jetpay.credits.actions import reissue_link
from jetpay.events.model import OPERATOR
from jetpay.security.links import make_link
from jetpay.services import Services
from tests.payment_page.browser import Browser
from tests.payment_page.conftest import Link, NewBrowser, NewLink
from tests.payment_page.facts import ask, fingerprint
from tests.world import ANSWER, Company

Turn = Callable[[timedelta], None]


async def test_twenty_scanners_write_nothing(
    new_browser: NewBrowser, link: Link, services: Services
) -> None:
    before = await fingerprint(services.db)
    for _ in range(20):
        page = await new_browser().open(link.token)
        assert page.status == 200
    assert await fingerprint(services.db) == before


async def test_looking_at_any_step_writes_nothing(
    browser: Browser, link: Link, services: Services
) -> None:
    await browser.to_review(link.token, ANSWER)
    before = await fingerprint(services.db)
    for view in ("", "?view=details", "?view=decline", "?view=leave", "?lang=fr"):
        assert (await browser.get(link.path + view)).status == 200
    assert (await browser.open(link.token)).step == "review"
    assert await fingerprint(services.db) == before


async def test_the_token_is_exchanged_for_a_cookie(browser: Browser, link: Link) -> None:
    response = await browser.client.get(f"/payment/pay/{link.token}")
    assert response.status_code == 303
    assert response.headers["location"] == f"http://127.0.0.1:8080{link.path}"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"jetpay_pay_{link.credit_id.hex[-12:]}=")
    assert {"Path=/", "HttpOnly", "SameSite=lax", "Max-Age=43200"} <= set(cookie.split("; "))


@pytest.mark.parametrize("tail", ["/", ".", ",", ")", ">"])
async def test_what_mail_programs_append_is_overlooked(
    browser: Browser, link: Link, tail: str
) -> None:
    assert (await browser.open(link.token + tail)).status == 200


async def test_every_kind_of_wrong_link_is_answered_alike(
    new_browser: NewBrowser, new_link: NewLink, company: Company, services: Services
) -> None:
    link = await new_link()
    key = services.keyring.active("link")
    short_id = company.asker.short_id
    changed = link.token[:-1] + ("A" if link.token[-1] != "A" else "B")
    unknown = make_link(key, link.company_id, short_id, CreditId(uuid7()), 1)
    future = make_link(key, link.company_id, short_id, link.credit_id, 9)
    stranger = make_link(key, CreditId(uuid7()), 0xFFFFFFFE, link.credit_id, 1)
    wrong = ["x", "A" * 60, "é" * 60, link.token.swapcase(), changed, unknown, future, stranger]
    answers = set()
    for token in wrong:
        browser = new_browser()
        response = await browser.client.get(f"/payment/pay/{token}")
        headers = [
            (name, value) for name, value in response.headers.items() if name != "x-request-id"
        ]
        answers.add((response.status_code, response.content, tuple(headers)))
    assert len(answers) == 1
    assert {status for status, _, _ in answers} == {404}


async def test_sixty_unknown_links_a_minute_are_enough(
    new_browser: NewBrowser, link: Link, turn: Turn
) -> None:
    browser = new_browser("203.0.113.60")
    statuses = [(await browser.open("A" * 60)).status for _ in range(61)]
    assert statuses == [404] * 60 + [429]
    assert browser.page.headers["retry-after"] == "60"
    assert (await browser.open(link.token)).status == 200
    turn(timedelta(seconds=75))
    assert (await browser.open("A" * 60)).status == 404


async def test_behind_a_proxy_that_nobody_named_nobody_is_counted(
    new_browser: NewBrowser, services: Services
) -> None:
    before = await ask(services.db, "select count(*) from network_limit")
    browser = new_browser("10.1.2.3", **{"X-Forwarded-For": "198.51.100.9"})
    statuses = {(await browser.open("A" * 60)).status for _ in range(62)}
    assert statuses == {404}
    assert await ask(services.db, "select count(*) from network_limit") == before


async def test_a_reissued_link_ends_the_older_one_and_its_visits(
    browser: Browser, new_browser: NewBrowser, company: Company, link: Link, services: Services
) -> None:
    await browser.to_review(link.token, ANSWER)
    now, key = services.clock.now(), services.keyring.active("link")
    await reissue_link(
        services.db,
        link.company_id,
        link.credit_id,
        link_key_id=key.number,
        by=OPERATOR,
        at=now,
        now=now,
    )
    assert (await browser.get(link.path)).status == 404
    page = await new_browser().open(link.token)
    assert (page.status, page.headings) == (410, ["There is a newer link"])
    assert "Acme Example" in page.words
    assert "100.00" not in page.text
    newer = make_link(key, link.company_id, company.asker.short_id, link.credit_id, 2)
    assert (await new_browser().open(newer)).step == "question"


async def test_two_links_in_two_tabs_do_not_mix(browser: Browser, new_link: NewLink) -> None:
    one, two = await new_link(), await new_link(amount=20_000)
    await browser.to_details(one.token, ANSWER)
    await browser.to_details(two.token, ANSWER)
    assert "$100.00" in (await browser.get(one.path)).words
    assert "$200.00" in (await browser.get(two.path)).words


async def test_without_its_cookie_a_page_is_not_found(
    browser: Browser, new_browser: NewBrowser, link: Link
) -> None:
    await browser.to_details(link.token, ANSWER)
    page = await new_browser().get(link.path)
    assert (page.status, page.headings) == (404, ["This link does not work"])
    for path in (link.path.upper(), "/payment/nonsense", f"/payment/{uuid7()}"):
        assert (await browser.get(path)).status == 404


async def test_the_cookie_of_another_credit_opens_nothing_and_is_cleared(
    browser: Browser, new_browser: NewBrowser, new_link: NewLink
) -> None:
    mine, other = await new_link(), await new_link()
    await browser.open(mine.token)
    [visit] = browser.client.cookies.values()
    await browser.submit(answer=ANSWER)
    [session] = browser.client.cookies.values()
    thief = new_browser()
    name = f"jetpay_pay_{other.credit_id.hex[-12:]}"
    for value in (visit, session, "A" * 80, "s1." + "A" * 43, "nonsense"):
        thief.client.cookies.set(name, value, domain="127.0.0.1")
        response = await thief.client.get(other.path)
        assert response.status_code == 404
        assert f'{name}=""' in response.headers["set-cookie"]
        thief.client.cookies.clear()


async def test_a_cookie_from_the_visit_does_not_share_the_passed_gate(
    browser: Browser, new_browser: NewBrowser, link: Link
) -> None:
    await browser.open(link.token)
    [planted] = browser.client.cookies.values()
    await browser.submit(answer=ANSWER)
    assert browser.page.step == "details"
    other = new_browser()
    name = f"jetpay_pay_{link.credit_id.hex[-12:]}"
    other.client.cookies.set(name, planted, domain="127.0.0.1")
    assert (await other.get(link.path)).step == "question"


async def test_a_visit_cookie_lasts_twelve_hours(browser: Browser, link: Link, turn: Turn) -> None:
    await browser.open(link.token)
    turn(timedelta(hours=11, minutes=59))
    assert (await browser.get(link.path)).status == 200
    turn(timedelta(minutes=1))
    assert (await browser.get(link.path)).status == 404


async def test_of_more_than_eight_cookies_the_oldest_go(
    browser: Browser, new_link: NewLink
) -> None:
    links = [await new_link() for _ in range(10)]
    for link in links:
        await browser.open(link.token)
    kept = set(browser.client.cookies.keys())
    assert kept == {f"jetpay_pay_{link.credit_id.hex[-12:]}" for link in links[2:]}


async def test_nobody_else_s_method_is_taken(browser: Browser, link: Link) -> None:
    statuses = [
        (await browser.client.request(method, link.path)).status_code
        for method in ("PUT", "DELETE", "PATCH")
    ]
    assert statuses == [405, 405, 405]
    head = await browser.client.request("HEAD", f"/payment/pay/{link.token}")
    assert (head.status_code, head.content) == (303, b"")


async def test_pages_are_served_with_their_headers(browser: Browser, link: Link) -> None:
    page = await browser.open(link.token)
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.text.count("<script") == page.text.count('<script src="/static/') == 1
    assert "style=" not in page.text


async def test_the_stylesheet_is_named_by_its_content_and_never_changes(
    browser: Browser, link: Link
) -> None:
    page = await browser.open(link.token)
    path = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    response: httpx.Response = await browser.client.get(path, headers={"Accept-Encoding": "gzip"})
    assert response.status_code == 200
    assert response.headers["content-encoding"] == "gzip"
    assert "immutable" in response.headers["cache-control"]
    plain = await browser.client.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.content == response.content
    assert (await browser.client.get("/static/0000000000000000/payment.css")).status_code == 404
    assert len(page.text.encode()) + len(response.content) < 60_000
