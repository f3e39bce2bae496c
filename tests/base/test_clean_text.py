"""There is one rule for text: trimmed, composed, and nothing in it that cannot be seen."""

import sys
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jetpay.base.text import TextProblem, clean, mask

REFUSED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ZWJ, ZWNJ, VIRAMA = "\u200d", "\u200c", "\u0dca"
# Hypothesis seldom makes the characters that the rule is about.
TEXTS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            " \t\r\n\u00a0\u2028\x1f\u200c\u200d\u202ee\u0301a\u1100\u1161\u0dca\u0dbb"
        ),
    )
)


def problem_of(
    sent: str, *, minimum: int = 0, maximum: int = 30, multiline: bool = False
) -> TextProblem | None:
    try:
        clean(sent, minimum=minimum, maximum=maximum, multiline=multiline)
    except TextProblem as problem:
        return problem
    return None


@pytest.mark.parametrize(
    "sent, cleaned",
    [
        ("Rent", "Rent"),
        ("", ""),
        ("   ", ""),
        (" \t\r\n\u00a0\u3000Rent\u2003\r\n", "Rent"),
        ("Loyer d\u00e9cembre", "Loyer d\u00e9cembre"),
        ("Loyer de\u0301cembre", "Loyer d\u00e9cembre"),
        ("Prix\u00a0: 10\u202f$", "Prix\u00a0: 10\u202f$"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("👍", "👍"),
        (f"a{ZWNJ}b", f"a{ZWNJ}b"),
        (f"\u0dc1{VIRAMA}{ZWJ}\u0dbb\u0dd3", f"\u0dc1{VIRAMA}{ZWJ}\u0dbb\u0dd3"),
    ],
)
def test_what_can_be_seen_is_trimmed_and_composed(sent: str, cleaned: str) -> None:
    assert clean(sent, maximum=30) == cleaned


@pytest.mark.parametrize(
    "sent, position",
    [
        ("a\x00b", 1),
        ("\x00", 0),
        ("a\tb", 1),
        ("  a\nb", 3),
        ("a\rb", 1),
        ("ab\x7f", 2),
        ("ab\x85", 2),
        ("ab\x1f", 2),
        ("ab\u2028", 2),
        ("\u2029ab", 0),
        ("a\u202eb", 1),
        ("a\u2066b", 1),
        ("a\u200bb", 1),
        ("a\u00adb", 1),
        ("\ufeffa", 0),
        ("é\ud800", 1),
        ("é\ue000", 1),
        ("é\uffff", 1),
        ("é\U000e0041", 1),
        ("e\u0301e\u0301\x00", 4),
        (f"{ZWJ}a", 0),
        (f"a{ZWJ}", 1),
        (f"a{ZWJ} b", 1),
        (f"a{ZWJ}{ZWJ}b", 1),
        (f"1{ZWNJ}a", 1),
        (f"👨{ZWJ}👩", 1),
    ],
)
@pytest.mark.parametrize("multiline", [False, True])
def test_what_cannot_be_seen_is_refused_with_its_place(
    sent: str, position: int, multiline: bool
) -> None:
    if multiline and "\n" in sent:
        return
    with pytest.raises(TextProblem) as caught:
        clean(sent, maximum=30, multiline=multiline)
    assert (caught.value.code, caught.value.position) == ("forbidden_character", position)
    assert caught.value.message == f"Character number {position + 1} cannot be used here."


def test_every_code_point_is_judged_by_its_category() -> None:
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        forbidden = unicodedata.category(char) in REFUSED
        assert (problem_of(f"1{char}1") is not None) == forbidden, hex(number)


def test_lines_are_kept_only_where_they_are_asked_for() -> None:
    assert clean("one\ntwo\r\n\r\nthree\r\n", maximum=30, multiline=True) == "one\ntwo\n\nthree"
    with pytest.raises(TextProblem) as caught:
        clean("one\r\ntwo", maximum=30)
    assert caught.value.position == 3
    with pytest.raises(TextProblem) as caught:
        clean("one\r\r\ntwo", maximum=30, multiline=True)
    assert caught.value.position == 3


@pytest.mark.parametrize(
    "sent, minimum, maximum, code",
    [
        ("abc", 0, 3, None),
        ("  abc  ", 3, 3, None),
        ("abcd", 0, 3, "too_long"),
        ("abcd" * 100, 0, 3, "too_long"),
        ("e\u0301" * 3, 3, 3, None),
        ("e\u0301" * 4, 0, 3, "too_long"),
        ("\u03b9\u0308\u0301" * 3, 0, 3, None),
        ("é" * 13, 0, 3, "too_long"),
        ("ab", 3, 3, "too_short"),
        (" \u00a0 ", 1, 3, "required"),
        ("", 0, 0, None),
        ("a", 0, 0, "too_long"),
    ],
)
def test_lengths_count_code_points_after_composing(
    sent: str, minimum: int, maximum: int, code: str | None
) -> None:
    problem = problem_of(sent, minimum=minimum, maximum=maximum)
    if problem is None:
        assert code is None
    else:
        limit = maximum if code == "too_long" else minimum
        assert (problem.code, problem.position, problem.limit) == (code, None, limit)


def test_a_problem_says_the_length_but_never_the_text() -> None:
    with pytest.raises(TextProblem) as caught:
        clean("Seraphina", maximum=3)
    assert caught.value.message == str(caught.value) == "This has more than 3 characters."
    assert caught.value.sentence.format(**caught.value.values) == caught.value.message
    assert "Seraphina" not in repr(caught.value)


@given(TEXTS, st.integers(0, 12), st.booleans())
@example("e\u200d\u0301a", 12, False)
def test_cleaning_ends_in_clean_text_or_a_problem(sent: str, maximum: int, multiline: bool) -> None:
    problem = problem_of(sent, maximum=maximum, multiline=multiline)
    if problem is not None:
        place = problem.position
        assert place is None or unicodedata.category(sent[place]) in REFUSED
        return
    cleaned = clean(sent, maximum=maximum, multiline=multiline)
    assert len(cleaned) <= maximum
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned == cleaned.strip()
    invisible = {char for char in cleaned if unicodedata.category(char) in REFUSED}
    assert invisible <= {ZWJ, ZWNJ} | ({"\n"} if multiline else set())
    assert clean(cleaned, maximum=maximum, multiline=multiline) == cleaned


def test_a_text_made_to_be_slow_is_refused_at_once() -> None:
    started = time.perf_counter()
    with pytest.raises(TextProblem):
        clean("a" + "\u0315\u0300" * 500_000, maximum=500)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    "value, shown, masked",
    [
        ("1234567", 3, "•••567"),
        ("1234", 3, "•••234"),
        ("123", 3, "•••"),
        ("", 3, "•••"),
        ("1234567", 4, "•••4567"),
        ("1234567", 0, "•••"),
        ("1234567", -2, "•••"),
    ],
)
def test_a_mask_shows_an_end_and_never_the_whole(value: str, shown: int, masked: str) -> None:
    assert mask(value, shown) == masked


def test_a_mask_shows_three_characters_unless_told() -> None:
    assert mask("1000001") == "•••001"
