"""The records of a NACHA file, each field declared once, and what is written and read.

Sources: moov-io/ach (its documents and record sources) and achkit; docs/rails/nacha.md has the
tables made of these lists.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from jetpay.banking.united_states import is_routing_number
from jetpay.rails.complaints import Problem, mask
from jetpay.rails.fixed_width import Field, Record
from jetpay.rails.rail import CannotBeWritten

WIDTH: Final = 94
BLOCK: Final = 10
"""Lines; a file is filled with lines of nines to a multiple of it."""
FILLING: Final = "9" * WIDTH
HASH: Final = 10**10
SEQUENCE: Final = 7
"""The last digits of a trace number count the batch's entries."""
MODIFIERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
ONE_ADDENDUM: Final = ("PPD", "CCD")

FILE_HEAD: Final = Record(
    (
        Field("record", 1, "constant", "1", meaning="`1`"),
        Field("priority", 2, "constant", "01", meaning="`01`"),
        Field("destination", 10, meaning="immediate destination: blank and routing number"),
        Field("origin", 10, meaning="immediate origin: blank and 9 digits, or the bank's id"),
        Field("created", 6, "digits", meaning="`YYMMDD`"),
        Field("time", 4, "digits", meaning="`HHMM`", may_be_blank=True),
        Field("modifier", 1, meaning="file id modifier: A-Z, then 0-9, of the day's files"),
        Field("record_size", 3, "constant", "094", meaning="`094`"),
        Field("blocking", 2, "constant", "10", meaning="`10`"),
        Field("format", 1, "constant", "1", meaning="`1`"),
        Field("destination_name", 23, meaning="the bank"),
        Field("origin_name", 23, meaning="the company"),
        Field("reference", 8, meaning="free"),
    )
)
BATCH_HEAD: Final = Record(
    (
        Field("record", 1, "constant", "5", meaning="`5`"),
        Field("service_class", 3, "digits", meaning="`200` mixed, `220` credits, `225` debits"),
        Field("company_name", 16, meaning="the company, as the payee sees it"),
        Field("discretionary", 20, meaning="the company's own"),
        Field("company_id", 10, meaning="given by the bank"),
        Field("sec", 3, meaning="`PPD` a person, `CCD` a business, `COR` changes"),
        Field("description", 10, meaning="entry description, as the payee sees it"),
        Field("descriptive_date", 6, meaning="a date as the payee sees it"),
        Field("effective", 6, "digits", meaning="`YYMMDD`", may_be_blank=True),
        Field("settlement", 3, meaning="Julian day, filled in by the operator"),
        Field("status", 1, meaning="originator status: `1` a bank's customer"),
        Field("odfi", 8, "digits", meaning="originating bank, without check digit"),
        Field("number", 7, "digits", meaning="of the batch in the file"),
    )
)
ENTRY: Final = Record(
    (
        Field("record", 1, "constant", "6", meaning="`6`"),
        Field("code", 2, "digits", meaning="transaction code"),
        Field("routing", 9, "digits", meaning="receiving bank, 8 digits and check digit"),
        Field("account", 17, meaning="receiver's", sensitive=True),
        Field("amount", 10, "digits", meaning="cents"),
        Field("individual_id", 15, meaning="the originator's reference"),
        Field("name", 22, meaning="receiver's", sensitive=True),
        Field("discretionary", 2, meaning="the originator's own"),
        Field("has_addenda", 1, "digits", meaning="`1` when a record `7` follows"),
        Field("trace", 15, "digits", meaning="ODFI, then the entry's sequence of 7"),
    )
)
NOTE: Final = Record(
    (
        Field("record", 1, "constant", "7", meaning="`7`"),
        Field("type", 2, "constant", "05", meaning="`05`"),
        Field("text", 80, meaning="payment-related information"),
        Field("sequence", 4, "digits", meaning="of the addenda of the entry"),
        Field("entry", 7, "digits", meaning="the last 7 of the entry's trace"),
    )
)
CHANGE: Final = Record(
    (
        Field("record", 1, "constant", "7", meaning="`7`"),
        Field("type", 2, "constant", "98", meaning="`98`"),
        Field("code", 3, meaning="change code C.."),
        Field("original_trace", 15, "digits", meaning="of the entry it is about"),
        Field("blank", 6, "constant", " " * 6, meaning="blank"),
        Field("original_rdfi", 8, "digits", meaning="of the entry it is about"),
        Field("corrected", 29, meaning="corrected data, by code", sensitive=True),
        Field("rest", 15, "constant", " " * 15, meaning="blank"),
        Field("trace", 15, "digits", meaning="of this entry"),
    )
)
RETURN: Final = Record(
    (
        Field("record", 1, "constant", "7", meaning="`7`"),
        Field("type", 2, "constant", "99", meaning="`99`"),
        Field("code", 3, meaning="return code R.."),
        Field("original_trace", 15, "digits", meaning="of the entry that came back"),
        Field("died", 6, meaning="R14, R15: date of death; else blank"),
        Field("original_rdfi", 8, "digits", meaning="of the entry that came back"),
        Field("information", 44, meaning="free"),
        Field("trace", 15, "digits", meaning="of this entry"),
    )
)
BATCH_END: Final = Record(
    (
        Field("record", 1, "constant", "8", meaning="`8`"),
        Field("service_class", 3, "digits", meaning="as in record 5"),
        Field("count", 6, "digits", meaning="entries and addenda"),
        Field("hash", 10, "digits", meaning="sum of the 8-digit routing numbers, last 10 digits"),
        Field("debits", 12, "digits", meaning="cents"),
        Field("credits", 12, "digits", meaning="cents"),
        Field("company_id", 10, meaning="as in record 5"),
        Field("authentication", 19, "constant", " " * 19, meaning="blank"),
        Field("blank", 6, "constant", " " * 6, meaning="blank"),
        Field("odfi", 8, "digits", meaning="as in record 5"),
        Field("number", 7, "digits", meaning="as in record 5"),
    )
)
FILE_END: Final = Record(
    (
        Field("record", 1, "constant", "9", meaning="`9`"),
        Field("batches", 6, "digits", meaning="number of batches"),
        Field("blocks", 6, "digits", meaning="lines / 10, rounded up"),
        Field("count", 8, "digits", meaning="entries and addenda"),
        Field("hash", 10, "digits", meaning="sum of the batches' hashes, last 10 digits"),
        Field("debits", 12, "digits", meaning="cents"),
        Field("credits", 12, "digits", meaning="cents"),
        Field("blank", 39, "constant", " " * 39, meaning="blank"),
    )
)

