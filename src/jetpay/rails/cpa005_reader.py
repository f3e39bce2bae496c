"""Reads files of CPA Standard 005: gives out whatever can be read, and complains of the rest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from jetpay.rails.complaints import Complaint, Problem
from jetpay.rails.cpa005_records import (
    CONTROL,
    DETAILS,
    HEADER,
    ORIGINATED,
    SEGMENT,
    SEGMENTS,
    TALLIED,
    TRAILER,
    WIDTH,
    Head,
    Item,
    faults,
    read_day,
)
from jetpay.rails.line_reader import ITEMS_MAXIMUM, LineReader

_BLANK: Final = " " * SEGMENT.width
_CURRENCIES: Final = {"CAD", "USD", ""}
_SEQUENCE: Final = 9
"""The last digits of a full trace number count the file's items."""


class Found(NamedTuple):
    """An item and where it stood: the line of the file and the segment in it, both from 1."""

    line: int
    segment: int
    item: Item


@dataclass(frozen=True, slots=True)
class Raw:
    """A line of a notice-of-change file (U, S, V): its layout is not public, a person reads it."""

    line: int
    text: str = field(repr=False)


Part = Head | Found | Raw | Complaint


def read(chunks: Iterable[bytes]) -> Iterator[Part]:
    """What a file says, in its order; `chunks` are its bytes in pieces of any size.

    A complaint never stops the reading, but for a `TOO_MANY` at its end. Tolerated are: CRLF or
    LF, no last line end, a byte order mark, a control-Z on a line of its own at the end, lines
    without their blanks on the right, a `$$…$$` line before the header, blanks for digits.
    """
    return _Reader().run(chunks)


