"""An institution number has a name in both languages, or none."""

import pytest

from jetpay.banking import institutions
from jetpay.banking.institutions import institution_name, is_known, is_retired

NUMBERS = sorted(institutions._INSTITUTIONS)


@pytest.mark.parametrize(
    "number, english, french",
    [
        ("001", "Bank of Montreal", "Banque de Montréal"),
        ("003", "Royal Bank of Canada", "Banque Royale du Canada"),
        ("006", "National Bank of Canada", "Banque Nationale du Canada"),
        ("016", "HSBC Bank Canada", "Banque HSBC Canada"),
        ("614", "Tangerine", "Tangerine"),
        ("621", "Peoples Trust", "Compagnie de fiducie Peoples"),
        ("815", "Caisses Desjardins du Québec", "Caisses Desjardins du Québec"),
    ],
)
def test_an_institution_is_named_in_both_languages(number: str, english: str, french: str) -> None:
    assert institution_name(number, "en") == english
    assert institution_name(number, "fr") == french
    assert institution_name(number, "de") == english


@pytest.mark.parametrize("number", ["000", "999", "", "1", "0001", "abc"])
def test_an_unknown_number_has_no_name_and_is_not_retired(number: str) -> None:
    assert institution_name(number, "en") is None
    assert institution_name(number, "fr") is None
    assert not is_known(number)
    assert not is_retired(number)


def test_the_list_is_whole() -> None:
    assert len(NUMBERS) == 220
    assert sum(map(is_retired, NUMBERS)) == 118
    lines = f"{institutions._IN_USE}{institutions._RETIRED}".split("\n")
    assert sum(1 for line in lines if line) == 220


@pytest.mark.parametrize("number", NUMBERS)
def test_every_entry_has_three_digits_and_tidy_names(number: str) -> None:
    assert number.isdigit()
    assert len(number) == 3
    for language in ("en", "fr"):
        name = institution_name(number, language)
        assert name
        assert name == name.strip()
        assert "|" not in name
        assert len(name) <= 80
    assert is_known(number)


@pytest.mark.parametrize("number", ["001", "010", "621", "809"])
def test_an_institution_in_use_is_not_retired(number: str) -> None:
    assert not is_retired(number)
