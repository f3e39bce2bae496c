"""Payment links: 45 bytes that say which credit is meant, under a key the database lacks."""

import hmac
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from jetpay.security.derivation import WorkingKey, company_mac
from jetpay.security.encoding import INSTALLATION, b64url, unb64url

LINK_BYTES: Final = 45
LINK_LENGTH: Final = 60
MAC_BYTES: Final = 21
MAX_LINK_VERSION: Final = 32_767

_FORMAT: Final = 1
_SIGNED: Final = struct.Struct(">BBI16sH")
_MAC_AT: Final = LINK_BYTES - MAC_BYTES
PAYMENT: Final = b"jetpay.link.v1"
DISOWNING: Final = b"jetpay.disown.v1"
"""What a link is for: another label, another key; the version is then an attempt's number."""

# Mail programs glue the end of a sentence to an address; more than three marks is no accident.
_PATTERN: Final = re.compile(r"([A-Za-z0-9_-]{60})(?:/|[.,)>]{1,3})?", re.ASCII)
_MAX_TEXT: Final = LINK_LENGTH + 3


class LinkKeys(Protocol):
    """What of the key ring a link needs."""

    def usable(self, purpose: str, number: int) -> WorkingKey | None: ...
    def active(self, purpose: str) -> WorkingKey: ...


@dataclass(frozen=True, slots=True)
class LinkParts:
    """What a token claims; nothing of it is true before `verify_link` said so."""

    key_number: int
    short_id: int
    credit_id: UUID
    version: int
    signed: bytes
    mac: bytes


@dataclass(frozen=True, slots=True)
class VerifiedLink:
    """What a genuine token says; whether its version still lives is for the credit's row."""

    company_id: UUID
    credit_id: UUID
    version: int
    key_number: int


def make_link(
    key: WorkingKey,
    company_id: UUID,
    short_id: int,
    credit_id: UUID,
    version: int,
    *,
    kind: bytes = PAYMENT,
) -> str:
    """The token of this version of the credit's link; equal arguments give an equal token."""
    signed = _SIGNED.pack(_FORMAT, key.number, short_id, credit_id.bytes, version)
    return b64url(signed + _mac(key, company_id, signed, kind))


def read_link(text: str) -> LinkParts | None:
    """The parts of a token that is spelled right, with or without what mail programs append."""
    if not LINK_LENGTH <= len(text) <= _MAX_TEXT:
        return None
    match = _PATTERN.fullmatch(text)
    data = unb64url(match[1], size=LINK_BYTES) if match else None
    if data is None or data[0] != _FORMAT:
        return None
    parts = LinkParts(
        key_number=data[1],
        short_id=int.from_bytes(data[2:6], "big"),
        credit_id=UUID(bytes=data[6:22]),
        version=int.from_bytes(data[22:24], "big"),
        signed=data[:_MAC_AT],
        mac=data[_MAC_AT:],
    )
    in_range = parts.key_number >= 1 and 1 <= parts.version <= MAX_LINK_VERSION
    return parts if in_range else None


def verify_link(parts: LinkParts, key: WorkingKey, company_id: UUID, kind: bytes = PAYMENT) -> bool:
    """Whether this company's key made the token; compared in constant time."""
    return hmac.compare_digest(parts.mac, _mac(key, company_id, parts.signed, kind))


def check_link(
    text: str,
    keys: LinkKeys,
    company_of: Callable[[int], UUID | None],
    *,
    kind: bytes = PAYMENT,
) -> VerifiedLink | None:
    """Every check that needs no database, in the order of rule 28.

    `company_of` looks a short id up in memory (`ShortIds.company_of`). An unknown short id
    or key number does the same MAC as a known one, with a stand-in, and then fails: a stranger
    learns neither from the time nor from the bytes which pseudonyms or keys exist.
    """
    parts = read_link(text)
    if parts is None:
        return None
    key = keys.usable("link", parts.key_number)
    company_id = company_of(parts.short_id)
    genuine = verify_link(parts, key or keys.active("link"), company_id or INSTALLATION, kind)
    if key is None or company_id is None or not genuine:
        return None
    return VerifiedLink(
        company_id=company_id,
        credit_id=parts.credit_id,
        version=parts.version,
        key_number=parts.key_number,
    )


def _mac(key: WorkingKey, company_id: UUID, signed: bytes, kind: bytes) -> bytes:
    return company_mac(key, company_id, kind).digest(kind + b"\x00" + signed)[:MAC_BYTES]
