"""CPA Standard 005 under any content and any change: read back, or complained of, never a crash."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jetpay.rails.cpa005 import Complaint, Found, Head, Item, Part, read, render
from jetpay.rails.cpa005_records import CONTROL, DETAILS, HEADER, SEGMENT, TRAILER, WIDTH
from jetpay.rails.fixed_width import Record
from tests.rails.cpa005_files import CREATED, complaints, originator, two_payments, write

BY = originator()
TEXT = write(BY, *two_payments(BY))
END = 2

TEXTS = st.text("ABCXYZ019 .,&/'-", max_size=30).map(str.rstrip)
DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))


@st.composite
def any_item(draw: st.DrawFn) -> Item:
    """What some bank might write, whether or not a company may."""
    letter = draw(st.sampled_from(DETAILS))
    reason = draw(st.sampled_from(["450", "901", "999", "700"]))
    digits = st.integers(0, 9)
    return Item(
        type=letter,
        code=reason if letter not in "CD" else "450",
        amount=draw(st.integers(1 if letter in "CD" else 0, 9_999_999_999)),
        date=CREATED,
        routing=f"0{draw(st.integers(1, 999)):03}{draw(st.integers(0, 99_999)):05}",
        account=draw(st.text("0123456789AZ", min_size=1, max_size=12)),
        trace=draw(st.sampled_from(["", "0" * 22])) if letter in "CD" else f"{draw(digits):022}",
        stored_code="900" if letter in "IJ" else "000",
        short_name=draw(TEXTS)[:15].rstrip(),
        name=draw(TEXTS) or "X",
        long_name=draw(TEXTS),
        user_id=draw(TEXTS)[:10].rstrip(),
        reference=draw(st.uuids()).hex[:19].upper(),
        return_routing=draw(st.sampled_from(["", "0" * 9, "000300002"])),
        return_account=draw(TEXTS)[:12].rstrip(),
        sundry=draw(TEXTS)[:15].rstrip(),
        original_trace=draw(TEXTS)[:22].rstrip() if letter not in "CD" else "",
        settlement_code=draw(st.sampled_from(["", "01"])),
        invalid_elements=draw(st.sampled_from(["", "0" * 11, "0708D200000"])),
    )


@st.composite
def any_head(draw: st.DrawFn) -> Head:
    return Head(
        originator_id=draw(st.text("ABC019", min_size=1, max_size=10)),
        number=draw(st.one_of(st.just("TEST"), st.integers(0, 9_999).map("{:04}".format))),
        created=CREATED,
        data_centre=f"{draw(st.integers(0, 99_999)):05}",
        currency=draw(st.sampled_from(["CAD", "USD", ""])),
        communication=draw(TEXTS)[:20].rstrip(),
        routing_line=draw(st.sampled_from(["", "$$AA01CPA1464[PROD[NL$$"])),
    )


@given(any_head(), st.lists(any_item(), min_size=1, max_size=20), st.data())
def test_whatever_is_written_is_read_back(given_: Head, sent: list[Item], data: Any) -> None:
    ways = originator(
        segments=data.draw(st.integers(1, 6)),
        line_end=data.draw(st.sampled_from(["crlf", "lf"])),
        final_line_end=data.draw(st.booleans()),
        trailer_filler=data.draw(st.sampled_from(["zeros", "blanks"])),
        reversal_totals=data.draw(st.sampled_from(["zeros", "blanks"])),
    ).ways
    parts = list(read([b"".join(render(given_, sent, ways))]))
    assert parts[0] == given_
    assert [part.item for part in parts if isinstance(part, Found)] == sent
    assert not [part for part in parts if isinstance(part, Complaint)]


@given(st.binary(max_size=4_000), st.integers(1, 5_000))
@example(b"U", 1)
@example(b"A" + b" " * 9_000 + b"\nC", 100)
@example(b"\xef\xbb\xbf$$\r\r\n\x1a", 1)
def test_no_bytes_crash_the_reader(text: bytes, size: int) -> None:
    list(read([text[at : at + size] for at in range(0, len(text), size)]))
    # Bytes that look more like a file reach further.
    list(read([TEXT[: WIDTH + 2], text, TEXT[WIDTH + 2 :]]))


@given(st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.integers(0, 255)), max_size=40))
def test_no_damage_crashes_the_reader(damage: list[tuple[int, int]]) -> None:
    text = bytearray(TEXT)
    for at, byte in damage:
        text[at] = byte
    assert all(isinstance(part, Part) for part in read([bytes(text)]))


def place_of(at: int) -> tuple[int, int, str]:
    """Line, segment and field of a byte of `TEXT`; no field for a line's end."""
    line, column = divmod(at, WIDTH + END)
    if column >= WIDTH:
        return line + 1, 0, ""
    if column < CONTROL.width:
        return line + 1, 0, field_at(CONTROL, column)
    if line == 1:
        segment, within = divmod(column - CONTROL.width, SEGMENT.width)
        return line + 1, segment + 1, field_at(SEGMENT, within)
    return line + 1, 0, field_at(HEADER if line == 0 else TRAILER, column - CONTROL.width)


def field_at(record: Record, column: int) -> str:
    return max((name for name in record.starts if record.starts[name] <= column),
               key=lambda name: record.starts[name])  # fmt: skip


ALWAYS_TOLD = {"", "record", "count", "originator_id", "number", "amount", "filler", "rest"}
ALWAYS_TOLD |= {each.name for each in TRAILER.fields}


def judge(at: int, byte: int) -> None:
    """A changed byte is complained of, or is to be seen in its own field and in no other."""
    text = TEXT[:at] + bytes([byte]) + TEXT[at + 1 :]
    line, segment, name = place_of(at)
    told = complaints(text)
    seen = [part for part in read([text]) if not isinstance(part, Complaint)]
    if told:
        assert any(each.line in {line, line + 1, 3} for each in told), (at, byte)
        return
    assert name not in ALWAYS_TOLD, (at, byte)
    expected = list(read([TEXT]))
    if line == 1:
        assert isinstance(seen[0], Head)
        value = getattr(seen[0], name)
        assert isinstance(expected[0], Head)
        assert value != getattr(expected[0], name)
        expected[0] = replace(expected[0], **{name: value})
    else:
        found = seen[segment]
        assert isinstance(found, Found)
        value = getattr(found.item, name)
        before = expected[segment]
        assert isinstance(before, Found)
        assert value != getattr(before.item, name)
        expected[segment] = before._replace(item=before.item._replace(**{name: value}))
    assert seen == expected


@settings(max_examples=1_500)
@given(st.integers(0, len(TEXT) - 1), st.integers(0, 255))
@example(WIDTH, 0x20)
@example(WIDTH + 1, 0x0D)
@example(len(TEXT) - 1, 0x1A)
@example(2 * WIDTH + 3, 0x0A)
def test_a_changed_character_is_told_or_changes_its_field_alone(at: int, byte: int) -> None:
    if TEXT[at] != byte:
        judge(at, byte)


@pytest.mark.campaign
def test_every_changed_character_is_told_or_changes_its_field_alone() -> None:
    for at in range(len(TEXT)):
        for byte in {*b"\r\n\x1a\x00 019AXacz~-\x7f\xe9", TEXT[at] ^ 1} - {TEXT[at]}:
            judge(at, byte)
