"""`jetpay events tail` prints every event once, and goes on where it stopped."""

import json
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jetpay.events.wake import WAITING_CALLS_PER_COMPANY
from tests.cli.tailing import JETPAY, MADE_UP, Tail, one, quiet, tail
from tests.patience import wait_until
from tests.receiver.live import Endpoint, LiveCompany

__all__ = ["one", "quiet", "tail"]


def test_it_prints_what_happened_and_what_happens(tail: Tail, paying: LiveCompany) -> None:
    paying.happen(2)
    tail.start("--json")
    wait_until(lambda: len(tail.out) == 2)
    paying.happen()
    wait_until(lambda: len(tail.out) == 3)
    assert tail.events == paying.events
    assert tail.err == ""


def test_for_people_an_event_is_a_line(tail: Tail, paying: LiveCompany) -> None:
    paying.happen()
    tail.start()
    wait_until(lambda: tail.out)
    [event] = paying.events
    said = f"1  {event['createdAt']}  contacts.created  {json.dumps(event['data'])}\n"
    assert tail.out == [said]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_leaves_quietly_and_goes_on_where_it_stopped(
    tail: Tail, paying: LiveCompany, number: signal.Signals
) -> None:
    paying.happen(2)
    tail.start("--json")
    wait_until(lambda: tail.cursors == [2])
    assert (tail.stop(number), tail.err) == (0, "")
    paying.happen(2)
    tail.start("--json")
    wait_until(lambda: tail.ids == [3, 4])
    assert tail.stop(number) == 0


def test_after_begins_elsewhere(tail: Tail, paying: LiveCompany) -> None:
    paying.happen(3)
    tail.start("--json", "--after", "2")
    wait_until(lambda: tail.cursors == [3])
    assert tail.ids == [3]
    tail.stop()
    tail.start("--json", "--after", "0")
    wait_until(lambda: tail.ids == [1, 2, 3])


def test_too_many_waiting_calls_are_waited_out(tail: Tail, paying: LiveCompany) -> None:
    paying.happen()
    waiting = "/events?after=1&wait_seconds=30"
    with ThreadPoolExecutor(WAITING_CALLS_PER_COMPANY) as pool:
        calls = [pool.submit(paying.api, "GET", waiting) for _ in range(WAITING_CALLS_PER_COMPANY)]
        time.sleep(1)
        tail.start("--json")
        wait_until(lambda: tail.said("answers 429; again in 1 s"))
        paying.happen()
        assert all(len(each.result()["events"]) == 1 for each in calls)
    wait_until(lambda: tail.ids == [1, 2])


def test_the_token_need_not_stand_in_the_process_list(tail: Tail, paying: LiveCompany) -> None:
    paying.happen()
    for options, stdin, variable in (
        ([], "", paying.token),
        (["--token-stdin"], f"{paying.token}\n", MADE_UP),
    ):
        with subprocess.Popen(
            [*JETPAY, "events", "tail", "--url", paying.server.url, "--after", "0", *options],
            env=tail.environment | {"JETPAY_TOKEN": variable},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(stdin)
            process.stdin.close()
            assert process.stdout.readline().startswith("1  ")
            assert paying.token.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
            process.terminate()
            assert process.wait(20) == 0


def test_a_reader_that_has_enough_is_no_trouble(tail: Tail, paying: LiveCompany) -> None:
    paying.happen(3)
    command = [*JETPAY, "events", "tail", "--json", "--url", paying.server.url]
    with subprocess.Popen(
        command, env=tail.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["id"] == 1
        process.stdout.close()
        paying.happen()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    "options, token, code, says",
    [
        pytest.param((), MADE_UP, 1, r"answers 401", id="unknown token"),
        pytest.param((), "secret", 2, r"token", id="no token of ours"),
        pytest.param((), "jetpay_test_a\nb", 2, r"token", id="a line's end"),
        pytest.param((), "", 2, r"give either --token or --token-stdin", id="no token"),
        pytest.param(("--url", "http://192.0.2.1:8080"), None, 2, "must be https", id="in clear"),
        pytest.param(("--url", "https://a@pay.example.com"), None, 2, "must be an add", id="user"),
        pytest.param(("--url", "pay.example.com"), None, 2, "must be an address", id="no scheme"),
        pytest.param(("--url", "https://a.example/?x=1"), None, 2, "no query", id="query"),
        pytest.param(("--forward", "http://192.0.2.1/"), None, 2, "--forward", id="elsewhere"),
        pytest.param(("--forward", "https://127.0.0.1/"), None, 2, "--forward", id="https"),
    ],
)
def test_what_cannot_work_is_told_in_a_sentence(
    quiet: Tail, options: tuple[str, ...], token: str | None, code: int, says: str
) -> None:
    environment = {} if token is None else {"JETPAY_TOKEN": token}
    quiet.start(*options, **environment)
    assert quiet.ends() == code
    assert quiet.said(says)
    assert quiet.err.count("\n") == 1
    assert not (token and quiet.said(re.escape(token)))


def test_a_cursor_that_cannot_be_read_is_not_overlooked(tail: Tail, paying: LiveCompany) -> None:
    paying.happen()
    tail.start()
    wait_until(lambda: tail.cursors == [1])
    tail.stop()
    [file] = tail.state_home.rglob("*.json")
    file.write_text("{")
    tail.start()
    assert tail.ends() == 1
    assert tail.said("begin anew with --after")
    tail.start("--after", "0")
    wait_until(lambda: file.read_text() != "{")
    assert tail.cursors == [1]


@pytest.mark.parametrize(
    "page", [b"<html>", b"{}", b'{"events": []}', b'{"events": [{"id": 2}]}', b'{"events": [1]}']
)
def test_who_answers_but_is_not_jetpay_is_told(quiet: Tail, sink: Endpoint, page: bytes) -> None:
    sink.page = page
    quiet.start("--url", sink.url.removesuffix("/hook"))
    assert quiet.ends() == 1
    assert quiet.said("answers, but not as Jetpay does")
