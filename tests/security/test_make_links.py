"""A payment link has one spelling, and only our key makes it."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.security.derivation import WorkingKey
from jetpay.security.links import VerifiedLink, check_link, make_link, read_link, verify_link
from tests.security.vectors import BASE64URL, COMPANY, CREDIT, OTHER_COMPANY, working_key

VECTOR = "AQderb7vAZgAAAAAcACAAAAAAAAAqgABx2pWK7fn8GuDTmbf3lMFg7RlQ0DV"
KEY = working_key("link", 7)
SHORT_ID = 0x5EADBEEF


class Keys:
    """A key ring of one key."""

    def usable(self, purpose: str, number: int) -> WorkingKey | None:
        assert purpose == "link"
        return KEY if number == KEY.number else None

    def active(self, purpose: str) -> WorkingKey:
        assert purpose == "link"
        return KEY


def check(text: str) -> VerifiedLink | None:
    return check_link(text, Keys(), {SHORT_ID: COMPANY}.get)


def test_the_vector_of_the_design() -> None:
    assert make_link(KEY, COMPANY, SHORT_ID, CREDIT, 1) == VECTOR
    assert check(VECTOR) == VerifiedLink(COMPANY, CREDIT, version=1, key_number=7)


@given(
    number=st.integers(1, 255),
    short_id=st.integers(0, 2**32 - 1),
    credit=st.uuids(),
    version=st.integers(1, 32_767),
)
def test_a_link_says_what_it_was_made_of(
    number: int, short_id: int, credit: UUID, version: int
) -> None:
    key = working_key("link", number)
    text = make_link(key, COMPANY, short_id, credit, version)
    assert len(text) == 60
    parts = read_link(text)
    assert parts is not None
    assert (parts.key_number, parts.short_id) == (number, short_id)
    assert (parts.credit_id, parts.version) == (credit, version)
    assert verify_link(parts, key, COMPANY)
    assert not verify_link(parts, key, OTHER_COMPANY)
    assert not verify_link(parts, working_key("link", number, bytes(32)), COMPANY)


@given(position=st.integers(0, 59), character=st.sampled_from(BASE64URL + "+/=. é"))
def test_one_wrong_character_is_refused(position: int, character: str) -> None:
    changed = VECTOR[:position] + character + VECTOR[position + 1 :]
    assert (check(changed) is not None) == (changed == VECTOR)


@pytest.mark.parametrize("tail", ["", "/", ".", ",", ")", ">", ").", ">,", "..."])
def test_what_mail_programs_append_is_tolerated(tail: str) -> None:
    assert check(VECTOR + tail) == check(VECTOR)


@pytest.mark.parametrize(
    "text",
    ["", VECTOR[:-1], VECTOR + "A", VECTOR + "//", VECTOR + "/.", VECTOR + "....", VECTOR + "=",
     VECTOR + "\n", "/" + VECTOR, VECTOR.lower(), VECTOR[:30], "A" * 60, "_" * 60, "é" * 60,
     VECTOR + "?"],
)  # fmt: skip
def test_another_spelling_is_refused(text: str) -> None:
    assert check(text) is None


@pytest.mark.parametrize(
    "short_id, number, version", [(1, 7, 1), (SHORT_ID, 8, 1), (SHORT_ID, 7, 0), (SHORT_ID, 0, 1)]
)
def test_unknown_companies_keys_and_versions_are_refused(
    short_id: int, number: int, version: int
) -> None:
    key = working_key("link", number)
    assert check(make_link(key, COMPANY, short_id, CREDIT, version)) is None


def test_an_unknown_company_costs_the_same_check(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []

    def watched(*arguments: object) -> bool:
        checked.append(arguments)
        return True

    monkeypatch.setattr("jetpay.security.links.verify_link", watched)
    assert check(make_link(KEY, COMPANY, 1, CREDIT, 1)) is None
    assert check(make_link(working_key("link", 9), COMPANY, SHORT_ID, CREDIT, 1)) is None
    assert len(checked) == 2


def test_a_link_of_a_later_format_is_not_ours() -> None:
    assert read_link("Ag" + VECTOR[2:]) is None
    assert read_link(make_link(KEY, COMPANY, 1, CREDIT, 40_000)) is None
