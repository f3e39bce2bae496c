"""Sentences for people in their language: Babel catalogues, read as text, compiled nowhere."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any, BinaryIO, Final
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from jetpay.base.money import MONEY_LANGUAGES, Currency, format_money

LANGUAGES: Final[Mapping[str, str]] = {"en": "en_CA", "fr": "fr_CA", "es": "es_US"}
"""Each with how its dates and money are written; a further language is a line and a catalogue."""
DEFAULT: Final = "en"
ZONE: Final = ZoneInfo("America/Toronto")
"""Where the Canadian clearing works; its days are the ones that a payee waits."""
ACCEPT_LANGUAGE_LENGTH: Final = 500


def mark(sentence: str) -> str:
    """Marks a constant for the catalogues; it is translated where it is shown."""
    return sentence


@dataclass(frozen=True, slots=True)
class Language:
    """One language of the pages: its sentences, dates and money."""

    code: str
    locale: Locale
    translations: Translations

    @property
    def tag(self) -> str:
        """`fr-CA`, for `<html lang>`."""
        return str(self.locale).replace("_", "-")

    @property
    def autonym(self) -> str:
        """`Français`: the language's name in itself."""
        name = Locale.parse(self.code).display_name or self.code
        return name[0].upper() + name[1:]

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, for `<html dir>`."""
        return self.locale.text_direction

    def say(self, sentence: str, **values: object) -> str:
        """The sentence in this language, its `{names}` filled in."""
        said = self.translations.ugettext(sentence)
        return said.format(**values) if values else said

    def say_many(self, one: str, many: str, number: int) -> str:
        """The sentence for that many, its `{number}` filled in."""
        return self.translations.ungettext(one, many, number).format(number=number)

    def money(self, amount_minor: int, currency: str) -> str:
        """`$1,234.56` or `1 234,56 $`."""
        if self.code in MONEY_LANGUAGES:
            return format_money(amount_minor, Currency(currency), self.code)
        # By its code: in most languages a bare sign says too little in a country of two dollars.
        amount = Decimal(amount_minor) / 100
        return numbers.format_currency(
            amount, currency, "¤¤\u00a0#,##0.00", self.locale, currency_digits=False
        )

    def day(self, day: date) -> str:
        """`Thursday, January 22, 2026`."""
        return self._ordinal(day, dates.format_date(day, "full", self.locale))

    def _ordinal(self, day: date, said: str) -> str:
        """`1er janvier`: French counts the first day of a month, and the CLDR does not know."""
        if self.code == "fr" and day.day == 1:
            return re.sub(r"\b1 ", "1er ", said, count=1)
        return said

    def moment(self, at: datetime) -> str:
        """`January 22, 2026, 10:15 a.m. EST`, in the time of the clearing."""
        local = at.astimezone(ZONE)
        day = self._ordinal(local, dates.format_date(local, "long", self.locale))
        clock = self._clock(local)
        zone = dates.get_timezone_name(
            local, "short", locale=self.locale, zone_variant=None, return_zone=False
        )
        return self.say(mark("{day}, {clock} {zone}"), day=day, clock=clock, zone=zone)

    def _clock(self, local: datetime) -> str:
        """`9 h 05`, and `9 h` on the hour: Canada's French writes no other zeros."""
        if self.code == "fr":
            return f"{local.hour}\u00a0h\u00a0{local.minute:02}".removesuffix("\u00a000")
        return dates.format_time(local, "short", tzinfo=ZONE, locale=self.locale)


@cache
def language(code: str) -> Language:
    """One of `LANGUAGES`; English for any other."""
    code = code if code in LANGUAGES else DEFAULT
    return Language(code, Locale.parse(LANGUAGES[code]), _catalogue(LANGUAGES[code], code))


def preferred(accept_language: str) -> str:
    """The language of a browser's Accept-Language header that we speak best, else English."""
    wanted: list[tuple[float, str]] = []
    for part in accept_language[:ACCEPT_LANGUAGE_LENGTH].split(","):
        tag, _, quality = part.strip().partition(";q=")
        code = tag.strip().lower().partition("-")[0]
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        if code in LANGUAGES and weight > 0:
            wanted.append((weight, code))
    # max() keeps the first of equals, which is the one that the browser names first.
    return max(wanted, key=lambda each: each[0])[1] if wanted else DEFAULT


def _catalogue(*folders: str) -> Translations:
    """Of the first folder that is there: a country's own French, else the language's."""
    sources = [
        files("jetpay") / "locales" / each / "LC_MESSAGES" / "messages.po" for each in folders
    ]
    source = next(each for each in sources if each.is_file())
    with source.open("rb") as file:
        catalogue = read_po(file, locale=folders[0])
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def extract_sentences(
    file: BinaryIO,
    _keywords: Mapping[str, Any],
    _comment_tags: Iterable[str],
    options: Mapping[str, Any],  # noqa: ARG001 - Babel names it
) -> Iterator[tuple[int, str, str, list[str]]]:
    """For `pybabel extract`: the texts of tables called `…SENTENCES`, where no call marks them."""
    for node in ast.parse(file.read()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        named = [target.id for target in targets if isinstance(target, ast.Name)]
        if not any(name.endswith("SENTENCES") for name in named):
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and " " in str(part.value):
                yield part.lineno, "", str(part.value), []
