"""The application: every router on one screen."""

from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from jetpay import payment_page
from jetpay.api import (
    bank_accounts,
    bank_files,
    browser_pages,
    contacts,
    deliveries,
    events,
    health,
    jwks,
    reference,
    sandbox,
    webhooks,
)
from jetpay.api import credits as transactions
from jetpay.api.frame import frame
from jetpay.api.hot_path import HotPath
from jetpay.services import Services

CALLS: Final[tuple[APIRouter, ...]] = (
    contacts.calls,
    bank_accounts.calls,
    transactions.calls,
    webhooks.calls,
    deliveries.calls,
    jwks.calls,
    jwks.receipt_calls,
    events.calls,
    bank_files.calls,
    sandbox.calls,
)


def create_app(services: Services) -> HotPath:
    """The ASGI application of one process; who made `services` closes them."""
    return HotPath(create_api(services), services)


def create_api(services: Services) -> FastAPI:
    """Every route but the hot one's short cut, with the declared operations."""
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    api.state.services = services
    routes: list[BaseRoute] = [
        *transactions.raw_routes,  # in front: they read their own bodies
        *(route for calls in CALLS for route in calls.routes),
        *payment_page.routes(services),
        *health.routes,
        *browser_pages.routes,
        *reference.routes,
    ]
    api.router.routes.extend(routes)
    frame(api, services.settings)
    return api
