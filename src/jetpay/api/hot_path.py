"""`PUT /credit` in front of the web framework, whose layers cost more than all the rest of it."""

from typing import Final

import orjson
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from jetpay.api.credits import create, put_credit_route
from jetpay.api.problems import problem_response
from jetpay.base.refusals import Refusal

PATH: Final = "/credit"
METHOD: Final = "PUT"


class HotPath:
    """A middleware within the frame: takes this one call, hands on every other."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != METHOD:
            await self.app(scope, receive, send)
            return
        scope["route"] = put_credit_route  # whose template stands in logs and metrics
        try:
            body = orjson.dumps(await create(Request(scope, receive)))
        except Refusal as refusal:
            await problem_response(refusal)(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
