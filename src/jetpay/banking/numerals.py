"""What is typed where digits are wanted."""

from collections.abc import Container
from typing import Final

# White space goes by str.split(); these are the dashes that cheques, PDFs and keyboards give.
_DASHES: Final = str.maketrans("", "", "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212")


def compact(number: str) -> str:
    """`number` without blanks and dashes; leading zeros stay, for they count."""
    return "".join(number.translate(_DASHES).split())


def numeral_problem(number: str, lengths: Container[int], *, zeros: bool = False) -> str | None:
    """`required`, `not_digits`, `wrong_length`, and without `zeros` also `all_zeros`."""
    if not number:
        return "required"
    # isdigit() alone takes the digits of every script.
    if not (number.isascii() and number.isdigit()):
        return "not_digits"
    if len(number) not in lengths:
        return "wrong_length"
    return None if zeros or number.strip("0") else "all_zeros"
