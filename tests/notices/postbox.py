"""A mail server of tests: it takes mails, refuses, is slow, breaks off, or speaks TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser


@dataclass
class Postbox:
    """What it got, and how it behaves."""

    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, str]] = field(default_factory=list)
    calls: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    """In place of the usual answer to a verb; `.` is the end of a mail, `hello` the greeting."""
    breaks_at: str | None = None
    """The verb after which it hangs up without a word."""
    waits_at: str | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    tls: ssl.SSLContext | None = None
    was_encrypted: bool = False
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def texts(self, *, to: str | None = None) -> list[str]:
        """The plain parts, of mails to one address if it is given."""
        found = [each for each in self.mails if to in (None, each["To"])]
        return [part_of(each, "plain") for each in found]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        try:
            await _Talk(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


class _Talk:
    def __init__(
        self, box: Postbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.box, self.reader, self.writer = box, reader, writer
        self.sender = self.recipient = ""
        self.encrypted = False

    async def run(self) -> None:
        await self.say("hello", "220 ready")
        while line := (await self.reader.readline()).decode().strip():
            verb = line.split()[0].upper()
            if await self.leaves(verb):
                return
            if not await self.take(verb, line):
                return

    async def take(self, verb: str, line: str) -> bool:
        match verb:
            case "EHLO":
                offers = self.box.tls is not None and not self.encrypted
                await self.say(verb, "250-here\r\n250-STARTTLS\r\n250 8BITMIME" if offers
                               else "250 here")  # fmt: skip
            case "STARTTLS":
                await self.say(verb, "220 go on")
                await self.writer.start_tls(self.box.tls)  # type: ignore[arg-type]
                self.encrypted = self.box.was_encrypted = True
            case "MAIL":
                self.sender = line[10:].partition(">")[0].strip("<")
                await self.say(verb, "250 yes")
            case "RCPT":
                self.recipient = line[8:].strip("<>")
                await self.say(verb, "250 yes")
            case "DATA":
                return await self.data()
            case "QUIT":
                await self.say(verb, "221 bye")
                return False
            case _:
                await self.say(verb, "250 yes")
        return True

    async def data(self) -> bool:
        await self.say("DATA", "354 go on")
        lines: list[bytes] = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line.removeprefix(b"."))
        if await self.leaves("."):
            return False
        if "." not in self.box.answers:
            mail = BytesParser(policy=policy.default).parsebytes(b"".join(lines))
            assert isinstance(mail, EmailMessage)
            self.box.mails.append(mail)
            self.box.envelopes.append((self.sender, self.recipient))
        await self.say(".", "250 kept")
        return True

    async def leaves(self, verb: str) -> bool:
        if verb == self.box.waits_at:
            self.box.arrived.set()
            await self.box.goes_on.wait()
        return verb == self.box.breaks_at

    async def say(self, verb: str, usual: str) -> None:
        self.writer.write(self.box.answers.get(verb, usual).encode() + b"\r\n")
        await self.writer.drain()


@asynccontextmanager
async def postbox(*, implicit: ssl.SSLContext | None = None) -> AsyncIterator[Postbox]:
    """On loopback; `implicit`: TLS from the first byte."""
    box = Postbox()
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0, ssl=implicit)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        box.goes_on.set()
        server.close()


def part_of(mail: EmailMessage, kind: str) -> str:
    """The plain or the HTML part."""
    found = mail.get_body(preferencelist=(kind,))
    assert found is not None
    content: str = found.get_content()
    return content
