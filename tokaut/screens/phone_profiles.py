"""The phones of a country, each in one language and on one channel, as somebody who reads the words wants to see them.

Where an answer decides what is said, the longest is shown: the longest names, the group with the most places.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from flows.authoring.screen_variants import PhoneProfile
from flows.catalogues import Catalogue
from flows.model import FlowBook, Option, ScreenContext
from gateway.conversation.context import CountryContext
from reports.countries.country import Country
from tokaut.screens.combinations import (
    CHANNEL_SCREENS,
    LIMITS,
    entry_screens,
    longest_hotline_name,
    menu_languages,
    sample_fields,
)

__all__ = ["CHANNELS", "menu_languages", "phone"]

CHANNELS = tuple(CHANNEL_SCREENS)
YES_NO = ("yes", "no")


def phone(
    book: FlowBook, country: Country, language: Catalogue, channel: str, all_: Collection[Catalogue]
) -> PhoneProfile:
    """`all_`: the languages on the menu there."""
    ground = CountryContext.of(country, language, tuple(all_))
    hotlines = sorted((one.screen_name for one in country.hotlines.values()), key=len, reverse=True)
    lists = {
        **ground.lists,
        "places_in_group": max(ground.inside.values(), key=len, default=()),
        "who_else": tuple(Option(name, name) for name in hotlines[:3]),
    }
    fields = {
        **ground.fields,
        **sample_fields(country, language),
        "send_to_1": longest_hotline_name(country),
        "send_to_2": longest_hotline_name(country, 1),
    }
    return PhoneProfile(
        ScreenContext({**ground.facts, "channel": channel, "drill": "no"}, fields, lists, language.say),
        LIMITS[channel],
        _free(channel, len(hotlines)),
        tuple(entry_screens(book, channel)),
    )


def _free(channel: str, hotlines: int) -> dict[str, Sequence[str]]:
    sent = ("one", "two", "staff", "nobody") if hotlines > 1 else ("one", "staff", "nobody")
    return {"send_to": sent, "words_before_send": YES_NO if channel == "ussd" else ("no",)}


def for_reviewers(of: PhoneProfile) -> PhoneProfile:
    """For people: words of staff are nobody's to read."""
    return replace(of, world=replace(of.world, fields={**of.world.fields, "message": "(words of staff)"}))
