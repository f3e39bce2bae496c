"""Which addresses are public, and which others an operator lets a company call."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
PORTS: Final = 65_535

# Our own table, because `ipaddress.is_global` differs between Python 3.11 and 3.13 and calls
# translated, relayed and multicast addresses global. Sources: the IANA special-purpose address
# registries (2025), and what clouds answer metadata on.
IPV4_REFUSED: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; also a cloud's metadata (100.100.100.200)
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's own host, on a public address
        "169.254.0.0/16",  # link-local; metadata (169.254.169.254)
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnelling
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# Everything outside of it is refused: mapped, compatible and translated IPv4 (::ffff:0:0/96,
# ::/96, 64:ff9b::/96, 64:ff9b:1::/48), unique local, link- and site-local, multicast, discard.
IPV6_GLOBAL: Final = IPv6Network("2000::/3")
IPV6_REFUSED: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
# No leave of an operator reaches these: what clouds answer credentials on, ourselves in disguise
# (0.0.0.0 is dialled as loopback), many hosts at once, and IPv4 in spellings that hide it.
NEVER_CALLED: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "169.254.169.254/32",
        "169.254.170.2/32",
        "169.254.170.23/32",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "::ffff:0:0/96",
        "2001::/32",
        "2002::/16",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
        "fe80::a9fe:a9fe/128",
        "ff00::/8",
    )
)
TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""The middle of an address that tunnels to the IPv4 address in its last 32 bits."""
WIDEST_ALLOWED: Final = 8
"""Bits of the prefix: a wider network is a slip of the pen, not a network of one's own."""
_ALLOWED: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:]+(?:/[0-9]+)?)\]|([0-9./]+))(?::([1-9][0-9]{0,4}))?"
)


@dataclass(frozen=True, slots=True)
class AllowedNetwork:
    """A network that may be called although it is not public; at one port, or any usual one."""

    network: Network
    port: int | None = None

    def __str__(self) -> str:
        """The one spelling in which it is kept."""
        if self.port is None:
            return str(self.network)
        is_v4 = isinstance(self.network, IPv4Network)
        return f"{self.network}:{self.port}" if is_v4 else f"[{self.network}]:{self.port}"

    def holds(self, address: Address, port: int) -> bool:
        """Whether it lets this address be called at this port."""
        return (
            address.version == self.network.version
            and address in self.network
            and self.port in {None, port}
        )


def parse_allowed(text: str) -> AllowedNetwork:
    """`10.1.2.0/24`, `10.1.2.7:9200`, `fd00::/8` or `[fd00::/8]:9200`; else `ValueError`."""
    found = _ALLOWED.fullmatch(text)
    network = ip_network((found[1] or found[2]) if found else text)
    port = int(found[3]) if found and found[3] else None
    is_useless = never_called(network[0]) and never_called(network[-1])
    if is_useless or "%" in text or network.prefixlen < WIDEST_ALLOWED or (port or 0) > PORTS:
        message = "not a network that can be allowed"
        raise ValueError(message)
    return AllowedNetwork(network, port)


def parse_allowed_list(texts: Iterable[str]) -> tuple[AllowedNetwork, ...]:
    """Each entry by `parse_allowed`."""
    return tuple(parse_allowed(text) for text in texts)


def is_public(address: Address) -> bool:
    """Whether anybody on the Internet is reached there, as far as an address can tell."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in IPV4_REFUSED)
    return (
        address in IPV6_GLOBAL
        and not any(address in network for network in IPV6_REFUSED)
        and not _is_isatap(address)
    )


def never_called(address: Address) -> bool:
    """Whether no leave of an operator can open it."""
    return any(address in each for each in NEVER_CALLED if each.version == address.version)


def embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that packets for this one end at, where it is a translated one."""
    if isinstance(address, IPv6Address) and (
        any(address in network for network in TRANSLATED) or _is_isatap(address)
    ):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def canonical(text: str) -> Address | None:
    """The address that `text` is the one canonical spelling of, else None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address if str(address) == text else None


def _is_isatap(address: IPv6Address) -> bool:
    return (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
