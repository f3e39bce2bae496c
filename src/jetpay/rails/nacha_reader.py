"""Reads NACHA files, returns and notifications of change too; complains of what is not right."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import chain
from typing import ClassVar, Final, NamedTuple

from jetpay.rails.complaints import Complaint, Problem
from jetpay.rails.fixed_width import Record
from jetpay.rails.line_reader import LineReader
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
    MODIFIERS,
    NOTE,
    RETURN,
    SEQUENCE,
    SERVICE_CLASSES,
    WIDTH,
    Addendum,
    Batch,
    Change,
    Entry,
    FileHead,
    Note,
    Return,
    faults,
    read_day,
)

ADDENDA_MAXIMUM: Final = 9_999
_ADDENDA: Final = {"05": NOTE, "98": CHANGE, "99": RETURN}
_TOTALS: Final = ("count", "hash", "debits", "credits")
_FIRST_LINE: Final = 3 + WIDTH + 2
"""Bytes of a first line with a byte order mark and its end."""
_HOUR, _MINUTE = range(24), range(60)


class Found(NamedTuple):
    """An entry, its batch, and the line of the file (from 1) where it stood."""

    line: int
    batch: Batch
    entry: Entry


Part = FileHead | Found | Complaint


def read(chunks: Iterable[bytes]) -> Iterator[Part]:
    """What a file says, in its order; `chunks` are its bytes in pieces of any size.

    A complaint never stops the reading, but for a `TOO_MANY` at its end. An entry comes when the
    line behind its addenda is read. Tolerated are: CRLF, LF or no line ends at all, no last line
    end, a byte order mark, a control-Z on a line of its own at the end, lines without their blanks
    on the right, blanks for digits.
    """
    return _Reader().run(_in_lines(chunks))


def _in_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of a file; one without line ends gets them after each record."""
    pieces, held = iter(chunks), b""
    for piece in pieces:
        held += piece
        if len(held) >= _FIRST_LINE:
            break
    if b"\n" in held[:_FIRST_LINE] or len(held) < _FIRST_LINE:
        yield from chain([held], pieces)
        return
    pieces, held = chain([held], pieces), b""
    for piece in pieces:
        held += piece
        whole = len(held) - len(held) % WIDTH
        yield b"".join(held[at : at + WIDTH] + b"\n" for at in range(0, whole, WIDTH))
        held = held[whole:]
    yield held.strip(b"\r\n")


class _Pending(NamedTuple):
    """An entry whose addenda may follow."""

    line: int
    entry: Entry
    has_addenda: bool
    addenda: list[Addendum]


