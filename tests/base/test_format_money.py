"""Amounts are written as Canada writes them, from integers only."""

from decimal import Decimal
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.base.money import CAD, CURRENCIES, EUR, MAX_AMOUNT_MINOR, USD, Currency, format_money

NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    "amount_minor, currency, english, french",
    [
        (123456, CAD, "$1,234.56", "1~234,56~$"),
        (123456, USD, "US$1,234.56", "1~234,56~$~US"),
        (123456, EUR, "€1,234.56", "1~234,56~€"),
        (0, CAD, "$0.00", "0,00~$"),
        (5, CAD, "$0.05", "0,05~$"),
        (100, CAD, "$1.00", "1,00~$"),
        (99999, CAD, "$999.99", "999,99~$"),
        (-5, CAD, "-$0.05", "-0,05~$"),
        (-123456, USD, "-US$1,234.56", "-1~234,56~$~US"),
        (MAX_AMOUNT_MINOR, CAD, "$99,999,999.99", "99~999~999,99~$"),
    ],
)
def test_an_amount_is_written_in_both_languages(
    amount_minor: int, currency: Currency, english: str, french: str
) -> None:
    assert format_money(amount_minor, currency, "en") == english
    assert format_money(amount_minor, currency, "fr") == french.replace("~", NBSP)


@given(st.integers(-(10**20), 10**20), st.sampled_from(sorted(CURRENCIES)), st.booleans())
def test_no_cent_is_lost_in_writing(amount_minor: int, currency: Currency, french: bool) -> None:
    written = format_money(amount_minor, currency, "fr" if french else "en")
    digits = "".join(char for char in written if char.isdigit())
    assert int(digits) == abs(amount_minor)
    assert written.startswith("-") == (amount_minor < 0)


@pytest.mark.parametrize("amount", [12.0, True, Decimal(12), "12", None])
def test_only_an_integer_is_an_amount(amount: object) -> None:
    with pytest.raises(TypeError):
        format_money(cast("int", amount), CAD, "en")


@pytest.mark.parametrize("currency", ["JPY", "cad", "", "CA$"])
def test_a_currency_of_other_minor_units_is_refused_rather_than_miswritten(currency: str) -> None:
    with pytest.raises(ValueError, match="currency"):
        format_money(1, Currency(currency), "en")


def test_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="language"):
        format_money(1, CAD, "de")
