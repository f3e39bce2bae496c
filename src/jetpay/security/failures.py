"""What may be told of an exception: where it was raised, and a message only if it is safe."""

import errno
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

import psycopg

from jetpay.db.pool import describe_error

MAX_CHAIN: Final = 8
MAX_FRAMES: Final = 40

# Their texts name types and identifiers of the program. Every other foreign text may quote the
# value that was wrong: an account number that is no integer, a key that is not in a mapping.
_SAFE: Final = (AttributeError, ImportError, NameError)


def describe_failure(error: BaseException) -> list[dict[str, Any]]:
    """The exception and what caused it: type, perhaps a message, frames without locals."""
    return [
        {"type": _type_name(each), **_message(each), "frames": _frames(each.__traceback__)}
        for each in _chain(error)
    ]


def failure_lines(described: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The same for a terminal."""
    for each in described:
        extra = {key: each[key] for key in each if key not in ("type", "frames")}
        told = ", ".join(f"{key}: {value}" for key, value in extra.items())
        yield each["type"] + (f" ({told})" if told else "")
        yield from (f"    {frame}" for frame in each["frames"])


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < MAX_CHAIN:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
        before = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        if before is not None:
            waiting.append(before)


def _message(error: BaseException) -> dict[str, Any]:
    if isinstance(error, psycopg.Error):
        told = describe_error(error)
        return {key: value for key, value in told.items() if key != "error" and value}
    if isinstance(error, OSError):
        return {"errno": errno.errorcode.get(error.errno or 0, "unknown")}
    is_ours = type(error).__module__.partition(".")[0] == "jetpay"
    if is_ours or isinstance(error, _SAFE):
        return {"message": str(error)}
    return {}


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else (f"{kind.__module__}.{kind.__qualname__}")
    )


def _frames(trace: TracebackType | None) -> list[str]:
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
        trace = trace.tb_next
    return frames[-MAX_FRAMES:]