class _Reader(LineReader[FileHead | Found]):
    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self._lines = 0
        self._seen_head = False
        self._start()

    def _start(self) -> None:
        """Another file."""
        self._batch: Batch | None = None
        self._pending: _Pending | None = None
        self._trace = ""
        self._of_batch = [0, 0, 0, 0]
        self._of_file = [0, 0, 0, 0]
        self._batches = 0
        self._ended = False

    def finish(self) -> Iterator[FileHead | Found]:
        yield from self._flush()
        if not self._ended:
            self.complaints.add(Problem.NO_TRAILER)
        if not self.items:
            self.complaints.add(Problem.NO_ITEMS)
        if self._ended and self._lines % BLOCK:
            self.complaints.add(Problem.TOO_SHORT, field="filling")

    def record(self, text: str) -> Iterator[FileHead | Found]:
        self._lines += 1
        letter = text[0]
        if letter != "7":
            yield from self._flush()
        if self._ended and text == FILLING:
            return
        if (letter == "1") != (not self._seen_head or self._ended) and letter in "156789":
            self.complaints.add(
                Problem.OUT_OF_PLACE if self._seen_head else Problem.NO_HEADER, value=letter
            )
            self._seen_head = True
        if letter == "1":
            yield self._file_head(text)
        elif letter in self._KINDS:
            self._KINDS[letter](self, text)
        else:
            self.complaints.add(Problem.UNKNOWN_RECORD, column=1, value=letter.strip())

    def _file_head(self, text: str) -> FileHead:
        if self._ended:
            self._lines = 1
            self._start()
        self._seen_head = True
        raw = self._fields(FILE_HEAD, text)
        created = self._day(FILE_HEAD, "created", raw[2])
        texts = [each.rstrip(" ") for each in raw]
        clock = raw[3] if raw[3].isdigit() else ""
        if clock and not (int(clock[:2]) in _HOUR and int(clock[2:]) in _MINUTE):
            self.complain(FILE_HEAD, 0, "time", Problem.NOT_A_DAY, clock)
        if raw[4] not in MODIFIERS:
            self.complain(FILE_HEAD, 0, "modifier", Problem.NOT_A_CODE, raw[4])
        return FileHead(
            destination=texts[0],
            origin=texts[1],
            created=created,
            time=clock,
            modifier=texts[4],
            destination_name=texts[5],
            origin_name=texts[6],
            reference=texts[7],
        )

    def _batch_head(self, text: str) -> None:
        if self._batch is not None:
            self.complaints.add(Problem.OUT_OF_PLACE, value="5")
        raw = self._fields(BATCH_HEAD, text)
        texts = [each.rstrip(" ") for each in raw]
        self._batches += 1
        self._of_batch, self._trace = [0, 0, 0, 0], ""
        number = int(raw[11]) if raw[11].isdigit() else 0
        if number != self._batches and raw[11].isdigit():
            self.complain(BATCH_HEAD, 0, "number", Problem.OUT_OF_ORDER, raw[11])
        if texts[0] not in SERVICE_CLASSES:
            self.complain(BATCH_HEAD, 0, "service_class", Problem.NOT_A_CODE, texts[0])
        self._batch = Batch(
            service_class=texts[0],
            company_name=texts[1],
            discretionary=texts[2],
            company_id=texts[3],
            sec=texts[4],
            description=texts[5],
            descriptive_date=texts[6],
            effective=self._day(BATCH_HEAD, "effective", raw[7]) if texts[7] else None,
            settlement=texts[8],
            status=texts[9],
            odfi=raw[10],
            number=number,
        )

    def _entry(self, text: str) -> None:
        if self._batch is None:
            self.complaints.add(Problem.OUT_OF_PLACE, value="6", lost=True)
            return
        self.items += 1
        raw = self._fields(ENTRY, text)
        if not raw[3].isdigit():
            self.complain(ENTRY, 0, "amount", Problem.NOT_DIGITS, raw[3], lost=True)
            return
        code, routing, amount, trace = raw[0], raw[1], int(raw[3]), raw[8]
        if trace <= self._trace:
            self.complain(ENTRY, 0, "trace", Problem.OUT_OF_ORDER, trace)
        self._trace = trace
        if raw[7] not in {"0", "1"}:
            self.complain(ENTRY, 0, "has_addenda", Problem.NOT_A_CODE, raw[7])
        entry = Entry(
            code,
            routing,
            raw[2].rstrip(" "),
            amount,
            raw[4].rstrip(" "),
            raw[5].rstrip(" "),
            trace,
            raw[6].rstrip(" "),
        )
        of_batch = self._of_batch
        of_batch[0] += 1
        of_batch[1] += int(routing[:8]) if routing[:8].isdigit() else 0
        of_batch[3 if code in CREDITS else 2] += amount
        self._pending = _Pending(self.complaints.line, entry, raw[7] == "1", [])

    def _addendum(self, text: str) -> None:
        self._of_batch[0] += 1
        record = _ADDENDA.get(text[1:3])
        pending = self._pending
        if record is None:
            self.complaints.add(Problem.NOT_A_CODE, field="type", column=2, value=text[1:3].strip())
            return
        if pending is None or len(pending.addenda) == ADDENDA_MAXIMUM:
            self.complaints.add(Problem.OUT_OF_PLACE, value="7")
            return
        raw = self._fields(record, text)
        if record is NOTE:
            pending.addenda.append(Note(raw[0].rstrip(" ")))
            self._follows(record, "sequence", raw[1], f"{len(pending.addenda):04}")
            self._follows(record, "entry", raw[2], pending.entry.trace[-SEQUENCE:])
            return
        texts = [each.rstrip(" ") for each in raw]
        pending.addenda.append((Change if record is CHANGE else Return)(*texts))
        self._follows(record, "trace", raw[-1], pending.entry.trace)
        if text[3] != ("C" if record is CHANGE else "R") or not text[4:6].isdigit():
            self.complain(record, 0, "code", Problem.NOT_A_CODE, text[3:6])

    def _flush(self) -> Iterator[Found]:
        """The entry that is whole now, with what is wrong with it."""
        if self._pending is None:
            return
        line, entry, has_addenda, addenda = self._pending
        self._pending = None
        entry = entry._replace(addenda=tuple(addenda)) if addenda else entry
        now, self.complaints.line = self.complaints.line, line
        assert self._batch is not None, "an entry outside a batch is never kept"
        if has_addenda != bool(addenda):
            self.complain(ENTRY, 0, "has_addenda", Problem.NOT_A_CODE, "")
        for name, problem in faults(self._batch, entry):
            value = str(getattr(entry, name, ""))
            self.complain(ENTRY, 0, name, problem, value)
        self.complaints.line = now
        yield Found(line, self._batch, entry)

    def _batch_end(self, text: str) -> None:
        if self._batch is None:
            self.complaints.add(Problem.OUT_OF_PLACE, value="8")
            return
        raw = self._fields(BATCH_END, text)
        self._compare(BATCH_END, raw[1:5], self._of_batch)
        batch = self._batch
        for name, value, wanted in (
            ("service_class", raw[0], batch.service_class),
            ("company_id", raw[5].rstrip(" "), batch.company_id),
            ("odfi", raw[6], batch.odfi),
            ("number", raw[7], f"{batch.number:07}"),
        ):
            if value != wanted:
                self.complain(BATCH_END, 0, name, Problem.DIFFERS_FROM_HEADER, value)
        if not self._of_batch[0]:
            self.complaints.add(Problem.NO_ITEMS)
        self._of_file = [a + b for a, b in zip(self._of_file, self._of_batch, strict=True)]
        self._batch = None

    def _file_end(self, text: str) -> None:
        if self._batch is not None:
            self.complaints.add(Problem.OUT_OF_PLACE, value="9")
            self._batch = None
        self._ended = True
        raw = self._fields(FILE_END, text)
        self._compare(FILE_END, raw[2:6], self._of_file)
        blocks = -(-self._lines // BLOCK)
        for name, value, wanted in (
            ("batches", raw[0], self._batches),
            ("blocks", raw[1], blocks),
        ):
            if value.isdigit() and int(value) != wanted:
                self.complain(FILE_END, 0, name, Problem.WRONG_TOTAL, value)

    def _compare(self, record: Record, raw: Sequence[str], counted: Sequence[int]) -> None:
        for name, value, total in zip(_TOTALS, raw, counted, strict=True):
            if value.isdigit() and int(value) != (total % HASH if name == "hash" else total):
                self.complain(record, 0, name, Problem.WRONG_TOTAL, value)

    def _follows(self, record: Record, name: str, value: str, wanted: str) -> None:
        if value != wanted:
            self.complain(record, 0, name, Problem.OUT_OF_ORDER, value)

    def _fields(self, record: Record, text: str) -> Sequence[str]:
        return record.parse(text) or record.explain(text, 0, self.complaints)

    def _day(self, record: Record, name: str, raw: str) -> date | None:
        day = read_day(raw) if raw.isdigit() else None
        if day is None and raw.isdigit():
            self.complain(record, 0, name, Problem.NOT_A_DAY, raw)
        return day

    _KINDS: ClassVar[dict[str, Callable[["_Reader", str], None]]] = {
        "5": _batch_head,
        "6": _entry,
        "7": _addendum,
        "8": _batch_end,
        "9": _file_end,
    }
