"""How long each country keeps what. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from reports.country import Country
from reports.retention import HERE, READ_HERE, Policy


def policy(countries: Iterable[Country]) -> Policy:
    """Of the countries that are switched on; for another one the rules hold as they stand."""
    lands = tuple(countries)
    here = {
        hotline.id: hotline.card.retention_days or HERE.days
        for land in lands
        for hotline in land.hotlines.values()
        if hotline.delivery in READ_HERE
    }
    known = {name for land in lands for name in land.hotlines}
    return Policy({land.iso: land.retention for land in lands}, here, frozenset(known - here.keys()))
