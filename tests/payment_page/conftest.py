"""A payment link, and browsers that open it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from fastapi import FastAPI
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.async_api import Browser as Chromium
from playwright.async_api import async_playwright
from starlette.routing import Route

from jetpay import payment_page
from jetpay.api.frame import frame
from jetpay.api.jwks import receipt_calls
from jetpay.base.clock import FixedClock
from jetpay.base.ids import CompanyId, CreditId
from jetpay.services import Services
from tests.patience import wait_until_async
from tests.payment_page.browser import Browser
from tests.processes import free_port
from tests.world import Company

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NewBrowser = Callable[..., Browser]
NewLink = Callable[..., Awaitable["Link"]]


@dataclass(frozen=True)
class Link:
    """A credit by link and its token."""

    company_id: CompanyId
    credit_id: CreditId
    token: str

    @property
    def path(self) -> str:
        return f"/payment/{self.credit_id}"


@pytest.fixture(scope="session")
def app(services: Services) -> FastAPI:
    """The payee's face alone, in the frame of the whole application."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.services = services
    app.router.routes.extend(receipt_calls.routes)
    for route in payment_page.routes(services):
        assert isinstance(route, Route)
        app.router.routes.append(route)
    frame(app, services.settings)
    return app


@pytest.fixture
async def new_browser(app: FastAPI) -> AsyncIterator[NewBrowser]:
    """A browser of its own, closed at the end."""
    async with AsyncExitStack() as stack:
        made: list[Browser] = []

        def open_browser(address: str | None = None, **headers: str) -> Browser:
            made.append(Browser(app, headers, address))
            return made[-1]

        yield open_browser
        for browser in made:
            stack.push_async_callback(browser.client.aclose)


@pytest.fixture
def browser(new_browser: NewBrowser) -> Browser:
    return new_browser()


@pytest.fixture
def new_link(company: Company) -> NewLink:
    """A credit over 100.00, as the API makes it."""

    async def make(**changes: object) -> Link:
        born = await company.services.births.one(
            company.asker, company.request(**changes), key=None
        )
        assert born.link is not None
        # A running process looks for new companies every two seconds at most.
        await company.services.short_ids.refresh(company.services.db)
        return Link(company.company_id, born.credit_id, born.link)

    return make


@pytest.fixture
def turn(clock: FixedClock) -> Iterator[Callable[[timedelta], None]]:
    """Turns the real clock, which the next test finds as it was."""
    before = clock.at

    def ahead(by: timedelta) -> None:
        clock.at += by

    yield ahead
    clock.at = before


@pytest.fixture
async def link(new_link: NewLink) -> Link:
    return await new_link()


@pytest.fixture(scope="session")
async def origin(services: Services) -> AsyncIterator[str]:
    """A server on loopback whose public URL is where it listens."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = services.settings.model_copy(update={"public_url": url})
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.services = services
    app.router.routes.extend(receipt_calls.routes)
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


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Chromium]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where screenshots go."""
    found = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    found.mkdir(parents=True, exist_ok=True)
    return found
