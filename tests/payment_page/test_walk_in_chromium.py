"""The whole story in Chromium, at each width, in each language, with and without JavaScript.

A slice runs with the other tests, the whole matrix in the campaign. Screenshots of every step lie
in the folder that `SCREENSHOTS` names, else in pytest's own.
"""

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT
from tests.payment_page.conftest import CHROMIUM, Link, NewLink
from tests.payment_page.facts import attempts_of, send_back
from tests.payment_page.looking import answer, browsing, fill, state, step
from tests.payment_page.test_other_countries import IBAN, US, account_in
from tests.world import ANSWER, Company

WIDTHS = (320, 390, 1280)
LANGUAGES = ("en", "fr")
SLICE = {(320, "fr", False), (390, "en", True), (1280, "en", True)}


def matrix(now: set[tuple[int, str, bool]]) -> list[Any]:
    """Everything, of which the campaign has what is not run `now`."""
    return [
        pytest.param(*each, marks=() if each in now else pytest.mark.campaign)
        for each in product(WIDTHS, LANGUAGES, (True, False))
    ]


pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


@pytest.mark.parametrize("width, spoken, scripted", matrix(SLICE))
async def test_the_whole_story_with_a_repair(
    *,
    width: int,
    spoken: str,
    scripted: bool,
    chromium: Browser,
    folder: Path,
    origin: str,
    link: Link,
    services: Services,
) -> None:
    name = f"{width}-{spoken}-{'js' if scripted else 'plain'}"
    size = {"width": width, "height": 800}
    async with browsing(chromium, folder, origin, name, scripted=scripted, viewport=size) as seen:
        page = seen.page
        await page.goto(f"{origin}/payment/pay/{link.token}?lang={spoken}")
        await expect(page.locator("html")).to_have_attribute("lang", f"{spoken}-CA")
        await seen.look("1-question")
        await page.fill("[name=answer]", "wrong")
        await page.click("button.main")
        await expect(page.locator("[name=answer]")).to_be_focused()
        await page.fill("[name=answer]", ANSWER)
        await page.keyboard.press("Enter")
        await step(page, "details")
        await page.click("button.main")
        await expect(page.locator("[name=holder_name]")).to_be_focused()
        await seen.look("2-errors")
        await fill(page, ACCOUNT)
        await seen.look("3-details")
        await page.click("button.main")
        await step(page, "review")
        await seen.look("4-review")
        await page.click("button[value=accept]")
        await state(page, "initiated")
        await seen.look("5-status")
        await page.go_back()
        await state(page, "initiated")
        assert len(await attempts_of(services.db, link)) == 1
        await send_back(services, link)
        await answer(page, origin, link, f"?lang={spoken}")
        await state(page, "action_required")
        await step(page, "details")
        await seen.look("6-repair")
        other = {"account_number": "2000002", "account_number_again": "2000002"}
        await fill(page, {**ACCOUNT, **other})
        await page.click("button.main")
        await page.click("button[value=accept]")
        await state(page, "initiated")
        assert len(await attempts_of(services.db, link)) == 2


@pytest.mark.parametrize("width, spoken, scripted", matrix({(320, "fr", False)}))
async def test_a_payee_declines(
    *,
    width: int,
    spoken: str,
    scripted: bool,
    chromium: Browser,
    folder: Path,
    origin: str,
    link: Link,
) -> None:
    name = f"{width}-{spoken}-{'js' if scripted else 'plain'}-decline"
    size = {"width": width, "height": 800}
    async with browsing(chromium, folder, origin, name, scripted=scripted, viewport=size) as seen:
        page = seen.page
        await answer(page, origin, link, f"?lang={spoken}")
        await step(page, "details")
        await fill(page, ACCOUNT)
        await page.click("button.main")
        await page.click("summary")
        await page.fill("[name=reason]", "Not mine")
        await seen.look("1-review")
        await page.click("button[value=decline]")
        await state(page, "declined")
        await seen.look("2-declined")


async def test_by_keyboard_alone(chromium: Browser, folder: Path, origin: str, link: Link) -> None:
    async with browsing(chromium, folder, origin, "keyboard") as seen:
        page, keys = seen.page, seen.page.keyboard
        await page.goto(f"{origin}/payment/pay/{link.token}")

        async def tab_to(selector: str) -> None:
            for _ in range(30):
                await keys.press("Tab")
                if await page.evaluate("s => document.activeElement.matches(s)", selector):
                    ring = "getComputedStyle(document.activeElement).outlineStyle"
                    closest = "document.activeElement.closest('label')"
                    rings = f"[{ring}, {closest} ? getComputedStyle({closest}).outlineStyle : '']"
                    assert "solid" in await page.evaluate(rings), f"{selector} has no focus ring"
                    return
            pytest.fail(f"{selector} cannot be reached")

        await tab_to(".skip")
        await keys.press("Enter")
        await tab_to("[name=answer]")
        await keys.type(ANSWER)
        await keys.press("Enter")
        await step(page, "details")
        for name in ("holder_name", "transit_number", "institution_number", "account_number",
                     "account_number_again"):  # fmt: skip
            await tab_to(f"[name={name}]")
            await keys.type(ACCOUNT[name])
        await tab_to("[name=account_type]")
        await keys.press("ArrowDown")
        await tab_to("button.main")
        await keys.press("Enter")
        await step(page, "review")
        await expect(page.locator(".kind")).to_have_text("Savings")
        await tab_to("button[value=accept]")
        await keys.press("Enter")
        await state(page, "initiated")


