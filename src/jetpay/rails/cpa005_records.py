"""The records of CPA Standard 005, each field declared once, and what is written and read.

Sources: Payments Canada Standard 005 as the open programs moov-io/cadeft and cityssm/eft-generator
and the guides of six banks agree on it; docs/rails/cpa005.md has the tables made of these lists.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from jetpay.rails.complaints import Problem, mask
from jetpay.rails.fixed_width import Field, Record
from jetpay.rails.rail import CannotBeWritten

WIDTH: Final = 1464
SEGMENTS: Final = 6
NO_TRACE: Final = "0" * 22
NO_ELEMENTS: Final = "0" * 11
NO_ROUTING: Final = "0" * 9
ORIGINATED: Final = "CD"
RETURNED: Final = "IJ"
DETAILS: Final = "CDEFIJ"
NUMBER_MAXIMUM: Final = 9_999

CONTROL: Final = Record(
    (
        Field("record", 1, element="01", meaning="`A`, `C`, `D`, `E`, `F`, `I`, `J` or `Z`"),
        Field("count", 9, "digits", element="02", meaning="number of the record, from 1"),
        Field("originator_id", 10, element="03", meaning="given by the bank"),
        Field("number", 4, element="03", meaning="file creation number, or a test's"),
    )
)
"""Every record begins so."""

HEADER: Final = Record(
    (
        Field("created", 6, "digits", element="05", meaning="creation date, `0YYDDD`"),
        Field("data_centre", 5, "digits", element="06", meaning="the bank's processing centre"),
        Field("communication", 20, element="07", meaning="reserved for customer and clearer"),
        Field("currency", 3, element="08", meaning="`CAD`, `USD`, or blank at some banks"),
        Field("filler", 1190, "constant", " " * 1190, element="09", meaning="blank"),
        Field("settlement_version", 4, element="09", meaning="CIBC: `0001`; else blank"),
        Field("settlement_entries", 2, element="09", meaning="CIBC: `01`; else blank"),
        Field("settlement_routing", 9, element="09", meaning="CIBC: `0010TTTTT`; else blank"),
        Field(
            "settlement_account",
            12,
            element="09",
            meaning="CIBC: the account that is debited; else blank",
            sensitive=True,
        ),
        Field("rest", 189, "constant", " " * 189, element="09", meaning="blank"),
    )
)
SEGMENT: Final = Record(
    (
        Field("code", 3, "digits", element="04", meaning="transaction type; of I, J the reason"),
        Field("amount", 10, "digits", element="05", meaning="cents"),
        Field("date", 6, "digits", element="06", meaning="funds available (D: due), `0YYDDD`"),
        Field("routing", 9, "digits", element="07", meaning="payee's (D: payor's) `0IIITTTTT`"),
        Field("account", 12, element="08", meaning="payee's (D: payor's)", sensitive=True),
        Field("trace", 22, "digits", element="09", meaning="item trace", may_be_blank=True),
        Field("stored_code", 3, "digits", element="10", meaning="of I, J: original type"),
        Field("short_name", 15, element="11", meaning="originator's, on the statement"),
        Field("name", 30, element="12", meaning="payee's (D: payor's)", sensitive=True),
        Field("long_name", 30, element="13", meaning="originator's, or a statement's text"),
        Field("user_id", 10, element="14", meaning="originator id again"),
        Field("reference", 19, element="15", meaning="cross reference: comes back on a return"),
        Field(
            "return_routing",
            9,
            "digits",
            element="16",
            meaning="where returns go; of I, J: where the original went",
            may_be_blank=True,
        ),
        Field(
            "return_account",
            12,
            element="17",
            meaning="where returns go; of I, J: where the original went",
            sensitive=True,
        ),
        Field("sundry", 15, element="18", meaning="originator's sundry information"),
        Field("original_trace", 22, element="19", meaning="of E, F, I, J; else blank"),
        Field("settlement_code", 2, element="20", meaning="CIBC: `01`; else blank"),
        Field(
            "invalid_elements",
            11,
            element="21",
            meaning="of I, J: up to five numbers of wrong elements; else zeros",
        ),
    )
)
TRAILER: Final = Record(
    (
        Field("debit_total", 14, "digits", meaning="cents of D and J"),
        Field("debit_count", 8, "digits", meaning="items of D and J"),
        Field("credit_total", 14, "digits", meaning="cents of C and I"),
        Field("credit_count", 8, "digits", meaning="items of C and I"),
        Field("e_total", 14, "digits", meaning="cents of E", may_be_blank=True),
        Field("e_count", 8, "digits", meaning="items of E", may_be_blank=True),
        Field("f_total", 14, "digits", meaning="cents of F", may_be_blank=True),
        Field("f_count", 8, "digits", meaning="items of F", may_be_blank=True),
        Field("filler", 1352, meaning="blanks, or zeros at some banks"),
    )
)
TALLIED: Final = {"D": 0, "J": 0, "C": 1, "I": 1, "E": 2, "F": 3}
"""Which pair of the trailer's numbers an item counts in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a file says of itself. `number` is four digits, or `TEST`.

    `created` is none where a file says no day. The `settlement_*` are CIBC's; `routing_line` is
    the line that RBC wants before the header.
    """

    originator_id: str
    number: str
    created: date | None
    data_centre: str
    currency: str = "CAD"
    communication: str = ""
    settlement_version: str = ""
    settlement_entries: str = ""
    settlement_routing: str = ""
    settlement_account: str = field(default="", repr=False)
    routing_line: str = ""


class Item(NamedTuple):
    """One payment, return or reversal; the fields of `SEGMENT`, without blanks on the right.

    `type` is the record's letter. `routing` is `0IIITTTTT`, `amount` in cents. `date` is none where
    a file says no day. An empty `trace`, `return_routing` or `invalid_elements` is blank.
    """

    type: str
    code: str
    amount: int
    date: date | None
    routing: str
    account: str
    trace: str = NO_TRACE
    stored_code: str = "000"
    short_name: str = ""
    name: str = ""
    long_name: str = ""
    user_id: str = ""
    reference: str = ""
    return_routing: str = NO_ROUTING
    return_account: str = ""
    sundry: str = ""
    original_trace: str = ""
    settlement_code: str = ""
    invalid_elements: str = NO_ELEMENTS

    def __repr__(self) -> str:
        account = mask(self.account)
        return f"Item({self.type} {self.code} {self.amount} to {account}, {self.reference})"


def write_day(day: date | None) -> str:
    """`0YYDDD`. Raises `CannotBeWritten` for none, and for another century."""
    if day is None or day.year // 100 != 20:  # noqa: PLR2004 - the field has two digits of the year
        raise CannotBeWritten("date")
    return _day_text(day)


@lru_cache(512)
def _day_text(day: date) -> str:
    return f"0{day:%y%j}"


@lru_cache(512)
def read_day(text: str) -> date | None:
    """The day of `0YYDDD`; none when there is no such day."""
    if text[0] != "0":
        return None
    first = date(2000 + int(text[1:3]), 1, 1)
    day = first + timedelta(days=int(text[3:]) - 1)
    return day if day.year == first.year else None


def faults(item: Item) -> Iterator[tuple[str, Problem]]:
    """What no bank takes in an item, as (field, problem)."""
    if item.routing[:1] != "0" or item.routing[1:4] == "000":
        yield "routing", Problem.BAD_ROUTING
    if item.type in ORIGINATED:
        if item.amount <= 0:
            yield "amount", Problem.NOT_POSITIVE
        if not item.account.isalnum():
            yield "account", Problem.BAD_ACCOUNT
    elif item.type in RETURNED and not return_code(item):
        yield "code", Problem.NO_REASON


def return_code(item: Item) -> str:
    """Why a returned item (I, J) came back: `905`; `900-08` names a wrong element; else empty.

    The reason stands in element 04, with some writers in element 10.
    """
    reason = next((each for each in (item.code, item.stored_code) if each[:1] == "9"), "")
    element = item.invalid_elements[:2]
    return f"900-{element}" if reason == "900" and element not in {"", "00"} else reason


def number_after(number: int) -> int:
    """The next file creation number: 9999 is followed by 1."""
    return number % NUMBER_MAXIMUM + 1
