"""How long each country keeps its data. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from reports.countries.country import Country
from reports.retention.rules import LOCAL_COPY, LOCAL_KINDS, RetentionPolicy


def retention_policy(countries: Iterable[Country]) -> RetentionPolicy:
    """Return the policy of the countries that are switched on. For any other country the rules apply unchanged."""
    enabled = tuple(countries)
    local_copies = {
        hotline.id: hotline.card.retention_days or LOCAL_COPY.days
        for country in enabled
        for hotline in country.hotlines.values()
        if hotline.delivery in LOCAL_KINDS
    }
    hotlines = {name for country in enabled for name in country.hotlines}
    return RetentionPolicy(
        {country.iso: country.retention for country in enabled}, local_copies, frozenset(hotlines - local_copies.keys())
    )
