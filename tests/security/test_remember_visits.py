"""A visit cookie shows which link was opened, for twelve hours, and nobody can make one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.security.visits import (
    make_session,
    make_visit,
    read_visit,
    session_digest,
    verify_visit,
    visit_cookie_name,
)
from tests.security.vectors import BASE64URL, COMPANY, CREDIT, OTHER_COMPANY, working_key

KEY = working_key("visit", 3)
AT = datetime(2026, 1, 22, 10, 15, tzinfo=UTC)
COOKIE = make_visit(KEY, COMPANY, short_id=0xFFFFFFFF, credit_id=CREDIT, version=2, at=AT)


def is_good(text: str, *, at: datetime = AT) -> bool:
    parts = read_visit(text)
    return parts is not None and verify_visit(parts, KEY, COMPANY, at=at)


def test_a_cookie_says_what_it_was_made_of() -> None:
    assert len(COOKIE) == 80
    parts = read_visit(COOKIE)
    assert parts is not None
    assert (parts.key_number, parts.short_id) == (3, 0xFFFFFFFF)
    assert (parts.credit_id, parts.version, parts.issued) == (CREDIT, 2, int(AT.timestamp()))
    assert verify_visit(parts, KEY, COMPANY, at=AT)
    assert not verify_visit(parts, KEY, OTHER_COMPANY, at=AT)
    assert not verify_visit(parts, working_key("visit", 3, bytes(32)), COMPANY, at=AT)


def test_two_visits_have_two_cookies() -> None:
    again = make_visit(KEY, COMPANY, short_id=1, credit_id=CREDIT, version=2, at=AT)
    other = make_visit(KEY, COMPANY, short_id=1, credit_id=CREDIT, version=2, at=AT)
    assert again != other


@pytest.mark.parametrize(
    "seconds, good",
    [(-61, False), (-60, True), (0, True), (43_199, True), (43_200, False), (10**8, False)],
)
def test_a_visit_lasts_twelve_hours(seconds: int, good: bool) -> None:
    assert is_good(COOKIE, at=AT + timedelta(seconds=seconds)) is good


@given(position=st.integers(0, 79), character=st.sampled_from(BASE64URL + "+/=é"))
def test_one_wrong_character_is_refused(position: int, character: str) -> None:
    changed = COOKIE[:position] + character + COOKIE[position + 1 :]
    assert is_good(changed) == (changed == COOKIE)


@pytest.mark.parametrize(
    "text",
    ["", COOKIE[:-1], COOKIE + "A", "Ag" + COOKIE[2:], "é" * 80],
    ids=["nothing", "shorter", "longer", "another format", "no base64"],
)
def test_another_spelling_is_refused(text: str) -> None:
    assert read_visit(text) is None


def test_cookies_have_the_host_prefix_except_on_plain_loopback() -> None:
    assert visit_cookie_name(CREDIT, secure=True) == "__Host-jetpay_pay_0000000000aa"
    assert visit_cookie_name(CREDIT, secure=False) == "jetpay_pay_0000000000aa"


def test_a_session_is_found_by_the_digest_of_its_random_bytes() -> None:
    session = make_session().reveal()
    assert len(session) == 46
    digest = session_digest(session)
    assert digest is not None
    assert len(digest) == 32
    assert session_digest(make_session().reveal()) != digest


@pytest.mark.parametrize("text", ["", "s1.", "s2." + "A" * 43, "s1." + "A" * 42, "s1." + "B" * 43,
                                  "S1." + "A" * 43, "s1." + "A" * 44, COOKIE],
                         ids=range(8))  # fmt: skip
def test_another_spelling_of_a_session_is_refused(text: str) -> None:
    assert session_digest(text) is None
