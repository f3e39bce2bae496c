"""Which URLs may be called, and at which addresses; pure but for the name look-up it is given."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import quote

import idna

from jetpay.security.address_table import (
    PORTS,
    Address,
    AllowedNetwork,
    canonical,
    embedded,
    is_public,
    never_called,
)

URL_LENGTH: Final = 2_048
"""Bytes in UTF-8: what an index can hold."""
HOST_LENGTH: Final = 253
MAX_ADDRESSES: Final = 16
HTTP_PORT: Final = 80

USUAL_PORTS: Final = frozenset({443, 8443})
LOWEST_FREE_PORT: Final = 1_024
# What a request could harm or read: databases, queues, mail, orchestration, screens, chat.
SERVICE_PORTS: Final = frozenset(
    {1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389,
     3659, 4045, 4190, 4369, 4444, 5060, 5061, 5432, 5433, 5672, 5900, 5901, 5984, 5985, 5986, 6000,
     6379, 6443, 6566, *range(6665, 6670), 6679, 6697, 7000, 7001, 8086, 8300, 8500, 8600, 8983,
     9042, 9092, 9160, 9200, 9300, 9418, 9464, 10080, 10250, 10255, 11211, 15672, 16379, 26257,
     26379, 27017, 27018, 27019, 28015}
)  # fmt: skip

_NEVER_IN_A_URL: Final = (" ", "\\", "%00")
_SHAPE: Final = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_AUTHORITY: Final = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::(.*))?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
    r"(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
# As browsers judge: a name whose last part is a number in any base is an IPv4 address.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Names that mean something near by, whoever is asked: RFC 6761, 6762, 8375, 9476, and ICANN's list.
NEAR_BY: Final = frozenset(
    {"alt", "arpa", "corp", "home", "internal", "intranet", "invalid", "lan", "local", "localhost",
     "mail", "onion", "private", "test"}
)  # fmt: skip
_KEPT_IN_TARGET: Final = "!$%&'()*+,/:;=?@[]~"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Every IPv4 and IPv6 address of a name; raises `OSError` when there is none."""


class DialRefused(Exception):
    """A URL that must not be called; `code` for programs, the text for people, no address."""

    SENTENCES: ClassVar[Mapping[str, str]] = {
        "bad_url": "This is not a complete URL without spaces, user name and fragment.",
        "https_only": "The URL must begin with https://.",
        "bad_host": "The host is not a name or an address in its usual spelling.",
        "bad_port": "This port cannot be called; use 443, 8443 or a free port from 1024 on.",
        "unresolvable": "The host's name cannot be resolved.",
        "not_public": "The host is not on the public Internet.",
    }

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(self.SENTENCES[code])


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """`address` is set when the host is a literal; `target` is path and query as they are sent."""

    scheme: str
    host: str
    port: int
    address: Address | None
    target: str

    @property
    def authority(self) -> str:
        """The value of `Host`: without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _SCHEME_PORTS[self.scheme] else f"{host}:{self.port}"


_SCHEME_PORTS: Final = {"https": 443, "http": HTTP_PORT}


@dataclass(frozen=True, slots=True)
class Target:
    """What was vetted. `addresses`: none where the egress proxy resolves and vets the name.

    `is_allowed_only`: some address is reached by the operator's leave.
    """

    parsed: ParsedUrl
    addresses: tuple[Address, ...]
    is_allowed_only: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Ourselves: `is_ours` knows our interfaces, `guarded` the (address, port) of our services.

    On `ports` we listen, at whichever of our addresses; `names` are those of our services.
    """

    is_ours: Callable[[Address], bool]
    guarded: frozenset[tuple[Address, int]] = frozenset()
    ports: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()


def parse(text: str) -> ParsedUrl:
    """Read a URL as it will be dialled; spellings two parsers could differ on are refused."""
    if (
        not text.isprintable()
        or len(text.encode()) > URL_LENGTH
        or any(each in text for each in _NEVER_IN_A_URL)
    ):
        raise DialRefused("bad_url")
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise DialRefused("bad_url" if text[:5].lower() == "https" else "https_only")
    if "@" in shape[2] or "#" in text:
        raise DialRefused("bad_url")
    found = _AUTHORITY.fullmatch(shape[2])
    if found is None:
        raise DialRefused("bad_host")
    host, address = _host(found[1])
    if found[2] is not None and not (_PORT.fullmatch(found[2]) and int(found[2]) <= PORTS):
        raise DialRefused("bad_port")
    scheme, rest = shape[1].lower(), shape[3]
    port = int(found[2]) if found[2] else _SCHEME_PORTS[scheme]
    target = quote(rest if rest.startswith("/") else f"/{rest}", safe=_KEPT_IN_TARGET)
    return ParsedUrl(scheme, host, port, address, target)


