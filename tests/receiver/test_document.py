"""What docs/webhooks.md shows works on real deliveries, and its numbers are the code's."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jetpay.cli import calls, tail
from jetpay.receiver import CLOCK_SKEW_SECONDS, FETCH_AT_MOST_EVERY_SECONDS, KEYS_KEPT_SECONDS
from jetpay.security import dial
from jetpay.security.limits import LIMITS, LimitKind
from jetpay.webhooks import excerpts, model, prepare, schedule
from tests.receiver.live import Endpoint, LiveCompany, LiveServer, Received

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
JWKS_URL = "https://pay.example.com/.well-known/jwks.json"
COMPANY = "01980000-0000-7000-8000-000000000001"
AUDIENCE = "https://shop.example.com"
SECRET = "whsec_9q1sMCuaPhSpgXLDm7dIAKImYPlbyYmzaw+4kFU6JJA="


class Case:
    """A delivery, and the document's code as if it had been written for its company."""

    def __init__(self, live: LiveServer, sink: Endpoint) -> None:
        self.company: LiveCompany = live.new_company()
        webhook = self.company.register(sink.url, audience=AUDIENCE)
        self.company.happen()
        sink.until(lambda: sink.received)
        self.sent: Received = sink.received[0]
        self.others = {
            JWKS_URL: live.jwks_url,
            COMPANY: self.company.identifier,
            SECRET: webhook["signing_secret"],
        }

    def code(self, language: str, marker: str) -> str:
        """The block that has the marker in it."""
        blocks = re.findall(rf"```{language}\n(.+?)```", DOCUMENT, re.DOTALL)
        [block] = [each for each in blocks if marker in each]
        for ours, theirs in self.others.items():
            block = block.replace(ours, theirs)
        return str(block)

    def python(self, marker: str) -> dict[str, Any]:
        names: dict[str, Any] = {}
        exec(self.code("python", marker), names)  # noqa: S102 - our own document
        return names

    def forgeries(self) -> list[tuple[str, bytes]]:
        """`Authorization` and body, each with one byte changed."""
        token, body = self.sent.headers["Authorization"], self.sent.body
        middle = len(token) - 100
        other = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
        return [(other, body), (token, body.replace(b"contacts", b"contact5"))]


@pytest.fixture(scope="module")
def case(live: LiveServer) -> Case:
    with Endpoint().listening() as sink:
        return Case(live, sink)


def test_the_code_with_the_kit_works(case: Case) -> None:
    take: Callable[..., Any] = case.python("new_events")["take"]
    headers, body = case.sent.headers, case.sent.body
    assert take(headers, body, None) == take(headers, body, 0) == (200, case.company.events)
    assert take(headers, body, 1) == (200, [])
    for authorization, other in case.forgeries():
        assert take({**headers, "Authorization": authorization}, other, 0) == (401, [])


def test_the_code_with_pyjwt_works(case: Case) -> None:
    is_genuine: Callable[..., Any] = case.python("PyJWKClient")["is_genuine"]
    assert is_genuine(case.sent.headers["Authorization"], case.sent.body) is True
    for authorization, body in case.forgeries():
        assert is_genuine(authorization, body) is False


def test_the_code_with_standard_webhooks_works(case: Case) -> None:
    events_of: Callable[..., Any] = case.python("standardwebhooks")["events_of"]
    assert events_of(case.sent.headers, case.sent.body) == case.company.events
    for _, body in case.forgeries()[1:]:
        assert events_of(case.sent.headers, body) is None


def test_the_code_for_node_works(case: Case, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    cases = [(case.sent.headers["Authorization"], case.sent.body), *case.forgeries(), ("", b"{}")]
    told = [[authorization, body.decode()] for authorization, body in cases]
    script = case.code("js", "isGenuine") + (
        f"const keys = await (await fetch({case.others[JWKS_URL]!r})).json();\n"
        f"const cases = {json.dumps(told)};\n"
        "console.log(JSON.stringify(cases.map(([a, b]) => isGenuine(a, Buffer.from(b), keys))));\n"
    )
    (tmp_path / "document.mjs").write_text(script)
    said = subprocess.run(
        [node, tmp_path / "document.mjs"], capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout) == [True, False, False, False]


def in_seconds(words: str) -> int:
    number, unit = words.split()
    return int(number) * {"second": 1, "minute": 60, "hour": 3600}[unit.removesuffix("s")]


def test_the_pauses_of_the_table_are_those_of_the_code() -> None:
    _, _, after = DOCUMENT.partition("| failure in a row |")
    rows = re.findall(r"^\| \d\w\w.*? \| (.+?) \|$", after.partition("\n\n")[0], re.MULTILINE)
    assert [in_seconds(each) for each in rows] == list(schedule.BACK_OFF_SECONDS)


def test_the_states_of_the_table_are_those_of_the_code() -> None:
    _, _, after = DOCUMENT.partition("| state | meaning |\n")
    rows = re.findall(r"^\| `(\w+)` \|", after.partition("\n\n")[0], re.MULTILINE)
    assert rows == [str(state) for state in model.WebhookState]


def test_the_headers_of_the_tables_are_those_that_come(case: Case) -> None:
    for name in {*case.sent.headers} - {"Host", "User-Agent", "Accept", "Content-Type"}:
        assert f"{name}:" in DOCUMENT.partition("| header | meaning |")[0], name
    assert f"`{prepare.REPLAY_HEADER}`" in DOCUMENT


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    text = " ".join(DOCUMENT.split())
    tests = LIMITS[LimitKind.WEBHOOK_TEST].short_hits
    for sentence in (
        f"at most {model.WEBHOOKS_PER_COMPANY} webhooks",
        f"| 1–{model.MAX_BATCH_SIZE} events, {model.DEFAULT_BATCH_SIZE} by default |",
        f"| 0–{model.MAX_WAIT_SECONDS}, {model.DEFAULT_WAIT_SECONDS} by default",
        f"its body at most {prepare.BATCH_BYTES // 1024} KiB",
        f"any 2xx within {dial.TOTAL_SECONDS:g} seconds",
        f"at most {excerpts.EXCERPT_BYTES // 1024} kB",
        f"After {schedule.GIVE_UP_AFTER.days} days of failure",
        f"± {schedule.JITTER * 100:g} %",
        f"{CLOCK_SKEW_SECONDS} seconds being allowed",
        {300: "for five minutes; fetch"}[KEYS_KEPT_SECONDS],
        {10: "more often than every ten"}[FETCH_AT_MOST_EVERY_SECONDS],
        {6: "six times a minute"}[tests],
        f"For {model.BOTH_SECRETS.total_seconds() / 3600:g} hours each call",
        ", ".join(str(each) for each in tail.PAUSE_SECONDS[:-1])
        + f", then every {tail.PAUSE_SECONDS[-1]} seconds",
        {60: "up to a minute. 413"}[calls.LONGEST_RETRY_AFTER_SECONDS],
    ):
        assert sentence in text, sentence
