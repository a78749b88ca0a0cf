"""Compare a country file's calling code and time zones with the public lists: a file is often made from another's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from phonenumbers import country_code_for_region

from reports.countries.country import Country


def frame_faults(country: Country) -> Iterator[str]:
    """Yield the calling code and time zones that are not the country's; none for a country that no list has."""
    code = country_code_for_region(country.iso)
    if code and not country.calling_code.startswith(f"+{code}"):
        yield f"{country.file}: calling_code: {country.calling_code} is not of {country.iso}, which has +{code}."
    zones = _zones_by_country().get(country.iso, ())
    used = {"time_zone": country.time_zone}
    used |= {f"place.{n}.time_zone": place.time_zone for n, place in enumerate(country.places, 1) if place.time_zone}
    for key, zone in used.items():
        if zones and zone not in zones and _clock(zone) not in map(_clock, zones):  # Australia/Canberra is Sydney's
            yield f"{country.file}: {key}: {zone} is not of {country.iso}, which has {', '.join(zones)}."


def _clock(zone: str) -> bytes:
    """Return the rules of a time zone, which other names of it have too; the name itself if they are not there."""
    try:
        return files("tzdata.zoneinfo").joinpath(*zone.split("/")).read_bytes()
    except OSError:
        return zone.encode()


@cache
def _zones_by_country() -> Mapping[str, tuple[str, ...]]:
    """Return the time zones of each country, by its ISO code; empty if this machine does not have the list."""
    try:
        text = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    except (ImportError, OSError):
        return {}
    zones: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            iso, _, zone, *_ = line.split("\t")
            zones[iso] = (*zones.get(iso, ()), zone)
    return zones
