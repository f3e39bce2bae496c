"""An API token has one spelling, and is checked before any database is asked."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.security.tokens import _DIGITS, _spell, make_api_token, parse_api_token
from tests.security.vectors import KEY_BYTES

VECTOR = "jetpay_test_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2q8jGS"


def test_the_vector_of_the_design() -> None:
    assert _spell(KEY_BYTES, sandbox=True) == VECTOR
    assert parse_api_token(VECTOR) == hashlib.sha256(VECTOR.encode()).digest()


@pytest.mark.parametrize("sandbox", [True, False])
def test_a_new_token_is_well_formed(sandbox: bool) -> None:
    token = make_api_token(sandbox).reveal()
    assert len(token) == 61
    assert token.startswith("jetpay_test_" if sandbox else "jetpay_live_")
    assert parse_api_token(token) is not None
    assert make_api_token(sandbox).reveal() != token


@pytest.mark.parametrize("random", [bytes(32), b"\xff" * 32])
def test_the_ends_of_the_range_have_61_characters(random: bytes) -> None:
    token = _spell(random, sandbox=False)
    assert len(token) == 61
    assert parse_api_token(token) is not None


@given(position=st.integers(0, 60), character=st.sampled_from(_DIGITS + "_-é "))
def test_one_wrong_character_is_noticed(position: int, character: str) -> None:
    changed = VECTOR[:position] + character + VECTOR[position + 1 :]
    assert (parse_api_token(changed) is not None) == (changed == VECTOR)


@pytest.mark.parametrize(
    "text",
    ["", VECTOR[:-1], VECTOR + "0", VECTOR + "\n", VECTOR.upper(), VECTOR.replace("test", "live"),
     " " + VECTOR[:-1], VECTOR.replace("_", "-"), "x" * 61, "٣" * 61, "jetpay_test_" + "٣" * 49],
)  # fmt: skip
def test_another_spelling_is_refused(text: str) -> None:
    assert parse_api_token(text) is None
