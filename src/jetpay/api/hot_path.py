"""`PUT /credit` in front of the web framework, whose layers cost more than all the rest of it.

Only the usual shape of the request is taken here, by the same functions as in
`api/credits.py`; whatever is unusual about its headers goes the declared way.
"""

import hashlib
from collections import OrderedDict
from dataclasses import replace
from typing import Final

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from jetpay.api.body import BODY_BYTES, parse, parse_json, read_bytes
from jetpay.api.credits import answer_of, born_of, credit_refused, put_credit_route
from jetpay.api.credits_taken import CreditTaken, asker_of, key_of
from jetpay.api.frame import Frame
from jetpay.api.problems import problem_response
from jetpay.base.refusals import Refusal
from jetpay.credits.births import Asker
from jetpay.security.proxies import client_address
from jetpay.services import Services

PATH: Final = "/credit"
METHOD: Final = "PUT"
JSON_TYPES: Final = frozenset({b"application/json", b"application/json; charset=utf-8"})
ASKERS_REMEMBERED: Final = 10_000


class HotPath:
    """The outermost application: takes this one call, hands every other to `api`."""

    def __init__(self, api: FastAPI, services: Services) -> None:
        self.api = api
        self._services = services
        self._framed = Frame(self._put_credit, services.settings)
        self._askers: OrderedDict[bytes, Asker] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == METHOD:
            headers = dict(scope["headers"])
            if (
                len(headers) == len(scope["headers"])
                and headers.get(b"content-type") in JSON_TYPES
                and b"content-encoding" not in headers
                and len(headers.get(b"content-length", b"")) < len(str(BODY_BYTES))
            ):
                scope["app"] = self.api
                scope["route"] = put_credit_route  # whose template stands in logs and metrics
                await self._framed(scope, receive, send)
                return
        await self.api(scope, receive, send)

    async def _put_credit(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            asker = await self._asker(request)
            try:
                value = parse_json(await read_bytes(request, BODY_BYTES))
                asked, key = parse(CreditTaken, value).request(), key_of(request)
            except Refusal as refusal:
                raise await credit_refused(request, refusal) from None
            born = await born_of(request, asker, asked, key)
        except Refusal as refusal:
            await problem_response(refusal)(scope, receive, send)
            return
        body = orjson.dumps(answer_of(born, self._services.settings.public_url))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _asker(self, request: Request) -> Asker:
        """Whose token it is, remembered by the header's digest. Raises `Unauthorized`."""
        headers = dict(request.scope["headers"])
        digest = hashlib.sha256(headers.get(b"authorization", b"")).digest()
        known = self._askers.get(digest)
        if known is None:
            known = self._askers[digest] = await asker_of(request)
            if len(self._askers) > ASKERS_REMEMBERED:
                self._askers.popitem(last=False)
        client = client_address(request.scope, self._services.settings.trusted_proxies)
        return known if client == known.client else replace(known, client=client)
