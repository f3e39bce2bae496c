"""A sealed value opens only unchanged, at its own place, with its own key."""

import hashlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.security.sealed_files import CannotOpen
from jetpay.security.secrets import Secret
from jetpay.security.vault import key_number, open_with, place_of, seal_with
from tests.security.vectors import (
    COMPANY,
    CREDIT,
    OTHER_COMPANY,
    ROW,
    flipped,
    working_key,
)

KEY = working_key("seal")
PLACE = place_of(COMPANY, table="bank_account", column="details", row_key=ROW.bytes)
VALUE = {"account_number": "1000001"}
BLOB = seal_with(KEY, PLACE, VALUE, nonce=bytes(12))


def test_the_vector_of_the_design() -> None:
    assert len(BLOB) == 162
    expected = "76c582f9166800fb7b7f24073988890ae94d0b6cf63253e0d8716cf3771eb5c3"
    assert hashlib.sha256(BLOB).hexdigest() == expected
    assert open_with(KEY, PLACE, BLOB) == VALUE
    assert key_number(BLOB) == 1


@given(position=st.integers(0, 161), bits=st.integers(1, 255))
def test_no_byte_of_a_blob_can_be_changed(position: int, bits: int) -> None:
    with pytest.raises(CannotOpen):
        open_with(KEY, PLACE, flipped(BLOB, position, bits))


@pytest.mark.parametrize("length", [0, 1, 6, 18, 34, 161])
def test_a_cut_blob_is_refused(length: int) -> None:
    with pytest.raises(CannotOpen):
        open_with(KEY, PLACE, BLOB[:length])
    with pytest.raises(CannotOpen):
        open_with(KEY, PLACE, BLOB + b"\x00")


@pytest.mark.parametrize(
    "company, table, column, row_key",
    [
        (OTHER_COMPANY, "bank_account", "details", ROW.bytes),
        (COMPANY, "bank_accoun", "tdetails", ROW.bytes),
        (COMPANY, "payee_draft", "details", ROW.bytes),
        (COMPANY, "bank_account", "note", ROW.bytes),
        (COMPANY, "bank_account", "details", CREDIT.bytes),
        (COMPANY, "bank_account", "details", ROW.bytes + bytes(4)),
    ],
)
def test_a_blob_opens_at_no_other_place(
    company: UUID, table: str, column: str, row_key: bytes
) -> None:
    place = place_of(company, table=table, column=column, row_key=row_key)
    with pytest.raises(CannotOpen):
        open_with(KEY, place, BLOB)


def test_a_blob_opens_with_no_other_key() -> None:
    for other in (working_key("seal", 2), working_key("seal", 1, bytes(32))):
        with pytest.raises(CannotOpen):
            open_with(other, PLACE, BLOB)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_what_was_sealed_is_what_opens(value: dict[str, object]) -> None:
    blob = seal_with(KEY, PLACE, value, nonce=bytes(12))
    assert open_with(KEY, PLACE, blob) == value
    assert (len(blob) - 34) % 128 == 0


@pytest.mark.parametrize("length, sealed", [(0, 162), (101, 162), (105, 162), (106, 290)])
def test_a_blob_does_not_tell_how_long_its_value_is(length: int, sealed: int) -> None:
    # {"account_number":""} has 21 bytes, the length before it 4.
    value = {"account_number": "1" * (length - 2)} if length else {}
    assert len(seal_with(KEY, PLACE, value, nonce=bytes(12))) == sealed


def test_secrets_are_sealed_without_being_opened_by_the_caller() -> None:
    blob = seal_with(KEY, PLACE, {"a": [Secret("x")]}, nonce=bytes(12))
    assert open_with(KEY, PLACE, blob) == {"a": ["x"]}


@pytest.mark.parametrize(
    "value, error",
    [
        ({"a": b"seed"}, TypeError),
        ({"a": float("nan")}, ValueError),
        ({"a": "x" * 70_000}, ValueError),
    ],
)
def test_what_is_no_json_or_too_long_is_not_sealed(
    value: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error) as refused:
        seal_with(KEY, PLACE, value, nonce=bytes(12))
    assert "seed" not in str(refused.value)


@pytest.mark.parametrize("size", [0, 15, 17, 33])
def test_a_row_key_has_one_of_three_sizes(size: int) -> None:
    with pytest.raises(ValueError, match="16, 20 or 32"):
        place_of(COMPANY, table="a", column="b", row_key=bytes(size))
