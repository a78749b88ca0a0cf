"""What stands in each country that is served here, by pillars, and what is missing: as `tokaut readiness` says it.

All of it is from public pages, by the country files; nothing of any report. It is printed like any page.
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


def attach(doors: PageRouter, countries: Countries) -> None:
    known = catalogues.load(locales.FOLDER)
    by_name = sorted(countries, key=lambda one: one.name)
    found = [(one, readiness_items(one, *catalogues.reviewed_and_drafts(one.languages, known))) for one in by_name]
    doors.add(PageRoute("/readiness", VIEWERS), partial(_page, found))


def _page(found: list[CountryReadiness], me: StaffRequest) -> Response:
    titles = [READINESS_TITLES[name] for name in READINESS_NAMES]
    return page("readiness.html", me=me, found=found, titles=titles, marks=STATUS_MARKS, stands=STATUS_LABELS)
