"""The phones of a country, one for each language and channel, as people who read the texts need to see them.

Where an answer decides what a screen says, the longest text is shown: the longest names, the group with the most
places.
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
    """Build the profile of one phone. `all_`: the languages on the menu of this country."""
    country_context = CountryContext.of(country, language, tuple(all_))
    hotline_names = sorted((hotline.screen_name for hotline in country.hotlines.values()), key=len, reverse=True)
    lists = {
        **country_context.lists,
        "places_in_group": max(country_context.inside.values(), key=len, default=()),
        "who_else": tuple(Option(name, name) for name in hotline_names[:3]),
    }
    fields = {
        **country_context.fields,
        **sample_fields(country, language),
        "send_to_1": longest_hotline_name(country),
        "send_to_2": longest_hotline_name(country, 1),
    }
    return PhoneProfile(
        ScreenContext({**country_context.facts, "channel": channel, "drill": "no"}, fields, lists, language.say),
        LIMITS[channel],
        _variable_facts(channel, len(hotline_names)),
        tuple(entry_screens(book, channel)),
    )


def _variable_facts(channel: str, hotlines: int) -> dict[str, Sequence[str]]:
    """Return the facts that change with answers, with the values they may have."""
    send_to = ("one", "two", "staff", "nobody") if hotlines > 1 else ("one", "staff", "nobody")
    return {"send_to": send_to, "words_before_send": YES_NO if channel == "ussd" else ("no",)}


def for_reviewers(of: PhoneProfile) -> PhoneProfile:
    """Return the profile with a placeholder for messages from staff, which are private."""
    return replace(of, world=replace(of.world, fields={**of.world.fields, "message": "(words of staff)"}))
