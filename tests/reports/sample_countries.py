"""Countries with one change, and one that is ready for live mode."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reports.countries.country import SHIPPED_FOLDER, Country
from tests.reports.sample import COUNTRIES, VU

EACH = pytest.mark.parametrize("country", list(COUNTRIES), ids=lambda country: country.iso)


VERIFIED: dict[str, Any] = {"verified_on": "2026-11-01", "verified_by": "a telephone company"}


def text_of(country: Country) -> str:
    return (SHIPPED_FOLDER / country.file).read_text(encoding="utf-8")


def with_helpline(**changes: Any) -> Country:
    helpline = VU.hotlines["vu-pikinini"]
    return replace(VU, hotlines={**VU.hotlines, helpline.id: replace(helpline, **changes)})


def card(country: Country, hotline: str, **changes: Any) -> Country:
    found = country.hotlines[hotline]
    changed = replace(found, card=replace(found.card, **changes))
    return replace(country, hotlines={**country.hotlines, hotline: changed})


AGREED: dict[str, Any] = {
    "answers_within": {"P1": 15, "P2": 60, "P3": 1440, "P4": 4320},
    "agreement_date": "2026-10-01",
    "agreement_until": "2028-10-01",
    "tested_on": "2026-11-24",
    "drill_on": "2026-11-01",
    "drill_minutes": 5,
    "verified_on": "2026-11-01",
    "duty_officer": ("duty@example.org",),
    "supervisor": ("lead@example.org",),
    "languages": ("en",),
    "hours": "24h",
    "time_zone": "Pacific/Efate",
    "holidays": "none",
    "backup": "vu-womens-centre",
    "fallback": "vu-womens-centre",
}


def ready() -> Country:
    """Return Vanuatu with every number verified and every partner card complete."""
    hotlines = {}
    for name, hotline in VU.hotlines.items():
        blank = {field: "agreed" for field in hotline.card.missing() if field not in AGREED}
        other = "vu-pikinini" if name == AGREED["backup"] else AGREED["backup"]
        full = replace(hotline.card, **{**blank, **AGREED, "backup": other, "fallback": other})
        hotlines[name] = replace(hotline, card=full, **VERIFIED, source_date="2026-10-01")
    emergency = tuple(replace(number, **VERIFIED, source_date="2026-10-01") for number in VU.emergency)
    return replace(VU, mode="live", hotlines=hotlines, emergency=emergency)