CREDITS: Final = frozenset({"21", "22", "23", "24", "31", "32", "33", "34"})
DEBITS: Final = frozenset({"26", "27", "28", "29", "36", "37", "38", "39"})
SENT_BACK: Final = frozenset({"21", "26", "31", "36"})
"""Codes of returns and notifications of change."""
WITHOUT_MONEY: Final = frozenset({"23", "24", "28", "29", "33", "34", "38", "39"})
SERVICE_CLASSES: Final = MappingProxyType({"200": CREDITS | DEBITS, "220": CREDITS, "225": DEBITS})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHead:
    """Record 1. `time` is `HHMM` or empty; `created` is none where a file says no day."""

    destination: str
    origin: str
    created: date | None
    time: str = ""
    modifier: str = "A"
    destination_name: str = ""
    origin_name: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Record 5; `effective` is none where a file says no day."""

    service_class: str
    company_name: str
    company_id: str
    sec: str
    description: str
    effective: date | None
    odfi: str
    number: int
    discretionary: str = ""
    descriptive_date: str = ""
    settlement: str = ""
    status: str = "1"


class Note(NamedTuple):
    """Addenda 05: what a payment is for."""

    text: str


class Change(NamedTuple):
    """Addenda 98, a notification of change: the payment succeeded, its details should change."""

    code: str
    original_trace: str
    original_rdfi: str
    corrected: str
    trace: str

    def __repr__(self) -> str:
        return f"Change({self.code}, {self.original_trace})"


class Return(NamedTuple):
    """Addenda 99. `died`: `YYMMDD` with R14 and R15."""

    code: str
    original_trace: str
    died: str
    original_rdfi: str
    information: str
    trace: str


Addendum = Note | Change | Return


class Entry(NamedTuple):
    """Record 6 and those that belong to it; `amount` in cents."""

    code: str
    routing: str
    account: str
    amount: int
    individual_id: str
    name: str
    trace: str
    discretionary: str = ""
    addenda: tuple[Addendum, ...] = ()

    def __repr__(self) -> str:
        account = mask(self.account)
        return f"Entry({self.code} {self.amount} to {account}, {self.individual_id})"


def write_day(day: date | None, field: str) -> str:
    """`YYMMDD`. Raises `CannotBeWritten` for none, and for another century."""
    if day is None or day.year // 100 != 20:  # noqa: PLR2004 - the field has two digits of the year
        raise CannotBeWritten(field)
    return f"{day:%y%m%d}"


@lru_cache(512)
def read_day(text: str) -> date | None:
    """The day of `YYMMDD`; none when there is no such day."""
    try:
        return datetime.strptime(f"20{text}", "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None


@lru_cache(4_096)
def _is_routing(number: str) -> bool:
    return is_routing_number(number)


def faults(batch: Batch, entry: Entry) -> Iterator[tuple[str, Problem]]:
    """What no bank takes in an entry of that batch, as (field, problem)."""
    if not _is_routing(entry.routing):
        yield "routing", Problem.BAD_ROUTING
    if entry.code not in SERVICE_CLASSES.get(batch.service_class, ()):
        yield "code", Problem.NOT_A_CODE
    kinds = {type(each) for each in entry.addenda}
    if (entry.code in SENT_BACK) != bool(kinds & {Change, Return}) or len(kinds) > 1:
        yield "has_addenda", Problem.NOT_A_CODE
    if entry.code in WITHOUT_MONEY or Change in kinds:
        if entry.amount:
            yield "amount", Problem.NOT_ZERO
    elif entry.amount <= 0 and entry.code not in SENT_BACK:
        yield "amount", Problem.NOT_POSITIVE
    if not entry.account:
        yield "account", Problem.MISSING
    if entry.trace[:-SEQUENCE] != batch.odfi:
        yield "trace", Problem.DIFFERS_FROM_HEADER


def corrections(change: Change) -> Mapping[str, str]:
    """What to change, by field of `Entry`; empty when the corrected data are not as they should be.

    Writers differ in how they place several values in the 29 characters: the first is taken by its
    width, the others by the blanks between them.
    """
    fields, width = _CORRECTED.get(change.code, ((), 0))
    first, rest = change.corrected[:width].strip(), change.corrected[width:].split()
    values = [first, *rest]
    if len(values) == 2 < len(fields):  # noqa: PLR2004 - the last two grown together
        values = [first, rest[0][:-2], rest[0][-2:]]
    return dict(zip(fields, values, strict=True)) if len(values) == len(fields) else {}


_CORRECTED: Final[Mapping[str, tuple[tuple[str, ...], int]]] = MappingProxyType(
    {
        "C01": (("account",), 29),
        "C02": (("routing",), 29),
        "C03": (("routing", "account"), 9),
        "C04": (("name",), 29),
        "C05": (("code",), 29),
        "C06": (("account", "code"), 17),
        "C07": (("routing", "account", "code"), 9),
        "C09": (("individual_id",), 29),
    }
)


def modifier_after(modifier: str) -> str:
    """The next file of the day: A-Z, then 0-9. Raises `CannotBeWritten` after the last."""
    at = MODIFIERS.index(modifier) + 1
    if at == len(MODIFIERS):
        raise CannotBeWritten("modifier")
    return MODIFIERS[at]
