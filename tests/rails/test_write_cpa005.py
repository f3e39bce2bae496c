"""CPA Standard 005 as it is written: to the byte, in each bank's way, and nothing that is cut."""

import hashlib
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice
from typing import Any

import pytest

from jetpay.rails.cpa005 import (
    BadOption,
    CannotBeWritten,
    Ways,
    check,
    number_after,
    read,
    render,
)
from jetpay.rails.cpa005_records import (
    CONTROL,
    HEADER,
    SEGMENT,
    TRAILER,
    WIDTH,
    read_day,
    write_day,
)
from tests.rails.cpa005_files import (
    CREATED,
    complaints,
    head,
    originator,
    payment,
    returned,
    two_payments,
    write,
)

PLAIN = originator()


def record(text: bytes, number: int) -> str:
    return text.decode("ascii").splitlines()[number - 1]


def part(text: bytes, line: int, first: int, last: int) -> str:
    """As positions of the standard, both included."""
    return record(text, line)[first - 1 : last]


@pytest.mark.parametrize(
    "line_end, size, digest",
    [
        ("crlf", 4398, "388fb4feb01a27cb620850228f11e9002ff6462a2b9942509e02e39d234c3e8b"),
        ("lf", 4395, "589dc1e0355c38255a558216ce35e6ed8be3df871846f16cdaf0982672305a87"),
    ],
)
def test_the_worked_example_is_this_to_the_byte(line_end: str, size: int, digest: str) -> None:
    by = originator(line_end=line_end)
    text = write(by, *two_payments(by))
    assert len(text) == size
    assert hashlib.sha256(text).hexdigest() == digest


def test_the_declared_fields_fill_a_record() -> None:
    assert CONTROL.width + HEADER.width == WIDTH
    assert CONTROL.width + 6 * SEGMENT.width == WIDTH
    assert CONTROL.width + TRAILER.width == WIDTH


def test_six_payments_fit_a_record_and_the_seventh_begins_another() -> None:
    by = originator()
    seven = [payment(by, reference=f"R{n}", amount=n) for n in range(1, 8)]
    text = write(by, *seven)
    lines = text.decode().split("\r\n")
    assert [line[:10] for line in lines] == [
        "A000000001",
        "C000000002",
        "C000000003",
        "Z000000004",
        "",
    ]
    assert {len(line) for line in lines[:-1]} == {WIDTH}
    assert lines[2][24 + 240 :].strip() == ""
    assert lines[3][24 + 22 : 24 + 44] == f"{28:014}{7:08}"


