"""What every rail takes and gives: payments in, the bytes of a bank file out."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

# Letters that no decomposition turns into ASCII, as banks and passports write them.
_LETTERS = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o",
        "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Þ": "TH", "þ": "th",
        "ı": "i", "‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-",
    }
)  # fmt: skip
_FIRST, _LAST = " ", "~"


class CannotBeWritten(Exception):
    """A payment that no file of this rail can hold; names the field, never its value."""

    def __init__(self, name: str) -> None:
        self.field = name
        super().__init__(f"the field {name} cannot be written")


class BadOption(ValueError):
    """An option of a bank has a value that it cannot have; names the option."""

    def __init__(self, option: str) -> None:
        self.option = option
        super().__init__(f"the option {option} cannot have this value")


def require(option: str, holds: bool) -> None:  # noqa: FBT001 - a condition, read as a sentence
    """Raises `BadOption` where the condition does not hold."""
    if not holds:
        raise BadOption(option)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One line of a bank file. `routing`: `0IIITTTTT` in Canada; `amount` in minor units."""

    line: int
    reference: str
    amount: int
    holder_name: str
    statement: str
    scheme: str
    account_type: str
    routing: str
    account: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a bank file says of itself; `number` is the bank account's own count of files."""

    originator: str
    number: int
    made_on: date
    value_date: date
    currency: str


class Rail(Protocol):
    """A way to move money, as the format of its files."""

    name: str

    def check(self, payment: Payment) -> None:
        """Raises `CannotBeWritten`."""

    def render(self, head: Head, payments: Iterable[Payment]) -> Iterator[bytes]:
        """The file in pieces, the same for the same payments. Raises `CannotBeWritten`."""

    def fold(self, text: str) -> str:
        """A text as it will stand in the file; empty when nothing of it can."""


def fold_to_ascii(text: str) -> str:
    """Printable ASCII: accents go, known letters are spelled out, the rest is left out."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    decomposed = unicodedata.normalize("NFKD", " ".join(text.split()).translate(_LETTERS))
    kept = "".join(char for char in decomposed if _FIRST <= char <= _LAST)
    return " ".join(kept.split())
