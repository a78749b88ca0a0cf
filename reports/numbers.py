"""The numbers that may be said in a country, on screens and by staff. Pure."""

from __future__ import annotations

import re

from reports.country import Country


def may_be_said(country: Country) -> frozenset[str]:
    """As digits: all that may be shown there now, and what is dialled or texted."""
    shown = [number.number for number in country.emergency if number.may_show(country.mode)]
    for hotline in filter(country.shows, country.hotlines.values()):
        show = hotline.show
        shown += [show.phone, *show.phone_alt, *show.by_place.values(), show.sms]
    whole = {re.sub(r"\D", "", number) for number in shown}
    parts = {part for code in country.codes for part in re.findall(r"\d+", code.code)}
    return frozenset(filter(None, whole | parts))
