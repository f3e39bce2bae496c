"""The audit chain: a canonical entry per act, each sealed to the one before it by a key."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from jetpay.base.clock import iso
from jetpay.security.canonical_json import canonical_json
from jetpay.security.derivation import WorkingKey, company_mac_key

BEGINNING: Final = bytes(32)
"""h(0): what the first entry is chained to."""

SALT_BYTES: Final = 16
NETWORK_BITS: Final = {4: 24, 6: 48}

_INFO: Final = b"jetpay.audit.v1"
_LABEL: Final = _INFO + b"\x00"


@dataclass(frozen=True, slots=True)
class Named:
    """Who acted, or what was acted on: a kind of thing and its identifier."""

    type: str
    id: UUID | int | str | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. `details` is `details_digest(…)` or None; `client` an address or network."""

    act: str
    actor: Named
    at: datetime
    details: str | None
    client: str | None
    object: Named
    outcome: str
    via: str


@dataclass(frozen=True, slots=True)
class ChainRow:
    """A stored row as the check of the chain reads it."""

    n: int
    entry: bytes
    h: bytes


def canonical_entry(entry: AuditEntry) -> bytes:
    """The bytes that are hashed: RFC 8785 JSON of exactly the eight members."""
    return canonical_json(
        {
            "act": entry.act,
            "actor": _named(entry.actor),
            "at": iso(entry.at),
            "details": entry.details,
            "from": None if entry.client is None else network_of(entry.client),
            "object": _named(entry.object),
            "outcome": entry.outcome,
            "via": entry.via,
        }
    )


def details_digest(salt: bytes, details: Mapping[str, object]) -> str:
    """Hex of the details under their row's salt: dropping both later leaves the chain valid."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    return hmac.digest(salt, canonical_json(details), "sha256").hex()


def network_of(client: str) -> str:
    """The /24 or /48 around an address (or inside a network), never the address itself."""
    address = ipaddress.ip_interface(client).ip
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    bits = NETWORK_BITS[address.version]
    return str(ipaddress.ip_network((address, bits), strict=False))


def chain(key: WorkingKey, company_id: UUID, n: int, previous: bytes, entry: bytes) -> bytes:
    """h(n) from h(n-1) and the canonical entry; entries count from 1. `key` is for `audit`."""
    if n < 1 or len(previous) != len(BEGINNING):
        raise ValueError("entries count from 1, and each follows 32 bytes")
    derived = company_mac_key(key, company_id, _INFO)
    digest = hashlib.sha256(entry).digest()
    message = _LABEL + company_id.bytes + n.to_bytes(8, "big") + previous + digest
    return hmac.digest(derived, message, "sha256")


def first_break(
    key: WorkingKey,
    company_id: UUID,
    rows: Iterable[ChainRow],
    *,
    after_n: int = 0,
    after_h: bytes = BEGINNING,
) -> int | None:
    """The number of the first changed, missing or re-ordered row, or None when all fit."""
    previous = after_h
    for expected, row in enumerate(rows, start=after_n + 1):
        if row.n != expected:
            return expected
        previous = chain(key, company_id, row.n, previous, row.entry)
        if not hmac.compare_digest(previous, row.h):
            return expected
    return None


def _named(thing: Named) -> dict[str, object]:
    identifier = str(thing.id) if isinstance(thing.id, UUID) else thing.id
    return {"id": identifier, "type": thing.type}