class _Reader(LineReader[Head | Found | Raw]):
    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self._control: Sequence[str] = ()
        self._count = 0
        self._is_header = False
        self._routing_line = ""
        self._notice = False
        self._ended = False
        self._tally = [0] * 8
        self._references: set[int] = set()
        self._sequence = 0

    def finish(self) -> Iterator[Head | Found | Raw]:
        if not (self._ended or self._notice):
            self.complaints.add(Problem.NO_TRAILER)
        if not self.items:
            self.complaints.add(Problem.NO_ITEMS)
        return iter(())

    def record(self, text: str) -> Iterator[Head | Found | Raw]:
        line, letter = self.complaints.line, text[0]
        if line == 1 and letter == "U":
            self._notice = True
            self.complaints.add(Problem.FOR_A_PERSON)
        if self._notice:
            self.items += 1
            yield Raw(line, text.rstrip(" "))
        elif line == 1 and text.startswith("$$"):
            self._take_routing_line(text.rstrip(" "))
        elif letter not in "AZ" and letter not in DETAILS:
            self.complaints.add(Problem.UNKNOWN_RECORD, column=1, value=letter.strip())
        else:
            self._check_control(text)
            if letter == "A":
                yield from self._header(text)
            elif letter == "Z":
                self._trailer(text)
            else:
                yield from self._details(text, line)

    def _take_routing_line(self, text: str) -> None:
        self._routing_line = text
        if not text.endswith("$$"):
            self.complaints.add(Problem.NOT_A_CODE, field="routing_line", column=len(text))

    def _check_control(self, text: str) -> None:
        """Places and counts; originator and file number are those of the header."""
        raw = CONTROL.parse(text) or CONTROL.explain(text, 0, self.complaints)
        letter, count, *control = raw
        self._is_header = letter == "A" and not self._count
        if (letter == "A") != (self._count == 0) or self._ended:
            problem = Problem.OUT_OF_PLACE if self._count or self._ended else Problem.NO_HEADER
            self.complaints.add(problem, column=1, value=letter)
        self._count += 1
        if count.isdigit() and int(count) != self._count:
            self.complain(CONTROL, 0, "count", Problem.OUT_OF_ORDER, count)
            self._count = int(count)
        if not self._control:
            self._control = control
        for each, value, wanted in zip(
            ("originator_id", "number"), control, self._control, strict=True
        ):
            if value != wanted:
                self.complain(CONTROL, 0, each, Problem.DIFFERS_FROM_HEADER, value)

    def _header(self, text: str) -> Iterator[Head]:
        start = CONTROL.width
        raw = HEADER.parse(text, start) or HEADER.explain(text, start, self.complaints)
        created = read_day(raw[0]) if raw[0].isdigit() else None
        if created is None and raw[0].isdigit():
            self.complain(HEADER, start, "created", Problem.NOT_A_DAY, raw[0])
        texts = [each.rstrip(" ") for each in raw]
        if texts[3] not in _CURRENCIES:
            self.complain(HEADER, start, "currency", Problem.NOT_A_CODE, raw[3])
        if not self._is_header:
            return
        yield Head(
            originator_id=self._control[0].rstrip(" "),
            number=self._control[1].rstrip(" "),
            created=created,
            data_centre=texts[1],
            communication=texts[2],
            currency=texts[3],
            settlement_version=texts[4],
            settlement_entries=texts[5],
            settlement_routing=texts[6],
            settlement_account=texts[7],
            routing_line=self._routing_line,
        )

    def _details(self, text: str, line: int) -> Iterator[Found]:
        blank = False
        for segment in range(1, SEGMENTS + 1):
            start = CONTROL.width + SEGMENT.width * (segment - 1)
            if text.startswith(_BLANK, start):
                blank = True
                continue
            self.complaints.segment = segment
            if blank:
                self.complaints.add(Problem.AFTER_A_BLANK_SEGMENT, column=start + 1)
            self.items += 1
            if self.items > ITEMS_MAXIMUM:
                return
            item = self._item(text, start)
            if item is not None:
                yield Found(line, segment, item)
        if text.startswith(_BLANK, CONTROL.width):
            self.complaints.add(Problem.NO_ITEMS)

    def _item(self, text: str, start: int) -> Item | None:
        raw = SEGMENT.parse(text, start) or SEGMENT.explain(text, start, self.complaints)
        if not raw[1].isdigit():
            self.complain(SEGMENT, start, "amount", Problem.NOT_DIGITS, raw[1], lost=True)
            return None
        day = read_day(raw[2]) if raw[2].isdigit() else None
        if day is None and raw[2].isdigit():
            self.complain(SEGMENT, start, "date", Problem.NOT_A_DAY, raw[2])
        item = Item(
            text[0], raw[0], int(raw[1]), day, raw[3], *[each.rstrip(" ") for each in raw[4:]]
        )
        pair = 2 * TALLIED[item.type]
        self._tally[pair] += item.amount
        self._tally[pair + 1] += 1
        for name, problem in faults(item):
            self.complain(SEGMENT, start, name, problem, str(getattr(item, name)))
        self._check_repeats(item, start)
        return item

    def _check_repeats(self, item: Item, start: int) -> None:
        if item.reference:
            # Its hash, so that a million of them fit: two alike by chance are one in 10^13.
            known = hash((item.type, item.reference))
            if known in self._references:
                self.complain(SEGMENT, start, "reference", Problem.DUPLICATE, item.reference)
            self._references.add(known)
        sequence = item.trace[-_SEQUENCE:]
        if item.type in ORIGINATED and sequence.isdigit() and int(sequence):
            if int(sequence) <= self._sequence:
                self.complain(SEGMENT, start, "trace", Problem.OUT_OF_ORDER, item.trace)
            self._sequence = int(sequence)

    def _trailer(self, text: str) -> None:
        self._ended = True
        start = CONTROL.width
        raw = TRAILER.parse(text, start) or TRAILER.explain(text, start, self.complaints)
        for each, value, total in zip(TRAILER.variable, raw, self._tally, strict=False):
            digits = value.strip(" ") or "0"
            if digits.isdigit() and int(digits) != total:
                self.complain(TRAILER, start, each.name, Problem.WRONG_TOTAL, value)
        filler = raw[-1]
        if filler.strip(filler[0]) or filler[0] not in " 0":
            at = next(at for at, one in enumerate(filler) if one != filler[0] or one not in " 0")
            TRAILER.by_name["filler"].complain(
                self.complaints, Problem.NOT_BLANK, "", start + TRAILER.starts["filler"] + at
            )
