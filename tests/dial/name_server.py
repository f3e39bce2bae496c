"""A name server on loopback, by UDP and TCP, that says what a test wants."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.asyncresolver import Resolver

KINDS = {dns.rdatatype.A: "A", dns.rdatatype.AAAA: "AAAA"}

Records = dict[tuple[str, str], list[str]]


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """`records`: by name and kind; ("a.test", "CNAME") leads elsewhere. `silent`: never answers."""

    records: Records = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    asked_by_tcp: int = 0
    silent: set[str] = field(default_factory=set)
    truncated: set[str] = field(default_factory=set)
    broken: dict[str, bytes] = field(default_factory=dict)
    then: Callable[["NameServer"], None] | None = None
    port: int = 0

    async def listen(self) -> "NameServer":
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", self.port)
        )
        return self

    async def close(self) -> None:
        self._udp.close()
        self._tcp.close()

    def resolver(self) -> Resolver:
        """What a machine with this name server uses."""
        made = Resolver(configure=False)
        made.nameservers, made.port = ["127.0.0.1"], self.port
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept by `listen`."""

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._answer(data, by_udp=True)
        if answer is not None:
            self._udp.sendto(answer, addr)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked_by_tcp += 1
        length = int.from_bytes(await reader.readexactly(2))
        answer = self._answer(await reader.readexactly(length), by_udp=False)
        if answer is not None:
            writer.write(len(answer).to_bytes(2) + answer)
        writer.close()

    def _answer(self, data: bytes, *, by_udp: bool) -> bytes | None:
        query = dns.message.from_wire(data)
        [question] = query.question
        name, kind = question.name.to_text(omit_final_dot=True).lower(), KINDS[question.rdtype]
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        if name in self.broken:
            return data[:2] + self.broken[name]
        response = dns.message.make_response(query)
        if name in self.truncated and by_udp:
            response.flags |= dns.flags.TC
            return response.to_wire()
        self._fill(response, name, kind)
        if self.then is not None:
            self.then(self)
        return response.to_wire(max_size=65_535)

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(30):
            cname = self.records.get((name, "CNAME"))
            if cname is None:
                break
            response.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", "CNAME", *cname))
            name = cname[0].rstrip(".")
        found = self.records.get((name, kind))
        if found:
            response.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", kind, *found))
        elif not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
