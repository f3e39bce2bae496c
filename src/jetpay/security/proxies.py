"""Whose request it is: the TCP peer, or what a trusted proxy says (security rule 26)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CLIENTS_REMEMBERED: Final = 4_096
FORWARDED_MAXIMUM: Final = 100
"""More hops than any request takes; what lies behind them is not looked at."""


@dataclass(frozen=True, slots=True)
class Client:
    """`address`: None on a socket without one. `is_certain`: False where an unnamed proxy may
    stand before everybody, so that a limit per address would be one for all.
    """

    address: Address | None
    is_certain: bool


def client_of(scope: Mapping[str, Any], trusted: Sequence[Network]) -> Client:
    """The client of an ASGI scope; `trusted` is `JETPAY_TRUSTED_PROXIES`."""
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return _client((scope.get("client") or ("", 0))[0], tuple(lines), tuple(trusted))


@lru_cache(CLIENTS_REMEMBERED)
def _client(host: str, lines: tuple[bytes, ...], trusted: tuple[Network, ...]) -> Client:
    peer = _address(host)
    if peer is None:
        return Client(None, is_certain=False)
    if not _within(peer, trusted):
        behind_unnamed = bool(lines) and not trusted and (peer.is_loopback or peer.is_private)
        return Client(peer, is_certain=not behind_unnamed)
    entries = b",".join(lines).decode("latin-1").split(",")[-FORWARDED_MAXIMUM:]
    for entry in reversed(entries if lines else []):
        address = _address(entry.strip())
        if address is None:
            break
        if not _within(address, trusted):
            return Client(address, is_certain=True)
    return Client(peer, is_certain=True)


def client_address(scope: Mapping[str, Any], trusted: Sequence[Network]) -> str | None:
    """As text; IPv4 in IPv6 is IPv4."""
    address = client_of(scope, trusted).address
    return None if address is None else str(address)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A zone (fe80::1%eth0) means nothing here, and no database takes it for an address.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address
