"""Readiness: what each country that is served here has and lacks, as `tokaut readiness` shows it.

All of it comes from the country files, which cite public pages; nothing comes from reports. The page can be printed.
"""

from __future__ import annotations

from functools import partial

from flask import Response

import locales
from console.auth.access_control import AUDITOR, LEAD, OPERATOR, PageRoute, PageRouter, StaffRequest
from console.responses import page
from flows import catalogues
from reports.countries.country import Countries, Country
from reports.countries.readiness import (
    READINESS_NAMES,
    READINESS_TITLES,
    STATUS_LABELS,
    STATUS_MARKS,
    ReadinessItem,
    readiness_items,
)

VIEWERS = frozenset({LEAD, AUDITOR, OPERATOR})
CountryReadiness = tuple[Country, tuple[ReadinessItem, ...]]


def attach(router: PageRouter, countries: Countries) -> None:
    """Register the page of readiness."""
    screen_catalogues = catalogues.load(locales.FOLDER)
    by_name = sorted(countries, key=lambda country: country.name)
    country_readiness = [
        (country, readiness_items(country, *catalogues.reviewed_and_drafts(country.languages, screen_catalogues)))
        for country in by_name
    ]
    router.add(PageRoute("/readiness", VIEWERS), partial(_page, country_readiness))


def _page(country_readiness: list[CountryReadiness], me: StaffRequest) -> Response:
    titles = [READINESS_TITLES[name] for name in READINESS_NAMES]
    return page(
        "readiness.html", me=me, found=country_readiness, titles=titles, marks=STATUS_MARKS, stands=STATUS_LABELS
    )
