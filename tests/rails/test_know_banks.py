"""Banks as data: every option explained, and a bank that is not whole refused by name."""

import tomllib
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, date, datetime, time
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.rails import banks, cpa005, nacha
from jetpay.rails.banks import NEVER, BadBank, Pain001Ways, read_banks, shipped
from jetpay.rails.profiles import Numbers, next_cut_off, value_date

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "rails" / "banks.md"
TEXT = files("jetpay.rails").joinpath("banks.toml").read_text("utf-8")
WANTED = ["canada", "rbc", "td", "bmo", "scotiabank", "cibc", "national", "atb", "desjardins"]
WANTED += ["central1", "ach", "sepa"]


def toml(value: object) -> str:
    """A value as TOML, as far as the files of banks need it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {toml(each)}' for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def document(declared: dict[str, Any]) -> str:
    return "\n".join(f"{name} = {toml(given)}" for name, given in declared.items())


def bank_rows(name: str) -> Iterator[str]:
    bank = shipped()[name]
    yield "| option | value | why | source |"
    yield "|---|---|---|---|"
    for option, said in bank.options.items():
        if said.bank == name:
            value = ", ".join(said.value) if isinstance(said.value, list) else said.value
            yield f"| `{option}` | `{toml(value)}` | {said.why} | {said.source} |"


@pytest.mark.parametrize("name", WANTED)
def test_a_bank_is_shown_as_it_is(name: str) -> None:
    bank = shipped()[name]
    _, found, after = DOCUMENT.read_text().partition(f"\n## {bank.title} · `{name}`\n")
    assert found
    section, _, _ = after.partition("\n## ")
    rows = [line for line in section.splitlines() if line.startswith("|")]
    expected = list(bank_rows(name))
    assert rows == (expected if len(expected) > 2 else [])
    assert f"Verified: {bank.verified}." in section
    assert all(each in section for each in bank.data_centres)


def test_the_banks_are_known_and_none_is_verified() -> None:
    assert list(shipped()) == WANTED
    assert {bank.verified for bank in shipped().values()} == {NEVER}
    for bank in shipped().values():
        assert all(each.why and each.source for each in bank.options.values())


def test_every_source_is_in_the_list() -> None:
    _, _, listed = DOCUMENT.read_text().partition("\n## Sources\n")
    named = {
        source.strip()
        for bank in shipped().values()
        for option in bank.options.values()
        for source in option.source.split(",")
    }
    assert [source for source in named if f"\n| {source} |" not in listed] == []


@pytest.mark.parametrize(
    "name, changes",
    [
        ("rbc", {"mixed": False, "returns_account": "none", "characters": "strict"}),
        ("td", {"segments": 1, "days_ahead": 35}),
        ("cibc", {"settlement_area": True, "settlement_code": "01", "mixed": False}),
        ("national", {"trailer_filler": "zeros"}),
    ],
)  # fmt: skip
def test_a_bank_has_its_own_ways_and_the_others_of_its_kind(
    name: str, changes: dict[str, object]
) -> None:
    ways, plain = shipped()[name].ways, shipped()["canada"].ways
    for option in cpa005.Ways.__dataclass_fields__:
        if option not in {*changes, "days_ahead", "number_in_test"}:
            assert getattr(ways, option) == getattr(plain, option)
    assert {option: getattr(ways, option) for option in changes} == changes


def test_numbers_are_strict_where_the_bank_counts() -> None:
    strict = {name for name in WANTED if shipped()[name].profile.numbers is Numbers.STRICT}
    assert strict == {"bmo", "national", "central1"}


@pytest.mark.parametrize("name", WANTED)
def test_a_profile_gives_cut_offs_and_value_dates(name: str) -> None:
    profile = shipped()[name].profile
    cut_off = next_cut_off(profile, datetime(2028, 2, 29, 12, tzinfo=UTC))
    assert value_date(profile, cut_off) in {date(2028, 3, 1), date(2028, 3, 2)}


def test_a_cut_off_that_was_missed_by_a_second_is_the_next_day_s() -> None:
    profile = shipped()["rbc"].profile
    in_time = datetime(2026, 5, 4, 20, 0, tzinfo=UTC)  # 16:30 in Toronto, less 30 minutes
    assert next_cut_off(profile, in_time) == in_time
    late = next_cut_off(profile, in_time.replace(second=1))
    assert late == in_time.replace(day=5)
    assert value_date(profile, in_time) == date(2026, 5, 5)
    assert value_date(profile, late) == date(2026, 5, 6)


OWN = """
[caisse]
title = "Our caisse"
rail = "cpa005"
based_on = "desjardins"
verified = "2026-11-02 by Acme Inc"
data_centres = ["81510 Lévis"]
[caisse.profile]
deadlines = { value = ["09:00", "14:00"], why = "our agreement", source = "letter of 2026-10-01" }
[caisse.ways]
segments = { value = 1, why = "the caisse asked for it", source = "letter of 2026-10-01" }
codes_added = { value = ["451"], why = "the caisse has more", source = "letter of 2026-10-01" }
"""


def test_an_operator_adds_a_bank_without_code() -> None:
    assert list(read_banks(OWN, shipped())) == ["caisse"]
    bank = read_banks(OWN, shipped())["caisse"]
    assert isinstance(bank.ways, cpa005.Ways)
    assert (bank.ways.segments, bank.ways.codes_added) == (1, ("451",))
    assert bank.profile.deadlines == (time(9), time(14))
    assert bank.profile.value_days == 1
    assert bank.options["value_days"].bank == "canada"
    assert bank.verified == "2026-11-02 by Acme Inc"


def test_ways_are_those_of_the_rail() -> None:
    assert isinstance(shipped()["ach"].ways, nacha.Ways)
    assert shipped()["sepa"].ways == Pain001Ways(version="09", flavour="sepa")


def bad(option: str, value: object, bank: str = "canada", part: str = "") -> str:
    """The shipped file with another value of an option."""
    declared = tomllib.loads(TEXT)
    if part:
        declared[bank][part][option] = {"value": value, "why": "w", "source": "s"}
    else:
        declared[bank][option] = value
    return document(declared)


@pytest.mark.parametrize(
    "text, bank, what",
    [
        (bad("title", ""), "canada", "title"),
        (bad("rail", "swift"), "canada", "rail"),
        (bad("based_on", "nobody"), "canada", "based_on"),
        (bad("based_on", "canada", "ach"), "ach", "based_on"),
        (bad("colour", "red"), "canada", "colour"),
        (bad("data_centres", "00320"), "canada", "data_centres"),
        (bad("data_centres", [320]), "canada", "data_centres"),
        (bad("profile", 1), "canada", "profile"),
        (bad("ways", {"segments": 1}), "canada", "segments"),
        (bad("ways", {"segments": {"value": 1}}), "canada", "segments"),
        (bad("ways", {"segments": {"value": 1, "why": "", "source": "s"}}), "canada", "segments"),
        (bad("segments", 7, part="ways"), "canada", "segments"),
        (bad("codes_added", 450, part="ways"), "canada", "codes_added"),
        (bad("colour", "red", part="ways"), "canada", "colour"),
        (bad("zone", "Mars/Olympus", part="profile"), "canada", "zone"),
        (bad("zone", "../etc/passwd", part="profile"), "canada", "zone"),
        (bad("deadlines_zone", 5, part="profile"), "canada", "deadlines_zone"),
        (bad("calendar", "mars", part="profile"), "canada", "calendar"),
        (bad("calendar", 1, part="profile"), "canada", "calendar"),
        (bad("deadlines", [], part="profile"), "canada", "deadlines"),
        (bad("deadlines", "16:30", part="profile"), "canada", "deadlines"),
        (bad("deadlines", ["25:00"], part="profile"), "canada", "deadlines"),
        (bad("deadlines", ["16:30Z"], part="profile"), "canada", "deadlines"),
        (bad("deadlines", ["16:30", "09:00"], part="profile"), "canada", "deadlines"),
        (bad("lead_minutes", 1_441, part="profile"), "canada", "lead_minutes"),
        (bad("value_days", True, part="profile"), "canada", "value_days"),
        (bad("return_days", -1, part="profile"), "canada", "return_days"),
        (bad("delivery", "pigeon", part="profile"), "canada", "delivery"),
        (bad("numbers", "odd", part="profile"), "canada", "numbers"),
        (bad("statements", "yes", part="profile"), "canada", "statements"),
        (bad("name", "x", part="profile"), "canada", "name"),
        (bad("line_end", "cr", "ach", "ways"), "ach", "line_end"),
        (bad("flavour", "mars", "sepa", "ways"), "sepa", "flavour"),
        ("bank = 1", "bank", "table"),
        ('[b]\ntitle = "B"\nrail = "nacha"\nverified = "never"', "b", ""),
        ("\n".join(f"[b{n}]" for n in range(banks.BANKS_MAXIMUM + 1)), "(all)", ""),
    ],
)
def test_a_bank_that_is_not_whole_is_refused_by_name(text: str, bank: str, what: str) -> None:
    with pytest.raises(BadBank) as refused:
        read_banks(text)
    assert refused.value.bank == bank
    assert what in refused.value.what


VALUES = st.recursive(
    st.booleans() | st.integers(-5, 400) | st.text("AB0 :/$.", max_size=6) | st.floats(0, 1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("a"), inner, max_size=1),
    max_leaves=3,
)
PLACES = [
    (bank, part, option)
    for bank, given_ in tomllib.loads(TEXT).items()
    for part in ("profile", "ways")
    for option in given_.get(part, {})
]


@given(st.sampled_from(PLACES), VALUES)
def test_whatever_stands_for_a_value_is_taken_or_refused(
    place: tuple[str, str, str], value: object
) -> None:
    bank, part, option = place
    declared = deepcopy(tomllib.loads(TEXT))
    declared[bank][part][option]["value"] = value
    refused = None
    try:
        read_banks(document(declared))
    except BadBank as error:
        refused = error
    assert refused is None or (refused.bank, refused.what) == (bank, option)
