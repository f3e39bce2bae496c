"""Idempotency remembers keyed fingerprints of fields, and names the one that differs."""

import hmac
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.security.canonical_json import canonical_json
from jetpay.security.derivation import Mac, WorkingKey
from jetpay.security.fingerprints import RequestFingerprint, fingerprint, fingerprint_key
from jetpay.security.secrets import Secret
from tests.security.vectors import COMPANY, KEY_BYTES, OTHER_COMPANY, working_key

KEY = working_key("fingerprint", 4)
OPERATION = RequestFingerprint(["amount", "note", "security_answer", "account_number"])
REQUEST = {"amount": 10_000, "note": "a", "security_answer": Secret("x"), "account_number": "1"}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def numbered(number: int) -> WorkingKey:
    assert number == 4
    return KEY


def differing(changed: dict[str, object]) -> tuple[str, ...]:
    stored = OPERATION.pack(KEY, COMPANY, REQUEST)
    return OPERATION.differing(stored, COMPANY, REQUEST | changed, key_numbered=numbered)


@pytest.mark.parametrize(
    "value, spelled",
    [
        ("é\u2028\x7f", '"é\u2028\x7f"'),
        ('"\\/\b\f\n\r\t\x1f', '"\\"\\\\/\\b\\f\\n\\r\\t\\u001f"'),
        ({"b": 1, "a": [True, None, False, -5]}, '{"a":[true,null,false,-5],"b":1}'),
        ({}, "{}"),
        ((), "[]"),
        # RFC 8785, 3.2.3: by UTF-16 code units, so U+1F600 stands before U+FB33.
        (
            {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\u00f6": 7},
            '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
        ),
    ],
)
def test_canonical_json_has_one_spelling(value: object, spelled: str) -> None:
    assert canonical_json(value) == spelled.encode()


@given(values)
def test_canonical_json_is_json(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize(
    "value, error",
    [(1.5, TypeError), (2**53, ValueError), (b"a", TypeError), ({1: 2}, TypeError),
     ("seed\ud800", ValueError), (Secret("seed"), TypeError)],
)  # fmt: skip
def test_what_has_no_canonical_spelling_is_refused_unseen(
    value: object, error: type[Exception]
) -> None:
    with pytest.raises(error) as refused:
        canonical_json(value)
    assert "seed" not in repr(refused.value)


def test_a_fingerprint_depends_on_key_field_and_value() -> None:
    key = fingerprint_key(KEY, COMPANY)
    base = fingerprint(key, "note", "a")
    assert len(base) == 8
    assert fingerprint(key, "note", Secret("a")) == base
    at = datetime(2026, 1, 22, 10, 15, 30, tzinfo=UTC)
    assert fingerprint(key, "at", at) == fingerprint(key, "at", "2026-01-22T10:15:30.000000Z")
    assert fingerprint(key, "id", COMPANY) == fingerprint(key, "id", str(COMPANY))
    others = {
        fingerprint(key, "note", "b"),
        fingerprint(key, "not", "ea"),
        fingerprint(key, "note", ["a"]),
        fingerprint(fingerprint_key(KEY, OTHER_COMPANY), "note", "a"),
        fingerprint(Mac.under(KEY_BYTES), "note", "a"),
    }
    assert len(others) == 5
    assert base not in others


@pytest.mark.parametrize(
    "changed, names",
    [
        ({}, ()),
        ({"amount": 10_001}, ("amount",)),
        ({"amount": "10000"}, ("amount",)),
        ({"note": None}, ("note",)),
        ({"amount": 1, "note": "b"}, ("amount", "note")),
        ({"security_answer": Secret("y")}, ("secret fields",)),
        ({"account_number": "2", "security_answer": "y"}, ("secret fields",)),
        ({"security_answer": "1", "account_number": "x"}, ("secret fields",)),
        ({"something_else": 1}, ()),
    ],
)
def test_the_field_that_differs_is_named_and_secret_ones_only_together(
    changed: dict[str, object], names: tuple[str, ...]
) -> None:
    assert differing(changed) == names


def test_a_field_that_came_later_counts_as_absent_before() -> None:
    stored = RequestFingerprint(["amount"]).pack(KEY, COMPANY, {"amount": 1})
    later = RequestFingerprint(["amount", "note"])
    assert later.differing(stored, COMPANY, {"amount": 1}, key_numbered=numbered) == ()
    request = {"amount": 1, "note": "a"}
    assert later.differing(stored, COMPANY, request, key_numbered=numbered) == ("note",)


def test_what_is_stored_is_short_and_numbered() -> None:
    packed = OPERATION.pack(KEY, COMPANY, REQUEST)
    assert len(packed) == 1 + 3 * 8
    assert packed[0] == 4
    assert OPERATION.pack(KEY, OTHER_COMPANY, REQUEST)[1:9] != packed[1:9]


@given(key=st.binary(min_size=1, max_size=64), message=st.binary(max_size=300))
def test_a_mac_of_kept_states_is_hmac_sha_256(key: bytes, message: bytes) -> None:
    mac = Mac.under(key)
    assert mac.digest(message) == mac.digest(message) == hmac.digest(key, message, "sha256")
