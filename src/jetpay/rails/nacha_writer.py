"""Writes NACHA files: batches of entries with their addenda, hashes and totals."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, time
from typing import Final, Literal

from jetpay.rails.nacha_records import (
    BATCH_END,
    BATCH_HEAD,
    BLOCK,
    CHANGE,
    CREDITS,
    ENTRY,
    FILE_END,
    FILE_HEAD,
    FILLING,
    HASH,
    NOTE,
    ONE_ADDENDUM,
    RETURN,
    SEQUENCE,
    SERVICE_CLASSES,
    Addendum,
    Batch,
    Change,
    Entry,
    FileHead,
    Note,
    faults,
    write_day,
)
from jetpay.rails.rail import CannotBeWritten, fold_to_ascii, require

_BLANK_TIME: Final = " " * 4
_CODES: Final = {"checking": ("22", "23"), "savings": ("32", "33")}
"""Of a credit and of its prenote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What differs from bank to bank. Raises `BadOption`."""

    line_end: Literal["lf", "crlf"] = "lf"
    final_line_end: bool = True

    def __post_init__(self) -> None:
        require("line_end", self.line_end in ("lf", "crlf"))
        require("final_line_end", isinstance(self.final_line_end, bool))

    @property
    def end(self) -> str:
        """What ends a line."""
        return "\r\n" if self.line_end == "crlf" else "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Originator:
    """A company at its bank. `destination` and `origin` stand as in the file, blank included."""

    destination: str
    destination_name: str
    origin: str
    origin_name: str
    company_name: str
    company_id: str
    odfi: str
    description: str = "PAYOUT"

    def head(self, *, created: date, at: time, modifier: str = "A") -> FileHead:
        """The head of a file; `modifier` tells the files of a day apart."""
        return FileHead(
            destination=self.destination,
            origin=self.origin,
            created=created,
            time=f"{at:%H%M}",
            modifier=modifier,
            destination_name=fold(
                self.destination_name, FILE_HEAD.by_name["destination_name"].width
            ),
            origin_name=fold(self.origin_name, FILE_HEAD.by_name["origin_name"].width),
        )

    def batch(self, *, sec: str, number: int, effective: date) -> Batch:
        """A batch of credits."""
        return Batch(
            service_class="220",
            company_name=fold(self.company_name, BATCH_HEAD.by_name["company_name"].width),
            company_id=self.company_id,
            sec=sec,
            description=self.description,
            descriptive_date=write_day(effective, "effective"),
            effective=effective,
            odfi=self.odfi,
            number=number,
        )

    def credit(
        self,
        *,
        sequence: int,
        amount: int,
        routing: str,
        account: str,
        account_type: str,
        name: str,
        reference: str,
        note: str = "",
        is_prenote: bool = False,
    ) -> Entry:
        """A credit, or the prenote of one (amount 0); `sequence` counts the batch's from 1."""
        return Entry(
            code=_CODES[account_type][is_prenote],
            routing=routing,
            account=account,
            amount=amount,
            individual_id=reference,
            name=fold(name, ENTRY.by_name["name"].width),
            trace=f"{self.odfi}{sequence:0{SEQUENCE}}",
            addenda=(Note(fold(note, NOTE.by_name["text"].width)),) if note else (),
        )


def fold(text: str, width: int) -> str:
    """A text as it will stand in a file; empty when nothing of it can."""
    return fold_to_ascii(text).upper()[:width].rstrip()


def check(batch: Batch, entry: Entry) -> None:
    """Raises `CannotBeWritten` for what no bank takes, naming the field."""
    list(_checked(batch, entry))


def render(
    head: FileHead, batches: Iterable[tuple[Batch, Iterable[Entry]]], ways: Ways
) -> Iterator[bytes]:
    """The file, a line at a time and the same for the same entries. Raises `CannotBeWritten`."""
    lines = _lines(head, batches)
    last = next(lines)
    end = ways.end
    for line in lines:
        yield (last + end).encode("ascii")
        last = line
    yield (last + (end if ways.final_line_end else "")).encode("ascii")


class _Tally:
    """Entries and addenda, hash, debits and credits."""

    def __init__(self) -> None:
        self.numbers = [0, 0, 0, 0]

    def add(self, entry: Entry) -> None:
        numbers = self.numbers
        numbers[0] += 1 + len(entry.addenda)
        numbers[1] += int(entry.routing[:8])
        numbers[3 if entry.code in CREDITS else 2] += entry.amount


def _lines(head: FileHead, batches: Iterable[tuple[Batch, Iterable[Entry]]]) -> Iterator[str]:
    yield _file_head(head)
    lines, number, total = 1, 0, [0, 0, 0, 0]
    for number, (batch, entries) in enumerate(batches, 1):
        if batch.number != number:
            raise CannotBeWritten("number")
        yield _batch_head(batch)
        tally, trace = _Tally(), ""
        for entry in entries:
            if entry.trace <= trace:
                raise CannotBeWritten("trace")
            trace = entry.trace
            yield from _checked(batch, entry)
            tally.add(entry)
        if not tally.numbers[0]:
            raise CannotBeWritten("entries")
        yield _batch_end(batch, tally)
        lines += 2 + tally.numbers[0]
        total = [one + other for one, other in zip(total, tally.numbers, strict=True)]
    if not number:
        raise CannotBeWritten("entries")
    lines += 1
    blocks = -(-lines // BLOCK)
    yield FILE_END.write(number, blocks, total[0], total[1] % HASH, total[2], total[3])
    for _ in range(blocks * BLOCK - lines):
        yield FILLING


def _file_head(head: FileHead) -> str:
    return FILE_HEAD.write(
        head.destination,
        head.origin,
        write_day(head.created, "created"),
        head.time or _BLANK_TIME,
        head.modifier,
        head.destination_name,
        head.origin_name,
        head.reference,
    )


def _batch_head(batch: Batch) -> str:
    if batch.service_class not in SERVICE_CLASSES:
        raise CannotBeWritten("service_class")
    return BATCH_HEAD.write(
        batch.service_class,
        batch.company_name,
        batch.discretionary,
        batch.company_id,
        batch.sec,
        batch.description,
        batch.descriptive_date,
        write_day(batch.effective, "effective"),
        batch.settlement,
        batch.status,
        batch.odfi,
        batch.number,
    )


def _checked(batch: Batch, entry: Entry) -> Iterator[str]:
    for name, _ in faults(batch, entry):
        raise CannotBeWritten(name)
    if not entry.name:
        raise CannotBeWritten("name")
    if len(entry.addenda) > 1 and batch.sec in ONE_ADDENDUM:
        raise CannotBeWritten("addenda")
    yield ENTRY.write(
        entry.code,
        entry.routing,
        entry.account,
        entry.amount,
        entry.individual_id,
        entry.name,
        entry.discretionary,
        int(bool(entry.addenda)),
        entry.trace,
    )
    for sequence, each in enumerate(entry.addenda, 1):
        yield _addendum(each, sequence, entry.trace[-SEQUENCE:])


def _addendum(each: Addendum, sequence: int, entry: str) -> str:
    if isinstance(each, Note):
        return NOTE.write(each.text, sequence, entry)
    return (CHANGE if isinstance(each, Change) else RETURN).write(*each)


def _batch_end(batch: Batch, tally: _Tally) -> str:
    count, hashed, debits, credits_ = tally.numbers
    return BATCH_END.write(
        batch.service_class,
        count,
        hashed % HASH,
        debits,
        credits_,
        batch.company_id,
        batch.odfi,
        batch.number,
    )
