"""Every page beside the story, in Chromium: what must hold of each, whoever looks and however.

Phones in French run with the other tests, the rest in the campaign.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from jetpay.companies.brands import change_brand
from jetpay.credits.actions import cancel, reissue_link
from jetpay.events.model import OPERATOR
from jetpay.security.logos import make_logo
from tests.notices.conftest import Office, new_office
from tests.payment_page.browser import ACCOUNT
from tests.payment_page.conftest import CHROMIUM, Link, NewLink
from tests.payment_page.facts import complete, send_back, to_the_bank
from tests.payment_page.looking import Seen, answer, browsing, fill, state, step
from tests.payment_page.test_brand import picture
from tests.payment_page.test_disown import notice
from tests.world import Company

Turn = Callable[[timedelta], None]
LARGE = 60_000
"""An amount from which a code is asked for."""
LOOKS: dict[str, dict[str, Any]] = {
    "320": {"viewport": {"width": 320, "height": 256}},
    "390": {"viewport": {"width": 390, "height": 800}},
    "1280": {"viewport": {"width": 1280, "height": 800}},
    "390-dark": {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"},
    "1280-dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "1280-forced": {"viewport": {"width": 1280, "height": 800}, "forced_colors": "active"},
    "390-plain": {"viewport": {"width": 390, "height": 800}, "scripted": False},
}
MATRIX = [
    pytest.param(
        *each, id="-".join(each), marks=() if each == ("320", "fr") else pytest.mark.campaign
    )
    for each in product(LOOKS, ("en", "fr"))
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


@dataclass
class Tour:
    """Somebody who comes to every page there is."""

    seen: Seen
    office: Office
    new_link: NewLink
    spoken: str

    def at(self, path: str) -> str:
        return f"{self.seen.origin}{path}{'&' if '?' in path else '?'}lang={self.spoken}"

    async def go(self, path: str, name: str) -> None:
        await self.seen.page.goto(self.at(path))
        await self.seen.look(name)

    async def press(self, button: str, name: str) -> None:
        async with self.seen.page.expect_navigation():
            await self.seen.page.click(button)
        await self.seen.look(name)

    async def accept(self) -> Link:
        link, page = await self.new_link(), self.seen.page
        await answer(page, self.seen.origin, link, f"?lang={self.spoken}")
        await fill(page, ACCOUNT)
        await page.click("button.main")
        await page.click("button[value=accept]")
        await state(page, "initiated")
        return link

    async def receipts(self) -> None:
        page, services = self.seen.page, self.office.services
        link = await self.accept()
        await to_the_bank(services, link)
        await self.go(link.path, "a1-on-its-way")
        await self.go(f"{link.path}?view=receipt", "a2-confirmation")
        link = await self.accept()
        await complete(services, link)
        await self.go(link.path, "a3-complete")
        await self.go(f"{link.path}?view=receipt", "a4-receipt")
        await expect(page.locator("h1")).to_have_text({"en": "Receipt", "fr": "Reçu"}[self.spoken])
        await page.emulate_media(media="print")
        await self.seen.look("a5-receipt-printed")
        await page.emulate_media(media="screen")
        check = await page.locator("a[href*='/receipt/']").first.get_attribute("href")
        assert check is not None
        await self.go(check.removeprefix(self.seen.origin), "a6-genuine")
        await self.go("/receipt/nothing", "a7-not-genuine")
        await self.go(f"{link.path}?view=leave", "a8-leave")
        await self.press("button.main", "a9-left")

    async def code(self) -> None:
        page = self.seen.page
        link = await self.new_link(amount=LARGE)
        await answer(page, self.seen.origin, link, f"?lang={self.spoken}")
        await step(page, "code")
        await self.seen.look("b1-code")
        await page.fill("[name=code]", "000000")
        await page.keyboard.press("Enter")
        await expect(page.locator("[name=code]")).to_have_attribute("aria-invalid", "true")
        await self.seen.look("b2-wrong-code")

    async def locked(self) -> None:
        """By wrong answers, of which every browser of this machine has twenty an hour."""
        page = self.seen.page
        async with self.office.services.db.connection() as connection:
            await connection.execute(b"delete from network_limit")
        link = await self.new_link()
        await page.goto(self.at(f"/payment/pay/{link.token}"))
        for left in range(5):
            await page.fill("[name=answer]", f"wrong {left}")
            async with page.expect_navigation():
                await page.keyboard.press("Enter")
        await step(page, "locked")
        await self.seen.look("b3-locked")
        async with self.office.services.db.connection() as connection:
            await connection.execute(b"delete from network_limit")

    async def disowned(self) -> None:
        """Told by who got the notice."""
        link = await self.accept()
        await self.go(await notice(self.office), "c1-not-me")
        await self.press("button.main", "c2-held")
        await self.go(link.path, "c3-status-of-held")

    async def ends(self, turn: Turn) -> None:
        page, services = self.seen.page, self.office.services
        now = services.clock.now()
        link = await self.new_link()
        await answer(page, self.seen.origin, link, f"?lang={self.spoken}")
        await step(page, "details")
        await self.go(f"{link.path}?view=decline", "d1-decline")
        await page.click("form button")
        await state(page, "declined")
        await self.seen.look("d2-declined")
        link = await self.new_link()
        await cancel(services.db, link.company_id, link.credit_id, by=OPERATOR, at=now)
        await self.go(f"/payment/pay/{link.token}", "d3-cancelled")
        link = await self.new_link()
        await reissue_link(
            services.db, link.company_id, link.credit_id, by=OPERATOR, at=now, now=now,
            link_key_id=services.keyring.active("link").number,
        )  # fmt: skip
        await self.go(f"/payment/pay/{link.token}", "d4-newer-link")
        await self.go("/payment/pay/nothing", "d5-unknown")
        repaired = await self.accept()
        await send_back(services, repaired)
        await answer(page, self.seen.origin, repaired, f"?lang={self.spoken}")
        await state(page, "action_required")
        await page.click("button.main")
        await expect(page.locator("[aria-invalid=true]").first).to_be_focused()
        await self.seen.look("d6-repair")
        link = await self.new_link()
        turn(timedelta(days=30))
        await self.go(f"/payment/pay/{link.token}", "d7-expired")
        await self.go(f"/payment/pay/{repaired.token}", "d8-too-late-to-repair")


@pytest.mark.parametrize("look, spoken", MATRIX)
async def test_every_page_beside_the_story(
    *,
    look: str,
    spoken: str,
    request: pytest.FixtureRequest,
    chromium: Browser,
    folder: Path,
    origin: str,
    company: Company,
    new_link: NewLink,
    turn: Turn,
) -> None:
    office = await new_office(company.services, company)
    await office.member("owner@example.com")
    await office.settle(code_from_amount=LARGE)
    await change_brand(
        office.services.db, company.company_id, colour="#7700cc", logo=make_logo(picture("PNG")),
        by=OPERATOR, now=company.services.clock.now(),
    )  # fmt: skip
    name = f"all-{request.node.callspec.id}"
    async with browsing(chromium, folder, origin, name, **LOOKS[look]) as seen:
        tour = Tour(seen, office, new_link, spoken)
        await tour.disowned()
        await tour.receipts()
        await tour.code()
        await tour.locked()
        await tour.ends(turn)
