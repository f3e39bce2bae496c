"""Two answers that a person would call the same are the same."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.base.text import ANSWER_RAW_LENGTH, TextProblem, normalise_answer


@pytest.mark.parametrize(
    "raw, answer",
    [
        ("Montréal ", "montreal"),
        ("Montre\u0301al", "montreal"),
        ("MONTRÉAL", "montreal"),
        ("«Montréal!»", "montreal"),
        ("  Trois -\tRivières\u00a0\n", "trois - rivieres"),
        ("Trois\u2003Rivières", "trois rivieres"),
        ("L'Anse-aux-Meadows.", "l'anse-aux-meadows"),
        ('" Straße "', "strasse"),
        ("\uff2d\uff4f\uff4e\uff54\uff12", "mont2"),
        ("ﬁn", "fin"),
        ("Αθήνα", "αθηνα"),
        ("ΣΟΦΟΣ", "σοφοσ"),
        ("한국", "한국"),
        ("\u1112\u1161\u11ab", "한"),
        ("İstanbul", "istanbul"),
        ("Mont\u00adr\u200bé\u200fal\ufeff", "montreal"),
        ("`Montréal´", "montreal"),
        ("C++", "c++"),
        ("👍", "👍"),
        ("(...)", ""),
        ("", ""),
        ("a\x1fb", "a b"),
    ],
)
def test_case_accents_blanks_and_surrounding_punctuation_make_no_difference(
    raw: str, answer: str
) -> None:
    assert normalise_answer(raw) == answer


@pytest.mark.parametrize(
    "one, other", [("montreal", "mont real"), ("l'anse", "lanse"), ("ab", "abc"), ("o", "0")]
)
def test_what_is_inside_an_answer_counts(one: str, other: str) -> None:
    assert normalise_answer(one) != normalise_answer(other)


def test_the_raw_answer_is_measured_before_anything_grows() -> None:
    # One code point that becomes eighteen.
    assert len(normalise_answer("\ufdfa" * ANSWER_RAW_LENGTH)) > 4000
    for raw in ("\ufdfa" * 257, "a" * 257, " " * 257):
        with pytest.raises(TextProblem) as caught:
            normalise_answer(raw)
        assert (caught.value.code, caught.value.limit) == ("too_long", 256)


@given(st.text(max_size=ANSWER_RAW_LENGTH))
def test_an_answer_is_normalised_once_for_all(raw: str) -> None:
    answer = normalise_answer(raw)
    if len(answer) <= ANSWER_RAW_LENGTH:
        assert normalise_answer(answer) == answer
    assert unicodedata.is_normalized("NFKC", answer)
    assert answer == " ".join(answer.split())


def test_every_code_point_is_normalised_once_for_all() -> None:
    for number in range(sys.maxunicode + 1):
        answer = normalise_answer(f"a{chr(number)}b")
        assert normalise_answer(answer) == answer, hex(number)


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_plain_ascii_takes_a_short_way_to_the_same_answer(raw: str) -> None:
    # A full-width letter beside it forces the long way.
    assert normalise_answer(f"a{raw}\uff41") == normalise_answer(f"a{raw}a")
