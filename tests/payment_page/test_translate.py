"""English and French: both whole, chosen by the credit, then the browser, switched on the page."""

import re
import string
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

import jetpay
from jetpay.translations import language, preferred
from tests.payment_page.browser import ACCOUNT, Browser
from tests.payment_page.conftest import Link, NewBrowser
from tests.world import ANSWER

PACKAGE = Path(jetpay.__file__).parent
LOCALES = PACKAGE / "locales"
KEYWORDS = {"_": None, "say": None, "mark": None, "ngettext": (1, 2), "say_many": (1, 2)}


def texts(said: object) -> tuple[str, ...]:
    """Of a message that has one or, with a plural, two."""
    return tuple(map(str, said)) if isinstance(said, tuple | list) else (str(said or ""),)


def extracted() -> set[str]:
    with (LOCALES / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = extract_from_dir(
        PACKAGE, methods, options_map=options, keywords=KEYWORDS, comment_tags=()
    )
    return {texts(message)[0] for _, _, message, *_ in found}


def catalogue(name: str) -> Catalog:
    with (LOCALES / name).open("rb") as file:
        return read_po(file)


def identifiers(found: Catalog) -> set[str]:
    return {texts(each.id)[0] for each in found if each.id}


@pytest.mark.parametrize(
    "name",
    ["messages.pot", "en/LC_MESSAGES/messages.po", "fr_CA/LC_MESSAGES/messages.po"],
)
def test_a_catalogue_has_every_sentence_and_no_other(name: str) -> None:
    assert identifiers(catalogue(name)) == extracted()


def test_every_sentence_is_french_with_the_same_values() -> None:
    for message in catalogue("fr_CA/LC_MESSAGES/messages.po"):
        if not message.id:
            continue
        ids, said = texts(message.id), texts(message.string)
        assert all(said), f"not translated: {ids[0]}"
        assert not message.fuzzy, ids[0]
        for each in said:
            assert names_of(each) <= names_of(ids[-1]), ids[0]
        assert len(said) > 1 or names_of(said[0]) == names_of(ids[0]), ids[0]


def names_of(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_french_is_set_as_in_canada() -> None:
    wrong = re.compile(r"[^\u00a0]:(?:\s|$)|\s[?!;]|'|\"|« \b")
    for message in catalogue("fr_CA/LC_MESSAGES/messages.po"):
        for each in texts(message.string) if message.id else ():
            assert not wrong.search(each), each


@pytest.mark.parametrize(
    "header,expected",
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("en;q=0.5, fr;q=0.7", "fr"),
        ("de, fr;q=0", "en"),
        ("de,es;q=0.4,fr;q=0.1", "fr"),
        ("*;q=x,en;q=nan,fr", "fr"),
        ("f" * 10_000, "en"),
    ],
)
def test_the_browser_s_language(header: str, expected: str) -> None:
    assert preferred(header) == expected


def test_money_and_days_in_french() -> None:
    french = language("fr")
    assert french.money(123_456, "CAD") == "1\u00a0234,56\u00a0$"
    assert french.tag == "fr-CA"
    assert (
        french.say_many(
            "This can be corrected {number} more time.",
            "This can be corrected {number} more times.",
            2,
        )
        == "2 corrections sont encore possibles."
    )
    assert language("xx").code == "en"


def test_the_first_day_of_a_month_is_counted_in_french() -> None:
    french = language("fr")
    assert french.day(date(2026, 12, 1)) == "mardi 1er décembre 2026"
    assert french.day(date(2026, 12, 11)) == "vendredi 11 décembre 2026"
    assert french.moment(datetime(2026, 12, 1, 15, 15, tzinfo=UTC)).startswith("1er décembre 2026")
    assert language("en").day(date(2026, 12, 1)) == "Tuesday, December 1, 2026"


async def test_a_page_is_switched_and_stays_switched(browser: Browser, link: Link) -> None:
    page = await browser.open(link.token)
    assert page.language == "en-CA"
    assert 'lang="fr-CA" hreflang="fr-CA"' in " ".join(page.text.split())
    page = await browser.get(f"{link.path}?lang=fr")
    assert (page.language, page.step) == ("fr-CA", "question")
    page = await browser.submit(answer="faux")
    assert "Il vous reste 4 essais." in page.words
    page = await browser.submit(answer=ANSWER)
    assert (page.language, page.headings) == ("fr-CA", ["Où faut-il verser la somme?"])
    page = await browser.submit(**{**ACCOUNT, "institution_number": ""})
    assert "Veuillez entrer le numéro d’institution." in page.words
    page = await browser.submit(**ACCOUNT)
    assert "Banque Royale du Canada (003)" in page.words
    assert "100,00\u00a0$" in page.text
    page = await browser.submit(decision="accept")
    assert (page.language, page.headings) == ("fr-CA", ["Vous avez accepté le paiement"])


async def test_who_has_no_credit_is_answered_in_the_browser_s_language(
    new_browser: NewBrowser,
) -> None:
    browser = new_browser(**{"Accept-Language": "fr-CA"})
    page = await browser.open("unknown")
    assert (page.language, page.headings) == ("fr-CA", ["Ce lien ne fonctionne pas"])