@pytest.mark.parametrize(
    "how",
    [
        # 1280 pixels at 400 %: the width of the smallest phone, and no height to speak of.
        {"viewport": {"width": 320, "height": 256}},
        {"viewport": {"width": 1280, "height": 800}, "forced_colors": "active"},
        {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"},
    ],
    ids=["zoomed", "forced_colours", "dark"],
)
async def test_it_stays_usable_however_it_is_looked_at(
    *,
    how: dict[str, Any],
    request: pytest.FixtureRequest,
    chromium: Browser,
    folder: Path,
    origin: str,
    link: Link,
) -> None:
    async with browsing(chromium, folder, origin, request.node.callspec.id, **how) as seen:
        page = seen.page
        await answer(page, origin, link)
        await step(page, "details")
        await page.click("button.main")
        await seen.look("1-errors")
        await fill(page, ACCOUNT)
        await page.click("button.main")
        await step(page, "review")
        await seen.look("2-review")
        await page.click("button[value=accept]")
        await state(page, "initiated")
        await seen.look("3-status")


async def test_from_right_to_left_nothing_reaches_out(
    chromium: Browser, folder: Path, origin: str, link: Link
) -> None:
    """As an Arabic or Hebrew catalogue would set it."""
    size = {"width": 320, "height": 800}
    async with browsing(chromium, folder, origin, "rtl", viewport=size) as seen:
        page = seen.page
        turned: list[str] = []

        async def turn(route: Any) -> None:
            answered = await route.fetch()
            text = await answered.text()
            turned.append(route.request.url)
            await route.fulfill(response=answered, body=text.replace('dir="ltr">', 'dir="rtl">', 1))

        await page.route(re.compile(r"/payment/[0-9a-f-]{36}"), turn)
        await answer(page, origin, link)
        await step(page, "details")
        await page.click("button.main")
        assert await page.evaluate("getComputedStyle(document.body).direction") == "rtl"
        await seen.look("1-errors")
        await fill(page, ACCOUNT)
        await page.click("button.main")
        await step(page, "review")
        await seen.look("2-review")
        assert len(turned) >= 3


async def test_comforts_of_javascript(
    chromium: Browser, folder: Path, origin: str, link: Link
) -> None:
    async with browsing(chromium, folder, origin, "comforts") as seen:
        page = seen.page
        await answer(page, origin, link)
        await step(page, "details")
        await page.focus("[name=institution_number]")
        await expect(page.locator(".cheque .m2")).to_have_class("m2 lit")
        await page.fill("[name=institution_number]", "006")
        await expect(page.locator("#bank")).to_have_text("National Bank of Canada")
        await page.focus("[name=transit_number]")
        await expect(page.locator(".cheque .m2")).to_have_class("m2")
        paste = """([selector, text]) => {
          const data = new DataTransfer(); data.setData("text", text);
          document.querySelector(selector).dispatchEvent(
            new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
        }"""
        await page.evaluate(paste, ["[name=transit_number]", "00002-003 100-0001"])
        for name in ("transit_number", "institution_number", "account_number"):
            await expect(page.locator(f"[name={name}]")).to_have_value(ACCOUNT[name])
        await expect(page.locator("#bank")).to_have_text("Royal Bank of Canada")
        await expect(page.locator("[name=account_number_again]")).to_be_focused()
        await page.fill("[name=account_number_again]", "1000-001")
        await page.fill("[name=holder_name]", "Robin Example")
        await expect(page.locator("[name=account_number_again]")).to_have_value("1000001")
        sent: list[str] = []
        page.on("request", lambda each: sent.append(each.method))
        await page.evaluate("() => {const b = document.querySelector('button.main'); b.click();"
                            " b.click()}")  # fmt: skip
        await step(page, "review")
        assert sent.count("POST") == 1


@pytest.mark.parametrize("currency, typed", [("USD", US), ("EUR", IBAN)])
async def test_other_countries_in_a_browser(
    *,
    currency: str,
    typed: dict[str, str],
    chromium: Browser,
    folder: Path,
    origin: str,
    company: Company,
    new_link: NewLink,
) -> None:
    link = await new_link(from_bank_account=await account_in(company, currency))
    async with browsing(chromium, folder, origin, f"in-{currency}") as seen:
        page = seen.page
        await answer(page, origin, link)
        await step(page, "details")
        await seen.look("1-details")
        await fill(page, typed)
        await page.click("button.main")
        await step(page, "review")
        await seen.look("2-review")
        await page.click("button[value=accept]")
        await state(page, "initiated")
