"""Originators, entries and files of NACHA for the tests."""

from collections.abc import Iterable
from datetime import date, time
from typing import Any

from jetpay.rails.nacha import (
    Batch,
    Complaint,
    Entry,
    FileHead,
    Found,
    Originator,
    Return,
    Ways,
    read,
    render,
)

CREATED = date(2026, 5, 4)
TOMORROW = date(2026, 5, 5)
BY = Originator(
    destination=" 021000021",
    destination_name="Big Bank",
    origin="1123456789",
    origin_name="Acme Claims Inc",
    company_name="Acme Claims Inc",
    company_id="1123456789",
    odfi="02100002",
)
HEAD = BY.head(created=CREATED, at=time(9, 30))


def batch(**changes: Any) -> Batch:
    given: dict[str, Any] = {"sec": "PPD", "number": 1, "effective": TOMORROW}
    return BY.batch(**given | changes)


def credit(**changes: Any) -> Entry:
    given: dict[str, Any] = {
        "sequence": 1,
        "amount": 123_456,
        "routing": "011401533",
        "account": "123456789",
        "account_type": "checking",
        "name": "Jane Doe",
        "reference": "CR0000000001",
    }
    return BY.credit(**given | changes)


def two_credits(**changes: Any) -> list[Entry]:
    second: dict[str, Any] = {
        "sequence": 2,
        "amount": 1,
        "routing": "091000019",
        "account": "00098765",
        "account_type": "savings",
        "name": "José Núñez",
        "reference": "CR0000000002",
    }
    return [credit(**changes), credit(**second | changes)]


def returned(entry: Entry, code: str, **changes: Any) -> Entry:
    """As its bank sends a credit back."""
    addendum = Return(code, entry.trace, "", entry.routing[:8], "", entry.trace)
    sent_back = "21" if entry.code[0] == "2" else "31"
    return entry._replace(code=sent_back, addenda=(addendum._replace(**changes),))


def write(
    *batches: tuple[Batch, Iterable[Entry]], head: FileHead = HEAD, ways: Ways | None = None
) -> bytes:
    return b"".join(render(head, batches, ways or Ways()))


def entries(text: bytes) -> list[Entry]:
    return [part.entry for part in read([text]) if isinstance(part, Found)]


def complaints(text: bytes) -> list[Complaint]:
    return [part for part in read([text]) if isinstance(part, Complaint)]


def problems(text: bytes) -> list[str]:
    """As `line/field problem`."""
    return [f"{each.line}/{each.field or '-'} {each.problem.value}" for each in complaints(text)]
