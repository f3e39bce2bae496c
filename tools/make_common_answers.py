# ruff: noqa: INP001 - a script, not a package
"""Writes the list of common answers that may not be set as the answer to a security question.

Run it from the root of the repository: `.venv/bin/python tools/make_common_answers.py`.
Sources: `tools/common_words.txt`, written for Jetpay; names of countries, languages, currencies,
months and days in English and French from CLDR by way of Babel (Unicode licence); and the
numbers, dates and endings that are made here. Nothing is taken from leaked passwords.
"""

import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from babel import Locale

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from jetpay.base.text import ANSWER_MAXIMUM, ANSWER_MINIMUM, normalise_answer  # noqa: E402

WORDS = ROOT / "tools" / "common_words.txt"
TARGET = ROOT / "src" / "jetpay" / "security" / "common_answers.txt"
LANGUAGES = ("en", "fr")
YEARS = range(1900, 2041)
CLOSE_YEARS = range(2020, 2031)
LEAP_YEAR = 2024
LONGEST_RUN = 12
AT_LEAST = 9_000

# Whose words people put an ending behind when a site asks for a digit.
WITH_ENDINGS = ("first names", "pet names")
ENDINGS = ("1", "12", "123", "1234")

HEADER = """\
# Answers that may not be set: the commonest ones in English and French, one a line, normalised.
# Made by tools/make_common_answers.py, which names its sources; change it there.
"""


def groups() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    words: list[str] = []
    for line in WORDS.read_text("utf-8").splitlines():
        if line.startswith("["):
            words = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            words.extend(word.strip() for word in line.rstrip(",").split(","))
    return found


def with_endings(words: dict[str, list[str]]) -> Iterator[str]:
    for group in WITH_ENDINGS:
        for word in words[group]:
            yield from (word + ending for ending in ENDINGS)


def names_of_the_world() -> Iterator[str]:
    for language in LANGUAGES:
        locale = Locale(language)
        yield from locale.territories.values()
        yield from locale.languages.values()
        yield from locale.currencies.values()
        for width in ("wide", "abbreviated"):
            yield from locale.months["format"][width].values()
            yield from locale.days["format"][width].values()


def numbers() -> Iterator[str]:
    digits = "01234567890123456789"
    for length in range(3, LONGEST_RUN):
        for start in range(10):
            yield digits[start : start + length]
            yield digits[start : start + length][::-1]
            yield str(start) * length
    for pair in range(100):
        for times in (2, 3, 4):
            yield f"{pair:02d}" * times
    yield from (str(number) for number in range(100, 1_000))
    yield from (f"{block}{end}" for block in ("1111", "1234", "12345") for end in range(100))
    yield from (
        "147258369",
        "159753",
        "147258",
        "741852963",
        "789456123",
        "456789",
        "112233",
        "123123",
        "123321",
        "121212",
        "11223344",
        "101010",
        "007",
        "420",
        "666",
        "1337",
        "8675309",
        "314159",
        "3.14",
        "3.14159",
        "24/7",
        "100%",
        "1+1",
        "1 2 3",
    )


def dates() -> Iterator[str]:
    months = {each: Locale(each).months["format"]["wide"] for each in LANGUAGES}
    day = date(LEAP_YEAR, 1, 1)
    while day.year == LEAP_YEAR:
        yield f"{day:%m%d}"
        yield f"{day:%d%m}"
        yield f"{months['en'][day.month]} {day.day}"
        yield f"{day.day} {months['fr'][day.month]}"
        day += timedelta(days=1)
    for year in YEARS:
        yield str(year)
    for year in CLOSE_YEARS:
        for word in ("summer", "winter", "spring", "fall", "ete", "hiver", "password", "welcome"):
            yield f"{word}{year}"


def main() -> None:
    words = groups()
    plain = [word for group in words.values() for word in group]
    every = [*plain, *with_endings(words), *names_of_the_world(), *numbers(), *dates()]
    normalised = {normalise_answer(answer) for answer in every}
    kept = sorted(
        answer for answer in normalised if ANSWER_MINIMUM <= len(answer) <= ANSWER_MAXIMUM
    )
    if len(kept) < AT_LEAST:
        sys.exit(f"only {len(kept)} answers; the list must have at least {AT_LEAST}")
    TARGET.write_text(HEADER + "".join(f"{answer}\n" for answer in kept), "utf-8")
    sys.stdout.write(f"{len(kept)} answers written to {TARGET.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
