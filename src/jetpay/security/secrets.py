"""A wrapper for values that must never be printed, logged, pickled or echoed."""

import hmac
from collections.abc import Mapping
from typing import Any, Final, Generic, NoReturn, TypeVar, final, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MASK: Final = "•••"

T_co = TypeVar("T_co", covariant=True)


@final
class Secret(Generic[T_co]):
    """Holds a value that only `.reveal()` shows; every other way out gives `•••` or refuses.

    As a pydantic field it takes what `T` takes and never echoes it: the `input` of a
    validation error is the wrapped value too.
    """

    __slots__ = ("_value",)

    _value: T_co

    def __init__(self, value: T_co) -> None:
        object.__setattr__(self, "_value", value)

    def reveal(self) -> T_co:
        """The value itself; `tests/test_architecture.py` names the modules that may ask."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_as_bytes(self._value), _as_bytes(other._value))

    def __hash__(self) -> int:
        return hash((Secret, _as_bytes(self._value)))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __copy__(self) -> "Secret[T_co]":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret[T_co]":
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler.generate_schema(next(iter(get_args(source)), str))
        # The value is wrapped before it is judged, so that an error's `input` shows the mask.
        return core_schema.chain_schema(
            [
                core_schema.no_info_plain_validator_function(_wrap),
                core_schema.no_info_wrap_validator_function(_validate_wrapped, inner),
            ],
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda _: MASK, return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        steps: Any = schema.get("steps")
        shown = dict(handler(steps[-1]["schema"]))
        return {**shown, "writeOnly": True}


def _as_bytes(value: object) -> bytes:
    """What is compared in constant time; only text and bytes have a meaningful comparison."""
    if isinstance(value, str):
        return b"s" + value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return b"b" + value
    return b"i%d" % id(value)


def _wrap(value: Any) -> Secret[Any]:
    return value if isinstance(value, Secret) else Secret(value)


def _validate_wrapped(
    wrapped: Secret[Any], inner: core_schema.ValidatorFunctionWrapHandler
) -> Secret[Any]:
    first: Mapping[str, Any]
    try:
        value = inner(wrapped.reveal())
        if isinstance(value, str):
            value.encode()  # half of a surrogate pair is no text, and no hash takes it
        return Secret(value)
    except UnicodeEncodeError:
        first = {"type": "string_unicode", "msg": "This is not a text."}
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # Raised outside the handler: no chained exception carries the value.
    raise PydanticCustomError(first["type"], first["msg"])
