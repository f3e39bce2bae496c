"""NACHA files as they are read: what can be read is given out, and the rest is complained of."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jetpay.rails.complaints import COMPLAINTS_MAXIMUM
from jetpay.rails.fail_reasons import reason_for
from jetpay.rails.fixed_width import Record
from jetpay.rails.nacha import (
    Batch,
    Change,
    Complaint,
    Entry,
    FileHead,
    Found,
    Note,
    Part,
    Return,
    corrections,
    read,
    render,
)
from jetpay.rails.nacha_records import (
    BATCH_END,
    BATCH_HEAD,
    ENTRY,
    FILE_END,
    FILE_HEAD,
    NOTE,
    WIDTH,
)
from jetpay.rails.nacha_writer import Ways
from tests.rails.nacha_files import (
    HEAD,
    batch,
    complaints,
    credit,
    entries,
    problems,
    returned,
    two_credits,
    write,
)

TEXT = write((batch(), two_credits(note="Claim 7")))
"""Lines: head, batch, entry, note, entry, note, end of batch, end of file, two of nines."""


def changed(position: int, to: str, *, line: int = 1, text: bytes = TEXT) -> bytes:
    """The file with other characters from that position (from 1) of the line on."""
    at = (line - 1) * (WIDTH + 1) + position - 1
    return text[:at] + to.encode() + text[at + len(to) :]


def test_what_was_written_is_read() -> None:
    first, second = two_credits(note="Claim 7")
    assert list(read([TEXT])) == [HEAD, Found(3, batch(), first), Found(5, batch(), second)]


@pytest.mark.parametrize(
    "tolerated",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text[:-1],
        lambda text: text.replace(b"\n", b""),
        lambda text: text.replace(b"\n", b"") + b"\r\n",
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
        lambda text: text + b"\x1a",
        lambda text: b"\n".join(line.rstrip() for line in text.split(b"\n")),
    ],
)
@pytest.mark.parametrize("size", [1, 93, 94, 95, 10_000])
def test_what_banks_and_editors_do_to_a_file_is_tolerated(
    tolerated: Callable[[bytes], bytes], size: int
) -> None:
    text = tolerated(TEXT)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert list(read(pieces)) == list(read([TEXT]))


TABLE: list[tuple[bytes, list[str]]] = [
    (b"", ["0/- no_trailer", "0/- no_items"]),
    (changed(1, "X"), ["1/- unknown_record", "2/- no_header"]),
    (changed(2, "02"), ["1/priority not_a_code"]),
    (changed(24, "261304"), ["1/created not_a_day"]),
    (changed(30, "2400"), ["1/time not_a_day"]),
    (changed(34, "a"), ["1/modifier not_a_code"]),
    (changed(2, "221", line=2), ["2/service_class not_a_code", "3/code not_a_code"]),
    (changed(2, "225", line=2), ["3/code not_a_code", "7/service_class differs_from_header"]),
    (changed(41, "2", line=2), ["7/company_id differs_from_header"]),
    (changed(70, "260231", line=2), ["2/effective not_a_day"]),
    (changed(80, "9", line=2), ["3/trace differs_from_header", "7/odfi differs_from_header"]),
    (changed(94, "2", line=2), ["2/number out_of_order", "7/number differs_from_header"]),
    (changed(94, "X", line=2), ["2/number not_digits"]),
    (changed(1, "X", line=2), ["2/- unknown_record", "3/- out_of_place", "7/- out_of_place"]),
    (changed(2, "27", line=3), ["3/code not_a_code", "7/credits wrong_total"]),
    (changed(2, "23", line=3), ["3/amount not_zero"]),
    (changed(2, "21", line=3), ["3/has_addenda not_a_code"]),
    (changed(12, "4", line=3), ["3/routing bad_routing"]),
    (changed(13, " " * 17, line=3), ["3/account missing"]),
    (changed(30, "0000000000", line=3), ["3/amount not_positive", "7/credits wrong_total"]),
    (changed(30, "00001234.5", line=3), ["3/amount not_digits", "7/count wrong_total"]),
    (changed(79, "0", line=3), ["3/has_addenda not_a_code"]),
    (changed(79, "2", line=3), ["3/has_addenda not_a_code"]),
    (changed(94, "3", line=3), ["5/trace out_of_order", "4/entry out_of_order"]),
    (changed(2, "06", line=4), ["4/type not_a_code"]),
    (changed(87, "2", line=4), ["4/sequence out_of_order"]),
    (changed(94, "2", line=4), ["4/entry out_of_order"]),
    (changed(10, "5", line=7), ["7/count wrong_total"]),
    (changed(20, "5", line=7), ["7/hash wrong_total"]),
    (changed(32, "5", line=7), ["7/debits wrong_total"]),
    (changed(44, "5", line=7), ["7/credits wrong_total"]),
    (changed(60, "5", line=7), ["7/authentication not_blank"]),
    (changed(1, "X", line=7), ["7/- unknown_record", "8/- out_of_place"]),
    (changed(7, "2", line=8), ["8/batches wrong_total"]),
    (changed(13, "2", line=8), ["8/blocks wrong_total"]),
    (changed(31, "5", line=8), ["8/hash wrong_total"]),
    (changed(56, "5", line=8), ["8/blank not_blank"]),
    (changed(50, "8", line=9), ["9/- out_of_place"]),
    (TEXT[: -WIDTH - 1], ["9/filling too_short"]),
    (TEXT[: 7 * (WIDTH + 1)], ["7/- no_trailer"]),
    (TEXT + TEXT[WIDTH + 1 : 3 * (WIDTH + 1)], ["11/- out_of_place"]),
    (TEXT[: WIDTH + 1] + TEXT, ["2/- out_of_place"]),
    (write((batch(), two_credits()))[: 3 * 95] + TEXT[95:190], ["4/- out_of_place"]),
    (TEXT[: 95 * 2] + TEXT[95 * 6 :], ["3/- no_items"]),
    (TEXT[: 95 * 2] + TEXT[95 * 3 :], ["3/- out_of_place"]),
    (TEXT[: 95 * 6] + TEXT[95 * 7 :], ["7/- out_of_place"]),
]  # fmt: skip


@pytest.mark.parametrize("text, expected", TABLE)
def test_what_is_wrong_is_told_with_its_place(text: bytes, expected: list[str]) -> None:
    told = problems(text)
    assert set(expected) <= set(told), told


def test_a_sensitive_value_shows_its_end_alone() -> None:
    [told] = [each for each in complaints(changed(14, "\t", line=3)) if each.field == "account"]
    assert (told.column, told.value) == (14, "******789")


@pytest.mark.parametrize("digit", ["²", "٣"])
def test_digits_of_other_scripts_are_none(digit: str) -> None:
    assert "3/amount not_digits" in problems(
        TEXT.replace(b"0000123456", b"000012345" + digit.encode("utf-8"))
    )


def test_two_files_in_one_are_read_one_after_the_other() -> None:
    parts = list(read([TEXT + TEXT]))
    assert parts[: len(parts) // 2] == list(read([TEXT]))
    assert [type(part) for part in parts] == [FileHead, Found, Found] * 2


@pytest.mark.parametrize(
    "code, reason",
    [
        ("R02", "account_closed"),
        ("R03", "account_not_found"),
        ("R04", "invalid_account"),
        ("R23", "refused_by_payee"),
        ("R77", "unknown_return"),
    ],
)
def test_a_return_names_its_entry_and_its_reason(code: str, reason: str) -> None:
    sent = credit()
    back = returned(sent, code, information="see our letter")
    text = write((batch(), [back]))
    assert entries(text) == [back]
    assert complaints(text) == []
    [addendum] = entries(text)[0].addenda
    assert isinstance(addendum, Return)
    assert (addendum.original_trace, addendum.code) == (sent.trace, code)
    assert reason_for("nacha", addendum.code).name == reason


def test_a_return_without_a_code_is_complained_of() -> None:
    text = write((batch(), [returned(credit(), "X03")]))
    assert problems(text) == ["4/code not_a_code"]
    assert len(entries(text)) == 1


@pytest.mark.parametrize(
    "code, data, expected",
    [
        ("C01", "1918171614", {"account": "1918171614"}),
        ("C02", "091000019", {"routing": "091000019"}),
        ("C03", "091000019   1918171614", {"routing": "091000019", "account": "1918171614"}),
        ("C03", f"091000019{'1918171614':>20}", {"routing": "091000019", "account": "1918171614"}),
        ("C05", "32", {"code": "32"}),
        ("C06", f"{'1918171614':17}   32", {"account": "1918171614", "code": "32"}),
        ("C06", f"{'1918171614':27}32", {"account": "1918171614", "code": "32"}),
        ("C07", f"091000019{'1918171614':17} 32",
         {"routing": "091000019", "account": "1918171614", "code": "32"}),
        ("C07", f"091000019{'19181716141312111':17}32",
         {"routing": "091000019", "account": "19181716141312111", "code": "32"}),
        ("C09", "CR-1", {"individual_id": "CR-1"}),
        ("C02", "091000019 5", {"routing": "091000019 5"}),
        ("C03", "091000019", {}),
        ("C07", "091000019", {}),
        ("C13", "x", {}),
    ],
)  # fmt: skip
def test_a_change_says_what_to_correct(code: str, data: str, expected: dict[str, str]) -> None:
    sent = credit()
    change = Change(code, sent.trace, sent.routing[:8], data, sent.trace)
    told = sent._replace(code="21", amount=0, addenda=(change,))
    cor = replace(batch(), sec="COR", effective=None)
    text = write((batch(), [told])).replace(b"PPD", b"COR")
    assert entries(text) == [told]
    assert complaints(text) == []
    assert dict(corrections(change)) == expected
    assert cor.effective is None


def test_many_addenda_are_read_up_to_their_number() -> None:
    notes = tuple(Note(f"Line {n}") for n in range(1, 4))
    ctx = credit()._replace(addenda=notes)
    assert entries(write((batch(sec="CTX"), [ctx]))) == [ctx]


# ------------------------------------------------------------------------------- properties
TEXTS = st.text("ABCXYZ019 .,&/'-", max_size=80).map(str.rstrip)
ROUTINGS = st.sampled_from(["021000021", "011401533", "091000019", "111000025", "231380104"])


@st.composite
def any_entry(draw: st.DrawFn) -> Entry:
    note = draw(st.one_of(st.none(), TEXTS))
    return Entry(
        code=draw(st.sampled_from(["22", "32", "27", "37"])),
        routing=draw(ROUTINGS),
        account=draw(st.text("0123456789AZ-", min_size=1, max_size=17)),
        amount=draw(st.integers(1, 9_999_999_999)),
        individual_id=draw(TEXTS)[:15].rstrip(),
        name=draw(TEXTS)[:22].rstrip() or "X",
        trace="",
        discretionary=draw(st.sampled_from(["", "S", "01"])),
        addenda=() if note is None else (Note(note),),
    )


@given(
    st.lists(st.lists(any_entry(), min_size=1, max_size=8), min_size=1, max_size=4),
    st.sampled_from(["lf", "crlf"]),
    st.booleans(),
)
def test_whatever_is_written_is_read_back(sent: Any, end: Any, final: bool) -> None:
    batches = [
        (
            replace(batch(number=n), service_class="200"),
            [each._replace(trace=f"02100002{k:07}") for k, each in enumerate(some, 1)],
        )
        for n, some in enumerate(sent, 1)
    ]
    text = b"".join(render(HEAD, batches, Ways(line_end=end, final_line_end=final)))
    head, *found = list(read([text]))
    assert head == HEAD
    assert all(isinstance(part, Found) for part in found)
    seen = [
        (one, [each.entry for each in some])  # type: ignore[union-attr]
        for one, some in groupby(found, key=lambda part: part.batch)  # type: ignore[union-attr]
    ]
    assert seen == batches


@given(st.binary(max_size=1_500), st.integers(1, 2_000))
@example(b"1" * 94 + b"6" * 94, 10)
@example(b"\xef\xbb\xbf1\r\r\n\x1a", 1)
def test_no_bytes_crash_the_reader(text: bytes, size: int) -> None:
    list(read([text[at : at + size] for at in range(0, len(text), size)]))
    list(read([TEXT[: 2 * 95], text, TEXT[2 * 95 :]]))


@given(st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.integers(0, 255)), max_size=30))
def test_no_damage_crashes_the_reader(damage: list[tuple[int, int]]) -> None:
    text = bytearray(TEXT)
    for at, byte in damage:
        text[at] = byte
    assert all(isinstance(part, Part) for part in read([bytes(text)]))


@pytest.mark.parametrize(
    "piece", [b"6" * 65_536, b"1" * 65_536 + b"\n", b"\n" * 65_536, TEXT, b"5\n", b"705\n"]
)
def test_neither_long_lines_nor_many_complaints_are_held(piece: bytes) -> None:
    tracemalloc.start()
    others = sum(isinstance(part, Complaint) for part in read(piece for _ in range(1_500)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert others <= COMPLAINTS_MAXIMUM + 2
    assert peak < 8 * 2**20, f"{peak:,} bytes at most"


LINES: list[Record | None] = [
    FILE_HEAD, BATCH_HEAD, ENTRY, NOTE, ENTRY, NOTE, BATCH_END, FILE_END, None, None,
]  # fmt: skip
ALWAYS_TOLD = {"record", "priority", "record_size", "blocking", "format", "service_class"}
ALWAYS_TOLD |= {"company_id", "odfi", "number", "amount", "has_addenda", "trace", "type"}
ALWAYS_TOLD |= {"sequence", "entry"}


def judge(at: int, byte: int) -> None:
    """A changed byte is complained of, or is to be seen in its own field and in no other."""
    text = TEXT[:at] + bytes([byte]) + TEXT[at + 1 :]
    line, column = divmod(at, WIDTH + 1)
    record = LINES[line]
    told = complaints(text)
    seen = [part for part in read([text]) if not isinstance(part, Complaint)]
    if told:
        return
    assert record is not None, (at, byte)
    assert column < WIDTH, (at, byte)
    assert record not in {BATCH_END, FILE_END}, (at, byte)
    name = max(
        (each for each in record.starts if record.starts[each] <= column),
        key=lambda each: record.starts[each],
    )
    assert name not in ALWAYS_TOLD, (at, byte, name)
    expected = [part for part in read([TEXT]) if not isinstance(part, Complaint)]
    for one, other in zip(seen, expected, strict=True):
        differs = {
            (type(a).__name__, field)
            for a, b in pairs(one, other)
            for field in fields_of(a)
            if getattr(a, field) != getattr(b, field)
        }
        allowed = {(kind, name) for kind in ("FileHead", "Batch", "Entry", "Note")}
        assert differs <= allowed, (at, byte, differs)
    assert seen != expected, (at, byte)


def pairs(one: Any, other: Any) -> list[tuple[Any, Any]]:
    if isinstance(one, FileHead):
        return [(one, other)]
    notes = list(zip(one.entry.addenda, other.entry.addenda, strict=True))
    bare = (one.entry._replace(addenda=()), other.entry._replace(addenda=()))
    return [(one.batch, other.batch), bare, *notes]


def fields_of(thing: Any) -> list[str]:
    if isinstance(thing, FileHead | Batch):
        return list(thing.__dataclass_fields__)
    return list(thing._fields)


@settings(max_examples=1_500)
@given(st.integers(0, len(TEXT) - 1), st.integers(0, 255))
@example(WIDTH, 0x20)
@example(len(TEXT) - 1, 0x1A)
def test_a_changed_character_is_told_or_changes_its_field_alone(at: int, byte: int) -> None:
    if TEXT[at] != byte:
        judge(at, byte)


@pytest.mark.campaign
def test_every_changed_character_is_told_or_changes_its_field_alone() -> None:
    for at in range(len(TEXT)):
        for byte in set(range(256)) - {TEXT[at]}:
            judge(at, byte)
