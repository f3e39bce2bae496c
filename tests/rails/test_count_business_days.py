"""Business days, cut-offs and value dates, against the published calendar."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.rails.profiles import (
    PROFILES,
    RAILS,
    business_day_after,
    debit_at,
    debited_on,
    is_business_day,
    next_cut_off,
    overdue_at,
    profile_of,
    settled_at,
    value_date,
)

SANDBOX = PROFILES["sandbox"]
# Closed weekdays as MM-DD, of Payments Canada, the Federal Reserve and TARGET.
CLOSED = {
    ("canada", 2025): "01-01 04-18 05-19 07-01 09-01 09-30 10-13 11-11 12-25 12-26",
    ("canada", 2026): "01-01 04-03 05-18 07-01 09-07 09-30 10-12 11-11 12-25 12-28",
    ("canada", 2027): "01-01 03-26 05-24 07-01 09-06 09-30 10-11 11-11 12-27 12-28",
    ("canada", 2028): "01-03 04-14 05-22 07-03 09-04 10-02 10-09 11-13 12-25 12-26",
    ("canada", 2029): "01-01 03-30 05-21 07-02 09-03 10-01 10-08 11-12 12-25 12-26",
    ("canada", 2030): "01-01 04-19 05-20 07-01 09-02 09-30 10-14 11-11 12-25 12-26",
    ("canada", 2031): "01-01 04-11 05-19 07-01 09-01 09-30 10-13 11-11 12-25 12-26",
    ("federal_reserve", 2025): "01-01 01-20 02-17 05-26 06-19 07-04 09-01 10-13 11-11 11-27 12-25",
    ("federal_reserve", 2026): "01-01 01-19 02-16 05-25 06-19 09-07 10-12 11-11 11-26 12-25",
    ("federal_reserve", 2027): "01-01 01-18 02-15 05-31 07-05 09-06 10-11 11-11 11-25",
    ("federal_reserve", 2028): "01-17 02-21 05-29 06-19 07-04 09-04 10-09 11-23 12-25",
    ("federal_reserve", 2029): "01-01 01-15 02-19 05-28 06-19 07-04 09-03 10-08 11-12 11-22 12-25",
    ("federal_reserve", 2030): "01-01 01-21 02-18 05-27 06-19 07-04 09-02 10-14 11-11 11-28 12-25",
    ("federal_reserve", 2031): "01-01 01-20 02-17 05-26 06-19 07-04 09-01 10-13 11-11 11-27 12-25",
    ("target", 2025): "01-01 04-18 04-21 05-01 12-25 12-26",
    ("target", 2026): "01-01 04-03 04-06 05-01 12-25",
    ("target", 2027): "01-01 03-26 03-29",
    ("target", 2028): "04-14 04-17 05-01 12-25 12-26",
    ("target", 2029): "01-01 03-30 04-02 05-01 12-25 12-26",
    ("target", 2030): "01-01 04-19 04-22 05-01 12-25 12-26",
    ("target", 2031): "01-01 04-11 04-14 05-01 12-25 12-26",
}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("calendar, year", CLOSED)
def test_the_banks_are_closed_on_weekends_and_on_the_published_days_alone(
    calendar: str, year: int
) -> None:
    first = date(year, 1, 1)
    days = [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]
    closed = [day for day in days if day.weekday() < 5 and not is_business_day(calendar, day)]
    assert [f"{day:%m-%d}" for day in closed] == CLOSED[calendar, year].split()
    assert not any(is_business_day(calendar, day) for day in days if day.weekday() > 4)


def test_of_joined_calendars_all_must_be_open() -> None:
    both = "canada+federal_reserve"
    assert not is_business_day(both, date(2026, 7, 1))  # Canada Day
    assert not is_business_day(both, date(2026, 11, 26))  # Thanksgiving in the United States
    assert is_business_day(both, date(2026, 7, 2))
    assert is_business_day(both, date(2028, 2, 29))


@pytest.mark.parametrize("calendar", ["", "nowhere", "canada+nowhere"])
def test_a_bad_calendar_is_refused(calendar: str) -> None:
    with pytest.raises(KeyError):
        is_business_day(calendar, date(2026, 7, 2))


@pytest.mark.parametrize(
    "at, expected",
    [
        ("2026-03-02T12:00:00", "2026-03-02T12:00:00"),
        ("2026-03-02T12:00:00.000001", "2026-03-02T13:00:00"),
        ("2026-03-02T23:59:59", "2026-03-03T00:00:00"),
        ("2026-12-31T23:30:00", "2027-01-01T00:00:00"),
    ],
)
def test_the_sandbox_has_a_cut_off_at_every_full_hour(at: str, expected: str) -> None:
    assert next_cut_off(SANDBOX, utc(at)) == utc(expected)


def test_a_cut_off_is_the_bank_s_deadline_in_its_zone_less_the_lead() -> None:
    evening = replace(
        SANDBOX,
        deadlines=(time(6), time(16, 30)),
        deadlines_zone="America/Toronto",
        lead_minutes=30,
    )
    assert next_cut_off(evening, utc("2026-01-15T10:29:59")) == utc("2026-01-15T10:30:00")
    assert next_cut_off(evening, utc("2026-01-15T10:30:01")) == utc("2026-01-15T21:00:00")
    assert next_cut_off(evening, utc("2026-01-15T21:00:01")) == utc("2026-01-16T10:30:00")
    assert next_cut_off(evening, utc("2026-07-15T12:00:00")) == utc("2026-07-15T20:00:00")


def test_a_profile_without_a_deadline_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one deadline"):
        next_cut_off(replace(SANDBOX, deadlines=()), utc("2026-01-15T10:30:00"))


@pytest.mark.parametrize(
    "cut_off, expected",
    [
        ("2026-03-02T12:00:00", "2026-03-02"),  # a Monday
        ("2026-03-03T04:00:00", "2026-03-02"),  # still Monday in Toronto
        ("2026-03-07T12:00:00", "2026-03-09"),  # a Saturday
        ("2026-04-03T12:00:00", "2026-04-06"),  # Good Friday
        ("2026-12-25T12:00:00", "2026-12-29"),  # Christmas, the weekend, Boxing Day moved
    ],
)
def test_the_value_date_is_a_business_day_of_the_bank_and_never_past(
    cut_off: str, expected: str
) -> None:
    assert value_date(SANDBOX, utc(cut_off)) == date.fromisoformat(expected)


def test_value_days_are_business_days() -> None:
    next_day = replace(SANDBOX, value_days=1)
    assert value_date(next_day, utc("2026-03-06T12:00:00")) == date(2026, 3, 9)


def test_a_debit_is_at_the_start_of_the_bank_s_day() -> None:
    assert debit_at(SANDBOX, date(2026, 3, 2)) == utc("2026-03-02T05:00:00")
    assert debit_at(SANDBOX, date(2026, 7, 2)) == utc("2026-07-02T04:00:00")


def test_a_file_that_came_late_is_debited_later() -> None:
    planned = date(2026, 3, 2)
    assert debited_on(SANDBOX, planned, utc("2026-03-01T12:00:00")) == planned
    assert debited_on(SANDBOX, planned, utc("2026-03-07T12:00:00")) == date(2026, 3, 9)


@pytest.mark.parametrize(
    "on, expected",
    [
        ("2026-03-02", "2026-03-05T05:00:00"),
        ("2026-03-05", "2026-03-10T04:00:00"),  # Friday and Monday pass; the clocks went ahead
        ("2026-12-24", "2026-12-31T05:00:00"),
    ],
)
def test_money_is_settled_when_the_days_of_returns_have_passed(on: str, expected: str) -> None:
    assert settled_at(SANDBOX, date.fromisoformat(on)) == utc(expected)


def test_a_bank_is_late_when_its_business_day_has_passed() -> None:
    assert overdue_at(SANDBOX, utc("2026-03-06T12:00:00")) == utc("2026-03-10T04:00:00")


def test_a_calendar_that_never_opens_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jetpay.rails.profiles._DAYS_SEARCHED", 1)
    with pytest.raises(ValueError, match="no business day"):
        value_date(SANDBOX, utc("2026-03-07T12:00:00"))


@given(st.dates(date(2025, 1, 1), date(2031, 11, 1)), st.integers(0, 20))
def test_counting_business_days_lands_on_one_and_skips_none(day: date, days: int) -> None:
    end = business_day_after(SANDBOX, day, days)
    between = [day + timedelta(days=n) for n in range(1, (end - day).days + 1)]
    assert sum(is_business_day("canada", each) for each in between) == days
    assert days == 0 or is_business_day("canada", end)


@given(st.integers(0, 6 * 365 * 24 * 3_600))
def test_the_next_cut_off_is_never_before_and_is_its_own_next(seconds: int) -> None:
    at = utc("2025-01-01T00:00:00") + timedelta(seconds=seconds)
    cut_off = next_cut_off(SANDBOX, at)
    assert at <= cut_off < at + timedelta(hours=1)
    assert next_cut_off(SANDBOX, cut_off) == cut_off


def test_a_bank_account_without_a_profile_has_its_rail_s_own() -> None:
    assert profile_of("sandbox", None) is SANDBOX
    assert profile_of("sandbox", "sandbox_by_hand").name == "sandbox_by_hand"
    with pytest.raises(KeyError):
        profile_of("sandbox", "bmo")


def test_every_profile_is_whole() -> None:
    for name, profile in PROFILES.items():
        assert profile.name == name
        assert profile.rail in RAILS
        assert RAILS[profile.rail].name == profile.rail
        assert profile.source
        noon = utc("2026-03-02T12:00:00")
        assert next_cut_off(profile, noon) >= noon
