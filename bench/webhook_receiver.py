"""The other side of all webhooks, in a process of its own: notes what comes and how it answered.

One port, a path for each webhook: `/ok/7` takes everything, `/fail/7` answers 500, `/hang/7` never
answers, `/chaos/7` fails now and then in every way there is, and writes each arrival into a file
before it answers. `/plan`, `/report` and `/progress` are for who measures.
"""

import asyncio
import base64
import hashlib
import os
import random
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, cast

import jwt
import orjson
import uvloop

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FAILED: Final = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
BROKEN: Final = (
    b"HTTP/1.1 200",
    b"\x16\x03\x01\x00\x05hello",
    b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
)
LATE_SECONDS: Final = 17.0
"""Nobody waits so long."""
ID: Final = b'"id":'
RESET: Final = struct.pack("ii", 1, 0)
"""The linger option with which a close sends a reset."""


@dataclass(frozen=True)
class Plan:
    """What to do; `hooks`: company, webhook and number by index.

    Of `/chaos`: `failing` is the share of calls that fail, at most `in_a_row` of one webhook one
    after the other; `late` the share of those that are answered after the sender's time limit;
    `slow` the seconds that an answer takes at most. Of all: 1 of `check_every` batches is verified.
    """

    journal: str | None = None
    keys: dict[str, Any] = field(default_factory=dict)
    hooks: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    failing: float = 0.0
    in_a_row: int = 1_000
    late: float = 0.0
    slow: float = 0.0
    check_every: int = 50


@dataclass
class Call:
    """A whole request as it came, with the numbers of its first and last event."""

    line: "Line"
    path: bytes
    headers: dict[bytes, bytes]
    body: bytes
    at: float = field(default_factory=time.monotonic)
    index: int = 0
    first: int = 0
    last: int = 0

    @property
    def what(self) -> bytes:
        return self.path.split(b"/")[1]

    def read_numbers(self) -> None:
        """Without parsing all the rest."""
        self.index = int(self.path.split(b"/")[2])
        self.first = _number_at(self.body, self.body.find(ID))
        self.last = _number_at(self.body, self.body.rfind(ID))


def _number_at(body: bytes, position: int) -> int:
    begin = end = position + len(ID)
    while body[end : end + 1].isdigit():
        end += 1
    return int(body[begin:end])