def _host(typed: str) -> tuple[str, Address | None]:
    """The name in ASCII, or the one spelling of a literal. Raises `DialRefused`."""
    if typed.startswith("["):
        address = canonical(typed[1:-1].lower())
        if address is None or address.version == 4 or "%" in typed:  # noqa: PLR2004
            raise DialRefused("bad_host")
        return str(address), address
    address = canonical(typed)
    if address is not None:
        return typed, address
    try:
        if len(typed) > HOST_LENGTH:
            raise DialRefused("bad_host")
        # Strict: what would first have to be mapped (wide digits, other dots) is no usual spelling.
        name = typed.lower()
        name = name if name.isascii() else idna.encode(name, strict=True, std3_rules=True).decode()
    except idna.IDNAError:
        raise DialRefused("bad_host") from None
    if not _NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise DialRefused("bad_host")
    return name, None


def judge(
    parsed: ParsedUrl,
    addresses: Sequence[Address],
    allowed: Sequence[AllowedNetwork],
    ourselves: Surroundings,
) -> Target:
    """Every address must be public and not ours, or in a network that the operator allows."""
    if not addresses:
        raise DialRefused("unresolvable")
    if len(addresses) > MAX_ADDRESSES:
        raise DialRefused("not_public")
    by_leave = [_leave(address, parsed.port, allowed) for address in addresses]
    for address, leave in zip(addresses, by_leave, strict=True):
        if _is_us(address, None if leave is None else parsed.port, ourselves) or (
            leave is None and (not is_public(address) or ourselves.is_ours(address))
        ):
            raise DialRefused("not_public")
    if parsed.scheme == "http" and None in by_leave:
        raise DialRefused("https_only")
    if not all(_port_is_free(parsed.port, leave) for leave in by_leave):
        raise DialRefused("bad_port")
    return Target(parsed, tuple(addresses), any(leave is not None for leave in by_leave))


def _is_us(address: Address, port: int | None, ourselves: Surroundings) -> bool:
    """Whether one of our services is there; at any port when none is given."""
    if port is None:
        return any(address == guarded for guarded, _ in ourselves.guarded)
    return (address, port) in ourselves.guarded or (
        port in ourselves.ports and (address.is_loopback or ourselves.is_ours(address))
    )


def _leave(address: Address, port: int, allowed: Sequence[AllowedNetwork]) -> AllowedNetwork | None:
    entries = [each for each in allowed if each.holds(address, port)]
    inner = embedded(address)
    if never_called(address) or (
        inner is not None and not is_public(inner) and _leave(inner, port, allowed) is None
    ):
        return None
    return max(entries, key=lambda each: each.port is not None, default=None)


def _port_is_free(port: int, leave: AllowedNetwork | None) -> bool:
    if leave is not None and (leave.port is not None or port == HTTP_PORT):
        return True
    return port in USUAL_PORTS or (port >= LOWEST_FREE_PORT and port not in SERVICE_PORTS)


def parse_for(text: str, allowed: Sequence[AllowedNetwork]) -> ParsedUrl:
    """As `parse`; what no address could make right is refused before anybody is asked for one."""
    parsed = parse(text)
    if not allowed and parsed.scheme == "http":
        raise DialRefused("https_only")
    if not allowed and parsed.address is None and _is_near_by(parsed.host):
        raise DialRefused("not_public")
    if not allowed and not _port_is_free(parsed.port, None):
        raise DialRefused("bad_port")
    return parsed


def _is_near_by(host: str) -> bool:
    return "." not in host or host.rpartition(".")[2] in NEAR_BY


async def vet(
    text: str,
    allowed: Sequence[AllowedNetwork],
    resolve: Resolve,
    ourselves: Surroundings,
) -> Target:
    """The only addresses at which this URL may be called now. Raises `DialRefused`."""
    parsed = parse_for(text, allowed)
    if parsed.address is not None:
        return judge(parsed, [parsed.address], allowed, ourselves)
    try:
        found = await resolve(parsed.host, parsed.port)
    except OSError:
        raise DialRefused("unresolvable") from None
    addresses = [canonical(each) for each in dict.fromkeys(found)]
    if None in addresses:
        raise DialRefused("not_public")
    return judge(parsed, [each for each in addresses if each], allowed, ourselves)


def vet_name(text: str, allowed: Sequence[AllowedNetwork], ourselves: Surroundings) -> Target:
    """All that can be said where another one looks the name up. Raises `DialRefused`."""
    parsed = parse_for(text, allowed)
    if parsed.address is not None:
        return judge(parsed, [parsed.address], allowed, ourselves)
    if _is_near_by(parsed.host) or parsed.host in ourselves.names:
        raise DialRefused("not_public")
    if parsed.scheme == "http":
        raise DialRefused("https_only")
    if not _port_is_free(parsed.port, None):
        raise DialRefused("bad_port")
    return Target(parsed, (), is_allowed_only=False)
