"""The two files of a company's brand: its logo and the colours made of its colour."""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from jetpay.base.refusals import NotFound
from jetpay.companies.brands import logo_named
from jetpay.payment_page.colours import stylesheet
from jetpay.services import Services
from jetpay.static import IMMUTABLE

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_COLOUR: Final = re.compile(r"[0-9a-f]{6}")
HEADERS: Final = {
    "Cache-Control": IMMUTABLE,
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def routes(services: Services) -> list[BaseRoute]:
    """Named by what they are, so that they may be kept for ever."""

    async def logo(request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        png = await logo_named(services.db, sha256) if _SHA256.fullmatch(sha256) else None
        if png is None:
            raise NotFound
        return Response(png, media_type="image/png", headers=HEADERS)

    async def colours(request: Request) -> Response:
        colour = request.path_params["colour"]
        if not _COLOUR.fullmatch(colour):
            raise NotFound
        return Response(stylesheet(f"#{colour}"), media_type="text/css", headers=HEADERS)

    return [
        Route("/brand/{sha256}.png", logo, methods=["GET"]),
        Route("/brand/{colour}.css", colours, methods=["GET"]),
    ]
