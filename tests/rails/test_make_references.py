"""References: twelve characters that survive every rail, with a check character."""

from hypothesis import given
from hypothesis import strategies as st

from jetpay.rails.references import ALPHABET, LENGTH, check_character, make_reference


def is_reference(text: str) -> bool:
    return check_character(text[:-1]) == text[-1]


def test_a_made_reference_is_one() -> None:
    made = {make_reference() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(len(each) == LENGTH and set(each) <= set(ALPHABET) for each in made)
    assert all(is_reference(each) for each in made)


@given(st.integers(0, 11), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_seen(place: int, wrong: str) -> None:
    made = make_reference()
    changed = made[:place] + wrong + made[place + 1 :]
    assert is_reference(changed) == (changed == made)


@given(st.integers(0, 10))
def test_two_swapped_neighbours_are_seen(place: int) -> None:
    made = make_reference()
    changed = made[:place] + made[place + 1] + made[place] + made[place + 2 :]
    assert is_reference(changed) == (changed == made)
