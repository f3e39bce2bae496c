"""What is looked at on every page, in Chromium."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, Response, expect

from tests.patience import PATIENCE_SECONDS
from tests.payment_page.conftest import Link
from tests.world import ANSWER

PATIENCE_MILLISECONDS = PATIENCE_SECONDS * 1_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)
WIRE_BYTES = 60_000
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
REACHES_OUT = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Seen:
    """What one page's browser fetched and complained about."""

    page: Page
    folder: Path
    origin: str
    name: str
    scripted: bool
    answers: list[Response] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    weight: float = 0

    async def listen(self) -> None:
        # A method of a list cannot be marked by Playwright, which marks what it is given.
        self.page.on("response", lambda answer: self.answers.append(answer))  # noqa: PLW0108
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self._hear(said.text))
        wire = await self.page.context.new_cdp_session(self.page)
        wire.on("Network.requestWillBeSent", self._begin)
        wire.on("Network.loadingFinished", self._weigh)
        await wire.send("Network.enable")
        await wire.send("Network.setCacheDisabled", {"cacheDisabled": True})

    def _begin(self, request: dict[str, Any]) -> None:
        if request["type"] == "Document" and "redirectResponse" not in request:
            self.weight = 0

    def _weigh(self, finished: dict[str, Any]) -> None:
        """Nothing is kept from the page before: what the wire brings for each alone."""
        self.weight += finished["encodedDataLength"]

    def _hear(self, text: str) -> None:
        # A refused step is an answer with a status of its own, which Chromium notes down.
        if "the server responded with a status of" not in text:
            self.complaints.append(text)

    async def look(self, step: str) -> None:
        """A screenshot, and what must hold of every page."""
        await self.page.screenshot(
            path=self.folder / f"{self.name}-{step}.png", full_page=True, animations="disabled"
        )
        assert await self.page.locator("h1").count() == 1
        assert await self.page.evaluate(REACHES_OUT) <= 0, f"{step} is wider than the screen"
        assert 0 < self.weight <= WIRE_BYTES, step
        if self.scripted:
            found = await Axe().run(self.page, options=RULES)
            assert found.violations_count == 0, f"{step}: {found.generate_report()}"
        assert [each.url for each in self.answers if not each.url.startswith(self.origin)] == []
        for answer in self.answers:
            if "text/html" in answer.headers.get("content-type", ""):
                policy = answer.headers["content-security-policy"]
                assert "unsafe" not in policy
                assert policy.startswith("default-src 'none'")
        assert self.complaints == []


@asynccontextmanager
async def browsing(
    chromium: Browser, folder: Path, origin: str, name: str, *, scripted: bool = True, **how: Any
) -> AsyncIterator[Seen]:
    context = await chromium.new_context(java_script_enabled=scripted, **how)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    seen = Seen(await context.new_page(), folder, origin, name, scripted)
    await seen.listen()
    yield seen
    await context.close()


async def fill(page: Page, fields: dict[str, str]) -> None:
    for name, value in fields.items():
        if name == "account_type":
            await page.check(f"[name=account_type][value={value}]")
        else:
            await page.fill(f"[name={name}]", value)


async def answer(page: Page, origin: str, link: Link, query: str = "") -> None:
    await page.goto(f"{origin}/payment/pay/{link.token}{query}")
    await page.fill("[name=answer]", ANSWER)
    await page.keyboard.press("Enter")


async def state(page: Page, name: str) -> None:
    await expect(page.locator("main")).to_have_attribute("data-state", name)


async def step(page: Page, name: str) -> None:
    """With its script, which listens from the end of the page on."""
    await expect(page.locator("main")).to_have_attribute("data-step", name)
    await page.wait_for_load_state()
