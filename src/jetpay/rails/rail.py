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
    decomposed = unicodedata.normalize("NFKD", " ".join(text.split()).translate(_LETTERS))
    kept = "".join(char for char in decomposed if _FIRST <= char <= _LAST)
    return " ".join(kept.split())
