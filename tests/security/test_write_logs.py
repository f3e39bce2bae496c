"""Nothing that is logged shows a secret, a value of a row or a control character."""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import psycopg
import pytest
import structlog
from pydantic import BaseModel

from jetpay.base.refusals import NotFound
from jetpay.db.pool import Database
from jetpay.db.rows import Command
from jetpay.security.logs import configure_logging, shown
from jetpay.security.secrets import MASK, Secret

SEED = "7291004"
WITH_NUMBER_ZERO = Command(
    """
    insert into secret_key (company_id, purpose, number, state, root_fingerprint, wrapped,
                            created_at, activates_at)
    values (gen_random_uuid(), %(purpose)s, 0, 'next', '', '', 'epoch', 'epoch')
    """
)


class Colour(Enum):
    RED = "red"


class Account(BaseModel):
    number: int


class Logged:
    """What was written, as lines and as entries."""

    def __init__(self, *, as_json: bool = True) -> None:
        self.stream = io.StringIO()
        configure_logging(stream=self.stream, json=as_json, level="debug")
        self.log = structlog.get_logger("jetpay.test")

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), structlog.get_config())
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    structlog.configure(**before[2])
    logging.captureWarnings(capture=False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


@pytest.fixture(params=[True, False], ids=["json", "terminal"])
def logged(request: pytest.FixtureRequest) -> Logged:
    return Logged(as_json=request.param)


def fail(error: BaseException) -> None:
    account_number = SEED
    assert account_number
    raise error


def test_a_line_is_json_with_time_level_and_logger() -> None:
    logged = Logged()
    structlog.contextvars.bind_contextvars(request="r1")
    logged.log.warning("credit_made", credit=UUID(int=1), count=2, ok=True, at=None)
    structlog.contextvars.clear_contextvars()
    (entry,) = logged.entries
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "credit_made",
        "level": "warning",
        "logger": "jetpay.test",
        "credit": "00000000-0000-0000-0000-000000000001",
        "count": 2,
        "ok": True,
        "at": None,
        "request": "r1",
    }


def test_a_library_s_line_looks_the_same() -> None:
    logged = Logged()
    logging.getLogger("some.library").info("hello %s", "you")
    (entry,) = logged.entries
    assert (entry["event"], entry["logger"], entry["level"]) == (
        "hello you",
        "some.library",
        "info",
    )


@pytest.mark.parametrize(
    "value, written",
    [
        (Secret(SEED), MASK),
        ({"token": SEED, "b": Secret(SEED)}, {"token": MASK, "b": MASK}),
        (Account(number=int(SEED)), "<Account>"),
        (SEED.encode(), "<bytes>"),
        ([Colour.RED, (1.5,)], ["red", [1.5]]),
        (datetime(2026, 1, 22, tzinfo=UTC), "2026-01-22 00:00:00+00:00"),
        (ip_address("::1"), "::1"),
        ("a\nb\x1b[2K\u202e\x85\0", "a\\nb\\x1b[2K\\u202e\\x85\\x00"),
        ("é €", "é €"),
        ("x" * 5_000, "x" * 4_000),
        ([[[[[[[1]]]]]]], [[[[[["<list>"]]]]]]),
    ],
)
def test_only_plain_values_are_shown_and_escaped(value: object, written: object) -> None:
    assert shown(value) == written


@pytest.mark.parametrize("key", ["answer", "account_number", "token", "authorization", "link"])
def test_keys_of_secrets_never_show_their_value(logged: Logged, key: str) -> None:
    logged.log.info("event", **{key: SEED})
    assert SEED not in logged.text
    assert MASK in logged.text


def test_a_line_stays_one_line(logged: Logged) -> None:
    logged.log.info("a\nlevel=critical", name="x\r\ny")
    logging.getLogger("lib").info("one\ntwo")
    assert len(logged.text.splitlines()) == 2


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"invalid literal: {SEED}"),
        KeyError(SEED),
        RuntimeError(SEED),
        OSError(2, SEED, SEED),
        ExceptionGroup(SEED, [ValueError(SEED), KeyError(SEED)]),
        psycopg.errors.UniqueViolation(f"Key (number)=({SEED})"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_shows_neither_text_nor_locals(logged: Logged, error: Exception) -> None:
    try:
        fail(error)
    except Exception:
        logged.log.exception("failed")
        logging.getLogger("lib").exception("failed too")
        logging.getLogger("lib").warning("failed: %s", error)
        logged.log.error("failed", error=error)  # noqa: TRY400 - as an argument
    assert SEED not in logged.text
    assert type(error).__name__ in logged.text
    assert "test_write_logs.py" in logged.text


def test_the_chain_of_causes_is_told_with_places() -> None:
    logged = Logged()
    try:
        try:
            fail(KeyError(SEED))
        except KeyError as error:
            raise NotFound from error
    except NotFound:
        logged.log.exception("failed")
    described = logged.entries[0]["exception"]
    assert [each["type"] for each in described] == ["jetpay.base.refusals.NotFound", "KeyError"]
    assert described[0]["message"] == "There is nothing at this address."
    assert "message" not in described[1]
    assert described[1]["frames"][-1].endswith(" fail")
    assert SEED not in logged.text


def test_an_endless_chain_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert len(shown(first)) == 2


def test_a_deep_recursion_is_told_shortly() -> None:
    def deeper(depth: int) -> None:
        if depth == 0:
            raise LookupError
        deeper(depth - 1)

    with pytest.raises(LookupError) as caught:
        deeper(200)
    assert len(shown(caught.value)[0]["frames"]) == 40


def test_errors_of_the_program_keep_their_message() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = object().missing  # type: ignore[attr-defined]
    assert "missing" in shown(caught.value)[0]["message"]


async def test_a_database_error_shows_its_code_and_constraint(
    logged: Logged, key_database: Database
) -> None:
    try:
        await WITH_NUMBER_ZERO.run(key_database, purpose=SEED)
    except psycopg.Error:
        logged.log.exception("failed")
    assert SEED not in logged.text
    assert "23514" in logged.text
    assert "secret_key_number_check" in logged.text


async def test_asyncio_s_reprs_of_futures_are_cut(logged: Logged) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    future.set_exception(ValueError(SEED))
    loop.default_exception_handler(
        {"message": "never retrieved", "future": future, "exception": future.exception()}
    )
    assert "never retrieved" in logged.text
    assert SEED not in logged.text


def test_warnings_and_what_nobody_caught_go_to_the_log(logged: Logged) -> None:
    error = ValueError(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    sys.excepthook(ValueError, error, None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    thread = threading.Thread(target=fail, args=(error,))
    thread.start()
    thread.join()
    sys.unraisablehook(type("Told", (), {"exc_value": error})())
    assert "old" in logged.text
    assert logged.text.count("ncaught") >= 2
    assert "exception_that_cannot_be_raised" in logged.text
    assert SEED not in logged.text


def test_a_line_that_cannot_be_written_shows_no_argument(
    logged: Logged, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("jetpay.library")
    log.handlers, log.propagate = logging.getLogger().handlers[:1], False  # not pytest's own
    log.warning("a number: %d", SEED)
    assert "jetpay.library" in logged.text
    assert SEED not in logged.text + capsys.readouterr().err


def test_a_hardened_process_leaves_no_memory_behind() -> None:
    program = (
        "import ctypes, faulthandler, resource\n"
        "from jetpay.security.logs import harden_process\n"
        "harden_process()\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),"
        " faulthandler.is_enabled())\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert told.stdout.strip() == "(0, 0) 0 True"
