"""CPA Standard 005 as it is read: what can be read is given out, and the rest is complained of."""

import tracemalloc
from collections.abc import Callable

import pytest

from jetpay.rails import cpa005_reader, line_reader
from jetpay.rails.complaints import COMPLAINTS_MAXIMUM
from jetpay.rails.cpa005 import (
    Complaint,
    Found,
    Problem,
    Raw,
    read,
    return_code,
)
from jetpay.rails.cpa005_records import WIDTH
from jetpay.rails.fail_reasons import reason_for
from tests.rails.cpa005_files import (
    complaints,
    head,
    items,
    originator,
    payment,
    problems,
    returned,
    two_payments,
    write,
)

BY = originator()
TEXT = write(BY, *two_payments(BY))
END = 2


def changed(position: int, to: str, *, line: int = 1, text: bytes = TEXT) -> bytes:
    """The file with other characters from that position (from 1) of the line on."""
    at = (line - 1) * (WIDTH + END) + position - 1
    return text[:at] + to.encode() + text[at + len(to) :]


def test_what_was_written_is_read() -> None:
    first, second = two_payments(BY)
    assert list(read([TEXT])) == [head(BY), Found(2, 1, first), Found(2, 2, second)]


@pytest.mark.parametrize(
    "tolerated",
    [
        lambda text: text.replace(b"\r\n", b"\n"),
        lambda text: text[:-2],
        lambda text: text.replace(b"\r\n", b"\n")[:-1],
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text + b"\x1a",
        lambda text: b"\r\n".join(line.rstrip() for line in text.split(b"\r\n")),
        lambda text: changed(38, "      ", line=3, text=text)[: -WIDTH - 2] + text[-WIDTH - 2 :],
    ],
)
def test_what_banks_and_editors_do_to_a_file_is_tolerated(
    tolerated: Callable[[bytes], bytes],
) -> None:
    assert list(read([tolerated(TEXT)])) == list(read([TEXT]))


def test_blanks_in_a_field_of_digits_are_zero() -> None:
    by = originator(reversal_totals="blanks", trace="blanks")
    assert complaints(write(by, *two_payments(by))) == []
    assert problems(changed(87, "   ", line=2)) == []
    assert problems(changed(31, "     ", line=1)) == []
    assert problems(changed(25, " " * 22, line=3)) == []


def test_the_routing_line_is_read() -> None:
    by = originator(routing_line="$$AA01CPA1464[PROD[NL$$")
    found = list(read([write(by, payment(by))]))
    assert found == [head(by), Found(3, 1, payment(by))]
    assert problems(b"$$AA01\r\n" + TEXT) == ["1/-/routing_line not_a_code"]


@pytest.mark.parametrize("size", [1, 7, 1_463, 1_464, 1_465, 5_000])
def test_a_file_may_come_in_pieces_of_any_size(size: int) -> None:
    pieces = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    assert list(read(pieces)) == list(read([TEXT]))


