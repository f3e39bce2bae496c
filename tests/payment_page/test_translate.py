"""Every language is whole, chosen by the credit, then the browser, switched on the page."""

from datetime import UTC, date, datetime

import pytest

from jetpay.translations import LANGUAGES, language, preferred
from tests.payment_page.browser import ACCOUNT, Browser
from tests.payment_page.conftest import Link, NewBrowser
from tests.world import ANSWER

NO_BREAK = "\u00a0"


@pytest.mark.parametrize(
    "header,expected",
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("en;q=0.5, fr;q=0.7", "fr"),
        ("de, fr;q=0", "en"),
        ("de,it;q=0.4,fr;q=0.1", "fr"),
        ("de,es;q=0.4,fr;q=0.1", "es"),
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
    sentences = (
        "This is not the right answer. You have {number} try left.",
        "This is not the right answer. You have {number} tries left.",
    )
    assert french.say_many(*sentences, 1).endswith("Il vous reste 1 essai.")
    assert french.say_many(*sentences, 2).endswith("Il vous reste 2 essais.")
    assert language("xx").code == "en"


def test_a_language_that_is_only_a_catalogue_has_its_money_and_days() -> None:
    spanish = language("es")
    assert (spanish.tag, spanish.autonym) == ("es-US", "Español")
    assert spanish.money(123_456, "CAD") == "CAD\u00a01,234.56"
    assert spanish.money(123_400, "USD") == "USD\u00a01,234.00"
    assert spanish.day(date(2026, 12, 1)) == "martes, 1 de diciembre de 2026"


async def test_a_page_is_switched_to_each_language(browser: Browser, link: Link) -> None:
    for code, spoken in LANGUAGES.items():
        page = await browser.open(link.token)
        page = await browser.get(f"{link.path}?lang={code}")
        assert page.language == spoken.replace("_", "-")
        assert page.text.count('aria-current="true"') == 1
        for each in LANGUAGES.values():
            assert f'hreflang="{each.replace("_", "-")}"' in page.text


def test_the_first_day_of_a_month_is_counted_in_french() -> None:
    french = language("fr")
    assert french.day(date(2026, 12, 1)) == "mardi 1er décembre 2026"
    assert french.day(date(2026, 12, 11)) == "vendredi 11 décembre 2026"
    assert language("en").day(date(2026, 12, 1)) == "Tuesday, December 1, 2026"


@pytest.mark.parametrize(
    "at,clock",
    [
        (datetime(2026, 12, 1, 14, 5, tzinfo=UTC), "9 h 05"),
        (datetime(2026, 12, 1, 5, 0, tzinfo=UTC), "0 h"),
        (datetime(2026, 12, 2, 1, 0, tzinfo=UTC), "20 h"),
        (datetime(2026, 12, 2, 1, 30, tzinfo=UTC), "20 h 30"),
    ],
)
def test_a_moment_in_french_has_the_hours_of_canada(at: datetime, clock: str) -> None:
    said = language("fr").moment(at)
    assert said == f"1er décembre 2026 à {clock.replace(' ', NO_BREAK)} (HNE)"


async def test_a_page_is_switched_and_stays_switched(browser: Browser, link: Link) -> None:
    page = await browser.open(link.token)
    assert page.language == "en-CA"
    assert 'lang="fr-CA" hreflang="fr-CA"' in " ".join(page.text.split())
    page = await browser.get(f"{link.path}?lang=fr")
    assert (page.language, page.step) == ("fr-CA", "question")
    page = await browser.submit(answer="faux")
    assert "Il vous reste 4 essais." in page.words
    page = await browser.submit(answer=ANSWER)
    assert (page.language, page.headings) == ("fr-CA", ["Où faut-il verser l’argent?"])
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
