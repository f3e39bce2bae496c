"""What a reader of a bank's file found wrong, and where; what is sensitive shows its end alone."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SHOWN: Final = 3
"""Characters of a sensitive value that may be told."""
LONGEST_VALUE: Final = 40
COMPLAINTS_MAXIMUM: Final = 1_000
"""So many a file; then one `too_many` more, and the rest is read in silence."""


class Problem(StrEnum):
    """What may be wrong with a line, or with one field of it."""

    NOT_DIGITS = "not_digits"
    NOT_PRINTABLE = "not_printable"
    NOT_BLANK = "not_blank"
    NOT_A_DAY = "not_a_day"
    NOT_A_CODE = "not_a_code"
    NOT_POSITIVE = "not_positive"
    NOT_ZERO = "not_zero"
    MISSING = "missing"
    BAD_ROUTING = "bad_routing"
    BAD_ACCOUNT = "bad_account"
    DIFFERS_FROM_HEADER = "differs_from_header"
    OUT_OF_ORDER = "out_of_order"
    WRONG_TOTAL = "wrong_total"
    DUPLICATE = "duplicate"
    AFTER_A_BLANK_SEGMENT = "after_a_blank_segment"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    LINE_END = "line_end"
    UNKNOWN_RECORD = "unknown_record"
    OUT_OF_PLACE = "out_of_place"
    NO_HEADER = "no_header"
    NO_TRAILER = "no_trailer"
    NO_ITEMS = "no_items"
    NO_REASON = "no_reason"
    FOR_A_PERSON = "for_a_person"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """`line`, `segment` and `column` count from 1; `element` is the standard's number of `field`.

    `lost`: the payment that stood there was not given out, because its amount cannot be read.
    """

    line: int
    problem: Problem
    field: str = ""
    element: str = ""
    segment: int | None = None
    column: int | None = None
    value: str = ""
    lost: bool = False

    def __str__(self) -> str:
        places = [f"line {self.line}"]
        if self.segment is not None:
            places.append(f"segment {self.segment}")
        if self.field:
            places.append(f"{self.field} ({self.element})" if self.element else self.field)
        if self.column is not None:
            places.append(f"column {self.column}")
        said = f", {self.value!r}" if self.value else ""
        return f"{', '.join(places)}: {self.problem.value.replace('_', ' ')}{said}"


def mask(text: str) -> str:
    """The last three characters, and stars for the others; stars alone where there are no more."""
    shown = text[-SHOWN:] if len(text) > SHOWN else ""
    return "*" * (len(text) - len(shown)) + shown


class Complaints:
    """Those about the line that is being read, with its place."""

    def __init__(self) -> None:
        self.line = 0
        self.segment: int | None = None
        self._found: list[Complaint] = []
        self.count = 0

    def add(
        self,
        problem: Problem,
        *,
        field: str = "",
        element: str = "",
        column: int | None = None,
        value: str = "",
        lost: bool = False,
    ) -> None:
        """One more about this line; beyond `COMPLAINTS_MAXIMUM` only that there are too many."""
        self.count += 1
        if self.count > COMPLAINTS_MAXIMUM + 1:
            return
        too_many = self.count > COMPLAINTS_MAXIMUM
        self._found.append(
            Complaint(
                line=self.line,
                problem=Problem.TOO_MANY if too_many else problem,
                field="" if too_many else field,
                element=element,
                segment=self.segment,
                column=column,
                value="" if too_many else value,
                lost=lost,
            )
        )

    def taken(self) -> list[Complaint]:
        """Those since the last time."""
        found, self._found = self._found, []
        return found
