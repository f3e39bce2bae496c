"""Writes files of CPA Standard 005: a header, records of up to six items, and their totals."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby, islice
from operator import itemgetter
from typing import Final

from jetpay.rails.cpa005_codes import DEBITS_ONLY
from jetpay.rails.cpa005_records import (
    CONTROL,
    DETAILS,
    HEADER,
    NO_ELEMENTS,
    NO_ROUTING,
    NO_TRACE,
    ORIGINATED,
    SEGMENT,
    TALLIED,
    TRAILER,
    WIDTH,
    Head,
    Item,
    faults,
    write_day,
)
from jetpay.rails.cpa005_ways import Ways
from jetpay.rails.rail import CannotBeWritten

_NUMBER: Final = re.compile(r"[0-9]{4}|TEST")
_BLANK_TRACE: Final = " " * len(NO_TRACE)
_BLANK_ROUTING: Final = " " * len(NO_ROUTING)
_TYPE: Final = itemgetter(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Originator:
    """A company at its bank: the numbers that the bank gave it, and the bank's ways.

    `return_routing` is `0IIITTTTT`. With `settlement_area` it names the account that is debited.
    """

    ways: Ways
    originator_id: str
    data_centre: str
    short_name: str
    long_name: str
    return_routing: str
    return_account: str = field(repr=False)
    currency: str = "CAD"

    def head(self, *, number: int, created: date, is_test: bool = False) -> Head:
        """The head of the originator's file of that number (1-9999); a test has none of its own."""
        ways, area = self.ways, self.ways.settlement_area
        return Head(
            originator_id=self.originator_id,
            number=ways.number_in_test if is_test else f"{number:04}",
            created=created,
            data_centre=self.data_centre,
            currency=self.currency if ways.currency == "written" else "",
            settlement_version="0001" if area else "",
            settlement_entries="01" if area else "",
            settlement_routing=self.return_routing if area else "",
            settlement_account=self.return_account if area else "",
            routing_line=ways.routing_line_in_test if is_test else ways.routing_line,
        )

    def payment(
        self,
        head: Head,
        *,
        sequence: int,
        amount: int,
        on: date,
        routing: str,
        account: str,
        name: str,
        reference: str,
        code: str = "450",
        type: str = "C",  # noqa: A002 - the standard's word
        long_name: str = "",
    ) -> Item:
        """A credit, or a debit, as it stands in that file; `sequence` counts its items from 1.

        Names are folded to the bank's characters and cut. An empty `long_name` is the originator's.
        """
        ways, own = self.ways, self.ways.returns_account == "own"
        fold = ways.fold
        return Item(
            type,
            code,
            amount,
            on,
            routing,
            account,
            self._trace(head, sequence),
            "000",
            fold(self.short_name, "short_name"),
            fold(name, "name"),
            fold(long_name or self.long_name, "long_name"),
            self.originator_id,
            reference,
            self.return_routing if own else NO_ROUTING,
            self.return_account if own else "",
            ways.sundry,
            "",
            ways.settlement_code,
            NO_ELEMENTS if ways.invalid_elements == "zeros" else "",
        )

    def _trace(self, head: Head, sequence: int) -> str:
        ways = self.ways
        if ways.trace == "full":
            return f"{head.data_centre[:4]}{ways.clearer_centre}{head.number}{sequence:09}"
        return NO_TRACE if ways.trace == "zeros" else ""


def check(head: Head, item: Item, ways: Ways) -> None:
    """Raises `CannotBeWritten` for what the bank would refuse, naming the field."""
    _checked(head, item, ways)


def _checked(head: Head, item: Item, ways: Ways) -> str:
    for name, _ in faults(item):
        raise CannotBeWritten(name)
    if item.type in ORIGINATED:
        if item.amount > ways.amount_maximum:
            raise CannotBeWritten("amount")
        if not ways.takes_code(item.code) or (item.type == "C" and int(item.code) in DEBITS_ONLY):
            raise CannotBeWritten("code")
        for name in ("name", "reference"):
            if not getattr(item, name):
                raise CannotBeWritten(name)
        if item.date is None or head.created is None:
            raise CannotBeWritten("date")
        if not -ways.days_back <= (item.date - head.created).days <= ways.days_ahead:
            raise CannotBeWritten("date")
    elif item.type not in DETAILS:
        raise CannotBeWritten("type")
    return _segment(item)


def render(head: Head, items: Iterable[Item], ways: Ways) -> Iterator[bytes]:
    """The file, a record at a time and the same for the same items. Raises `CannotBeWritten`.

    Items follow each other as they are given; another type begins another record.
    """
    lines = _lines(head, items, ways)
    last = next(lines)
    end = ways.end
    for line in lines:
        yield (last + end).encode("ascii")
        last = line
    yield (last + (end if ways.final_line_end else "")).encode("ascii")


def _lines(head: Head, items: Iterable[Item], ways: Ways) -> Iterator[str]:
    if not _NUMBER.fullmatch(head.number):
        raise CannotBeWritten("number")
    if head.routing_line:
        yield head.routing_line
    yield _control("A", 1, head) + _header(head)
    count, tally, kinds = 1, [0] * 8, set()
    for letter, same in groupby(items, key=_TYPE):
        kinds.add(letter)
        if len(kinds) > 1 and not ways.mixed:
            raise CannotBeWritten("type")
        while together := list(islice(same, ways.segments)):
            segments = [_checked(head, item, ways) for item in together]
            count += 1
            pair = 2 * TALLIED[letter]
            tally[pair] += sum(item.amount for item in together)
            tally[pair + 1] += len(together)
            yield (_control(letter, count, head) + "".join(segments)).ljust(WIDTH)
    if not kinds:
        raise CannotBeWritten("items")
    yield _control("Z", count + 1, head) + _trailer(tally, ways)


def _control(letter: str, count: int, head: Head) -> str:
    return CONTROL.write(letter, count, head.originator_id, head.number)


def _header(head: Head) -> str:
    return HEADER.write(
        write_day(head.created),
        head.data_centre,
        head.communication,
        head.currency,
        head.settlement_version,
        head.settlement_entries,
        head.settlement_routing,
        head.settlement_account,
    )


def _segment(item: Item) -> str:
    return SEGMENT.write(
        item.code,
        item.amount,
        write_day(item.date),
        item.routing,
        item.account,
        item.trace or _BLANK_TRACE,
        *item[7:13],
        item.return_routing or _BLANK_ROUTING,
        *item[14:],
    )


def _trailer(tally: list[int], ways: Ways) -> str:
    numbers: list[str | int] = [*tally]
    if ways.reversal_totals == "blanks":
        for at in range(4, 8):
            if not tally[at]:
                numbers[at] = " " * TRAILER.variable[at].width
    filler = ("0" if ways.trailer_filler == "zeros" else " ") * TRAILER.by_name["filler"].width
    return TRAILER.write(*numbers, filler)
