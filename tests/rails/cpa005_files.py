"""Originators, payments and files of CPA Standard 005 for the tests."""

from datetime import date
from typing import Any

from jetpay.rails.cpa005 import Complaint, Head, Item, Originator, Ways, read, render

CREATED = date(2026, 5, 4)
TOMORROW = date(2026, 5, 5)


def originator(**ways: Any) -> Originator:
    return Originator(
        ways=Ways(**ways),
        originator_id="PAYOUT0001",
        data_centre="00320",
        short_name="ACME CLAIMS",
        long_name="ACME CLAIMS INC",
        return_routing="000300002",
        return_account="1000001",
    )


def head(by: Originator, **changes: Any) -> Head:
    given: dict[str, Any] = {"number": 42, "created": CREATED}
    return by.head(**given | changes)


def payment(by: Originator, **changes: Any) -> Item:
    given: dict[str, Any] = {
        "sequence": 1,
        "amount": 123_456,
        "on": TOMORROW,
        "routing": "000412342",
        "account": "1234567",
        "name": "Jane Doe",
        "reference": "CR-0000000001",
    }
    return by.payment(head(by), **given | changes)


def two_payments(by: Originator) -> list[Item]:
    second = payment(
        by,
        sequence=2,
        amount=1,
        routing="081530000",
        account="0012345",
        name="José Núñez",
        reference="CR-0000000002",
    )
    return [payment(by), second]


def returned(item: Item, reason: str, **changes: Any) -> Item:
    """As its bank sends a credit or a debit back."""
    given: dict[str, Any] = {
        "type": "I" if item.type == "C" else "J",
        "code": reason,
        "stored_code": item.code,
        "routing": item.return_routing,
        "account": item.return_account,
        "return_routing": item.routing,
        "return_account": item.account,
        "original_trace": item.trace,
    }
    return item._replace(**given | changes)


def write(by: Originator, *items: Item, **of_head: Any) -> bytes:
    return b"".join(render(head(by, **of_head), items, by.ways))


def items(text: bytes) -> list[Item]:
    return [part.item for part in read([text]) if hasattr(part, "item")]


def complaints(text: bytes) -> list[Complaint]:
    return [part for part in read([text]) if isinstance(part, Complaint)]


def problems(text: bytes) -> list[str]:
    """As `line/segment/field problem`."""
    return [
        f"{each.line}/{each.segment or '-'}/{each.field or '-'} {each.problem.value}"
        for each in complaints(text)
    ]
