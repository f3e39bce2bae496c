"""Canonical JSON: the part of RFC 8785 without fractions, for what is hashed."""

from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Final

MAX_INTEGER: Final = 2**53 - 1
"""Beyond it a JSON number means different integers to different readers (RFC 8785, 3.2.2.3)."""


def canonical_json(value: object) -> bytes:
    """The one spelling of the value. Raises `ValueError` or `TypeError`, never with the value."""
    try:
        return _text(value).encode()
    except UnicodeEncodeError:
        # Its text quotes the value.
        raise ValueError("a lone surrogate has no canonical spelling") from None


def _text(value: object) -> str:
    if isinstance(value, str):
        # Escapes what RFC 8785 escapes and nothing else.
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError("an integer beyond 2^53 - 1 has no canonical spelling")
        return int.__repr__(value)
    if isinstance(value, Mapping):
        members = (f"{_key(key)}:{_text(value[key])}" for key in sorted(value, key=_order))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no canonical spelling")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError("a key is text")
    return encode_basestring(key)


def _order(key: object) -> bytes:
    # RFC 8785, 3.2.3: keys are sorted by their UTF-16 code units.
    return str(key).encode("utf-16-be", "surrogatepass")