TABLE: list[tuple[bytes, list[str]]] = [
    (b"", ["0/-/- no_trailer", "0/-/- no_items"]),
    (changed(1, "B"), ["1/-/- unknown_record", "2/-/count out_of_order", "2/-/- no_header"]),
    (changed(1, "c", line=2), ["2/-/- unknown_record"]),
    (changed(2, "000000002"), ["1/-/count out_of_order"]),
    (changed(10, "3", line=2), ["2/-/count out_of_order"]),
    (changed(10, "X", line=2), ["2/-/count not_digits"]),
    (changed(11, "P4YOUT", line=2), ["2/-/originator_id differs_from_header"]),
    (changed(24, "1", line=2), ["2/-/number differs_from_header"]),
    (changed(24, "1", line=3), ["3/-/number differs_from_header"]),
    (changed(25, "026366"), ["1/-/created not_a_day"]),
    (changed(25, "02X124"), ["1/-/created not_digits"]),
    (changed(31, "0032O"), ["1/-/data_centre not_digits"]),
    (changed(56, "EUR"), ["1/-/currency not_a_code"]),
    (changed(60, "X"), ["1/-/filler not_blank"]),
    (changed(1464, "X"), ["1/-/rest not_blank"]),
    (changed(25, "4A0", line=2), ["2/1/code not_digits"]),
    (changed(28, "0000000000", line=2), ["2/1/amount not_positive"]),
    (changed(28, "00001234.5", line=2), ["2/1/amount not_digits"]),
    (changed(38, "026366", line=2), ["2/1/date not_a_day"]),
    (changed(38, "02-124", line=2), ["2/1/date not_digits"]),
    (changed(44, "1", line=2), ["2/1/routing bad_routing"]),
    (changed(284, "000000000", line=2), ["2/2/routing bad_routing"]),
    (changed(293, "00-1234", line=2), ["2/2/account bad_account"]),
    (changed(293, " ", line=2), ["2/2/account bad_account"]),
    (changed(427, "1", line=2), ["2/2/reference duplicate"]),
    (changed(745, "X" * 9, line=2), ["2/4/- after_a_blank_segment"]),
    (changed(105, "JA\tE", line=2), ["2/1/name not_printable"]),
    (changed(39, "00000009", line=3), ["3/-/debit_count wrong_total"]),
    (changed(60, "8", line=3), ["3/-/credit_total wrong_total"]),
    (changed(68, "1", line=3), ["3/-/credit_count wrong_total"]),
    (changed(69, "1", line=3), ["3/-/e_total wrong_total"]),
    (changed(112, "1", line=3), ["3/-/f_count wrong_total"]),
    (changed(200, "0", line=3), ["3/-/filler not_blank"]),
    (changed(113, "9" * 1352, line=3), ["3/-/filler not_blank"]),
    (TEXT.replace(b"\r\n", b"\n", 1), ["2/-/- line_end", "3/-/- line_end"]),
    (TEXT.replace(b"\r\nZ", b" \r\nZ"), ["2/-/- too_long"]),
    (TEXT + b"\r\n", ["4/-/- unknown_record"]),
    (TEXT + TEXT[: WIDTH + 2], ["4/-/- out_of_place", "4/-/count out_of_order"]),
    (TEXT[: WIDTH + 2] + TEXT, ["2/-/- out_of_place"]),
    (TEXT[: 2 * WIDTH + 4], ["2/-/- no_trailer"]),
    (TEXT[WIDTH + 2 :], ["1/-/- no_header", "1/-/count out_of_order"]),
    (b"u" + TEXT, ["1/-/- too_long", "1/-/- unknown_record"]),
]  # fmt: skip


@pytest.mark.parametrize("text, expected", TABLE)
def test_what_is_wrong_is_told_with_its_place(text: bytes, expected: list[str]) -> None:
    told = problems(text)
    assert set(expected) <= set(told), told


def test_a_complaint_says_where_what_and_shows_no_more_than_it_may() -> None:
    [date_fault] = complaints(changed(38, "026366", line=2))
    assert date_fault == Complaint(
        line=2, problem=Problem.NOT_A_DAY, field="date", element="06", segment=1, column=38,
        value="026366",
    )  # fmt: skip
    assert str(date_fault) == "line 2, segment 1, date (06), column 38: not a day, '026366'"
    [account] = complaints(changed(293, "00-1234", line=2))
    assert (account.column, account.element, account.value) == (293, "08", "****234")
    [name] = complaints(changed(347, "\t", line=2))
    assert (name.field, name.column, name.value) == ("name", 347, "*******NEZ")
    [short] = complaints(changed(293, "-", line=2)[:])
    assert short.value == "****345"


def test_a_wrong_trailer_does_not_stop_the_returns_from_being_read() -> None:
    sent = two_payments(BY)
    back = [returned(sent[0], "905"), returned(sent[1], "912")]
    text = write(BY, *back)
    wrong = changed(47, "99999999999999", line=3, text=text)
    assert items(wrong) == back
    assert problems(wrong) == ["3/-/credit_total wrong_total"]


def test_a_payment_whose_amount_cannot_be_read_is_lost_aloud() -> None:
    wrong = changed(28, "00001234.5", line=2)
    assert [item.reference for item in items(wrong)] == ["CR-0000000002"]
    assert [each.lost for each in complaints(wrong)] == [False, True, False, False]


