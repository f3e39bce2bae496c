"""Banks as data: the ways of each, every option with its reason and source.

`banks.toml` holds those that are known; an operator's file of the same form adds others, or the
same ones as they turned out to be. What an option says holds only when `verified` says so too.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import time
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from jetpay.rails import cpa005, nacha
from jetpay.rails.profiles import CALENDARS, Delivery, Numbers, Profile
from jetpay.rails.rail import BadOption, require

BANKS_MAXIMUM: Final = 200
DAYS_MAXIMUM: Final = 30
MINUTES_MAXIMUM: Final = 24 * 60
NEVER: Final = "never"
_KEYS: Final = {"title", "rail", "based_on", "verified", "data_centres", "profile", "ways"}
_TIMES: Final = {"value_days", "return_days", "acknowledge_within"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pain001Ways:
    """Which of the messages a bank takes. Raises `BadOption`."""

    version: Literal["03", "09"] = "09"
    flavour: Literal["canada", "united_states", "sepa"] = "sepa"

    def __post_init__(self) -> None:
        require("version", self.version in ("03", "09"))
        require("flavour", self.flavour in ("canada", "united_states", "sepa"))


Ways = cpa005.Ways | nacha.Ways | Pain001Ways
_WAYS: Final[Mapping[str, type[Ways]]] = MappingProxyType(
    {"cpa005": cpa005.Ways, "nacha": nacha.Ways, "pain001": Pain001Ways}
)


class BadBank(ValueError):
    """A bank in a file of banks is not whole; names the bank and what is wrong in it."""

    def __init__(self, bank: str, what: str) -> None:
        self.bank, self.what = bank, what
        super().__init__(f"bank {bank}: {what} is missing, unknown or not a possible value")


@dataclass(frozen=True, slots=True)
class Option:
    """`bank` is the one whose file said it: another where it was taken over."""

    value: object
    why: str
    source: str
    bank: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """A bank, or a kind of banks; `options` are those of `profile` and `ways`, by name."""

    name: str
    title: str
    rail: str
    verified: str
    data_centres: tuple[str, ...]
    profile: Profile
    ways: Ways
    options: Mapping[str, Option]


def read_banks(text: str, known: Mapping[str, Bank] | None = None) -> dict[str, Bank]:
    """The banks of a TOML text, which may be based on known ones and on those before them.

    Raises `BadBank`, and `tomllib.TOMLDecodeError`.
    """
    banks = dict(known or {})
    declared = tomllib.loads(text)
    if len(declared) > BANKS_MAXIMUM:
        raise BadBank("(all)", f"more than {BANKS_MAXIMUM}")
    for name, given in declared.items():
        if not isinstance(given, dict):
            raise BadBank(name, "table")
        try:
            banks[name] = _bank(name, given, banks)
        except BadOption as refused:
            raise BadBank(name, refused.option) from None
    return {name: banks[name] for name in declared}


@cache
def shipped() -> Mapping[str, Bank]:
    """Those of `banks.toml`."""
    text = files("jetpay.rails").joinpath("banks.toml").read_text("utf-8")
    return MappingProxyType(read_banks(text))


def _bank(name: str, given: Mapping[str, Any], known: Mapping[str, Bank]) -> Bank:
    for key in given.keys() - _KEYS:
        raise BadOption(key)
    for key in ("title", "rail", "verified"):
        require(key, isinstance(given.get(key), str) and bool(given[key]))
    rail, options = given["rail"], dict[str, Option]()
    require("rail", rail in _WAYS)
    if "based_on" in given:
        based_on = known.get(str(given["based_on"]))
        require("based_on", based_on is not None and based_on.rail == rail)
        assert based_on is not None
        options |= based_on.options
    centres = given.get("data_centres", [])
    require("data_centres", isinstance(centres, list))
    require("data_centres", all(isinstance(each, str) for each in centres))
    of_profile = {each.name for each in fields(Profile)} - {"name", "rail", "source"}
    of_ways = {each.name for each in fields(_WAYS[rail])}
    for part, names in (("profile", of_profile), ("ways", of_ways)):
        table = given.get(part, {})
        require(part, isinstance(table, dict))
        for option, said in table.items():
            require(option, option in names)
            options[option] = _option(name, option, said)
    for option in of_profile - options.keys():
        raise BadOption(option)
    return Bank(
        name=name,
        title=given["title"],
        rail=rail,
        verified=given["verified"],
        data_centres=tuple(centres),
        profile=_profile(name, rail, {each: options[each].value for each in of_profile}),
        ways=_WAYS[rail](
            **{each: _frozen(options[each].value) for each in of_ways & options.keys()}
        ),
        options=MappingProxyType(options),
    )


def _option(bank: str, name: str, said: object) -> Option:
    require(name, isinstance(said, dict) and said.keys() == {"value", "why", "source"})
    assert isinstance(said, dict)
    require(name, all(isinstance(said[each], str) and said[each] for each in ("why", "source")))
    return Option(said["value"], said["why"], said["source"], bank)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _profile(name: str, rail: str, given: dict[str, Any]) -> Profile:
    for option in ("zone", "deadlines_zone"):
        given[option] = _converted(option, lambda text: ZoneInfo(text).key, given[option])
    for option, limit in [(each, DAYS_MAXIMUM) for each in _TIMES] + [
        ("lead_minutes", MINUTES_MAXIMUM)
    ]:
        require(option, type(given[option]) is int and 0 <= given[option] <= limit)
    for option in ("refuses_repeats", "statements"):
        require(option, isinstance(given[option], bool))
    require("calendar", isinstance(given["calendar"], str))
    require("calendar", set(given["calendar"].split("+")) <= CALENDARS)
    require("deadlines", isinstance(given["deadlines"], list) and bool(given["deadlines"]))
    deadlines = [_converted("deadlines", time.fromisoformat, each) for each in given["deadlines"]]
    require("deadlines", not any(each.tzinfo for each in deadlines))
    require("deadlines", deadlines == sorted(set(deadlines)))
    given["deadlines"] = tuple(deadlines)
    given["delivery"] = _converted("delivery", Delivery, given["delivery"])
    given["numbers"] = _converted("numbers", Numbers, given["numbers"])
    return Profile(name=name, rail=rail, source="docs/rails/banks.md", **given)


def _converted(option: str, convert: Any, value: object) -> Any:
    try:
        return convert(value)
    except (KeyError, OSError, TypeError, ValueError):  # ZoneInfo raises the first two
        raise BadOption(option) from None
