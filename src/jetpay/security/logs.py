"""Logging that cannot print a secret: no locals, no foreign messages, no control characters."""

import ctypes
import faulthandler
import logging
import re
import resource
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Any, Final, TextIO
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from jetpay.security.failures import describe_failure, failure_lines
from jetpay.security.secrets import MASK, Secret

SECRET_KEYS: Final = frozenset(
    {
        "account_number", "answer", "authorization", "callback_api_key", "cookie", "dsn", "iban",
        "link", "password", "routing_number", "secret", "security_answer", "signing_secret",
        "token",
    }
)  # fmt: skip
"""Keys of a log line that never show their value, whoever wrote it."""

MAX_DEPTH: Final = 6
MAX_TEXT: Final = 4_000

_PR_SET_DUMPABLE: Final = 4
_PLAIN: Final = (UUID, datetime, date, timedelta, PurePath, IPv4Address, IPv6Address,
                 IPv4Network, IPv6Network)  # fmt: skip
# What could start a second line, move the cursor or turn the direction of what follows.
_CONTROLS: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)


def configure_logging(
    *, level: str = "info", stream: TextIO | None = None, json: bool | None = None
) -> None:
    """Every log of this process, ours and the libraries', goes to `stream` (stderr).

    A line of JSON per entry, or for people when the stream is a terminal (`json` overrules).
    """
    out = sys.stderr if stream is None else stream
    as_json = not out.isatty() if json is None else json
    ours: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*ours, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = _Handler(out)
    handler.addFilter(_quieten)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=ours, processors=_rendering(as_json=as_json)
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    _log_what_nobody_caught()


def harden_process() -> None:
    """No core file, no reading of our memory by other processes; a trace if we crash."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # Prints files, lines and function names, never values.
    faulthandler.enable(all_threads=True)


def shown(value: object, *, depth: int = 0) -> Any:
    """What of a value may stand in a log: plain values, escaped; of everything else its type."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Enum):
        return shown(value.value, depth=depth)
    if isinstance(value, str):
        return _escaped(value[:MAX_TEXT])
    if isinstance(value, _PLAIN):
        return str(value)
    if isinstance(value, BaseException):
        return describe_failure(value)
    if depth < MAX_DEPTH:
        if isinstance(value, Mapping):
            return {
                str(key): MASK if key in SECRET_KEYS else shown(item, depth=depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [shown(item, depth=depth + 1) for item in value]
    return f"<{type(value).__name__}>"


class _Handler(logging.StreamHandler[TextIO]):
    """Without the line's arguments where it cannot be written: Python's own prints them."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging calls it so
        with suppress(Exception):
            self.stream.write(f"a line of {record.name} could not be written\n")


def _rendering(*, as_json: bool) -> list[Processor]:
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if as_json:
        return [
            remove,
            _exceptions_described,
            _only_what_may_be_shown,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    return [
        remove,
        _exceptions_described,
        _only_what_may_be_shown,
        _exceptions_as_lines,
        structlog.dev.ConsoleRenderer(),
    ]


def _exceptions_described(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
    told = entry.pop("exc_info", None)
    entry.pop("stack_info", None)
    if told is True:
        told = sys.exc_info()
    error = told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        entry["exception"] = describe_failure(error)
    return entry


def _only_what_may_be_shown(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
    return {str(key): MASK if key in SECRET_KEYS else shown(value) for key, value in entry.items()}


def _exceptions_as_lines(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
    described = entry.pop("exception", None)
    if isinstance(described, list):
        entry["exception"] = "\n".join(failure_lines(described))
    return entry


def _escaped(text: str) -> str:
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def _quieten(record: logging.LogRecord) -> bool:
    """Takes values out of what libraries write: exceptions as arguments, asyncio's reprs."""
    if record.name == "asyncio" and isinstance(record.msg, str):
        # Its further lines are reprs of tasks and futures, with their exceptions' texts.
        record.msg = record.getMessage().partition("\n")[0]
        record.args = ()
    elif isinstance(record.args, tuple) and record.args:
        record.args = tuple(
            type(value).__name__ if isinstance(value, BaseException) else value
            for value in record.args
        )
    return True


def _log_what_nobody_caught() -> None:
    log = structlog.get_logger("jetpay.uncaught")

    def uncaught(kind: type[BaseException], error: BaseException, _: object) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("uncaught_exception", exc_info=error)

    def in_thread(told: threading.ExceptHookArgs) -> None:
        log.critical("uncaught_exception_in_thread", exc_info=told.exc_value)

    def unraisable(told: Any) -> None:
        log.error("exception_that_cannot_be_raised", exc_info=told.exc_value)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