@pytest.mark.parametrize("segments", range(1, 7))
def test_a_record_has_as_many_segments_as_the_bank_wants(segments: int) -> None:
    by = originator(segments=segments)
    text = write(by, *(payment(by, reference=f"R{n}") for n in range(12)))
    assert text.count(b"\n") == 2 + -(-12 // segments)
    assert not complaints(text)


def test_another_type_begins_another_record_and_counts_apart() -> None:
    by = originator()
    credit = payment(by, amount=100)
    debit = payment(by, amount=20, type="D", reference="D1", code="700")._replace(code="701")
    text = write(
        by,
        credit,
        debit,
        returned(credit, "905"),
        returned(debit, "901"),
        credit._replace(type="E", amount=3),
        debit._replace(type="F", amount=4),
    )
    assert [line[0] for line in text.decode().splitlines()] == list("ACDIJEFZ")
    assert part(text, 8, 25, 112) == (f"{40:014}{2:08}{200:014}{2:08}{3:014}{1:08}{4:014}{1:08}")
    assert not complaints(text)


def test_a_file_of_one_kind_takes_no_other() -> None:
    by = originator(mixed=False)
    with pytest.raises(CannotBeWritten, match="type"):
        write(by, payment(by), payment(by, type="D", code="701"))


OPTIONS: list[tuple[dict[str, Any], int, int, int, str]] = [
    # option, line, first and last position, what stands there
    ({}, 1, 56, 58, "CAD"),
    ({"currency": "blank"}, 1, 56, 58, "   "),
    ({}, 2, 65, 86, "0" * 22),
    ({"trace": "blanks"}, 2, 65, 86, " " * 22),
    (
        {"trace": "full", "clearer_centre": "00320"},
        2,
        65,
        86,
        "0032" + "00320" + "0042" + "000000001",
    ),
    ({}, 2, 194, 214, "000300002" + "1000001     "),
    ({"returns_account": "none"}, 2, 194, 214, "0" * 9 + " " * 12),
    ({}, 2, 215, 229, " " * 15),
    ({"sundry": "000000000000000"}, 2, 215, 229, "0" * 15),
    ({}, 2, 252, 253, "  "),
    ({"settlement_code": "01"}, 2, 252, 253, "01"),
    ({}, 2, 254, 264, "0" * 11),
    ({"invalid_elements": "blanks"}, 2, 254, 264, " " * 11),
    ({}, 3, 69, 112, "0" * 44),
    ({"reversal_totals": "blanks"}, 3, 69, 112, " " * 44),
    ({}, 3, 113, 1464, " " * 1352),
    ({"trailer_filler": "zeros"}, 3, 113, 1464, "0" * 1352),
    ({}, 1, 1249, 1275, " " * 27),
    ({"settlement_area": True}, 1, 1249, 1275, "000101000300002" + "1000001     "),
]


@pytest.mark.parametrize("ways, line, first, last, expected", OPTIONS)
def test_an_option_changes_its_field(
    ways: dict[str, Any], line: int, first: int, last: int, expected: str
) -> None:
    by = originator(**ways)
    text = write(by, payment(by))
    assert part(text, line, first, last) == expected
    assert not complaints(text)


def test_reversals_are_counted_where_the_totals_of_none_are_blank() -> None:
    by = originator(reversal_totals="blanks")
    text = write(by, payment(by)._replace(type="E"))
    assert part(text, 3, 69, 112) == f"{123456:014}{1:08}" + " " * 22


def test_the_line_that_rbc_wants_stands_before_the_header() -> None:
    by = originator(
        routing_line="$$AA01CPA1464[PROD[NL$$", routing_line_in_test="$$AA01CPA1464[TEST[NL$$"
    )
    assert write(by, payment(by)).startswith(b"$$AA01CPA1464[PROD[NL$$\r\nA000000001")
    assert write(by, payment(by), is_test=True).startswith(b"$$AA01CPA1464[TEST[NL$$\r\nA")


@pytest.mark.parametrize("number", ["0000", "TEST"])
def test_a_test_has_a_number_of_its_own(number: str) -> None:
    by = originator(number_in_test=number)
    text = b"".join(render(head(by, is_test=True), [payment(by)], by.ways))
    assert [line[20:24] for line in text.decode().splitlines()] == [number] * 3


def test_the_last_line_end_is_left_out_where_the_bank_wants_none() -> None:
    by = originator(final_line_end=False)
    assert write(by, payment(by)) + b"\r\n" == write(PLAIN, payment(PLAIN))


def test_numbers_go_round() -> None:
    assert [number_after(n) for n in (1, 9_998, 9_999)] == [2, 9_999, 1]
    assert head(PLAIN, number=9_999).number == "9999"
    with pytest.raises(CannotBeWritten, match="number"):
        write(PLAIN, payment(PLAIN), number=10_000)


@pytest.mark.parametrize(
    "day, text",
    [
        (date(2025, 1, 1), "025001"),
        (date(2026, 5, 4), "026124"),
        (date(2028, 2, 29), "028060"),
        (date(2028, 12, 31), "028366"),
    ],
)
def test_a_day_is_the_year_and_its_day(day: date, text: str) -> None:
    assert write_day(day) == text
    assert read_day(text) == day


@pytest.mark.parametrize("text", ["026000", "026366", "028367", "126001"])
def test_no_such_day(text: str) -> None:
    assert read_day(text) is None


@pytest.mark.parametrize("day", [None, date(1999, 12, 31), date(2100, 1, 1)])
def test_a_day_of_another_century_is_not_written(day: date | None) -> None:
    with pytest.raises(CannotBeWritten, match="date"):
        write_day(day)


@pytest.mark.parametrize(
    "name, basic, strict",
    [
        ("José Núñez", "JOSE NUNEZ", "JOSE NUNEZ"),
        ("Émile Œuvré-Straße", "EMILE OEUVRE-STRASSE", "EMILE OEUVRE STRASSE"),
        ("O'Neil & Fils, 2/3 Inc.", "O'NEIL & FILS, 2/3 INC.", "O NEIL FILS 2 3 INC"),
        ("Zoë 🎉 Party", "ZOE PARTY", "ZOE PARTY"),
        ("a\r\nC000000003", "A C000000003", "A C000000003"),
        ("x" * 200, "X" * 30, "X" * 30),
        (
            "twenty-nine characters long..x",
            "TWENTY-NINE CHARACTERS LONG..X",
            "TWENTY NINE CHARACTERS LONG X",
        ),
        ("(c) @home #1", "C HOME 1", "C HOME 1"),
    ],
)
def test_names_are_folded_to_the_characters_of_the_bank(name: str, basic: str, strict: str) -> None:
    for characters, expected in (("basic", basic), ("strict", strict)):
        by = originator(characters=characters)
        text = write(by, payment(by, name=name))
        assert part(text, 2, 105, 134) == expected.ljust(30)
        assert text.count(b"\n") == 3
        assert not complaints(text)


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 10_000_000_000}, "amount"),
        ({"name": "山田"}, "name"),
        ({"name": ""}, "name"),
        ({"account": "1" * 13}, "account"),
        ({"account": "12-34"}, "account"),
        ({"account": "12 34"}, "account"),
        ({"account": ""}, "account"),
        ({"account": "١٢٣٤"}, "account"),
        ({"routing": "100412342"}, "routing"),
        ({"routing": "000012342"}, "routing"),
        ({"routing": "0004123420"}, "routing"),
        ({"routing": ""}, "routing"),
        ({"routing": "0004A2342"}, "routing"),
        ({"reference": ""}, "reference"),
        ({"reference": "R" * 20}, "reference"),
        ({"reference": "R\n"}, "reference"),
        ({"code": "199"}, "code"),
        ({"code": "701"}, "code"),  # debits alone
        ({"code": ""}, "code"),
        ({"type": "U"}, "type"),
        ({"on": CREATED + timedelta(days=31)}, "date"),
        ({"on": CREATED - timedelta(days=31)}, "date"),
        ({"sequence": 0, "on": date(2126, 5, 4)}, "date"),
    ],
)
def test_what_does_not_fit_is_named_and_not_cut(changes: dict[str, Any], field: str) -> None:
    item = payment(PLAIN, **changes)
    for refused in (
        lambda: check(head(PLAIN), item, PLAIN.ways),
        lambda: write(PLAIN, payment(PLAIN), item),
    ):
        with pytest.raises(CannotBeWritten) as caught:
            refused()
        assert caught.value.field == field


