"""The OpenAPI file: what FastAPI sees of the calls, and what the frame around them answers."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from jetpay import __version__
from jetpay.api.frame import needed_scope
from jetpay.api.problems import problem_declaration

TITLE: Final = "Jetpay"
DESCRIPTION: Final = (
    "Pay anyone without touching their bank details. JSON in snake_case, times in UTC, amounts in"
    " minor units. Every refusal is `application/problem+json` with a stable `code`."
)
PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457; `code` is for programs, `detail` for people.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
OF_TOKEN: Final = {"401": "`unauthorized`", "403": "`forbidden`", "429": "`rate_limited`"}
OF_BODY: Final = {
    "400": "`malformed`",
    "408": "`too_slow`",
    "413": "`too_large`",
    "422": "`invalid`",
}
OF_EVERY_CALL: Final = {
    "415": "`unsupported_media_type`",
    "421": "`wrong_host`",
    "500": "`internal_error`",
    "503": "`unavailable`, `busy`",
}


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """Made once per application."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=TITLE, version=__version__, description=DESCRIPTION, routes=app.routes
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = PROBLEM
        scopes = {
            (route.path, method.lower()): needed_scope(route)
            for route in app.routes
            if isinstance(route, APIRoute)
            for method in route.methods or ()
        }
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                _declare(operation, scopes[path, method], changes=method != "get")
        app.openapi_schema = document
    return app.openapi_schema


def _declare(operation: dict[str, Any], scope: str | None, *, changes: bool) -> None:
    """The scope, and the refusals that the frame adds to those which the call names itself."""
    parameters = operation.get("parameters", [])
    codes = dict(OF_EVERY_CALL)
    if scope is not None:
        operation["x-scope"] = str(scope)
        codes |= OF_TOKEN
    if changes and "409" not in operation["responses"]:
        codes["409"] = "what is asked does not fit the present state of things"
    if "requestBody" in operation:
        codes |= OF_BODY
    if any(each["in"] != "path" for each in parameters):
        codes["422"] = OF_BODY["422"]
    if any(each["in"] == "path" for each in parameters):
        codes["404"] = "`not_found`"
    responses = operation["responses"]
    # FastAPI's own 422 is never sent.
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status, description in codes.items():
        named = responses.get(status, {}).get("description")
        both = f"{description}, {named}" if named else description
        responses[status] = problem_declaration(both)
