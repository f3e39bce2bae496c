"""`GET /docs` and `GET /openapi.json`: the reference, with nothing fetched from elsewhere."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import orjson
from fastapi import FastAPI
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from jetpay.api.openapi import openapi_of
from jetpay.base.refusals import all_refusals

STYLE: Final = "reference.css"
A_YEAR: Final = "public, max-age=31536000, immutable"
METHODS: Final = ("get", "put", "post", "patch", "delete")


Schema = Mapping[str, Any]
Schemas = Mapping[str, Schema]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body or an answer, in words."""

    name: str
    kind: str
    required: bool
    about: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A call as the page shows it; `parts`: the objects inside of its body and its answer."""

    method: str
    path: str
    anchor: str
    summary: str
    scope: str | None
    parameters: list[Field]
    body: list[Field]
    answer: list[Field]
    parts: dict[str, list[Field]]
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
    responses, schemas = said["responses"], document["components"]["schemas"]
    status = min(responses)
    sent, answered = said.get("requestBody", {}), responses[status]
    return Operation(
        method=method.upper(),
        path=path,
        anchor=said["operationId"],
        summary=said.get("description", said.get("summary", "")),
        scope=said.get("x-scope"),
        parameters=[
            Field(
                each["name"],
                kind_of(each.get("schema", {}), schemas),
                each.get("required", False),
                each.get("description", ""),
            )
            for each in said.get("parameters", [])
        ],
        body=[each for schema in _schemas(sent, schemas) for each in _fields(schema, schemas)],
        answer=[
            each for schema in _schemas(answered, schemas) for each in _fields(schema, schemas)
        ],
        parts=_parts([*_schemas(sent, schemas), *_schemas(answered, schemas)], schemas),
        status=status,
        refusals=[(code, responses[code]["description"]) for code in sorted(responses)[1:]],
    )


def _schemas(holder: Schema, schemas: Schemas) -> list[Schema]:
    """Of a body or an answer, one for each of its content types."""
    found = [content.get("schema", {}) for content in holder.get("content", {}).values()]
    return [schemas[_name(each)] if "$ref" in each else each for each in found]


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _fields(schema: Schema, schemas: Schemas) -> Iterator[Field]:
    for name, each in schema.get("properties", {}).items():
        is_required = name in schema.get("required", ())
        yield Field(name, kind_of(each, schemas), is_required, each.get("description", ""))


def _parts(outer: list[Schema], schemas: Schemas) -> dict[str, list[Field]]:
    """The objects that fields of others name, by their names, the outer ones first."""
    found: dict[str, list[Field]] = {}
    waiting = [name for schema in outer for name in _named_in(schema)]
    for name in waiting:
        if name not in found and "properties" in schemas[name]:
            found[name] = list(_fields(schemas[name], schemas))
            waiting += _named_in(schemas[name])
    return found


def _named_in(schema: Schema) -> Iterator[str]:
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for each in [*inner, schema.get("items", {})]:
        if "$ref" in each:
            yield _name(each)
        elif each:
            yield from _named_in(each)


def kind_of(schema: Schema, schemas: Schemas = MappingProxyType({})) -> str:
    """`text, at most 100 characters`: a JSON schema for people; values of a named list in full."""
    if "$ref" in schema:
        named = schemas.get(_name(schema), {})
        return kind_of(named) if "enum" in named else _name(schema)
    if "anyOf" in schema:
        return " or ".join(kind_of(each, schemas) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(str(each) for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}), schemas)}"
    kind = schema.get("format") or schema.get("type") or "anything"
    bounds = {"maxLength": "at most {} characters", "minimum": "from {}", "maximum": "to {}"}
    said = [words.format(_number(schema[key])) for key, words in bounds.items() if key in schema]
    return ", ".join([str(kind), *said])


def _number(value: float) -> float:
    """FastAPI writes whole bounds as 1.0."""
    return int(value) if value == int(value) else value


def coded(text: str) -> Markup:
    """What stands between backticks, as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("jetpay"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = coded
    return environment


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
