"""`tokaut check` on a country file's calling code and time zones."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from reports.countries.country import Countries, Country, load_countries, shipped_countries
from tests.reports.sample import VU
from tokaut.checks import country_frame
from tokaut.checks.installation import country_faults


@pytest.mark.parametrize(
    ("country", "lines"),
    [
        (replace(VU, calling_code="+687"), ["vu.toml: calling_code: +687 is not of VU, which has +678."]),
        (
            replace(VU, time_zone="Pacific/Fiji"),
            ["vu.toml: time_zone: Pacific/Fiji is not of VU, which has Pacific/Efate."],
        ),
        (
            replace(VU, places=(VU.places[0], replace(VU.places[1], time_zone="Pacific/Noumea"), *VU.places[2:])),
            ["vu.toml: place.2.time_zone: Pacific/Noumea is not of VU, which has Pacific/Efate."],
        ),
        (replace(VU, iso="AU", calling_code="+61", time_zone="Australia/Canberra"), []),  # another name of Sydney's
        (replace(VU, iso="ZZ", time_zone="UTC"), []),
        (replace(VU, iso="AS", calling_code="+1684", time_zone="Pacific/Pago_Pago"), []),
    ],
)
def test_what_a_copied_file_still_has_of_another_country(country: Country, lines: list[str]) -> None:
    """Hours and calls went by the clock of another country, and a start said nothing."""
    assert list(country_faults(Countries((country,)), country.mode, date(2026, 11, 25))) == lines


def test_the_shipped_files_have_their_own() -> None:
    for country in load_countries(shipped_countries(), "demo"):
        assert list(country_frame.frame_faults(country)) == []


def test_without_the_list_of_time_zones_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError

    monkeypatch.setattr(country_frame, "files", missing)
    country_frame._zones_by_country.cache_clear()
    assert list(country_frame.frame_faults(replace(VU, time_zone="Pacific/Fiji"))) == []
    country_frame._zones_by_country.cache_clear()
