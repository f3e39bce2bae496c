"""Bank profiles: what differs from bank to bank, as data, and the business days they imply."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from holidays import HolidayBase, country_holidays, financial_holidays

from jetpay.rails.rail import Rail
from jetpay.rails.sandbox import SandboxRail

EVERY_HOUR = tuple(time(hour) for hour in range(24))
_LAST_WEEKDAY = 4
_DAYS_SEARCHED = 15
"""No calendar is closed for longer."""
# Years come by asking. Payments Canada's days are those of both categories without a province.
_CALENDARS: Final[Mapping[str, Callable[[], HolidayBase]]] = {
    "canada": lambda: country_holidays("CA", categories=("public", "government")),
    "federal_reserve": lambda: financial_holidays("XFED"),
    "target": lambda: financial_holidays("XECB"),
}
CALENDARS: Final = _CALENDARS.keys()


class Delivery(StrEnum):
    """How a bank file leaves."""

    SIMULATOR = "simulator"
    HAND = "hand"


class Numbers(StrEnum):
    """What a bank expects of file numbers; `strict` ones have no gap."""

    UNIQUE = "unique"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One bank's ways; days are business days of `calendar`, times are of `zone`."""

    name: str
    rail: str
    source: str
    zone: str
    calendar: str
    deadlines: tuple[time, ...]
    deadlines_zone: str
    lead_minutes: int
    value_days: int
    return_days: int
    acknowledge_within: int
    delivery: Delivery
    numbers: Numbers
    refuses_repeats: bool
    statements: bool
    """False: the debit of a file and the refund of a return are assumed, not seen."""


_SANDBOX = Profile(
    name="sandbox",
    rail="sandbox",
    source="docs/rails/sandbox.md",
    zone="America/Toronto",
    calendar="canada",
    deadlines=EVERY_HOUR,
    deadlines_zone="UTC",
    lead_minutes=0,
    value_days=0,
    return_days=2,
    acknowledge_within=1,
    delivery=Delivery.SIMULATOR,
    numbers=Numbers.UNIQUE,
    refuses_repeats=True,
    statements=False,
)
SANDBOX_BY_HAND = "sandbox_by_hand"
_BY_HAND = replace(
    _SANDBOX,
    name=SANDBOX_BY_HAND,
    delivery=Delivery.HAND,
    numbers=Numbers.STRICT,
    refuses_repeats=False,
)
PROFILES: dict[str, Profile] = {each.name: each for each in (_SANDBOX, _BY_HAND)}
RAILS: dict[str, Rail] = {"sandbox": SandboxRail()}


def profile_of(rail: str, name: str | None) -> Profile:
    """The bank account's profile; without a name the rail's own. Raises `KeyError`."""
    return PROFILES[name or rail]


def next_cut_off(profile: Profile, at: datetime) -> datetime:
    """The first cut-off not before `at`: the bank's deadline less the lead."""
    lead = timedelta(minutes=profile.lead_minutes)
    zone = ZoneInfo(profile.deadlines_zone)
    first = (at + lead).astimezone(zone).date()
    for day in (first, first + timedelta(days=1)):
        for deadline in profile.deadlines:
            cut_off = datetime.combine(day, deadline, zone).astimezone(UTC) - lead
            if cut_off >= at:
                return cut_off
    raise ValueError("a profile has at least one deadline a day")


def value_date(profile: Profile, cut_off: datetime) -> date:
    """When the bank debits a file of this cut-off: always a business day, never before it."""
    day = cut_off.astimezone(ZoneInfo(profile.zone)).date()
    return business_day_after(profile, _open_day(profile, day), profile.value_days)


def debited_on(profile: Profile, planned: date, received_at: datetime) -> date:
    """When the bank debits a file that it got then: one that came late is debited later."""
    return max(planned, value_date(profile, received_at))


def business_day_after(profile: Profile, day: date, days: int) -> date:
    """`days` business days after `day`; `day` itself for 0, open or not."""
    for _ in range(days):
        day = _open_day(profile, day + timedelta(days=1))
    return day


def start_of(profile: Profile, day: date) -> datetime:
    """Midnight of the bank, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(profile.zone)).astimezone(UTC)


def debit_at(profile: Profile, on: date) -> datetime:
    """When the debit of a file of that value date may be assumed."""
    return start_of(profile, on)


def settled_at(profile: Profile, on: date) -> datetime:
    """When the days have passed in which the bank may return what it debited `on`."""
    last = business_day_after(profile, on, profile.return_days)
    return start_of(profile, last + timedelta(days=1))


def overdue_at(profile: Profile, sent_at: datetime) -> datetime:
    """When a bank that said nothing about a file it got is late."""
    sent_on = sent_at.astimezone(ZoneInfo(profile.zone)).date()
    last = business_day_after(profile, sent_on, profile.acknowledge_within)
    return start_of(profile, last + timedelta(days=1))


def is_business_day(calendar: str, day: date) -> bool:
    """Whether the clearing works: `canada`, `federal_reserve` or `target`.

    Of several joined by `+` all must: dollars of one country that are paid in the other. Raises
    `KeyError`.
    """
    if day.weekday() > _LAST_WEEKDAY:
        return False
    return all(day not in _closed(each) for each in calendar.split("+"))


def _open_day(profile: Profile, day: date) -> date:
    for ahead in range(_DAYS_SEARCHED):
        candidate = day + timedelta(days=ahead)
        if is_business_day(profile.calendar, candidate):
            return candidate
    raise ValueError(f"the calendar {profile.calendar} has no business day from {day} on")


@cache
def _closed(calendar: str) -> HolidayBase:
    return _CALENDARS[calendar]()