class Books:
    """What came since the plan was told."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.arrivals: list[tuple[int, int, int, float]] = []
        self.calls = self.events = self.checked = 0
        self.problems: list[str] = []
        self.taken: dict[int, int] = {}
        self._keys = {key["kid"]: jwt.PyJWK(key) for key in plan.keys.get("keys", ())}
        self._journal: int | None = None
        if plan.journal is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._journal = os.open(plan.journal, flags, 0o600)

    def write_down(self, call: Call, outcome: str) -> None:
        """Into the file, which outlives this process."""
        if self._journal is not None:
            line = f"{call.at!r} {call.index} {call.first} {call.last} {outcome}\n"
            os.write(self._journal, line.encode())

    def came(self, call: Call, *, taken: bool) -> None:
        """Look at one of so many, and remember them all."""
        self.arrivals.append((call.index, call.first, call.last, call.at))
        self.calls += 1
        if self.calls % self.plan.check_every == 0:
            self.checked += 1
            problem = self._problem(call)
            if problem is not None:
                self.problems.append(f"webhook {call.index}: {problem}")
        if taken:
            self.events += call.last - call.first + 1
            self.taken[call.index] = max(call.last, self.taken.get(call.index, 0))

    def counts(self) -> dict[str, Any]:
        names = ("calls", "events", "checked", "problems")
        return {name: getattr(self, name) for name in names}

    def close(self) -> None:
        if self._journal is not None:
            os.close(self._journal)

    def _problem(self, call: Call) -> str | None:
        """Why this batch is not what it should be: token, hash, numbers and contents."""
        company, webhook, number = self.plan.hooks[str(call.index)]
        token = call.headers.get(b"authorization", b"").removeprefix(b"Bearer ").decode()
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(token, key, algorithms=["RS256"], issuer="jetpay")
        except (jwt.InvalidTokenError, KeyError) as error:
            return f"its token is refused: {error!r}"
        digest = base64.urlsafe_b64encode(hashlib.sha256(call.body).digest()).rstrip(b"=").decode()
        said = (claims["company"], claims["webhook"], claims["payload_hash"])
        if said != (company, webhook, digest):
            return f"its token is for something else: {said}"
        content = orjson.loads(call.body)
        events = content["events"]
        if content["webhookId"] != number:
            return f"webhookId is {content['webhookId']}, not {number}"
        if [event["id"] for event in events] != list(range(call.first, call.last + 1)):
            return f"{call.first} to {call.last} are not in order without a gap"
        # Whoever wrote the events ended the subject of number n with n.
        of = {event["id"]: event["data"]["transactionId"] for event in events}
        others = [number for number, said in of.items() if not said.endswith(f"{number:012x}")]
        return f"events {others} are others" if others else None


class Receiver:
    """All connections."""

    def __init__(self) -> None:
        self.books = Books(Plan())
        self.lines: set[Line] = set()
        self.connections = 0
        self._unanswered: dict[int, Line] = {}
        self._failures: Counter[int] = Counter()

    def answer(self, call: Call) -> None:
        if call.what in CONTROL:
            answer = orjson.dumps(CONTROL[call.what](self, call.body))
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n"
            call.line.write(head.encode() + answer)
        else:
            call.read_numbers()
            BEHAVIOURS[call.what](self, call)

    def begin(self, body: bytes) -> dict[str, Any]:
        self.books.close()
        self.books = Books(Plan(**orjson.loads(body)))
        return {}

    def report(self, _: bytes) -> dict[str, Any]:
        """Every arrival since the last report: index, first, last, when (monotonic)."""
        found, self.books.arrivals = self.books.arrivals, []
        return {"arrivals": found, **self._counts()}

    def progress(self, _: bytes) -> dict[str, Any]:
        taken = {str(index): last for index, last in self.books.taken.items()}
        return {"taken": taken, **self._counts()}

    def _counts(self) -> dict[str, Any]:
        lines = {"lines": len(self.lines), "connections": self.connections}
        return {**self.books.counts(), **lines}

    def take(self, call: Call) -> None:
        self.books.came(call, taken=True)
        call.line.write(OK)

    def fail(self, call: Call) -> None:
        self.books.came(call, taken=False)
        call.line.write(FAILED)

    def hang(self, call: Call) -> None:
        self.books.came(call, taken=False)

    def be_unreliable(self, call: Call) -> None:
        """What is not answered 200 in time is not taken."""
        books, line = self.books, call.line
        if self._unanswered.pop(call.index, None) in self.lines:
            books.problems.append(f"webhook {call.index}: two batches at once")
        outcome = self._outcome(call.index)
        books.write_down(call, outcome)
        books.came(call, taken=outcome == "ok")
        self._unanswered[call.index] = line
        pause = LATE_SECONDS if outcome == "late" else random.uniform(0, books.plan.slow)
        line.timer = asyncio.get_running_loop().call_later(pause, self._finish, call, outcome)

    def _outcome(self, index: int) -> str:
        plan = self.books.plan
        if random.random() >= plan.failing or self._failures[index] >= plan.in_a_row:
            self._failures[index] = 0
            return "ok"
        self._failures[index] += 1
        if random.random() < plan.late:
            return "late"
        return random.choice(("status", "reset", "broken"))

    def _finish(self, call: Call, outcome: str) -> None:
        self._unanswered.pop(call.index, None)
        if outcome in {"ok", "late"}:
            call.line.write(OK)
        elif outcome == "status":
            call.line.write(FAILED)
        elif outcome == "reset":
            call.line.reset()
        else:
            call.line.write(random.choice(BROKEN))
            call.line.transport.close()


class Line(asyncio.Protocol):
    """A connection: HTTP/1.1, kept alive, one request at a time."""

    transport: asyncio.Transport

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._received = bytearray()
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._receiver.lines.add(self)
        self._receiver.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._receiver.lines.discard(self)
        if self.timer is not None:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_ends = self._received.find(b"\r\n\r\n") + 4
        if head_ends < 4:
            return
        request, *rest = bytes(self._received[: head_ends - 4]).split(b"\r\n")
        headers = {}
        for each in rest:
            name, _, value = each.partition(b":")
            headers[name.lower()] = value.strip()
        ends = head_ends + int(headers.get(b"content-length", b"0"))
        if len(self._received) < ends:
            return
        body = bytes(self._received[head_ends:ends])
        del self._received[:ends]
        self._receiver.answer(Call(self, request.split(b" ")[1], headers, body))

    def write(self, answer: bytes) -> None:
        self.transport.write(answer)

    def reset(self) -> None:
        """As a host that crashed does."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()


BEHAVIOURS: Final = {
    b"ok": Receiver.take,
    b"fail": Receiver.fail,
    b"hang": Receiver.hang,
    b"chaos": Receiver.be_unreliable,
}
CONTROL: Final = {
    b"plan": Receiver.begin,
    b"report": Receiver.report,
    b"progress": Receiver.progress,
}


async def serve() -> None:
    """Until it is ended; the first line on stdout is the port."""
    receiver = Receiver()
    server = await asyncio.get_running_loop().create_server(
        lambda: Line(receiver), "127.0.0.1", 0, backlog=4_096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
