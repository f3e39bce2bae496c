"""Programs of others write the same CPA 005 file, and find nothing wrong with our NACHA files."""

import json
import os
import shutil
import subprocess
from itertools import groupby, islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from jetpay.rails.cpa005 import Item
from tests.rails import nacha_files
from tests.rails.cpa005_files import CREATED, complaints, originator, payment, write

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("eft_generator.mjs")
PACKAGE = Path("@cityssm/eft-generator/index.js")
CREDIT_COUNT, DEBIT_COUNT = slice(60, 68), slice(38, 46)


def eft_generator() -> Path:
    """Where `npm install @cityssm/eft-generator` put it: here, or in a folder of NODE_PATH."""
    places = [ROOT / "node_modules", *map(Path, os.environ.get("NODE_PATH", "").split(":"))]
    for place in places:
        if (place / PACKAGE).is_file() and shutil.which("node"):
            return place / PACKAGE
    pytest.skip("npm's @cityssm/eft-generator is not installed")


def payments(kinds: str, *, count: int) -> list[Item]:
    """Upper case, because the other program folds nothing."""
    by, random = originator(), Random(5)
    return [
        payment(
            by,
            type=kind,
            code="450" if kind == "C" else "701",
            sequence=n,
            amount=random.choice([1, 99, 123_456, random.randint(1, 9_999_999_998)]),
            on=CREATED.replace(day=random.randint(4, 28)),
            routing=f"0{random.randint(1, 999):03}{random.randint(0, 99_999):05}",
            account=str(random.randint(1, 10 ** random.randint(1, 12) - 1)),
            name=random.choice(["JANE DOE", "X", "A" * 30, "O'NEIL & FILS, 2/3 INC."]),
            reference=f"CR-{n:010}",
        )
        for n, kind in enumerate((kinds * count)[:count], 1)
    ]


def written_by_others(items: list[Item], *, segments: int) -> str:
    records: list[Any] = []
    for kind, same in groupby(items, key=lambda item: item.type):
        while together := list(islice(same, segments)):
            records.append({"recordType": kind, "segments": [segment(item) for item in together]})
    config = {
        "originatorId": "PAYOUT0001",
        "originatorShortName": "ACME CLAIMS",
        "originatorLongName": "ACME CLAIMS INC",
        "fileCreationNumber": "0042",
        "fileCreationDate": CREATED.isoformat(),
        "destinationDataCentre": "00320",
        "destinationCurrency": "CAD",
        "returnInstitutionNumber": "003",
        "returnTransitNumber": "00002",
        "returnAccountNumber": "1000001",
    }
    done = subprocess.run(
        ["node", str(SCRIPT), eft_generator().as_uri()],
        input=json.dumps({"config": config, "records": records}).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return done.stdout.decode()  # with its line ends


def segment(item: Item) -> dict[str, object]:
    assert item.date is not None
    return {
        "bankInstitutionNumber": item.routing[1:4],
        "bankTransitNumber": item.routing[4:],
        "bankAccountNumber": item.account,
        "cpaCode": int(item.code),
        "amount": item.amount / 100,
        "paymentDate": item.date.isoformat(),
        "payeeName": item.name,
        "crossReferenceNumber": item.reference,
    }


@pytest.mark.parametrize("kinds", ["C", "D", "CDDC"])
def test_another_writer_makes_the_same_file_of_one_segment_a_record(kinds: str) -> None:
    items = payments(kinds, count=60)
    ours = write(originator(segments=1, final_line_end=False), *items).decode()
    others = written_by_others(items, segments=1).split("\r\n")
    assert ours.split("\r\n") == others


def test_another_writer_makes_the_same_file_of_packed_records_but_counts_records() -> None:
    items = payments("CCCCCCCCD", count=60)
    ours = write(originator(final_line_end=False), *items).decode().split("\r\n")
    others = written_by_others(items, segments=6).split("\r\n")
    assert ours[:-1] == others[:-1]
    last = others[-1]
    assert (ours[-1][DEBIT_COUNT], ours[-1][CREDIT_COUNT]) == ("00000006", "00000054")
    assert ours[-1][:38] + last[DEBIT_COUNT] + ours[-1][46:60] + last[CREDIT_COUNT] == last[:68]
    assert ours[-1][68:] == last[68:]


def test_what_another_wrote_is_read() -> None:
    items = payments("CD", count=20)
    text = written_by_others(items, segments=1).encode()
    assert complaints(text) == []
    assert complaints(text.replace(b"\r\n", b"\n")) == []


def test_another_checker_finds_nothing_wrong_with_a_nacha_file() -> None:
    achkit = pytest.importorskip("achkit")
    random = Random(5)
    routings = ["021000021", "011401533", "091000019", "111000025", "231380104"]
    batches = [
        (
            nacha_files.batch(sec=sec, number=number),
            [
                nacha_files.credit(
                    sequence=n,
                    amount=random.randint(1, 9_999_999),
                    routing=random.choice(routings),
                    account_type=random.choice(["checking", "savings"]),
                    note="Claim 7" if n % 3 == 0 else "",
                )
                for n in range(1, 200)
            ],
        )
        for number, sec in enumerate(("PPD", "CCD", "PPD"), 1)
    ]
    text = nacha_files.write(*batches)
    assert achkit.validate(text.decode()) == {"ok": True, "errors": []}
    assert not achkit.validate(text.decode().replace("021000021", "021000012", 3))["ok"]
    parsed = achkit.parse(text.decode())
    assert [len(each["entries"]) for each in parsed["batches"]] == [199] * 3


def test_another_writer_s_nacha_file_is_read() -> None:
    achkit = pytest.importorskip("achkit")
    file = achkit.AchFile.create(
        origin_dfi="021000021", company_id="1123456789", origin_name="ACME", destination_name="BANK"
    )
    batch = file.batch("PPD", "PAYOUT", "2026-05-05")
    batch.credit("JANE DOE", "011401533", "123456789", 123_456, id_number="CR1", addenda="CLAIM 7")
    batch.credit("JOSE NUNEZ", "091000019", "00098765", 1, account_type="savings")
    text = file.render().encode()
    assert nacha_files.complaints(text) == []
    assert [each.amount for each in nacha_files.entries(text)] == [123_456, 1]
