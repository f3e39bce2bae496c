"""Which addresses are public, and which others an operator lets a company call."""

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
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""The middle of an address that tunnels to the IPv4 address in its last 32 bits."""


@dataclass(frozen=True, slots=True)
class AllowedNetwork:
    """A network that may be called although it is not public; at one port, or any usual one."""

    network: Network
    port: int | None = None

    def holds(self, address: Address, port: int) -> bool:
        """Whether it lets this address be called at this port."""
        return (
            address.version == self.network.version
            and address in self.network
            and self.port in {None, port}
        )


def parse_allowed(text: str) -> AllowedNetwork:
    """`10.1.2.0/24`, `10.1.2.7:9200`, `fd00::/8` or `[fd00::/8]:9200`; else `ValueError`."""
    network, port = text.strip(), None
    if network.startswith("["):
        network, _, rest = network[1:].partition("]")
        port = _port(rest.removeprefix(":")) if rest else None
    elif network.count(":") == 1:
        network, _, rest = network.partition(":")
        port = _port(rest)
    return AllowedNetwork(ip_network(network), port)


def parse_allowed_list(texts: Iterable[str]) -> tuple[AllowedNetwork, ...]:
    """Each entry by `parse_allowed`."""
    return tuple(parse_allowed(text) for text in texts)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):  # noqa: PLR2004 - ports
        message = "a port is a number from 1 to 65535"
        raise ValueError(message)
    return int(text)


def is_public(address: Address) -> bool:
    """Whether anybody on the Internet is reached there, as far as an address can tell."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in IPV4_REFUSED)
    return (
        address in IPV6_GLOBAL
        and not any(address in network for network in IPV6_REFUSED)
        and (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP
    )


def canonical(text: str) -> Address | None:
    """The address that `text` is the one canonical spelling of, else None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address if str(address) == text else None
