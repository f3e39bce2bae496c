"""Around every request: host, headers, request id, log and defects; and the shape of a call."""

import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson
import structlog
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jetpay.api.auth import Needs, authenticate
from jetpay.api.body import BODY_BYTES, ERRORS, check_type, field_errors, field_name, read_json
from jetpay.api.browser_pages import refusal_page, wants_page
from jetpay.api.problems import Broken, WrongHost, problem_response
from jetpay.base.clock import iso
from jetpay.base.refusals import (
    FieldError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Refusal,
    Unavailable,
)
from jetpay.db.pool import UnreachableDatabase
from jetpay.metrics import STATUS
from jetpay.security.seal_keys import UnknownKey
from jetpay.settings import Settings

ANY_HOST: Final = frozenset({"/healthz", "/readyz"})
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""What every answer has that does not say otherwise itself."""
METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})
GUIDES_GET: Final = "/transaction/{identifier}/status"
"""The guide's own calls ignore what they do not know."""
REQUEST_ID_BYTES: Final = 12
TRANSPORT_SECURITY: Final = ("strict-transport-security", "max-age=31536000")

log = structlog.get_logger("jetpay.api")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Frame:
    """The outermost middleware; plain ASGI, because it stands before the hot path too."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._public_url = settings.public_url
        self._host = settings.public_host.encode("ascii")
        is_said = settings.access_log and settings.log_level in {"debug", "info"}
        self._access_log = AccessLog() if is_said else None
        headers = [*HEADERS.items(), *([TRANSPORT_SECURITY] if settings.is_https else [])]
        self._headers = [(name.encode(), value.encode()) for name, value in headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        answer = _Answer(scope, send, self._headers)
        try:
            if self._is_asked_for(scope):
                await self._run(scope, receive, answer)
            else:
                wrong = WrongHost(public_url=self._public_url)
                await self._refuse(wrong, scope, receive, answer)
        finally:
            if self._access_log is not None:
                self._access_log.write(scope, answer, time.perf_counter() - began)

    def _is_asked_for(self, scope: Scope) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        return (len(hosts) == 1 and hosts[0].lower() == self._host) or scope["path"] in ANY_HOST

    async def _run(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self.app(scope, receive, answer.send)
        except Exception as error:
            if answer.status is not None:
                raise
            refusal: Refusal = Unavailable() if is_outage(error) else Broken()
            log.exception("request_failed", request_id=answer.request_id)
            await self._refuse(refusal, scope, receive, answer)

    async def _refuse(
        self, refusal: Refusal, scope: Scope, receive: Receive, answer: "_Answer"
    ) -> None:
        if wants_page(scope):
            response = refusal_page(refusal, scope, self._public_url)
        else:
            response = problem_response(refusal)
        await response(scope, receive, answer.send)


class _Answer:
    """Sends on with our headers; the body of a HEAD is dropped, its length kept."""

    def __init__(self, scope: Scope, send: Send, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.status: int | None = None
        self.request_id = os.urandom(REQUEST_ID_BYTES).hex()
        self._scope = scope
        self._send = send
        self._headers = headers
        self.method: str = scope["method"]
        if self.method == "HEAD":
            scope["method"] = "GET"

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = self._scope[STATUS] = message["status"]
            headers = list(message["headers"])
            there = {name for name, _ in headers}
            headers.extend([header for header in self._headers if header[0] not in there])
            headers.append((b"x-request-id", self.request_id.encode()))
            message["headers"] = headers
        elif self.method == "HEAD" and message["type"] == "http.response.body":
            if message.get("more_body"):
                return
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)


def is_outage(error: BaseException) -> bool:
    """Whether it passes by itself, so that a client may try again.

    The database cannot be reached, or another process has just rotated a key.
    """
    return isinstance(error, UnreachableDatabase | UnknownKey)


class AccessLog:
    """A line for each request: the route's template, never a path, a query or an address.

    Written directly, because it stands on the hot path: every value is of our own making.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def write(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        """After the answer, or after the client went away without one (status null)."""
        line = {
            "event": "request",
            "method": answer.method if answer.method in METHODS else "other",
            "route": template_of(scope),
            "status": answer.status,
            "ms": round(seconds * 1000, 1),
            "request_id": answer.request_id,
            "logger": "jetpay.access",
            "level": "info",
            "timestamp": iso(datetime.now(UTC)),
        }
        self._stream.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE).decode())


