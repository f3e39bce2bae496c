"""API tokens: their spelling, their checksum, and the digest that stands in the database."""

import hashlib
import os
import re
import zlib
from typing import Final

from jetpay.security.secrets import Secret

RANDOM_BYTES: Final = 32
TOKEN_LENGTH: Final = 61
LIVE_PREFIX: Final = "jetpay_live_"
SANDBOX_PREFIX: Final = "jetpay_test_"

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
_PATTERN: Final = re.compile(r"jetpay_(?:live|test)_[0-9A-Za-z]{49}", re.ASCII)


def make_api_token(sandbox: bool) -> Secret[str]:  # noqa: FBT001 - reads well at its one caller
    """A new token; it is shown once, and only `parse_api_token` of it is stored."""
    return Secret(_spell(os.urandom(RANDOM_BYTES), sandbox=sandbox))


def parse_api_token(text: str) -> bytes | None:
    """SHA-256 of a well-formed token (to be looked up), else None. Asks no database.

    The digest covers the prefix, so a sandbox token can never pass for a live one.
    """
    if len(text) != TOKEN_LENGTH or _PATTERN.fullmatch(text) is None:
        return None
    # A checksum, not a secret: comparing it in constant time would hide nothing.
    if text[-_CHECKSUM_LENGTH:] != _checksum(text[:-_CHECKSUM_LENGTH]):
        return None
    return hashlib.sha256(text.encode("ascii")).digest()


def _spell(random: bytes, *, sandbox: bool) -> str:
    prefix = SANDBOX_PREFIX if sandbox else LIVE_PREFIX
    body = prefix + _base62(int.from_bytes(random, "big"), _RANDOM_LENGTH)
    return body + _checksum(body)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