def test_an_item_without_a_day_is_not_written() -> None:
    with pytest.raises(CannotBeWritten, match="date"):
        write(PLAIN, payment(PLAIN)._replace(date=None))


def test_a_head_without_a_day_is_not_written() -> None:
    with pytest.raises(CannotBeWritten, match="date"):
        b"".join(render(replace(head(PLAIN), created=None), [payment(PLAIN)], PLAIN.ways))
    with pytest.raises(CannotBeWritten, match="date"):
        check(replace(head(PLAIN), created=None), payment(PLAIN), PLAIN.ways)


def test_a_file_without_items_is_not_written() -> None:
    with pytest.raises(CannotBeWritten, match="items"):
        write(PLAIN)


def test_a_bank_has_its_own_highest_amount_days_and_codes() -> None:
    by = originator(amount_maximum=100, days_ahead=0, days_back=173, codes_added=("999",))
    write(by, payment(by, amount=100, on=CREATED - timedelta(days=173), code="999"))
    for changes in ({"amount": 101}, {"amount": 1, "on": CREATED + timedelta(days=1)}):
        with pytest.raises(CannotBeWritten):
            write(by, payment(by, **{"on": CREATED} | changes))


@pytest.mark.parametrize(
    "option, value",
    [
        ("segments", 0),
        ("segments", 7),
        ("segments", True),
        ("trace", "none"),
        ("trace", "full"),  # without the clearer's centre
        ("clearer_centre", "00320"),  # without a full trace
        ("invalid_elements", ""),
        ("trailer_filler", "nines"),
        ("reversal_totals", "0"),
        ("returns_account", "yes"),
        ("currency", "CAD"),
        ("sundry", "é"),
        ("settlement_code", "1"),
        ("routing_line", "$$A\r\nC$$"),
        ("routing_line_in_test", "A000"),
        ("line_end", "cr"),
        ("characters", "utf-8"),
        ("number_in_test", "0001"),
        ("days_back", -1),
        ("days_ahead", 367),
        ("amount_maximum", 10_000_000_000),
        ("codes_added", ("45",)),
    ],
)
def test_a_bad_option_is_named(option: str, value: Any) -> None:
    with pytest.raises(BadOption) as caught:
        Ways(**{option: value})
    assert caught.value.option in {option, "clearer_centre"}


def test_a_million_payments_are_not_held() -> None:
    drawn = 0

    def endless() -> Any:
        nonlocal drawn
        while True:
            drawn += 1
            yield payment(PLAIN)

    list(islice(render(head(PLAIN), endless(), PLAIN.ways), 3))
    assert drawn <= 4 * 6
    first = next(iter(read(render(head(PLAIN), endless(), PLAIN.ways))))
    assert first == head(PLAIN)


def test_totals_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CannotBeWritten, match="credit_total"):
        TRAILER.write(0, 0, 10**14, 1, 0, 0, 0, 0, "")
    by = originator()
    most = payment(by, amount=9_999_999_999)
    assert not complaints(write(by, most, most._replace(reference="R2")))


def test_an_account_is_in_no_repr() -> None:
    by = originator(settlement_area=True)
    shown = f"{payment(by)!r}{head(by)!r}{by!r}"
    assert "1234567" not in shown
    assert "1000001" not in shown
