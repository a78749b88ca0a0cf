"""Opening hours, holidays and rota: as written in a country file, by the local time of the hotline."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.countries.opening_hours import (
    OpeningHours,
    OpeningHoursError,
    parse_holidays,
    parse_hours,
    parse_zone,
    rota_contacts,
)
from runtime.time_units import SECOND

QUARTER = 15 * 60 * SECOND


def at(text: str, zone: str = "UTC") -> int:
    """Return the moment at which clocks of a zone show this time."""
    there = datetime.fromisoformat(text)
    there = there if there.tzinfo else there.replace(tzinfo=parse_zone(zone))
    return int(there.timestamp()) * SECOND


def said(moment: int | None, zone: str = "UTC") -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment / SECOND, UTC).astimezone(parse_zone(zone)).isoformat()[:16]


def desk(hours: str, holidays: str = "none", zone: str = "Pacific/Efate") -> OpeningHours:
    return OpeningHours(parse_zone(zone), parse_hours(hours), parse_holidays(holidays))


OFFICE, NIGHTS = "mon-fri 08:00-16:30, sat 09:00-12:00", "daily 18:00-02:00"


@pytest.mark.parametrize(
    ("hours", "moment", "is_open", "opens"),
    [  # 2026-11-27 is a Friday
        ("24h", "2026-11-29T03:00", True, "2026-11-29T03:00"),
        (OFFICE, "2026-11-27T07:59", False, "2026-11-27T08:00"),
        (OFFICE, "2026-11-27T08:00", True, "2026-11-27T08:00"),
        (OFFICE, "2026-11-27T16:29", True, "2026-11-27T16:29"),
        (OFFICE, "2026-11-27T16:30", False, "2026-11-28T09:00"),
        (OFFICE, "2026-11-28T12:00", False, "2026-11-30T08:00"),
        (NIGHTS, "2026-11-27T17:59", False, "2026-11-27T18:00"),
        (NIGHTS, "2026-11-27T23:59", True, "2026-11-27T23:59"),
        (NIGHTS, "2026-11-28T01:59", True, "2026-11-28T01:59"),
        (NIGHTS, "2026-11-28T02:00", False, "2026-11-28T18:00"),
        ("fri 22:00-06:00", "2026-11-28T05:59", True, "2026-11-28T05:59"),
        ("fri 22:00-06:00", "2026-11-27T05:59", False, "2026-11-27T22:00"),
        ("sat-mon 08:00-24:00", "2026-11-30T23:59", True, "2026-11-30T23:59"),
        ("sat-mon 08:00-24:00", "2026-12-01T00:00", False, "2026-12-05T08:00"),
        ("08:00-12:00", "2026-11-29T11:59", True, "2026-11-29T11:59"),
        ("08:00-12:00, 13:00-17:00", "2026-11-29T12:30", False, "2026-11-29T13:00"),
        ("mon-fri 00:00-24:00", "2026-11-27T23:59", True, "2026-11-27T23:59"),
        ("mon-fri 00:00-24:00", "2026-11-28T00:00", False, "2026-11-30T00:00"),
    ],
)
def test_open_and_when_it_opens(hours: str, moment: str, is_open: bool, opens: str) -> None:
    one = desk(hours)
    assert one.is_open(at(moment, "Pacific/Efate")) is is_open
    assert said(one.opens(at(moment, "Pacific/Efate")), "Pacific/Efate") == opens


@pytest.mark.parametrize(
    ("holidays", "moment", "opens"),
    [
        ("none", "2026-12-25T09:00", "2026-12-25T09:00"),
        ("2026-12-25", "2026-12-25T09:00", "2026-12-26T09:00"),
        ("12-25, 12-26", "2027-12-25T09:00", "2027-12-27T08:00"),
        ("2026-12-24..2027-01-03", "2026-12-24T07:00", "2027-01-04T08:00"),
        ("02-29", "2027-03-01T09:00", "2027-03-02T08:00"),
    ],
)
def test_a_holiday_is_closed_all_day(holidays: str, moment: str, opens: str) -> None:
    assert said(desk(OFFICE, holidays).opens(at(moment, "Pacific/Efate")), "Pacific/Efate") == opens


def test_a_night_that_began_before_a_holiday_is_read_to_its_end() -> None:
    one = desk(NIGHTS, "2026-12-25")
    assert one.is_open(at("2026-12-25T01:00", "Pacific/Efate"))
    assert not one.is_open(at("2026-12-25T19:00", "Pacific/Efate"))
    assert not one.is_open(at("2026-12-26T01:00", "Pacific/Efate"))


STARTS = ("2026-12-23", "2026-04-03", "2026-09-25")
ZONES = ("Pacific/Efate", "Pacific/Kiritimati", "Pacific/Rarotonga", "Africa/Nairobi")  # their clocks do not change
CLOCK = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["daily", "mon-fri", "sat", "fri-mon"]), CLOCK, CLOCK), min_size=1, max_size=3),
    st.sampled_from(["none", "12-24..12-26", "2026-04-03..2026-04-06, 09-26"]),
    st.sampled_from(ZONES),
    st.sampled_from(STARTS),
    st.integers(0, 4 * 24 * 4),
)
def test_it_opens_at_the_first_moment_at_which_it_is_open(
    spans: list[tuple[str, str, str]], holidays: str, zone: str, day: str, quarters: int
) -> None:
    hours = ", ".join(f"{days} {begin}-{end}" for days, begin, end in spans if begin != end) or "24h"
    one, now = desk(hours, holidays, zone), at(day, zone) + quarters * QUARTER
    later = (now + n * QUARTER for n in range(4 * 24 * 15))
    assert one.opens(now) == next(moment for moment in later if one.is_open(moment))


def test_a_desk_that_never_opens() -> None:
    assert desk("mon 08:00-09:00", "2026-01-01..2029-12-31").opens(at("2026-11-27T08:00")) is None


def test_the_two_zones_of_papua_new_guinea() -> None:
    moment = at("2026-11-27T07:30", "Pacific/Port_Moresby")
    assert not desk(OFFICE, zone="Pacific/Port_Moresby").is_open(moment)
    assert desk(OFFICE, zone="Pacific/Bougainville").is_open(moment), "an hour ahead: 08:30"


@pytest.mark.parametrize(
    ("moment", "is_open", "opens"),
    [
        ("2026-10-03T15:59:00+00:00", False, "2026-10-03T16:15"),  # 01:59, then 03:00: there is no 02:15
        ("2026-10-03T16:00:00+00:00", True, "2026-10-03T16:00"),
        ("2026-04-04T15:14:00+00:00", False, "2026-04-04T15:15"),
        ("2026-04-04T15:20:00+00:00", True, "2026-04-04T15:20"),
    ],
)
def test_a_clock_that_is_put_forward_and_back(moment: str, is_open: bool, opens: str) -> None:
    """Sydney's clocks go forward on the first Sunday of October, and back on the first of April."""
    night = desk("daily 02:15-05:00", zone="Australia/Sydney")
    assert night.is_open(at(moment)) is is_open
    assert said(night.opens(at(moment))) == opens


