"""Addresses of names: the machine's list of hosts, else its name servers, asked side by side."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dns.name
import dns.rdatatype
from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.message import Message
from dns.nameserver import Do53Nameserver

RESOLVE_SECONDS: Final = 5.0
TRY_SECONDS: Final = 1.5
DATAGRAM_BYTES: Final = 1_232
"""Room for more addresses than are taken."""
HOSTS: Final = Path("/etc/hosts")
NAME_SERVERS: Final = Path("/etc/resolv.conf")
KINDS: Final = (dns.rdatatype.A, dns.rdatatype.AAAA)

Stamp = tuple[int | None, ...]


class _NameServer(Do53Nameserver):
    """Asked by datagrams alone: 64 kB of records would hold up everybody while they are read."""

    async def async_query(  # type: ignore[override]  # it is called with names alone
        self, *args: Any, max_size: bool, **more: Any
    ) -> Message:
        if max_size:
            raise OSError("the answer is too long")
        more["max_size"] = False
        return await super().async_query(*args, **more)


class Names:
    """Looks names up. A slow server costs who asks for its name, and no thread that others need.

    Names are taken as they are typed, whatever domains the machine searches; nothing is kept.
    """

    def __init__(
        self,
        make: Callable[[], Resolver] = Resolver,
        hosts: Path = HOSTS,
        *,
        seconds: float = RESOLVE_SECONDS,
    ) -> None:
        """`make`: a resolver with the machine's settings; `seconds`: for each kind of address."""
        self._make = make
        self._hosts_file = hosts
        self._seconds = seconds
        self._read: tuple[Stamp, Resolver | None, Mapping[str, Sequence[str]]] | None = None

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        """Every IPv4 and IPv6 address; raises `OSError` when there is none."""
        if host == "localhost" or host.endswith(".localhost"):  # RFC 6761: never asked for
            return ["127.0.0.1"]
        resolver, hosts = self._configuration()
        if host in hosts:
            return hosts[host]
        if resolver is None:
            raise OSError("there is no name server")
        try:
            name = dns.name.from_text(host)
        except DNSException:
            raise OSError("not a name") from None
        both = await asyncio.gather(*(self._ask(resolver, name, kind) for kind in KINDS))
        found = [address for one in both for address in one]
        if not found:
            raise OSError("no address was found")
        return found

    def _configuration(self) -> tuple[Resolver | None, Mapping[str, Sequence[str]]]:
        stamp = (_changed(NAME_SERVERS), _changed(self._hosts_file))
        if self._read is None or self._read[0] != stamp:
            try:
                resolver = _asking_shortly(self._make())
            except DNSException:
                resolver = None
            self._read = (stamp, resolver, _hosts(self._hosts_file))
        return self._read[1], self._read[2]

    async def _ask(
        self, resolver: Resolver, name: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> list[str]:
        try:
            async with asyncio.timeout(self._seconds):
                answer = await resolver.resolve(
                    name, kind, search=False, lifetime=self._seconds, raise_on_no_answer=False
                )
        except (DNSException, OSError):
            return []  # the other kind may be there; what was not found is not dialled
        return [record.address for record in answer]


def _asking_shortly(resolver: Resolver) -> Resolver:
    resolver.nameservers = [
        _NameServer(each, resolver.port) for each in resolver.nameservers if isinstance(each, str)
    ]
    resolver.use_edns(0, 0, DATAGRAM_BYTES)
    resolver.timeout = TRY_SECONDS
    return resolver


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _hosts(path: Path) -> dict[str, list[str]]:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        address, *names = line.partition("#")[0].lower().split() or [""]
        for name in names:
            found.setdefault(name, []).append(address)
    return found
