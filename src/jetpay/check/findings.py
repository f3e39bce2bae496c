"""What `jetpay check` finds: a level, and a sentence that says what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """`red` makes the command fail."""

    OK = "ok"
    WARN = "warn"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check`: a stable word for programs."""

    check: str
    level: Level
    message: str


def ok(check: str, message: str) -> Finding:
    return Finding(check, Level.OK, message)


def warn(check: str, message: str) -> Finding:
    return Finding(check, Level.WARN, message)


def red(check: str, message: str) -> Finding:
    return Finding(check, Level.RED, message)
