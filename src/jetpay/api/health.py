"""Whether the process is up, and whether it can do its work."""

from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jetpay.api.auth import services_of
from jetpay.base.refusals import Unavailable
from jetpay.companies.installation import is_ready

OK: Final = orjson.dumps({"ok": True})


async def healthz(_: Request) -> Response:
    """The process answers; nothing else is asked."""
    return Response(OK, media_type="application/json")


async def readyz(request: Request) -> Response:
    """The database can be reached and has this release's schema."""
    if not await is_ready(services_of(request).db):
        raise Unavailable
    return Response(OK, media_type="application/json")


routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
