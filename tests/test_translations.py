"""The catalogues hold every sentence of the program in every language, and no other."""

import re
import string
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

import jetpay
from jetpay.translations import LANGUAGES

PACKAGE = Path(jetpay.__file__).parent
LOCALES = PACKAGE / "locales"
CATALOGUES = sorted(
    str(path.relative_to(LOCALES)) for path in LOCALES.glob("*/LC_MESSAGES/messages.po")
)
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


@pytest.mark.parametrize("name", ["messages.pot", *CATALOGUES])
def test_a_catalogue_has_every_sentence_and_no_other(name: str) -> None:
    assert identifiers(catalogue(name)) == extracted()


def test_every_language_has_a_catalogue_and_every_catalogue_is_of_a_language() -> None:
    codes = {name.partition("/")[0].partition("_")[0] for name in CATALOGUES}
    assert codes == set(LANGUAGES)


@pytest.mark.parametrize("name", [each for each in CATALOGUES if not each.startswith("en/")])
def test_every_sentence_is_translated_with_the_same_values(name: str) -> None:
    for message in catalogue(name):
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


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_catalogue_compiles_to_what_it_says(name: str) -> None:
    found = catalogue(name)
    assert found.obsolete == {}, "sentences that nobody says any more"
    assert [(message.id, list(map(str, errors))) for message, errors in found.check()] == []
    compiled = BytesIO()
    write_mo(compiled, found)
    compiled.seek(0)
    said = {texts(each.id): texts(each.string) for each in found if each.id}
    again = {texts(each.id): texts(each.string) for each in read_mo(compiled) if each.id}
    # English says the sentences themselves, and leaves them out.
    assert [key for key, each in said.items() if any(each) and again.get(key) != each] == []
