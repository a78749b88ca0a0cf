"""The phones of a country, each in one language and on one channel, as somebody who reads the words wants to see them.

Where an answer decides what is said, the longest is shown: the longest names, the group with the most places.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from flows.catalogues import ENGLISH, PLAIN, Catalogue
from flows.fit import Limit
from flows.forms import Phone
from flows.model import Book, Option, World
from gateway.channels.simulator import Channel
from gateway.texting import NO_PICTURES, TIPS
from gateway.walk import HOME
from gateway.world import Ground
from reports.country import Country

CHANNELS = ("ussd", "sms")
# Of what the program shows by itself.
ONLY_ON = {TIPS: "sms", NO_PICTURES: "sms", "home.how_to_delete": "sms", "home.goodbye": "ussd"}
YES_NO = ("yes", "no")
# What a conversation learns on its way, as long as it can be.
LEARNT = {"code": "4821 9303", "pin": "7350", "meant": "Safety tips", "messages": "2", "message": "(words of staff)"}


def spoken(country: Country, known: Mapping[str, Catalogue]) -> tuple[Catalogue, ...]:
    """English, and each language of the country that has a catalogue, drafts too."""
    return (PLAIN, *(known[tag] for tag in country.languages if tag in known and tag != ENGLISH))


def phone(book: Book, country: Country, language: Catalogue, channel: str, all_: Collection[Catalogue]) -> Phone:
    """`all_`: the languages on the menu there."""
    ground = Ground.of(country, language, tuple(all_))
    hotlines = sorted((one.screen_name for one in country.hotlines.values()), key=len, reverse=True)
    named = {"send_to_1": hotlines[0], "send_to_2": hotlines[min(1, len(hotlines) - 1)], "desk": hotlines[0]}
    lists = {
        **ground.lists,
        "places_in_group": max(ground.inside.values(), key=len, default=()),
        "who_else": tuple(Option(name, name) for name in hotlines[:3]),
    }
    facts = {**ground.facts, "channel": channel, "drill": "no"}
    return Phone(
        World(facts, {**ground.fields, **LEARNT, **named}, lists, language.say),
        Limit(*Channel.limits["ussd" if channel == "ussd" else "sms"]),
        _free(channel, len(hotlines)),
        tuple(name for name in book.screens if _begins(book, name, channel)),
    )


def _free(channel: str, hotlines: int) -> dict[str, Sequence[str]]:
    sent = ("one", "two", "staff", "nobody") if hotlines > 1 else ("one", "staff", "nobody")
    return {"send_to": sent, "words_before_send": YES_NO if channel == "ussd" else ("no",)}


def _begins(book: Book, name: str, channel: str) -> bool:
    screen = book.screens[name]
    if screen.start:
        return (name == HOME["ussd"]) == (channel == "ussd")
    return screen.called and ONLY_ON.get(name, channel) == channel
