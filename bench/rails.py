"""Measures the bank files: `python -m bench rails`, pure code on one core."""

import argparse
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from datetime import time as clock
from functools import partial
from typing import Final

from jetpay.rails import cpa005, nacha
from jetpay.rails.pain001 import CANADA, Order, Pain001, ReadPayment
from jetpay.rails.rail import Payment

CREATED: Final = date(2026, 5, 4)
VALUE: Final = date(2026, 5, 5)
PIECE: Final = 1 << 16
WANTED_WRITTEN, WANTED_READ = 50_000, 30_000
WANTED_ORDERED: Final = 20_000
ORDER: Final = Pain001("09", CANADA)


def main(arguments: list[str]) -> int:
    """Prints a row a measurement; 1 when one is below what is wanted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer payments")
    count = 30_000 if parser.parse_args(arguments).quick else 300_000
    print(f"{count:,} payments, CPU seconds of one process\n")
    files = {
        "CPA 005, 6 a record": partial(cpa005_file, 6),
        "CPA 005, 1 a record": partial(cpa005_file, 1),
        "NACHA": partial(nacha_file, note=""),
        "NACHA with a note each": partial(nacha_file, note="Payment 4711"),
    }
    enough = True
    for name, file in files.items():
        reader = cpa005.read if name.startswith("CPA") else nacha.read
        pieces: list[bytes] = []
        enough &= row(
            f"{name}, written", count, WANTED_WRITTEN, partial(write_all, file, count, pieces)
        )
        text = b"".join(pieces)
        enough &= row(f"{name}, read", count, WANTED_READ, partial(read_all, reader, text, count))
    pieces = []
    enough &= row(
        "pain.001, written", count, WANTED_ORDERED, partial(write_all, pain001_file, count, pieces)
    )
    text = b"".join(pieces)
    enough &= row("pain.001, read", count, WANTED_READ, partial(read_all, ORDER.read, text, count))
    return 0 if enough else 1


def row(name: str, count: int, wanted: int, work: Callable[[], object]) -> bool:
    began = time.process_time()
    work()
    rate = count / (time.process_time() - began)
    print(f"  {name:32} {rate:9,.0f}/s (wanted {wanted:,})")
    return rate >= wanted


def cpa005_file(segments: int, count: int) -> Iterator[bytes]:
    """From a payment's name and account to the bytes."""
    ways = cpa005.Ways(segments=segments)
    originator = cpa005.Originator(
        ways=ways,
        originator_id="PAYOUT0001",
        data_centre="00320",
        short_name="ACME CLAIMS",
        long_name="ACME CLAIMS INC",
        return_routing="000300002",
        return_account="1000001",
    )
    head = originator.head(number=42, created=CREATED)
    payments = (
        originator.payment(
            head,
            sequence=n,
            amount=100 + n,
            on=VALUE,
            routing="000412342",
            account=str(1_000_000 + n),
            name="Jane Doe-Smith",
            reference=f"CR{n:010}",
            long_name="Payment 4711",
        )
        for n in range(1, count + 1)
    )
    return cpa005.render(head, payments, ways)


def nacha_file(count: int, *, note: str) -> Iterator[bytes]:
    originator = nacha.Originator(
        destination=" 021000021",
        destination_name="BIG BANK",
        origin="1123456789",
        origin_name="ACME CLAIMS INC",
        company_name="ACME CLAIMS",
        company_id="1123456789",
        odfi="02100002",
    )
    entries = (
        originator.credit(
            sequence=n,
            amount=100 + n,
            routing="011401533",
            account=str(1_000_000 + n),
            account_type="checking",
            name="Jane Doe-Smith",
            reference=f"CR{n:010}",
            note=note,
        )
        for n in range(1, count + 1)
    )
    batch = originator.batch(sec="PPD", number=1, effective=VALUE)
    head = originator.head(created=CREATED, at=clock(9, 30))
    return nacha.render(head, [(batch, entries)], nacha.Ways())


def pain001_file(count: int) -> Iterator[bytes]:
    payments = (
        Payment(
            line=n,
            reference=f"CR{n:010}",
            amount=100 + n,
            holder_name="Jane Doe-Smith",
            statement="Payment 4711",
            scheme="ca",
            account_type="chequing",
            routing="000412342",
            account=str(1_000_000 + n),
        )
        for n in range(1, count + 1)
    )
    order = Order(
        message_id="M-20260504-0042",
        created_at=datetime(2026, 5, 4, 9, 30),  # noqa: DTZ001 - the bank's own wall clock
        execute_on=VALUE,
        count=count,
        total=100 * count + count * (count + 1) // 2,
        name="ACME CLAIMS INC",
        customer="PAYOUT0001",
        routing="000300002",
        account="1000001",
    )
    return ORDER.render(order, payments)


def write_all(file: Callable[[int], Iterator[bytes]], count: int, pieces: list[bytes]) -> None:
    pieces.extend(file(count))


def read_all(
    reader: Callable[[Iterator[bytes]], Iterator[object]], text: bytes, count: int
) -> None:
    pieces = (text[at : at + PIECE] for at in range(0, len(text), PIECE))
    found = sum(
        isinstance(part, cpa005.Found | nacha.Found | ReadPayment) for part in reader(pieces)
    )
    assert found == count, f"{found:,} of {count:,} were read"
