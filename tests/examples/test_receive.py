"""Each example, run as its first lines say, takes real deliveries and behaves like the others."""

import functools
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.patience import wait_until
from tests.processes import free_port
from tests.receiver.live import HOST, Endpoint, LiveCompany, LiveServer, Received, call

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
AUDIENCE = "https://shop.example"
PATH = "/webhooks/jetpay"
MAXIMUM_BYTES = 1_000_000
NODE_SINCE = 18


def why_no_node() -> str | None:
    """None where Node.js can run the example."""
    node = shutil.which("node")
    if node is None:
        return "Node.js is not installed"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    is_new = int(said.removeprefix("v").partition(".")[0]) >= NODE_SINCE
    return None if is_new else f"Node.js is {said.strip()}, the example needs {NODE_SINCE}"


def in_sqlite(store: Path) -> list[int]:
    with closing(sqlite3.connect(store)) as opened:
        found = [number for (number,) in opened.execute("select id from event order by id")]
        [cursor] = opened.execute("select last_event_id from cursor").fetchone()
    assert cursor == (found[-1] if found else None)
    return found


def in_lines(store: Path) -> list[int]:
    return [json.loads(line)["id"] for line in store.read_text().splitlines()]


@dataclass
class Example:
    """A process of it, that can be killed and started again; `ids`: what it took down."""

    command: list[str]
    read: Callable[[Path], list[int]]
    environment: dict[str, str]
    store: Path
    company: LiveCompany
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def ids(self) -> list[int]:
        return self.read(self.store)

    @property
    def last(self) -> int | None:
        return self.ids[-1] if self.ids else None

    def start(self) -> None:
        with self.store.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=EXAMPLES,
                env=self.environment | {"PORT": str(self.port), "STORE": str(self.store)},
                stdout=log,
                stderr=log,
            )
        wait_until(self.answers)

    def answers(self) -> bool:
        assert self.process is not None
        log = self.store.with_suffix(".log").read_text()
        assert self.process.poll() is None, log
        try:
            return self.post({}, b"{}") == 401
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def post(self, headers: Mapping[str, str], body: bytes) -> int:
        """As a delivery that passes through the test."""
        kept = {name: headers[name] for name in headers if name.title() not in HOP_BY_HOP}
        return call(self.port, "POST", PATH, headers=kept, body=body)[0]


HOP_BY_HOP = {"Host", "Content-Length", "Connection", "Accept-Encoding"}
KINDS = {
    "fastapi": ([sys.executable, "fastapi_receiver.py"], in_sqlite),
    "flask": ([sys.executable, "flask_receiver.py"], in_sqlite),
    "django": ([sys.executable, "django_receiver.py"], in_sqlite),
    "node": (["node", "node_receiver.mjs"], in_lines),
}


@pytest.fixture(scope="module", params=KINDS)
def example(
    request: pytest.FixtureRequest, live: LiveServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Example]:
    """One for all tests: each goes on from what it has taken."""
    if request.param == "node" and (reason := why_no_node()) is not None:
        pytest.skip(reason)
    command, read = KINDS[request.param]
    company = live.new_company()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "src"),
        "JWKS_URL": live.jwks_url,
        "COMPANY": company.identifier,
        "AUDIENCE": AUDIENCE,
    }
    store = tmp_path_factory.mktemp("store") / "events.store"
    example = Example(command, read, environment, store, company)
    example.start()
    yield example
    example.kill()


@contextmanager
def webhook(company: LiveCompany, url: str, **fields: object) -> Iterator[None]:
    """Until the end of the test."""
    made = company.register(url, **({"audience": AUDIENCE} | fields))
    yield
    company.api("DELETE", f"/webhooks/{made['identifier']}")


def deliveries(example: Example, sink: Endpoint, count: int) -> list[Received]:
    """So many of one new event each, from where the example is; it has not seen them."""
    begin = {} if example.last is None else {"replay_from_event_id": example.last + 1}
    with webhook(example.company, sink.url, max_batch_size=1, **begin):
        example.company.happen(count)
        sink.until(lambda: len(sink.received) >= count)
    return sink.received[:count]


