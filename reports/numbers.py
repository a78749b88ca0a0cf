"""The numbers that may be said in a country, on screens and by staff. Pure."""

from __future__ import annotations

import re

from reports.country import Country
from reports.hotline import Hotline
from reports.withdrawing import bare

TAKEN_OFF = "..."


def may_be_said(country: Country) -> frozenset[str]:
    """As digits: all that may be shown there now, and what is dialled or texted."""
    parts = {part for code in country.codes for part in re.findall(r"\d+", code.code)}
    return _shown(country) | parts


def without_withdrawn(words: str, country: Country) -> str:
    """What staff wrote before a number was withdrawn, without it, however it stands there; what is dialled stays."""
    gone = [number.number for number in country.emergency if number.withdrawn]
    gone += [number for hotline in country.hotlines.values() if hotline.withdrawn for number in _of(hotline)]
    for digits in sorted(set(filter(None, map(bare, gone))) - _shown(country), key=len, reverse=True):
        words = re.sub(r"(?<![\d*])" + r"[\W_]*".join(digits) + r"(?!\d)", TAKEN_OFF, words)
    return words


def _shown(country: Country) -> frozenset[str]:
    shown = [number.number for number in country.emergency if number.may_show(country.mode)]
    shown += [number for hotline in filter(country.shows, country.hotlines.values()) for number in _of(hotline)]
    return frozenset(filter(None, map(bare, shown)))


def _of(hotline: Hotline) -> list[str]:
    show = hotline.show
    return [number for number in (show.phone, *show.phone_alt, *show.by_place.values(), show.sms) if number]
