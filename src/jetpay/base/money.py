"""Money: integers of minor units with their currency, and how they are written for people."""

from typing import NewType

Currency = NewType("Currency", str)

CAD = Currency("CAD")
USD = Currency("USD")
EUR = Currency("EUR")
CURRENCIES = frozenset({CAD, USD, EUR})

MONEY_LANGUAGES = frozenset({"en", "fr"})
MAX_AMOUNT_MINOR = 9_999_999_999

_MINOR_PER_MAJOR = 100
_NO_BREAK_SPACE = "\u00a0"
_ENGLISH_SIGNS = {CAD: "$", USD: "US$", EUR: "€"}
_FRENCH_SIGNS = {CAD: "$", USD: f"${_NO_BREAK_SPACE}US", EUR: "€"}


def format_money(amount_minor: int, currency: Currency, language: str) -> str:
    """`$1,234.56` in `en`; `1 234,56 $` in `fr`, with no-break spaces, as Canada writes it.

    CAD has the bare dollar sign, USD is marked. Raises `TypeError` for anything but an integer
    and `ValueError` for another currency or language.
    """
    # A bool is an integer to isinstance(), and a float would print almost right.
    if type(amount_minor) is not int:
        message = "an amount is an integer of minor units"
        raise TypeError(message)
    if currency not in CURRENCIES:
        message = "a currency is CAD, USD or EUR"
        raise ValueError(message)
    major, minor = divmod(abs(amount_minor), _MINOR_PER_MAJOR)
    minus = "-" if amount_minor < 0 else ""
    if language == "en":
        return f"{minus}{_ENGLISH_SIGNS[currency]}{major:,}.{minor:02}"
    if language == "fr":
        digits = f"{major:,}".replace(",", _NO_BREAK_SPACE)
        return f"{minus}{digits},{minor:02}{_NO_BREAK_SPACE}{_FRENCH_SIGNS[currency]}"
    message = "a language is en or fr"
    raise ValueError(message)