def test_hours_that_the_clock_skips_open_on_another_day() -> None:
    one = desk("sun 02:15-02:45", zone="Australia/Sydney")
    opens = one.opens(at("2026-10-03T12:00:00+00:00"))
    assert opens == at("2026-10-11T02:15", "Australia/Sydney"), "it said 03:15 on the day without a 02:15"


@pytest.mark.parametrize(
    ("hours", "moment", "told"),
    [
        ("24h", "2026-11-27T19:59", "2026-11-27T19:59"),
        ("24h", "2026-11-27T20:00", "2026-11-28T07:00"),
        ("24h", "2026-11-28T06:59", "2026-11-28T07:00"),
        ("24h", "2026-11-28T07:00", "2026-11-28T07:00"),
        (OFFICE, "2026-11-27T16:30", "2026-11-28T09:00"),
        (OFFICE, "2026-11-28T12:00", "2026-11-30T08:00"),
        (NIGHTS, "2026-11-27T17:00", "2026-11-27T18:00"),
        (NIGHTS, "2026-11-27T20:00", "2026-11-28T18:00"),
        ("daily 21:00-06:00", "2026-11-27T12:00", "2026-11-27T12:00"),  # open only at night: notified rather than never
    ],
)
def test_nobody_is_told_at_night_nor_while_closed(hours: str, moment: str, told: str) -> None:
    assert said(desk(hours).next_notify_time(at(moment, "Pacific/Efate")), "Pacific/Efate") == told


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "'' is not a valid opening time"),
        ("agreed", "'agreed' is not a valid opening time"),
        ("mon-fri 8:00-16:30", "is not a valid opening time"),
        ("mon-fri 08:00-16:30 sat 09:00-12:00", "is not a valid opening time"),
        ("mon-fry 08:00-16:30", "'fry' is not a valid day; the days are mon"),
        ("mon 08:00-25:00", "25:00 is not a valid time of day"),
        ("mon 08:00-08:00", "write 24h for day and night"),
        ("Mon 08:00-09:00", "is not a valid opening time"),
        ("daily-fri 08:00-09:00", "'daily' is not a valid day"),
        ("mon-fri 08:00-12:00, 13:00-17:00", "'13:00-17:00' names no days, and other times do"),  # it opened on Sunday
        ("08:00-17:00, sat 09:00-12:00", "'08:00-17:00' names no days, and other times do"),
    ],
)
def test_hours_that_cannot_be_read(text: str, complaint: str) -> None:
    with pytest.raises(OpeningHoursError) as fault:
        parse_hours(text)
    assert complaint in str(fault.value)


MIXED = ["12-29..2027-01-02", "2026-12-29..01-02"]  # the first one covered no day of January


@pytest.mark.parametrize(
    "text", ["agreed", "2026-13-01", "25-12", "2027-01-02..2026-12-29", "12-29..01-02", "02-30", *MIXED]
)
def test_holidays_that_cannot_be_read(text: str) -> None:
    with pytest.raises(OpeningHoursError):
        parse_holidays(text)


@pytest.mark.parametrize("name", ["Efate", "", "../etc/passwd", "Pacific", "Pacific/Efate\0"])
def test_zones_that_are_none(name: str) -> None:
    with pytest.raises(OpeningHoursError):
        parse_zone(name)


ROTA = {
    "mon-fri 08:00-17:00": ("day@example.org",),
    "daily 17:00-08:00": ("+6785550101", "+6785550102"),
    "sat-sun 08:00-17:00": ("+6785550103",),
}


@pytest.mark.parametrize(
    ("moment", "who"),
    [
        ("2026-11-27T09:00", ("day@example.org",)),
        ("2026-11-27T17:00", ("+6785550101", "+6785550102")),
        ("2026-11-28T07:59", ("+6785550101", "+6785550102")),
        ("2026-11-28T08:00", ("+6785550103",)),
    ],
)
def test_who_is_on_duty(moment: str, who: tuple[str, ...]) -> None:
    assert rota_contacts(ROTA, parse_zone("Pacific/Efate"), at(moment, "Pacific/Efate")) == who
