"""The cookies of a visit: which credit a browser came for, and the sessions that follow."""

import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from jetpay.security.derivation import WorkingKey, company_mac_key
from jetpay.security.encoding import b64url, unb64url
from jetpay.security.secrets import Secret

VISIT_BYTES: Final = 60
VISIT_LENGTH: Final = 80
VISIT_LASTS: Final = timedelta(hours=12)
VISIT_RANDOM_BYTES: Final = 16
CLOCKS_DIFFER_BY: Final = timedelta(seconds=60)
SESSION_BYTES: Final = 32
SESSION_PREFIX: Final = "s1."
SECURE_PREFIX: Final = "__Host-"
VISIT_NAME: Final = "jetpay_pay_"

_FORMAT: Final = 1
_MAC_BYTES: Final = 16
_MAC_AT: Final = VISIT_BYTES - _MAC_BYTES
_INFO: Final = b"jetpay.visit.v1"
_LABEL: Final = _INFO + b"\x00"
_CREDIT_HEX_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class VisitParts:
    """What a visit cookie claims; nothing of it is true before `verify_visit` said so."""

    key_number: int
    short_id: int
    credit_id: UUID
    version: int
    issued: int
    signed: bytes
    mac: bytes


def visit_cookie_name(credit_id: UUID, *, secure: bool) -> str:
    """One cookie per credit, so that two links in two tabs do not overwrite each other.

    Without the prefix only for plain http on a loopback host.
    """
    prefix = SECURE_PREFIX if secure else ""
    return prefix + VISIT_NAME + credit_id.hex[-_CREDIT_HEX_SHOWN:]


def make_visit(
    key: WorkingKey,
    company_id: UUID,
    *,
    short_id: int,
    credit_id: UUID,
    version: int,
    at: datetime,
) -> str:
    """The value of a visit cookie: 80 characters, valid for `VISIT_LASTS`."""
    signed = b"".join(
        (
            bytes((_FORMAT, key.number)),
            short_id.to_bytes(4, "big"),
            credit_id.bytes,
            version.to_bytes(2, "big"),
            int(at.timestamp()).to_bytes(4, "big"),
            os.urandom(VISIT_RANDOM_BYTES),
        )
    )
    return b64url(signed + _mac(key, company_id, signed))


def read_visit(text: str) -> VisitParts | None:
    """The parts of a visit cookie that is spelled right."""
    if len(text) != VISIT_LENGTH:
        return None
    data = unb64url(text, size=VISIT_BYTES)
    if data is None or data[0] != _FORMAT:
        return None
    return VisitParts(
        key_number=data[1],
        short_id=int.from_bytes(data[2:6], "big"),
        credit_id=UUID(bytes=data[6:22]),
        version=int.from_bytes(data[22:24], "big"),
        issued=int.from_bytes(data[24:28], "big"),
        signed=data[:_MAC_AT],
        mac=data[_MAC_AT:],
    )


def verify_visit(parts: VisitParts, key: WorkingKey, company_id: UUID, *, at: datetime) -> bool:
    """Whether we made it, for this company, within `VISIT_LASTS`."""
    if not hmac.compare_digest(parts.mac, _mac(key, company_id, parts.signed)):
        return False
    age_seconds = at.timestamp() - parts.issued
    return -CLOCKS_DIFFER_BY.total_seconds() <= age_seconds < VISIT_LASTS.total_seconds()


def make_session() -> Secret[str]:
    """The value of a new session cookie; only `session_digest` of it is stored."""
    return Secret(SESSION_PREFIX + b64url(os.urandom(SESSION_BYTES)))


def session_digest(text: str) -> bytes | None:
    """SHA-256 of the 32 bytes of a well-spelled session cookie, else None."""
    if not text.startswith(SESSION_PREFIX):
        return None
    data = unb64url(text.removeprefix(SESSION_PREFIX), size=SESSION_BYTES)
    return None if data is None else hashlib.sha256(data).digest()


def _mac(key: WorkingKey, company_id: UUID, signed: bytes) -> bytes:
    derived = company_mac_key(key, company_id, _INFO)
    return hmac.digest(derived, _LABEL + signed, "sha256")[:_MAC_BYTES]
