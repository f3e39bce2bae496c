"""Bad luck in Chromium: back, double click, two tabs, lost cookies, and forms of other sites."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT
from tests.payment_page.conftest import CHROMIUM, Link, NewLink
from tests.payment_page.facts import attempts_of, complete, events_of, gate_of
from tests.world import ANSWER

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]
ONCE = ["requested", "transactions.credits.link_answered", "initiated"]


@pytest.fixture(params=[True, False], ids=["with_javascript", "without_javascript"])
async def context(
    request: pytest.FixtureRequest, chromium: Browser
) -> AsyncIterator[BrowserContext]:
    context = await chromium.new_context(java_script_enabled=request.param)
    yield context
    await context.close()


async def answer(page: Page, origin: str, link: Link) -> None:
    await page.goto(f"{origin}/payment/pay/{link.token}")
    await page.fill("[name=answer]", ANSWER)
    await page.click("button[type=submit]")
    await stands_at(page, "details")


async def give_details(page: Page) -> None:
    for name, value in ACCOUNT.items():
        if name != "account_type":
            await page.fill(f"[name={name}]", value)
    await page.click("button[type=submit]")
    await stands_at(page, "review")


async def stands_at(page: Page, step: str) -> None:
    await expect(page.locator("main")).to_have_attribute("data-step", step)


async def test_back_after_each_step_and_on_again_pays_once(
    context: BrowserContext, origin: str, link: Link, services: Services
) -> None:
    page = await context.new_page()
    await answer(page, origin, link)
    await page.go_back()
    await stands_at(page, "details")
    await give_details(page)
    await page.go_back()
    await stands_at(page, "review")
    await page.click("button[value=accept]")
    await stands_at(page, "status")
    for _ in range(3):
        await page.go_back()
    await page.goto(f"{origin}{link.path}")
    await stands_at(page, "status")
    assert await events_of(services.db, link) == ONCE
    assert await gate_of(services.db, link) == (0, 0, 0, False)


async def test_a_double_click_on_accept_pays_once(
    context: BrowserContext, origin: str, link: Link, services: Services
) -> None:
    page = await context.new_page()
    await answer(page, origin, link)
    await give_details(page)
    await page.dblclick("button[value=accept]")
    await stands_at(page, "status")
    assert await events_of(services.db, link) == ONCE


async def test_two_tabs_and_two_links_do_not_mix(
    context: BrowserContext, origin: str, new_link: NewLink, services: Services
) -> None:
    one, two = await new_link(), await new_link(amount=20_000)
    tabs = {one: await context.new_page(), two: await context.new_page()}
    for link, page in tabs.items():
        await answer(page, origin, link)
    for page in tabs.values():
        await give_details(page)
    again = await context.new_page()
    await again.goto(f"{origin}/payment/pay/{one.token}")
    await stands_at(again, "review")
    await again.click("button[value=accept]")
    await stands_at(again, "status")
    for link, page in tabs.items():
        await page.click("button[value=accept]")
        await stands_at(page, "status")
        amount = "$100.00" if link is one else "$200.00"
        await expect(page.locator(".amount dd")).to_have_text(amount)
        assert await events_of(services.db, link) == ONCE


async def test_a_lost_cookie_leads_back_by_the_link(
    context: BrowserContext, origin: str, link: Link, services: Services
) -> None:
    page = await context.new_page()
    await answer(page, origin, link)
    await give_details(page)
    await context.clear_cookies()
    await page.click("button[value=accept]")
    await expect(page.locator("h1")).to_have_text("This link does not work")
    assert await attempts_of(services.db, link) == []
    await answer(page, origin, link)
    await give_details(page)
    await page.click("button[value=accept]")
    await stands_at(page, "status")


async def test_a_form_on_another_site_does_nothing_even_with_our_token(
    context: BrowserContext, origin: str, link: Link, services: Services
) -> None:
    page = await context.new_page()
    await answer(page, origin, link)
    await give_details(page)
    hidden = {
        name: await page.locator(f"[name={name}]").first.get_attribute("value")
        for name in ("step", "form_token", "reviewed")
    }
    fields = "".join(f'<input name="{name}" value="{value}">' for name, value in hidden.items())
    trap = await context.new_page()
    await trap.goto(
        "data:text/html,"
        + quote(
            f'<form method="post" action="{origin}{link.path}">{fields}'
            '<button name="decision" value="accept">Win a prize</button></form>'
        )
    )
    async with trap.expect_navigation() as arrived:
        await trap.click("button")
    response = await arrived.value
    assert response is not None
    assert response.status == 403
    assert await attempts_of(services.db, link) == []
    await page.click("button[value=accept]")
    await stands_at(page, "status")


async def test_a_receipt_is_shown_printed_and_saved(
    context: BrowserContext, origin: str, link: Link, services: Services
) -> None:
    page = await context.new_page()
    await answer(page, origin, link)
    await give_details(page)
    await page.click("button[value=accept]")
    await stands_at(page, "status")
    await complete(services, link)
    await page.goto(f"{origin}{link.path}")
    await page.get_by_role("link", name="Receipt").click()
    await expect(page.locator("h1")).to_have_text("Receipt")
    code = page.get_by_role("img", name="A code that leads to the page")
    await expect(code).to_be_visible()
    async with page.expect_download() as saved:
        await page.get_by_role("link", name="Save as PDF").click()
    download = await saved.value
    assert download.suggested_filename.startswith("receipt-")
    await page.emulate_media(media="print")
    await expect(page.get_by_text("Save as PDF")).to_be_hidden()
    await expect(code).to_be_visible()
    await page.emulate_media(media="screen")
    await code.click()
    await expect(page.locator("h1")).to_have_text("This receipt is genuine")
