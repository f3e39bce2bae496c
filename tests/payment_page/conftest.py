"""A payment link, and browsers that open it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
from fastapi import FastAPI
from starlette.routing import Route

from jetpay import payment_page
from jetpay.api.frame import frame
from jetpay.base.clock import FixedClock
from jetpay.base.ids import CompanyId, CreditId
from jetpay.services import Services
from tests.payment_page.browser import Browser
from tests.world import Company

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