@pytest.mark.parametrize(
    "change, code, reason",
    [
        ({"code": "905"}, "905", "account_closed"),
        ({"code": "450", "stored_code": "902"}, "902", "account_not_found"),
        ({"code": "900", "invalid_elements": "08000000000"}, "900-08", "invalid_account"),
        ({"code": "900", "invalid_elements": "07080000000"}, "900-07", "invalid_institution"),
        ({"code": "900", "invalid_elements": "D2000000000"}, "900-D2", "invalid_institution"),
        ({"code": "900", "invalid_elements": "19000000000"}, "900-19", "rejected_by_bank"),
        ({"code": "900", "invalid_elements": ""}, "900", "rejected_by_bank"),
        ({"code": "923"}, "923", "unknown_return"),
    ],
)
def test_a_return_names_its_reason(change: dict[str, str], code: str, reason: str) -> None:
    back = returned(payment(BY), "905")._replace(**change)  # type: ignore[arg-type]
    [seen] = items(write(BY, back))
    assert seen == back
    assert return_code(seen) == code
    assert reason_for("cpa005", code).name == reason


def test_a_return_without_a_reason_is_complained_of_and_given_out() -> None:
    text = write(BY, returned(payment(BY), "905")).replace(b"905", b"450")
    assert problems(text) == ["2/1/code no_reason"]
    assert return_code(items(text)[0]) == ""


def test_names_in_other_alphabets_are_read_and_complained_of() -> None:
    for encoding in ("utf-8", "cp1252"):
        text = TEXT.replace(b"JANE DOE", "JÁNE DÖE".encode(encoding))
        assert items(text)[0].name == "JÁNE DÖE"
        assert problems(text) == ["2/1/name not_printable"]


@pytest.mark.parametrize("digit", ["²", "٣"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1256"])
def test_digits_of_other_scripts_are_none(digit: str, encoding: str) -> None:
    raw = digit.encode(encoding, "replace")
    told = problems(TEXT.replace(b"0000123456026125", b"000012345" + raw + b"026125"))
    assert "2/1/amount not_digits" in told
    assert [
        item.amount for item in items(TEXT.replace(b"000012345602", b"000012345" + raw + b"02"))
    ] == [1]


def test_a_notice_of_change_is_kept_for_a_person() -> None:
    text = b"U" + b"1" * 207 + b"\r\nS" + b"2" * 207 + b"\r\nV" + b"3" * 207 + b"\r\n"
    parts = list(read([text]))
    assert [part.text[0] for part in parts if isinstance(part, Raw)] == ["U", "S", "V"]
    assert {part.problem for part in parts if isinstance(part, Complaint)} == {Problem.FOR_A_PERSON}
    assert "2222" not in repr(parts)


def test_traces_that_were_filled_in_ascend() -> None:
    by = originator(trace="full", clearer_centre="00320")
    sent = two_payments(by)
    assert complaints(write(by, *sent)) == []
    assert problems(write(by, *reversed(sent))) == ["2/2/trace out_of_order"]


def test_records_that_changed_places_are_told() -> None:
    by = originator(segments=1)
    lines = write(by, *two_payments(by)).splitlines(keepends=True)
    swapped = b"".join([lines[0], lines[2], lines[1], lines[3]])
    assert problems(swapped)[0] == "2/-/count out_of_order"


@pytest.mark.parametrize("piece", [b"C" * 65_536, b"A" * 65_536 + b"\n", b"\n" * 65_536, TEXT])
def test_neither_long_lines_nor_many_complaints_are_held(piece: bytes) -> None:
    tracemalloc.start()
    parts = sum(not isinstance(part, Found) for part in read(piece for _ in range(2_000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert parts <= COMPLAINTS_MAXIMUM + 3  # the head, and twice that there are too many
    assert peak < 16 * 2**20, f"{peak:,} bytes at most"


def test_a_file_of_too_many_items_is_not_read_further(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (line_reader, cpa005_reader):
        monkeypatch.setattr(module, "ITEMS_MAXIMUM", 1)
    assert len(items(TEXT)) == 1
    [told] = complaints(TEXT)
    assert (told.problem, told.line) == (Problem.TOO_MANY, 2)
