"""The walk in Chromium, with and without JavaScript: what a client library cannot show."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest
from fastapi import FastAPI
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.async_api import Browser, Page, async_playwright, expect

from jetpay import payment_page
from jetpay.api.frame import frame
from jetpay.services import Services
from tests.patience import PATIENCE_SECONDS, wait_until_async
from tests.payment_page.browser import ACCOUNT
from tests.payment_page.conftest import Link
from tests.payment_page.facts import attempts_of
from tests.processes import free_port
from tests.world import ANSWER

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PAGE_BYTES = 60_000
PATIENCE_MILLISECONDS = PATIENCE_SECONDS * 1_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


@pytest.fixture(scope="module")
async def origin(services: Services) -> AsyncIterator[str]:
    """A server on loopback whose public URL is where it listens."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = services.settings.model_copy(update={"public_url": url})
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.router.routes.extend(payment_page.routes(replace(services, settings=settings)))
    frame(app, settings)
    server = Server(
        app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False
    )
    serving = asyncio.create_task(server.serve())
    await wait_until_async(partial(is_reachable, port))
    yield url
    server.stop()  # type: ignore[no-untyped-call]
    await serving


async def is_reachable(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture(params=[True, False], ids=["with_javascript", "without_javascript"])
async def page(request: pytest.FixtureRequest, chromium: Browser) -> AsyncIterator[Page]:
    """A phone's page that notes whatever the browser complains about."""
    context = await chromium.new_context(
        java_script_enabled=request.param, viewport={"width": 320, "height": 640}
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if complains(said.text) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    await context.close()
    assert complaints == []


def complains(text: str) -> bool:
    # A refused step is an answer with a status of its own, which Chromium notes down.
    return "the server responded with a status of" not in text


async def fill(page: Page, fields: dict[str, str]) -> None:
    for name, value in fields.items():
        if name == "account_type":
            await page.check(f"[name=account_type][value={value}]")
        else:
            await page.fill(f"[name={name}]", value)


async def to_review(page: Page, origin: str, link: Link) -> None:
    await page.goto(f"{origin}/payment/pay/{link.token}")
    assert page.url == f"{origin}{link.path}"
    await page.fill("[name=answer]", "wrong")
    await page.click("button[type=submit]")
    await expect(page.locator("[name=answer]")).to_be_focused()
    await expect(page.locator("#answer-problem")).to_contain_text("4 tries left")
    await page.fill("[name=answer]", ANSWER)
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("Where should the money go?")
    await fill(page, {**ACCOUNT, "transit_number": "12"})
    await page.click("button[type=submit]")
    await expect(page.locator("[name=transit_number]")).to_be_focused()
    await fill(page, ACCOUNT)
    await page.click("button[type=submit]")
    await expect(page.locator("h1")).to_have_text("Is everything right?")


async def test_a_payee_accepts_in_a_browser(
    page: Page, origin: str, link: Link, services: Services
) -> None:
    await to_review(page, origin, link)
    await page.click("button[value=accept]")
    await expect(page.locator("main")).to_have_attribute("data-state", "initiated")
    await expect(page.locator("h1")).to_have_text("You accepted the payment")
    await page.go_back()
    await expect(page.locator("main")).to_have_attribute("data-state", "initiated")
    assert len(await attempts_of(services.db, link)) == 1


async def test_a_payee_declines_in_a_browser(page: Page, origin: str, link: Link) -> None:
    await to_review(page, origin, link)
    await page.fill("[name=reason]", "Not mine")
    await page.click("button[value=decline]")
    await expect(page.locator("main")).to_have_attribute("data-state", "declined")


async def test_a_page_is_light_fits_a_small_phone_and_asks_nobody_else(
    page: Page, origin: str, link: Link
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await to_review(page, origin, link)
    assert [url for url in asked if not url.startswith((origin, "data:"))] == []
    assert len(await page.content()) < PAGE_BYTES
    box = await page.locator("body").bounding_box()
    assert box is not None
    assert box["width"] <= 320
    widths = [await each.bounding_box() for each in await page.locator("main *:visible").all()]
    assert [each for each in widths if each and each["x"] + each["width"] > 320.5] == []
