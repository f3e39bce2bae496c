"""The kinds of fields that calls take and answer, strict in their JSON types."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Generic, Self, TypeVar
from uuid import UUID

import orjson
from fastapi import Header, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from jetpay.api.body import REFUSED
from jetpay.base.clock import iso
from jetpay.base.refusals import FieldError, Invalid
from jetpay.base.text import (
    EMAIL_LENGTH,
    METADATA_BYTES,
    METADATA_KEY_LENGTH,
    METADATA_KEYS,
    METADATA_VALUE_LENGTH,
    TextProblem,
    clean,
    email_address,
)
from jetpay.security.secrets import Secret

UUID_LENGTH: Final = 36
IDENTIFIERS_REMEMBERED: Final = 10_000
EXTERNAL_ID_LENGTH: Final = 100
KEY_HEADER: Final = "Idempotency-Key"
KEY_LENGTH: Final = 255
LIST_MAXIMUM: Final = 200
LIST_DEFAULT: Final = 50
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


class Taken(BaseModel):
    """A body of ours: another field than those declared is refused."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    def given(self) -> dict[str, object]:
        """The fields that were sent, as what idempotency compares; null counts as not sent."""
        sent = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            name: str(value) if isinstance(value, UUID) else value
            for name, value in sent.items()
            if value is not None
        }


class GuideTaken(Taken):
    """A body of the guide's own calls: unknown fields are ignored, as on the hosted platform."""

    model_config = ConfigDict(extra="ignore")


class Shown(BaseModel):
    """An answer."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


@dataclass(frozen=True, slots=True)
class Length:
    """A text field under the one text rule: `Annotated[str, Length(100)]`."""

    maximum: int
    minimum: int = 0
    multiline: bool = False

    def check(self, value: str) -> str:
        """The text as it is kept; lengths count after trimming."""
        try:
            return clean(
                value, minimum=self.minimum, maximum=self.maximum, multiline=self.multiline
            )
        except TextProblem as problem:
            raise refused_text(problem) from None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        bounds = {"maxLength": self.maximum} | ({"minLength": self.minimum} if self.minimum else {})
        return {**handler(schema), **bounds}


def refused(code: str, sentence: str) -> PydanticCustomError:
    """A refusal of one field, raised by a validator; `body.py` takes it apart again."""
    return PydanticCustomError(REFUSED, "{sentence}", {"code": code, "sentence": sentence})


def refused_text(problem: TextProblem) -> PydanticCustomError:
    """The same for what the text rule found."""
    return refused(problem.code, problem.message)


def Text(  # noqa: N802 - stands where a type does
    *, maximum: int, minimum: int = 0, multiline: bool = False
) -> Any:
    """The same as a type."""
    return Annotated[str, Length(maximum, minimum, multiline)]


def _email(value: str) -> str:
    try:
        return email_address(clean(value, minimum=1, maximum=EMAIL_LENGTH))
    except TextProblem as problem:
        raise refused_text(problem) from None


@lru_cache(IDENTIFIERS_REMEMBERED)
def _uuid(text: str) -> UUID:
    # The same account and the same contacts come again and again.
    return UUID(text)


def _identifier(value: object) -> UUID:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and len(value) == UUID_LENGTH:
        try:
            return _uuid(value)
        except ValueError:
            pass
    if value in ("", None):
        raise refused("required", "This field is required.")
    raise refused("wrong_form", "This must be an identifier such as those that Jetpay gives.")


def _time(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    at = None
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
            at = parsed.astimezone(UTC) if parsed.tzinfo else None
        except (ValueError, OverflowError):
            at = None
    if at is None:
        raise refused("wrong_form", "This must be a time with its zone: 2026-01-22T10:15:30Z.")
    return at


_KEY = Length(METADATA_KEY_LENGTH, 1)
_VALUE = Length(METADATA_VALUE_LENGTH, 0, multiline=True)


def _metadata(value: dict[str, str]) -> dict[str, str]:
    if len(value) > METADATA_KEYS:
        raise refused("too_many", f"Metadata has at most {METADATA_KEYS} keys.")
    cleaned = {_KEY.check(key): _VALUE.check(item) for key, item in value.items()}
    if len(cleaned) < len(value):
        raise refused("duplicate_field", "Two keys of the metadata are the same text.")
    if len(orjson.dumps(cleaned)) > METADATA_BYTES:
        raise refused("too_long", f"Metadata has at most {METADATA_BYTES} bytes in all.")
    return cleaned


Email = Annotated[
    str,
    AfterValidator(_email),
    Field(json_schema_extra={"format": "email", "maxLength": EMAIL_LENGTH}),
]
Identifier = Annotated[
    UUID, BeforeValidator(_identifier), WithJsonSchema({"type": "string", "format": "uuid"})
]
Time = Annotated[
    datetime,
    BeforeValidator(_time),
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Metadata = Annotated[
    dict[str, str], AfterValidator(_metadata), Field(json_schema_extra={"maxProperties": 20})
]
ExternalId = Annotated[str, Length(EXTERNAL_ID_LENGTH, 1)]
SecretText = Annotated[Secret[str], Field(json_schema_extra={"maxLength": 256})]


def checked_key(key: str | None, name: str = KEY_HEADER) -> str | None:
    """The key as it is. Raises `Invalid` for the field `name`."""
    if key is None or (len(key) <= KEY_LENGTH and _VISIBLE.fullmatch(key)):
        return key
    message = f"A key has 1 to {KEY_LENGTH} visible characters."
    raise Invalid([FieldError(name, "wrong_form", message)])


def _header_key(key: str | None) -> str | None:
    return checked_key(key)  # pydantic would take its second parameter for something else


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=KEY_HEADER,
        description="Send the same key again to be sure that only one thing is made.",
    ),
    AfterValidator(_header_key),
]
Limit = Annotated[int, Query(ge=1, le=LIST_MAXIMUM, description="How many at most.")]
After = Annotated[
    UUID | None,
    Query(description="The identifier after which to go on: `next` of the last answer."),
]


Found = TypeVar("Found")
Item = TypeVar("Item", bound=Shown)


class Page(Shown, Generic[Item]):
    """A page of a list; each item of it has an `identifier`."""

    data: list[Item]
    next: Identifier | None

    @classmethod
    def of(cls, found: Sequence[Found], given: Callable[[Found], Item], *, limit: int) -> Self:
        """`found`: one more than the page holds, if there is one."""
        page = [given(each) for each in found[:limit]]
        last: Any = page[-1] if len(found) > limit else None
        return cls(data=page, next=last and last.identifier)
