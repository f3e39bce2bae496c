"""The sandbox's file: what is written is what is read, and no text starts another line."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.rails.fixed_width import CannotBeRead, Field, Record
from jetpay.rails.rail import CannotBeWritten, Head, Payment, fold_to_ascii
from jetpay.rails.sandbox import DETAIL, SandboxRail, read

RAIL = SandboxRail()
HEAD = Head(
    originator="5eadbeef",
    number=7,
    made_on=date(2026, 3, 2),
    value_date=date(2026, 3, 3),
    currency="CAD",
)


def payment(**changes: object) -> Payment:
    given_ = {
        "line": 1,
        "reference": "ABCDEFGHIJKL",
        "amount": 12_345,
        "holder_name": "Ana Tremblay",
        "statement": "Payment 4711",
        "scheme": "ca",
        "account_type": "chequing",
        "routing": "000300002",
        "account": "1000001",
    }
    return Payment(**given_ | changes)  # type: ignore[arg-type]


def render(*payments: Payment) -> bytes:
    return b"".join(RAIL.render(HEAD, payments))


GOLDEN = (
    b"HSANDBOX15eadbeef    0000072026030220260303CAD\n"
    b"D000001ABCDEFGHIJKL0000012345ca  0003000021000001                           C"
    b"Ana Tremblay                  Payment 4711                  \n"
    b"D000002ABCDEFGHIJKM9999999999ca  0004123420000000001                        S"
    b"Joelle OEuvre-Strasse         Noel                          \n"
    b"T0000020000010000012344\n"
)


def test_the_file_is_this_to_the_byte() -> None:
    second = payment(
        line=2,
        reference="ABCDEFGHIJKM",
        amount=9_999_999_999,
        holder_name="Joëlle Œuvre\u2013Straße",
        statement="Noël",
        account_type="savings",
        routing="000412342",
        account="0000000001",
    )
    assert render(payment(), second) == GOLDEN


def test_the_bank_reads_what_was_written() -> None:
    seen = read(GOLDEN)
    assert (seen.number, seen.value_date) == (7, date(2026, 3, 3))
    assert [entry.line for entry in seen.entries] == [1, 2]
    assert [entry.amount for entry in seen.entries] == [12_345, 9_999_999_999]
    assert [entry.account for entry in seen.entries] == ["1000001", "0000000001"]
    assert [entry.routing for entry in seen.entries] == ["000300002", "000412342"]


def test_a_file_may_be_empty() -> None:
    assert read(render()).entries == ()


TEXTS = st.text(max_size=80)


@given(TEXTS, TEXTS, st.integers(1, 9_999_999_999))
def test_no_text_changes_another_field_or_starts_another_line(
    holder: str, statement: str, amount: int
) -> None:
    one = payment(holder_name=holder, statement=statement, amount=amount)
    if not fold_to_ascii(holder):
        with pytest.raises(CannotBeWritten, match="holder_name"):
            render(one)
        return
    text = render(one)
    assert text.count(b"\n") == 3
    [entry] = read(text).entries
    assert (entry.amount, entry.account, entry.reference) == (amount, "1000001", "ABCDEFGHIJKL")


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"holder_name": "山田"}, "holder_name"),
        ({"holder_name": "  "}, "holder_name"),
        ({"scheme": "swift"}, "scheme"),
        ({"account": "1" * 35}, "account"),
        ({"account": "1\n"}, "account"),
        ({"amount": 10_000_000_000}, "amount"),
        ({"amount": -1}, "amount"),
        ({"line": 1_000_000}, "line"),
    ],
)
def test_what_does_not_fit_is_named_and_not_cut(changes: dict[str, object], field: str) -> None:
    with pytest.raises(CannotBeWritten) as refused:
        RAIL.check(payment(**changes))
    assert refused.value.field == field
    assert str(changes[field]) not in str(refused.value)


def test_an_account_number_is_not_in_a_payment_s_repr() -> None:
    assert "1000001" not in repr(payment())


@pytest.mark.parametrize(
    "text, folded",
    [
        ("Noël à Montréal", "Noel a Montreal"),
        ("Straße – Łódź", "Strasse - Lodz"),
        ("a\u00a0b\tc", "a b c"),
        ("山田 Taro", "Taro"),
        ("山田", ""),
        ("x" * 40, "x" * 30),
    ],
)
def test_a_statement_is_folded_as_the_bank_will_show_it(text: str, folded: str) -> None:
    assert RAIL.fold(text) == folded


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-1],
        lambda text: text + b"X",
        lambda _: b"",
        lambda text: text.replace(b"SANDBOX1", b"SANDBOX2"),
        lambda text: text.replace(b"D000001", b"D000003"),
        lambda text: text.replace(b"D000001", b"E000001"),
        lambda text: text.replace(b"0000012345ca", b"0000012346ca"),
        lambda text: text.replace(b"T000002", b"T000001"),
        lambda text: text.replace(b"0000012345ca", b"00000I2345ca"),
        lambda text: text.replace(b"20260303CAD", b"20260231CAD"),
        lambda text: text.replace(b"Ana", b"An\xff"),
        lambda text: text.replace(b"Ana ", b"Ana"),
    ],
)
def test_a_damaged_file_is_not_read(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(CannotBeRead):
        read(damage(GOLDEN))


def test_a_record_knows_its_tag_and_width() -> None:
    assert (DETAIL.tag, DETAIL.width) == ("D", 137)


def test_digits_take_digits_alone() -> None:
    record = Record((Field("record", 1, "constant", "X"), Field("count", 3, "digits")))
    assert record.render({"count": 7}) == b"X007\n"
    with pytest.raises(CannotBeWritten, match="count"):
        record.render({"count": "a"})
