"""The sandbox's file: fixed-width ASCII lines, rendered for and read by the simulated bank."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from jetpay.rails.fixed_width import CannotBeRead, Field, Record
from jetpay.rails.rail import CannotBeWritten, Head, Payment, fold_to_ascii

HOLDER_WIDTH = 30
STATEMENT_WIDTH = 30

HEAD = Record(
    (
        Field("record", 1, "constant", "H"),
        Field("format", 8, "constant", "SANDBOX1"),
        Field("originator", 12),
        Field("number", 6, "digits"),
        Field("made_on", 8, "digits"),
        Field("value_date", 8, "digits"),
        Field("currency", 3),
    )
)
DETAIL = Record(
    (
        Field("record", 1, "constant", "D"),
        Field("line", 6, "digits"),
        Field("reference", 12),
        Field("amount", 10, "digits"),
        Field("scheme", 4),
        Field("routing", 9),
        Field("account", 34),
        Field("account_type", 1),
        Field("holder_name", HOLDER_WIDTH),
        Field("statement", STATEMENT_WIDTH),
    )
)
TAIL = Record(
    (
        Field("record", 1, "constant", "T"),
        Field("count", 6, "digits"),
        Field("total", 16, "digits"),
    )
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A payment as the bank reads it."""

    line: int
    reference: str
    amount: int
    routing: str
    account: str


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A whole file as the bank reads it."""

    number: int
    value_date: date
    entries: tuple[Entry, ...]


class SandboxRail:
    """Holder name and statement are folded to ASCII and cut to 30."""

    name = "sandbox"

    def check(self, payment: Payment) -> None:
        """Raises `CannotBeWritten`."""
        _detail(payment)

    def render(self, head: Head, payments: Iterable[Payment]) -> Iterator[bytes]:
        """One line each: head, payments, tail with their count and total."""
        yield HEAD.render(
            {
                "originator": head.originator,
                "number": head.number,
                "made_on": head.made_on.strftime("%Y%m%d"),
                "value_date": head.value_date.strftime("%Y%m%d"),
                "currency": head.currency,
            }
        )
        count = total = 0
        for payment in payments:
            yield _detail(payment)
            count, total = count + 1, total + payment.amount
        yield TAIL.render({"count": count, "total": total})

    def fold(self, text: str) -> str:
        """A statement as it will stand in the file."""
        return fold_to_ascii(text)[:STATEMENT_WIDTH].rstrip()


def read(text: bytes) -> ReadFile:
    """What the bank makes of a file. Raises `CannotBeRead`."""
    lines = text.split(b"\n")
    if len(lines) < 3 or lines[-1]:  # noqa: PLR2004 - head, tail, and nothing after the last LF
        raise CannotBeRead("a file has a head, a tail and ends with a line feed")
    head, tail = HEAD.read(lines[0]), TAIL.read(lines[-2])
    entries = tuple(_entry(DETAIL.read(line)) for line in lines[1:-2])
    in_order = all(entry.line == place for place, entry in enumerate(entries, 1))
    total = sum(entry.amount for entry in entries)
    if not in_order or (int(tail["count"]), int(tail["total"])) != (len(entries), total):
        raise CannotBeRead("the tail does not fit the payments")
    day = head["value_date"]
    try:
        value_date = date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        raise CannotBeRead("value_date of H is no day") from None
    return ReadFile(int(head["number"]), value_date, entries)


def _detail(payment: Payment) -> bytes:
    holder_name = fold_to_ascii(payment.holder_name)[:HOLDER_WIDTH].rstrip()
    if not holder_name:
        raise CannotBeWritten("holder_name")
    return DETAIL.render(
        {
            "line": payment.line,
            "reference": payment.reference,
            "amount": payment.amount,
            "scheme": payment.scheme,
            "routing": payment.routing,
            "account": payment.account,
            "account_type": "S" if payment.account_type == "savings" else "C",
            "holder_name": holder_name,
            "statement": fold_to_ascii(payment.statement)[:STATEMENT_WIDTH].rstrip(),
        }
    )


def _entry(values: dict[str, str]) -> Entry:
    return Entry(
        int(values["line"]),
        values["reference"],
        int(values["amount"]),
        values["routing"],
        values["account"],
    )