def template_of(scope: Scope) -> str | None:
    """`/contact/{identifier}`; None where no route took the request."""
    route = scope.get("route")
    if route is None and scope.get("endpoint") is not None:
        routes = scope["app"].routes
        endpoint = scope["endpoint"]
        found = (each for each in routes if getattr(each, "endpoint", None) is endpoint)
        route = next(found, None)
    return getattr(route, "path", None)


# --------------------------------------------------------------------------------- a call
class Call(APIRoute):
    """A declared operation: token and scope first, then a bounded, strict body, then the rest."""

    body_bytes = BODY_BYTES

    def get_route_handler(self) -> Handler:
        """In the order of the contract: 401, 403, 413, 415, 400, 422, and the thing's own 404."""
        declared = super().get_route_handler()
        scope = needed_scope(self)
        limit = self.body_bytes
        takes_body = self.body_field is not None
        is_strict = "GET" in (self.methods or ()) and self.path != GUIDES_GET
        known = parameters_of(self) if is_strict else None

        async def handle(request: Request) -> Response:
            if scope is not None:
                request.state.caller = await authenticate(request, scope)
            if takes_body:
                request = _Read(request, await read_json(request, limit))
            else:
                check_type(request)
            refuse_unknown_parameters(request, known)
            try:
                return await declared(request)
            except RequestValidationError as error:
                errors = error.errors()
            raise refusal_of(errors)

        return handle


class _Read(Request):
    """A request whose body was read and parsed, so that FastAPI does neither."""

    def __init__(self, request: Request, value: object) -> None:
        super().__init__(request.scope, request.receive)
        self._value = value

    async def body(self) -> bytes:
        """Something: FastAPI asks only whether there is a body."""
        return b"{}"

    async def json(self) -> object:
        return self._value


def parameters_of(route: APIRoute) -> frozenset[str]:
    """The names that may stand in the query."""
    return frozenset(each.alias for each in route.dependant.query_params)


def refuse_unknown_parameters(request: Request, known: frozenset[str] | None) -> None:
    """A mistyped `after` would quietly begin anew. Raises `Invalid`."""
    unknown = [name for name in request.query_params if known is not None and name not in known]
    if unknown:
        message = "This call has no such parameter."
        errors = [FieldError(field_name([name]), "unknown_field", message) for name in unknown]
        raise Invalid(errors[:ERRORS])


def needed_scope(route: APIRoute) -> Any:
    """The scope of a declared operation, or None for one that everybody may call."""
    found = [each.call for each in route.dependant.dependencies if isinstance(each.call, Needs)]
    return found[0].scope if found else None


def refusal_of(errors: Sequence[Any]) -> Refusal:
    """A path that names nothing is a 404, but only when all else was right."""
    of_request = [
        {**error, "loc": error["loc"][1:] or ("body",)}
        for error in errors
        if error["loc"][0] != "path"
    ]
    return Invalid(field_errors(of_request)) if of_request else NotFound()


def router(tag: str) -> APIRouter:
    """What a module of calls declares them on; `app.py` puts them on one list."""
    return APIRouter(tags=[f"{tag} (v0)"], route_class=Call, redirect_slashes=False)


# ------------------------------------------------------------------------------ the frame
def frame(app: FastAPI, settings: Settings) -> None:
    """Give the application its answers to everything that no call handles."""
    app.add_middleware(Frame, settings=settings)
    app.add_exception_handler(Refusal, _answer_refusal)
    app.add_exception_handler(HTTPException, _answer_http_exception)


async def _answer_refusal(_: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return problem_response(refusal)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """Of Starlette come only an unknown path and an unknown method."""
    assert isinstance(error, HTTPException)
    if error.status_code == MethodNotAllowed.status:
        return problem_response(MethodNotAllowed(), {"Allow": ", ".join(allowed(request))})
    return problem_response(NotFound())


def allowed(request: Request) -> list[str]:
    """The methods of all routes with this path."""
    scope = {**request.scope, "method": ""}
    methods: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route | APIRoute) and route.matches(scope)[0] is not Match.NONE:
            methods |= set(route.methods or ())
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))