def test_it_takes_each_event_once_and_in_order(example: Example, sink: Endpoint) -> None:
    company, before = example.company, example.ids
    company.happen(2)
    begin = 3 if example.last is None else example.last + 1
    url = f"http://{HOST}:{example.port}{PATH}"
    with webhook(company, url, max_batch_size=3, replay_from_event_id=begin):
        company.happen(5)
        wait_until(lambda: example.ids == [*before, *ids_from(company, begin)])
    example.kill()
    company.happen(2)
    example.start()
    sink.answer = example.post
    with webhook(company, sink.url, max_batch_size=4, replay_from_event_id=begin):
        new = ids_from(company, begin)
        sink.until(lambda: len(sink.taken) == len(new))
    assert sink.taken == new, "those it has are sent as well"
    assert example.ids == [*before, *new]
    assert {each.status for each in sink.received} == {204}


def ids_from(company: LiveCompany, begin: int) -> list[int]:
    return [event["id"] for event in company.events if event["id"] >= begin]


def test_it_refuses_one_changed_byte_of_body_header_or_signature(
    example: Example, sink: Endpoint
) -> None:
    before = example.ids
    [sent] = deliveries(example, sink, 1)
    post = functools.partial(example.post, body=sent.body)
    for place in (0, len(sent.body) // 2, len(sent.body) - 1):
        body = bytearray(sent.body)
        body[place] ^= 1
        assert example.post(sent.headers, bytes(body)) == 401
    token = sent.token
    begins = [0, token.index(".") + 1, token.rindex(".") + 1, len(token) + 1]
    for begin, end in itertools.pairwise(begins):  # header, claims, signature
        for place in (begin, (begin + end) // 2, end - 2):
            other = token[:place] + chr(ord(token[place]) ^ 1) + token[place + 1 :]
            assert post({**sent.headers, "Authorization": f"Bearer {other}"}) == 401, place
    twin = token[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[token[-1]]  # the same to decoders
    for header in ("", "Bearer", "Bearer a.b.c", f"Basic {token}", f"Bearer {twin}"):
        assert post({**sent.headers, "Authorization": header}) == 401
    assert post({}) == 401
    assert example.ids == before
    assert post(sent.headers) == 204, "unchanged it is taken"
    assert post(sent.headers) == 204, "and once more it is known"
    assert example.ids == [*before, *sent.ids]


def test_it_refuses_what_was_sent_to_others(
    example: Example, paying: LiveCompany, sink: Endpoint
) -> None:
    before = example.ids
    for company, audience in ((paying, AUDIENCE), (example.company, "https://other.example")):
        with webhook(company, sink.url, audience=audience):
            company.happen()
            sink.until(lambda: sink.received)
        sent = sink.received.pop()
        assert example.post(sent.headers, sent.body) == 401
    assert example.ids == before


def test_it_refuses_a_gap_until_what_is_missing_has_come(example: Example, sink: Endpoint) -> None:
    before = example.ids
    first, second, third = deliveries(example, sink, 3)
    assert example.post(first.headers, first.body) == 204
    assert example.post(third.headers, third.body) == 409
    assert example.ids == [*before, *first.ids]
    assert example.post(second.headers, second.body) == 204
    assert example.post(third.headers, third.body) == 204
    assert example.ids == [*before, *first.ids, *second.ids, *third.ids]


def test_it_asks_for_less_when_there_is_too_much(example: Example) -> None:
    assert example.post({}, b" " * (MAXIMUM_BYTES + 1)) == 413
    assert example.post({}, b" " * MAXIMUM_BYTES) == 401


def test_half_a_line_of_a_crash_is_forgotten(tmp_path: Path, paying: LiveCompany) -> None:
    """Of the example without a database, whose file is its cursor."""
    if (reason := why_no_node()) is not None:
        pytest.skip(reason)
    store = tmp_path / "events.store"
    whole = '{"id":1}\n{"id":2}\n'
    store.write_text(whole + '{"id":3,"ty')
    command, read = KINDS["node"]
    keys = {"JWKS_URL": paying.server.jwks_url, "COMPANY": paying.identifier}
    example = Example(command, read, {"PATH": os.environ["PATH"], **keys}, store, paying)
    example.start()
    try:
        assert store.read_text() == whole
    finally:
        example.kill()
