"""How long each country keeps what. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from reports.countries.country import Country
from reports.retention.rules import LOCAL_COPY, LOCAL_KINDS, RetentionPolicy


def retention_policy(countries: Iterable[Country]) -> RetentionPolicy:
    """Of the countries that are switched on; for another one the rules hold as they stand."""
    lands = tuple(countries)
    here = {
        hotline.id: hotline.card.retention_days or LOCAL_COPY.days
        for land in lands
        for hotline in land.hotlines.values()
        if hotline.delivery in LOCAL_KINDS
    }
    known = {name for land in lands for name in land.hotlines}
    return RetentionPolicy({land.iso: land.retention for land in lands}, here, frozenset(known - here.keys()))
