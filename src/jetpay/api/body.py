"""Reading a request's body: bounded in size and time, as strict JSON, into a model."""

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request
from starlette.types import Receive

from jetpay.base.refusals import (
    FieldError,
    Invalid,
    Malformed,
    Refusal,
    TooLarge,
    UnsupportedMediaType,
)

BODY_BYTES: Final = 1024 * 1024
BULK_BYTES: Final = 16 * 1024 * 1024
BODY_SECONDS: Final = 30
DEPTH: Final = 32
NUMBER_CHARACTERS: Final = 20
CONTAINERS: Final = 100_000
"""Objects and lists in one body; 10,000 credits need a third of that."""
ERRORS: Final = 50
"""How many wrong fields one answer lists."""
JSON_TYPE: Final = "application/json"
REFUSED: Final = "refused"
"""Pydantic's error type of what our own validators refuse, with `code` and `sentence`."""

M = TypeVar("M", bound=BaseModel)


class TooSlow(Refusal):
    """The body did not come in time."""

    code = "too_slow"
    status = 408
    title = "Request too slow"
    sentence = "The request's body did not arrive within 30 seconds."


class WrongType(UnsupportedMediaType):
    """The body is not of the type that the call takes."""

    sentence = "Send the body with Content-Type: {types}."


class NoBody(Malformed):
    """Nothing was sent."""

    sentence = "The request has no body; this call needs one in JSON."


class NoJson(Malformed):
    """It does not follow the grammar of JSON."""

    sentence = "The body is not valid JSON in UTF-8."


class NoObject(Malformed):
    """JSON, but not between braces."""

    sentence = "The body must be one JSON object."


class Duplicate(Invalid):
    """A key stands twice in one object, and readers differ in which they take."""

    def __init__(self, key: str) -> None:
        message = "This field stands more than once in the request."
        super().__init__([FieldError(field_name([key]), "duplicate_field", message)])


async def read_json(request: Request, limit: int = BODY_BYTES) -> object:
    """The body as JSON values.

    Raises, in this order, `TooLarge`, `UnsupportedMediaType`, `TooSlow`, `Malformed` and
    `Invalid` (a key that stands twice).
    """
    check_length(request, limit)
    check_type(request, JSON_TYPE)
    return parse_json(await read_bytes(request, limit))


def check_length(request: Request, limit: int) -> None:
    """What can be said of the size before anything is read. Raises `TooLarge`."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:NUMBER_CHARACTERS]) > limit:
        raise TooLarge


def check_type(request: Request, *types: str) -> None:
    """Raises `UnsupportedMediaType` for another type and for a compressed body."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if types and media_type not in types:
        raise WrongType(types=" or ".join(types))


async def read_bytes(request: Request, limit: int) -> bytes:
    """Raises `TooLarge`, `TooSlow`, and `Malformed` when the client went away."""
    task = asyncio.current_task()
    assert task is not None
    # What `asyncio.timeout` does, at a fifth of its price: this stands on the hot path.
    timer = asyncio.get_running_loop().call_later(BODY_SECONDS, task.cancel, TooSlow.code)
    try:
        return await _read(request.receive, limit)
    except asyncio.CancelledError as cancelled:
        if cancelled.args == (TooSlow.code,) and task.uncancel() == 0:
            raise TooSlow from None
        raise
    finally:
        timer.cancel()


async def _read(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size, is_more = 0, True
    while is_more:
        message = await receive()
        if message["type"] != "http.request":
            raise Malformed  # the client went away
        chunk, is_more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise TooLarge
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_json(raw: bytes) -> Any:
    """Raises `Malformed`, `Invalid` for a key that stands twice; never quotes what was sent."""
    if raw.count(b"{") + raw.count(b"[") > CONTAINERS:
        raise Malformed
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise (NoJson() if raw.strip() else NoBody()) from None
    # A shallow body cannot have many brackets; a deep one is rare enough to be walked.
    if raw.count(b"{") + raw.count(b"[") > DEPTH and _depth(value) > DEPTH:
        raise Malformed
    return value


def _depth(value: object) -> int:
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > DEPTH:
            break
        level = [item for each in level for item in _items(each)]
    return depth


def _items(container: Mapping[str, object] | list[object]) -> Iterable[object]:
    return container if isinstance(container, list) else container.values()


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Duplicate(key)
            seen.add(key)
    return found


def _integer(text: str) -> int:
    if len(text) > NUMBER_CHARACTERS:
        raise ValueError
    return int(text)


def _decimal(text: str) -> float:
    if len(text) > NUMBER_CHARACTERS:
        raise ValueError
    return float(text)


def _no_constant(_: str) -> NoReturn:
    raise ValueError


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_decimal,
    parse_constant=_no_constant,
)


def parse(model: type[M], value: object) -> M:
    """The model of a JSON object. Raises `Invalid` with every wrong field, none with its value."""
    if not isinstance(value, dict):
        raise NoObject
    try:
        return model.model_validate(value)
    except ValidationError as error:
        errors = field_errors(
            error.errors(include_url=False, include_context=True, include_input=False)
        )
    # Raised here, not in the handler: the chained exception would hold the values.
    raise Invalid(errors)


def field_errors(errors: Iterable[ErrorDetails | Mapping[str, Any]]) -> list[FieldError]:
    """Pydantic's errors in our words; what was sent is in none of them."""
    return [_field_error(error) for error in errors][:ERRORS]


def _field_error(error: ErrorDetails | Mapping[str, Any]) -> FieldError:
    kind, context = str(error["type"]), error.get("ctx") or {}
    field = field_name(error["loc"])
    if kind == REFUSED:
        return FieldError(field, str(context["code"]), str(context["sentence"]))
    if kind in _TYPES:
        return FieldError(field, "wrong_type", f"This must be {_TYPES[kind]}.")
    code, message = _SENTENCES.get(kind, ("wrong_form", "This does not have the right form."))
    return FieldError(field, code, message.format(**context))


def field_name(location: Iterable[object]) -> str:
    """`credits.3.amount`; a name that a stranger chose is only repeated when it is harmless."""
    parts = [str(part) for part in location] or ["body"]
    return ".".join(part if _HARMLESS.fullmatch(part) else "?" for part in parts)


_HARMLESS: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}|\d{1,5}", re.ASCII)
_TYPES: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "float_type": "a number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_parsing": "true or false",
    "uuid_parsing": "an identifier",
    "uuid_type": "an identifier",
}
_SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("required", "This field is required."),
    "extra_forbidden": ("unknown_field", "This call has no such field."),
    "literal_error": ("not_an_option", "This must be one of: {expected}."),
    "enum": ("not_an_option", "This must be one of: {expected}."),
    "greater_than_equal": ("out_of_range", "This must be at least {ge}."),
    "less_than_equal": ("out_of_range", "This must be at most {le}."),
    "greater_than": ("out_of_range", "This must be more than {gt}."),
    "less_than": ("out_of_range", "This must be less than {lt}."),
    "int_parsing_size": ("out_of_range", "This number is too large."),
    "too_long": ("too_many", "This must have at most {max_length} items."),
    "too_short": ("too_few", "This must have at least {min_length} items."),
    "string_too_long": ("too_long", "This must have at most {max_length} characters."),
    "string_too_short": ("too_short", "This must have at least {min_length} characters."),
}
