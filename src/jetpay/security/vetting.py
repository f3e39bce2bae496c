"""Which URLs may be called, and at which addresses; pure but for the name look-up it is given."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from yarl import URL

from jetpay.security.address_table import Address, AllowedNetwork, canonical, is_public

URL_LENGTH: Final = 2_048
MAX_ADDRESSES: Final = 16

USUAL_PORTS: Final = frozenset({443, 8443})
LOWEST_FREE_PORT: Final = 1_024
# Services that a request could harm or read: databases, queues, mail, orchestration, X11, IRC.
SERVICE_PORTS: Final = frozenset(
    {1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389,
     3659, 4045, 4190, 4369, 4444, 5060, 5061, 5432, 5433, 5672, 5984, 5985, 5986, 6000, 6379,
     6443, 6566, *range(6665, 6670), 6679, 6697, 7000, 7001, 8086, 8300, 8500, 8600, 8983, 9042,
     9092, 9160, 9200, 9300, 9418, 9464, 10080, 10250, 10255, 11211, 15672, 16379, 26257, 26379,
     27017, 27018, 27019, 28015}
)  # fmt: skip

_SHAPE: Final = re.compile(r"(https?)://([^/?#\\]*)(.*)", re.IGNORECASE | re.DOTALL)
_AUTHORITY: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]%]+))(?::([0-9]{1,5}))?")
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
    r"(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
# As browsers judge: a name whose last part is a number in any base is an IPv4 address.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")

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
    """`address` is set when the host is a literal."""

    url: URL
    scheme: str
    host: str
    port: int
    address: Address | None


@dataclass(frozen=True, slots=True)
class Target:
    """What was vetted. `is_allowed_only`: some address is reached by the operator's leave."""

    parsed: ParsedUrl
    addresses: tuple[Address, ...]
    is_allowed_only: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Ourselves: `is_ours` knows our interfaces, `guarded` the (address, port) of our services."""

    is_ours: Callable[[Address], bool]
    guarded: frozenset[tuple[Address, int]] = frozenset()


def parse(text: str) -> ParsedUrl:
    """Read a URL with the parser that dials; spellings two parsers could differ on are refused."""
    if len(text) > URL_LENGTH or not text.isprintable() or " " in text or "\\" in text:
        raise DialRefused("bad_url")
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise DialRefused("bad_url" if text[:5].lower() == "https" else "https_only")
    if "@" in shape[2] or "#" in text:
        raise DialRefused("bad_url")
    authority = _AUTHORITY.fullmatch(shape[2])
    if authority is None:
        raise DialRefused("bad_host")
    try:
        url = URL(text)
    except ValueError:
        raise DialRefused("bad_url") from None
    scheme = shape[1].lower()
    typed_port = int(authority[3]) if authority[3] else {"https": 443, "http": 80}[scheme]
    host, port = url.raw_host, url.port
    if host is None or port is None or (url.scheme, port) != (scheme, typed_port):
        raise DialRefused("bad_url")
    address = canonical(host)
    if authority[1] is not None or address is not None:
        if address is None or (authority[1] or authority[2]) != host:
            raise DialRefused("bad_host")
    elif not _NAME.fullmatch(host) or _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
        raise DialRefused("bad_host")
    return ParsedUrl(url, scheme, host, port, address)


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
        if leave is not None:
            if (address, parsed.port) in ourselves.guarded:
                raise DialRefused("not_public")
        elif (
            not is_public(address)
            or ourselves.is_ours(address)
            or any(address == guarded for guarded, _ in ourselves.guarded)
        ):
            raise DialRefused("not_public")
    if parsed.scheme == "http" and None in by_leave:
        raise DialRefused("https_only")
    if not all(_port_is_free(parsed, leave) for leave in by_leave):
        raise DialRefused("bad_port")
    return Target(parsed, tuple(addresses), any(leave is not None for leave in by_leave))


def _leave(address: Address, port: int, allowed: Sequence[AllowedNetwork]) -> AllowedNetwork | None:
    entries = [each for each in allowed if each.holds(address, port)]
    return max(entries, key=lambda each: each.port is not None, default=None)


def _port_is_free(parsed: ParsedUrl, leave: AllowedNetwork | None) -> bool:
    if leave is not None and (leave.port is not None or parsed.port == 80):  # noqa: PLR2004 - http
        return True
    return parsed.port in USUAL_PORTS or (
        parsed.port >= LOWEST_FREE_PORT and parsed.port not in SERVICE_PORTS
    )


async def vet(
    text: str,
    allowed: Sequence[AllowedNetwork],
    resolve: Resolve,
    ourselves: Surroundings,
) -> Target:
    """The only addresses at which this URL may be called now. Raises `DialRefused`."""
    parsed = parse(text)
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
