"""`GET /docs` and `GET /openapi.json`: the reference, with nothing fetched from elsewhere."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson
from fastapi import FastAPI
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from jetpay.api.openapi import openapi_of
from jetpay.base.refusals import all_refusals

STYLE: Final = "reference.css"
A_YEAR: Final = "public, max-age=31536000, immutable"
METHODS: Final = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body or an answer, in words."""

    name: str
    kind: str
    required: bool
    about: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A call as the page shows it."""

    method: str
    path: str
    anchor: str
    summary: str
    scope: str | None
    parameters: list[Field]
    body: list[Field]
    answer: list[Field]
    status: str
    refusals: list[tuple[str, str]]


def operations(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """The calls of the OpenAPI file by tag, in its order."""
    by_tag: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                said = methods[method]
                tag = said.get("tags", ["Other"])[0]
                by_tag.setdefault(tag, []).append(_operation(document, path, method, said))
    return by_tag


def _operation(
    document: Mapping[str, Any], path: str, method: str, said: Mapping[str, Any]
) -> Operation:
    responses = said["responses"]
    status = min(responses)
    return Operation(
        method=method.upper(),
        path=path,
        anchor=said["operationId"],
        summary=said.get("description", said.get("summary", "")),
        scope=said.get("x-scope"),
        parameters=[
            Field(
                each["name"],
                kind_of(each.get("schema", {})),
                each.get("required", False),
                each.get("description", ""),
            )
            for each in said.get("parameters", [])
        ],
        body=list(_fields(document, said.get("requestBody", {}))),
        answer=list(_fields(document, responses[status])),
        status=status,
        refusals=[(code, responses[code]["description"]) for code in sorted(responses)[1:]],
    )


def _fields(document: Mapping[str, Any], holder: Mapping[str, Any]) -> Iterator[Field]:
    for content in holder.get("content", {}).values():
        schema = content.get("schema", {})
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        for name, each in schema.get("properties", {}).items():
            is_required = name in schema.get("required", ())
            yield Field(name, kind_of(each), is_required, each.get("description", ""))


def kind_of(schema: Mapping[str, Any]) -> str:
    """`text, at most 100 characters`: a JSON schema for people."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(kind_of(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(str(each) for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    kind = schema.get("format") or schema.get("type") or "anything"
    bounds = {"maxLength": "at most {} characters", "minimum": "from {}", "maximum": "to {}"}
    said = [words.format(schema[key]) for key, words in bounds.items() if key in schema]
    return ", ".join([str(kind), *said])


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("jetpay"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> tuple[str, str]:
    """The stylesheet, and the first characters of its hash, which its address has."""
    text = (files("jetpay") / "templates" / STYLE).read_text("utf-8")
    return text, hashlib.sha256(text.encode()).hexdigest()[:12]


async def reference_page(request: Request) -> Response:
    """`GET /docs`."""
    app: FastAPI = request.app
    document = openapi_of(app)
    template = _environment().get_template("reference.html")
    return HTMLResponse(
        template.render(
            title=document["info"]["title"],
            version=document["info"]["version"],
            description=document["info"]["description"],
            tags=operations(document),
            refusals={each.code: each for each in all_refusals()},
            style=f"/docs/{_style()[1]}/{STYLE}",
        )
    )


async def openapi_file(request: Request) -> Response:
    """`GET /openapi.json`."""
    return Response(orjson.dumps(openapi_of(request.app)), media_type="application/json")


async def stylesheet(_: Request) -> Response:
    """The page's one asset."""
    return Response(_style()[0], media_type="text/css", headers={"Cache-Control": A_YEAR})


routes = [
    Route("/docs", reference_page),
    Route("/openapi.json", openapi_file),
    Route(f"/docs/{_style()[1]}/{STYLE}", stylesheet),
]
