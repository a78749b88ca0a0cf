"""Turn the hours that a reporter chose into hours of one time zone. Pure.

A reporter means the clock of the place. Where the place is not known, or has several time zones, only those hours are
safe that lie within the chosen ones on all of its clocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import UTC, datetime, timedelta
from functools import cache

from reports.countries.opening_hours import parse_zone

MAX_SPREAD_HOURS = 7  # between the clocks of one country: the shortest hours that a reporter can choose are 8


def safe_hours(zones: Set[str], zone: str, year: int, begin: str, end: str) -> Mapping[str, str]:
    """Return the hours from `begin` to `end`, HH:MM, as `safe_hours` of a contact.

    `zones`: the time zones of the place, or of all places where it may be. `zone`: the one in which common hours of
    several zones are given. `year`: the year whose changes to summer time are
    considered.
    """
    if len(zones) == 1:
        return {"from": begin, "to": end, "tz": next(iter(zones))}
    earliest, latest = _differences(frozenset(zones), zone, year)
    return {"from": _shifted(begin, latest), "to": _shifted(end, earliest), "tz": zone}


def spread(zones: Set[str], zone: str, year: int) -> timedelta:
    """Return the greatest difference between the clocks of these zones."""
    earliest, latest = _differences(frozenset(zones), zone, year)
    return latest - earliest


@cache
def _differences(zones: frozenset[str], zone: str, year: int) -> tuple[timedelta, timedelta]:
    """Return the least and the greatest time by which `zone` is ahead of one of `zones`, in any month."""
    months = [datetime(year, month, 15, tzinfo=UTC) for month in range(1, 13)]
    differences = [_offset(zone, moment) - _offset(name, moment) for name in zones for moment in months]
    return min(differences), max(differences)


def _offset(zone: str, moment: datetime) -> timedelta:
    return moment.astimezone(parse_zone(zone)).utcoffset() or timedelta()


def _shifted(clock: str, difference: timedelta) -> str:
    """Return a time of day plus `difference`, within the same day."""
    hours, minutes = map(int, clock.split(":"))
    shifted = hours * 60 + minutes + difference // timedelta(minutes=1)
    return "{:02}:{:02}".format(*divmod(min(max(shifted, 0), 24 * 60 - 1), 60))
