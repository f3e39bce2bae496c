"""An entry of the audit log, in the one spelling that can be hashed (section 31.6)."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from jetpay.base.clock import iso
from jetpay.security.canonical_json import canonical_json

NETWORK_BITS: Final = {4: 24, 6: 48}


@dataclass(frozen=True, slots=True)
class Named:
    """Who acted, or what was acted on: a kind of thing and its identifier."""

    type: str
    id: UUID | int | str | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. `details`: a salted digest of them, or None; `client`: an address or network."""

    act: str
    actor: Named
    at: datetime
    details: str | None
    client: str | None
    object: Named
    outcome: str
    via: str


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


def network_of(client: str) -> str:
    """The /24 or /48 around an address (or inside a network), never the address itself."""
    address = ipaddress.ip_interface(client).ip
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    bits = NETWORK_BITS[address.version]
    return str(ipaddress.ip_network((address, bits), strict=False))


def _named(thing: Named) -> dict[str, object]:
    identifier = str(thing.id) if isinstance(thing.id, UUID) else thing.id
    return {"id": identifier, "type": thing.type}
