"""Reads a file of lines in pieces, within limits, whatever its bytes are."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar, Final, Generic, NamedTuple, TypeVar

from jetpay.rails.complaints import Complaint, Complaints, Problem
from jetpay.rails.fixed_width import Record

ITEMS_MAXIMUM: Final = 1_000_000
"""Of one file; what follows is not read, which the last complaint says."""
BAD_LINES_MAXIMUM: Final = 1_000
"""Lines of one file that hold no item and are complained of; with more it is no such file."""
_BYTES_A_CHARACTER: Final = 4
_BYTE_ORDER_MARK: Final = "\ufeff"
_CONTROL_Z: Final = "\x1a"

P = TypeVar("P")


class Line(NamedTuple):
    """A line as it stood in a file: its number from 1, and the characters that ended it."""

    number: int
    text: str
    end: str


class LineReader(ABC, Generic[P]):
    """What readers of lines of one width share; another has its records and its end."""

    width: ClassVar[int]

    def __init__(self) -> None:
        self.complaints = Complaints()
        self.items = 0
        """Whatever counts as one, given out or lost."""

    @abstractmethod
    def record(self, text: str) -> Iterator[P]:
        """What a line says; it is as wide as it should be, filled with blanks or cut."""

    @abstractmethod
    def finish(self) -> Iterator[P]:
        """What is known only when all lines are read."""

    def run(self, chunks: Iterable[bytes]) -> Iterator[P | Complaint]:
        """All that the file says, and after what each line says the complaints about it."""
        bad, end = 0, ""
        for line in split_lines(chunks, longest=_BYTES_A_CHARACTER * self.width + 2):
            text, complaints = line.text, self.complaints
            complaints.line, complaints.segment = line.number, None
            before = self.items, complaints.count
            if line.number == 1:
                text, end = text.removeprefix(_BYTE_ORDER_MARK), line.end
            elif line.end != end:
                if not line.end and text == _CONTROL_Z:
                    break
                if line.end:
                    complaints.add(Problem.LINE_END)
            if len(text) > self.width:
                complaints.add(Problem.TOO_LONG, column=self.width + 1)
            yield from self.record(text[: self.width].ljust(self.width))
            yield from complaints.taken()
            bad += self.items == before[0] and complaints.count > before[1]
            if self.items > ITEMS_MAXIMUM or bad > BAD_LINES_MAXIMUM:
                yield Complaint(line=line.number, problem=Problem.TOO_MANY)
                return
        self.complaints.segment = None
        yield from self.finish()
        yield from self.complaints.taken()

    def complain(  # noqa: PLR0917 - a place, what is wrong there, and what stands there
        self,
        record: Record,
        start: int,
        name: str,
        problem: Problem,
        raw: str,
        lost: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """About a whole field of the record that begins at `start` (from 0) of the line."""
        at = start + record.starts[name]
        record.by_name[name].complain(self.complaints, problem, raw, at, lost=lost)


def split_lines(chunks: Iterable[bytes], *, longest: int) -> Iterator[Line]:
    """The lines of a file that comes in pieces of any size; never more than a piece is held.

    Of a line that is longer than `longest` bytes only so many are given; the rest is skipped.
    """
    number, held, skipping = 1, b"", False
    for chunk in chunks:
        *whole, held = (held + chunk).split(b"\n")
        for line in whole:
            if not skipping:
                yield _line(number, line, longest, "\n")
            number, skipping = number + 1, False
        if len(held) > longest:
            if not skipping:
                yield _line(number, held, longest, "\n")
            held, skipping = b"", True
    if held and not skipping:
        yield _line(number, held, longest, "")


def _line(number: int, raw: bytes, longest: int, end: str) -> Line:
    if end and raw.endswith(b"\r"):
        raw, end = raw[:-1], "\r\n"
    raw = raw[:longest]
    try:
        return Line(number, raw.decode("utf-8"), end)
    except UnicodeDecodeError:
        return Line(number, raw.decode("latin-1"), end)
