"""NACHA files as they are written: to the byte, and nothing that is cut or that no bank takes."""

import hashlib
from dataclasses import replace
from datetime import date
from itertools import count, islice
from typing import Any

import pytest

from jetpay.rails.nacha import CannotBeWritten, Change, Note, Ways, check, modifier_after, render
from jetpay.rails.nacha_records import (
    BATCH_END,
    BATCH_HEAD,
    CHANGE,
    ENTRY,
    FILE_END,
    FILE_HEAD,
    NOTE,
    RETURN,
    WIDTH,
    write_day,
)
from tests.rails.nacha_files import (
    BY,
    HEAD,
    batch,
    complaints,
    credit,
    returned,
    two_credits,
    write,
)


def test_the_worked_example_is_this_to_the_byte() -> None:
    text = write((batch(), two_credits()))
    assert len(text) == 950
    assert (
        hashlib.sha256(text).hexdigest()
        == "3990991658323154b915280783c6cfe14fba69fec931919c4114040c9ecdb229"
    )


@pytest.mark.parametrize(
    "record", [FILE_HEAD, BATCH_HEAD, ENTRY, NOTE, CHANGE, RETURN, BATCH_END, FILE_END]
)
def test_the_declared_fields_fill_a_record(record: Any) -> None:
    assert record.width == WIDTH


def test_persons_and_businesses_stand_in_batches_of_their_own() -> None:
    text = write((batch(), two_credits()), (batch(sec="CCD", number=2), [credit(note="Claim 7")]))
    lines = text.decode().splitlines()
    assert [line[0] for line in lines] == list("1566856789")
    assert lines[7] == "705" + "CLAIM 7".ljust(80) + "0001" + "0000001"
    assert (lines[2][78], lines[6][78]) == ("0", "1")
    assert lines[9][:55] == f"9{2:06}{1:06}{4:08}{(2 * 1140153 + 9100001):010}{0:012}{246913:012}"
    assert complaints(text) == []


@pytest.mark.parametrize("entries, lines", [(1, 10), (6, 10), (7, 20), (16, 20)])
def test_nines_fill_the_last_block(entries: int, lines: int) -> None:
    text = write((batch(), [credit(sequence=n) for n in range(1, entries + 1)]))
    assert text.count(b"\n") == lines
    assert text.count(b"9" * WIDTH) == lines - 4 - entries


def test_the_hash_keeps_its_last_ten_digits() -> None:
    many = 2_000
    text = write((batch(), [credit(sequence=n, routing="091000019") for n in range(1, many + 1)]))
    hashed = 9_100_001 * many % 10**10
    assert text.decode().splitlines()[many + 2][10:20] == f"{hashed:010}"
    assert complaints(text) == []


@pytest.mark.parametrize("line_end, end", [("lf", b"\n"), ("crlf", b"\r\n")])
def test_lines_end_as_the_bank_wants(line_end: Any, end: bytes) -> None:
    text = write((batch(), [credit()]), ways=Ways(line_end=line_end, final_line_end=False))
    assert text.count(end) == 9
    assert text.endswith(b"9")
    assert complaints(text) == []


def test_a_prenote_moves_no_money() -> None:
    notes = [
        credit(amount=0, is_prenote=True),
        credit(sequence=2, amount=0, is_prenote=True, account_type="savings"),
    ]
    assert [each.code for each in notes] == ["23", "33"]
    assert complaints(write((batch(), notes))) == []


@pytest.mark.parametrize(
    "name, expected",
    [
        ("José Núñez", "JOSE NUNEZ"),
        ("Zoë 🎉 Œuvré", "ZOE OEUVRE"),
        ("x" * 200, "X" * 22),
        ("a\r\n9000001", "A 9000001"),
    ],
)
def test_names_are_folded_and_cut(name: str, expected: str) -> None:
    text = write((batch(), [credit(name=name)]))
    assert text.decode().splitlines()[2][54:76] == expected.ljust(22)
    assert text.count(b"\n") == 10


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 10_000_000_000}, "amount"),
        ({"amount": 1, "is_prenote": True}, "amount"),
        ({"name": "山田"}, "name"),
        ({"account": ""}, "account"),
        ({"account": "1" * 18}, "account"),
        ({"routing": "123456789"}, "routing"),
        ({"routing": "112000025"}, "routing"),
        ({"routing": "000000000"}, "routing"),
        ({"routing": "01140153"}, "routing"),
        ({"routing": ""}, "routing"),
        ({"reference": "R" * 16}, "individual_id"),
        ({"reference": "R\n"}, "individual_id"),
        ({"sequence": 10_000_000}, "trace"),
    ],
)
def test_what_does_not_fit_is_named_and_not_cut(changes: dict[str, Any], field: str) -> None:
    for refused in (
        lambda: check(batch(), credit(**changes)),
        lambda: write((batch(), [credit(**changes)])),
    ):
        with pytest.raises(CannotBeWritten) as caught:
            refused()
        assert caught.value.field == field


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"code": "27"}, "code"),  # a debit in a batch of credits
        ({"code": "99"}, "code"),
        ({"code": "21"}, "has_addenda"),  # sent back, without a reason
        ({"addenda": (Change("C01", "0" * 15, "0" * 8, "1", "0" * 15),)}, "has_addenda"),
        ({"addenda": (Note("a"), Note("b"))}, "addenda"),
        ({"trace": "021000030000001"}, "trace"),
    ],
)
def test_what_no_bank_takes_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(CannotBeWritten, match=field):
        check(batch(), credit()._replace(**changes))


def test_entries_ascend_and_batches_are_counted() -> None:
    with pytest.raises(CannotBeWritten, match="trace"):
        write((batch(), [credit(), credit()]))
    with pytest.raises(CannotBeWritten, match="number"):
        write((batch(number=2), [credit()]))


def test_nothing_empty_is_written() -> None:
    with pytest.raises(CannotBeWritten, match="entries"):
        write()
    with pytest.raises(CannotBeWritten, match="entries"):
        write((batch(), []))


def test_heads_are_written_only_when_they_are_right() -> None:
    with pytest.raises(CannotBeWritten, match="service_class"):
        write((replace(batch(), service_class="999"), [credit()]))
    for day in (None, date(1999, 1, 1), date(2100, 1, 1)):
        with pytest.raises(CannotBeWritten, match="effective"):
            write_day(day, "effective")


def test_a_file_s_modifier_goes_from_a_to_9() -> None:
    seen = ["A"]
    for _ in range(35):
        seen.append(modifier_after(seen[-1]))
    assert "".join(seen) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    with pytest.raises(CannotBeWritten, match="modifier"):
        modifier_after("9")


def test_a_million_entries_are_not_held() -> None:
    drawn = count(1)
    endless = (credit(sequence=n) for n in drawn)
    list(islice(render(HEAD, [(batch(), endless)], Ways()), 10))
    assert next(drawn) < 15


def test_a_returned_entry_is_written_as_a_bank_does() -> None:
    text = write((batch(), [returned(credit(), "R03")]))
    line = text.decode().splitlines()[3]
    assert line == ("799R03021000020000001      01140153" + " " * 44 + "021000020000001")


def test_an_account_is_in_no_repr() -> None:
    assert "123456789" not in repr(credit())
    change = Change("C01", "021000020000001", "01140153", "123456789", "021000020000001")
    assert "123456789" not in repr(change)
    assert BY.odfi in repr(BY)
