"""The hours in which a phone is safe: those of the place, or of every place where the reporter may be."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from reports.answer_notices import next_notice_at, read_permission
from reports.countries.country import Country, load_countries, shipped_countries
from reports.report import CONTACT_CHOICES, contact_details
from runtime.time_units import HOUR, SECOND
from tests.reports.sample import MSISDN

COUNTRIES = {country.iso: country for country in load_countries(shipped_countries(), "demo")}


def _hours(iso: str, place: str | None, chosen: str = "sms_07_21") -> tuple[str, str, str]:
    hours = contact_details(chosen, COUNTRIES[iso], place, MSISDN)["safe_hours"]
    return hours["from"], hours["to"], hours["tz"]


@pytest.mark.rule("S-03")
@pytest.mark.parametrize(
    ("iso", "place", "hours"),
    [
        ("VU", None, ("07:00", "21:00", "Pacific/Efate")),
        ("VU", "by the river", ("07:00", "21:00", "Pacific/Efate")),
        ("AU", "AU-WA", ("07:00", "21:00", "Australia/Perth")),
        ("AU", "AU-NSW", ("07:00", "21:00", "Australia/Sydney")),
        ("KI", "KI-L", ("07:00", "21:00", "Pacific/Kiritimati")),
        # in winter Perth is two hours behind Sydney, in summer three
        ("AU", None, ("10:00", "21:00", "Australia/Sydney")),
        ("AU", "by the river", ("10:00", "21:00", "Australia/Sydney")),
        # of this group only Bougainville is an hour ahead
        ("PG", "Islands", ("07:00", "20:00", "Pacific/Port_Moresby")),
        ("PG", "Highlands", ("07:00", "21:00", "Pacific/Port_Moresby")),
        # the Line Islands are two hours ahead
        ("KI", None, ("07:00", "19:00", "Pacific/Tarawa")),
    ],
)
def test_the_hours_are_those_of_the_place_or_of_all_places(iso: str, place: str | None, hours: tuple[str, ...]) -> None:
    assert _hours(iso, place) == hours


def _places(country: Country) -> list[tuple[str | None, str]]:
    """Return what a report may name as its place, each with each time zone that is meant."""
    zones = {place.code: place.time_zone or country.time_zone for place in country.places}
    values: list[str | None] = [None, *zones, *country.groups()]
    return [(value, zones[code]) for value in values for code in country.place_codes(value) or zones]


@pytest.mark.rule("S-03")
@pytest.mark.parametrize("iso", COUNTRIES)
@pytest.mark.parametrize("chosen", ["sms_07_21", "sms_08_16"])
@pytest.mark.parametrize("month", [1, 7])
def test_no_sms_goes_out_at_another_hour_of_any_place_that_is_meant(iso: str, chosen: str, month: int) -> None:
    country, (_, begin, end) = COUNTRIES[iso], CONTACT_CHOICES[chosen]
    day = int(datetime(2027, month, 20, tzinfo=UTC).timestamp()) * SECOND
    for place, zone in set(_places(country)):
        permission = read_permission(contact_details(chosen, country, place, MSISDN), day)
        sent_at = [hour for hour in (day + n * HOUR for n in range(24)) if next_notice_at(permission, (), hour) == hour]
        local = [
            datetime.fromtimestamp(at / SECOND, UTC).astimezone(ZoneInfo(zone)).strftime("%H:%M") for at in sent_at
        ]
        assert local and all(begin <= clock < end for clock in local), (place, zone, local)
