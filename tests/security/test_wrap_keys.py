"""Root keys are spelled in one way, and wrap a key for one place only."""

import hashlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.security.encoding import INSTALLATION, b64url, lp, unb64url
from jetpay.security.rootkeys import (
    MAX_ROOT_KEYS,
    BadRootKey,
    CannotUnwrap,
    generate_root_key,
    named,
    parse_root_keys,
    unwrap,
    wrap,
)
from jetpay.security.secrets import Secret
from tests.security.vectors import BASE64URL, COMPANY, KEY_BYTES, flipped

SPELLING = "jk1_" + b64url(KEY_BYTES)
(ROOT,) = parse_root_keys(SPELLING)


def test_a_root_key_is_named_by_its_digest() -> None:
    assert ROOT.secret.reveal() == KEY_BYTES
    assert ROOT.fingerprint == hashlib.sha256(KEY_BYTES).digest()[:8]
    assert named([ROOT], ROOT.fingerprint) is ROOT
    assert named([ROOT], bytes(8)) is None


@pytest.mark.parametrize("separator", [",", " ", "\n", ", ", "\r\n\t"])
def test_root_keys_are_separated_by_commas_blanks_or_lines(separator: str) -> None:
    first, second = generate_root_key(), generate_root_key()
    keys = parse_root_keys(Secret(f"{separator}{first}{separator}{second}{separator}"))
    assert ["jk1_" + b64url(key.secret.reveal()) for key in keys] == [first, second]


@pytest.mark.parametrize(
    "text",
    ["", ",", SPELLING[:-1], SPELLING + "A", SPELLING.replace("jk1_", "jk2_"), SPELLING.upper(),
     SPELLING[4:], SPELLING[:-1] + "9", SPELLING.replace("A", "+"), SPELLING + "=",
     "jk1_" + "é" * 43, f"{SPELLING},{SPELLING}", f"{SPELLING} x"],
)  # fmt: skip
def test_anything_else_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(BadRootKey) as refused:
        parse_root_keys(text)
    assert not text or text not in str(refused.value) or len(text) < 2
    assert SPELLING[4:20] not in str(refused.value)


def test_there_is_a_limit_to_root_keys() -> None:
    keys = [generate_root_key() for _ in range(MAX_ROOT_KEYS + 1)]
    assert len(parse_root_keys(",".join(keys[:-1]))) == MAX_ROOT_KEYS
    with pytest.raises(BadRootKey):
        parse_root_keys(",".join(keys))


@given(key=st.binary(min_size=1, max_size=1300), number=st.integers(1, 2**32 - 1))
def test_a_wrapped_key_opens_at_its_place(key: bytes, number: int) -> None:
    wrapped = wrap(ROOT, COMPANY, "seal", number, key)
    assert len(wrapped) == len(key) + 37
    assert wrapped[:9] == b"\x01" + ROOT.fingerprint
    assert unwrap(ROOT, COMPANY, "seal", number, wrapped) == key


def test_a_wrapped_key_of_32_bytes_has_69_and_is_never_the_same() -> None:
    first = wrap(ROOT, COMPANY, "seal", 1, KEY_BYTES)
    assert len(first) == 69
    assert wrap(ROOT, COMPANY, "seal", 1, KEY_BYTES) != first


@pytest.mark.parametrize(
    "place", [(INSTALLATION, "seal", 1), (COMPANY, "link", 1), (COMPANY, "seal", 2)]
)
def test_a_wrapped_key_opens_at_no_other_place(place: tuple[UUID, str, int]) -> None:
    with pytest.raises(CannotUnwrap):
        unwrap(ROOT, *place, wrap(ROOT, COMPANY, "seal", 1, KEY_BYTES))


def test_a_wrapped_key_opens_with_no_other_root_key() -> None:
    (other,) = parse_root_keys(generate_root_key())
    with pytest.raises(CannotUnwrap):
        unwrap(other, COMPANY, "seal", 1, wrap(ROOT, COMPANY, "seal", 1, KEY_BYTES))


@given(position=st.integers(0, 68), bits=st.integers(1, 255))
def test_no_byte_of_a_wrapped_key_can_be_changed(position: int, bits: int) -> None:
    wrapped = flipped(wrap(ROOT, COMPANY, "seal", 1, KEY_BYTES), position, bits)
    with pytest.raises(CannotUnwrap):
        unwrap(ROOT, COMPANY, "seal", 1, wrapped)


@pytest.mark.parametrize("length", [0, 1, 9, 36, 37, 68])
def test_a_cut_wrapped_key_is_refused(length: int) -> None:
    with pytest.raises(CannotUnwrap):
        unwrap(ROOT, COMPANY, "seal", 1, wrap(ROOT, COMPANY, "seal", 1, KEY_BYTES)[:length])


@given(st.binary(max_size=60))
def test_base64url_has_one_spelling(data: bytes) -> None:
    text = b64url(data)
    assert unb64url(text, size=len(data)) == data
    assert unb64url(text, size=len(data) + 1) is None
    assert unb64url(text + "=", size=len(data)) is None
    for last in BASE64URL:
        if text and last != text[-1]:
            assert unb64url(text[:-1] + last, size=len(data)) != data


@given(st.lists(st.binary(max_size=300)), st.lists(st.binary(max_size=300)))
def test_lists_of_parts_never_run_together(one: list[bytes], other: list[bytes]) -> None:
    assert (b"".join(map(lp, one)) == b"".join(map(lp, other))) == (one == other)


def test_text_counts_as_its_bytes() -> None:
    assert lp("é") == b"\x00\x02\xc3\xa9"
