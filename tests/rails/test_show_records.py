"""The tables of records, codes and options in docs/rails are those of the code."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jetpay.rails import cpa005, nacha
from jetpay.rails import cpa005_records as of_cpa005
from jetpay.rails import nacha_records as of_nacha
from jetpay.rails.complaints import Complaint, Problem
from jetpay.rails.fixed_width import Record

DOCS = Path(__file__).resolve().parents[2] / "docs" / "rails"
TYPES = {"constant": "constant", "digits": "N", "text": "AN"}
RECORDS = [
    ("cpa005.md", "Every record, positions 1-24", of_cpa005.CONTROL, 0),
    ("cpa005.md", "Record A, from position 25", of_cpa005.HEADER, 24),
    ("cpa005.md", "Records C, D, E, F, I, J: a segment", of_cpa005.SEGMENT, 24),
    ("cpa005.md", "Record Z, from position 25", of_cpa005.TRAILER, 24),
    ("nacha.md", "1 · File header", of_nacha.FILE_HEAD, 0),
    ("nacha.md", "5 · Batch header", of_nacha.BATCH_HEAD, 0),
    ("nacha.md", "6 · Entry", of_nacha.ENTRY, 0),
    ("nacha.md", "7 · Addenda 05, a note", of_nacha.NOTE, 0),
    ("nacha.md", "7 · Addenda 98, a notification of change", of_nacha.CHANGE, 0),
    ("nacha.md", "7 · Addenda 99, a return", of_nacha.RETURN, 0),
    ("nacha.md", "8 · Batch control", of_nacha.BATCH_END, 0),
    ("nacha.md", "9 · File control", of_nacha.FILE_END, 0),
]
CODES = [
    ("cpa005.md", "Transaction types", cpa005.TRANSACTION_CODES),
    ("cpa005.md", "Return reasons", cpa005.RETURN_CODES),
    ("nacha.md", "Return codes", nacha.RETURN_CODES),
    ("nacha.md", "Change codes", nacha.CHANGE_CODES),
]


def under(document: str, heading: str) -> list[str]:
    """The lines of the table under the heading."""
    _, found, after = (DOCS / document).read_text().partition(f"\n### {heading}\n")
    assert found, f"{document} has no heading {heading}"
    table, _, _ = after.lstrip("\n").partition("\n\n")
    return table.splitlines()


def record_rows(record: Record, offset: int) -> Iterator[str]:
    has_elements = any(each.element for each in record.fields)
    yield f"| {'# | ' if has_elements else ''}pos | len | type | field | content |"
    yield f"|{'---|' if has_elements else ''}---|---|---|---|---|"
    for each in record.fields:
        first = offset + record.starts[each.name] + 1
        last = first + each.width - 1
        place = str(first) if first == last else f"{first}-{last}"
        element = f"{each.element} | " if has_elements else ""
        blank = ", or blank" if each.may_be_blank else ""
        yield (
            f"| {element}{place} | {each.width} | {TYPES[each.kind]}{blank}"
            f" | `{each.name}` | {each.meaning} |"
        )


@pytest.mark.parametrize("document, heading, record, offset", RECORDS)
def test_a_record_is_shown_as_it_is(
    document: str, heading: str, record: Record, offset: int
) -> None:
    assert under(document, heading) == list(record_rows(record, offset))


@pytest.mark.parametrize("document, heading, codes", CODES)
def test_codes_are_shown_as_they_are(document: str, heading: str, codes: dict[str, str]) -> None:
    rows = [f"| {code} | {meaning} |" for code, meaning in codes.items()]
    assert under(document, heading) == ["| code | meaning |", "|---|---|", *rows]


def test_a_complaint_is_a_sentence() -> None:
    whole = Complaint(line=3, problem=Problem.NO_TRAILER)
    assert str(whole) == "line 3: no trailer"
    part = Complaint(line=3, problem=Problem.WRONG_TOTAL, field="hash", value="1")
    assert str(part) == "line 3, hash: wrong total, '1'"


@pytest.mark.parametrize("document", ["cpa005.md", "nacha.md"])
def test_the_example_runs_and_prints_what_it_says(
    document: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (DOCS / document).read_text()
    _, _, example = text.partition("```python\n")
    example, _, _ = example.partition("```")
    exec(compile(example, document, "exec"), {})  # noqa: S102 - our own document
    printed = capsys.readouterr().out.strip()
    assert printed
    if document == "cpa005.md":
        assert f"It prints `{printed}`" in text
