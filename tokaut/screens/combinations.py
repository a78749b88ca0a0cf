"""Every line that a person may be on: country, language, channel. What the lint of the flows walks, and `play`."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass

import polib

import locales
from flows.authoring.paths import Combination, FactPairs
from flows.catalogues import ENGLISH, ENGLISH_CATALOGUE, Catalogue, load
from flows.engine import initial_state
from flows.model import FlowBook, FlowState
from flows.pagination import ScreenLimit
from flows.renderer import OVERLAY_SCREEN
from flows.text import CONTEXT_SEPARATOR
from gateway.channels.simulator import Channel
from gateway.conversation.context import ROUTED as ROUTED_FACTS
from gateway.conversation.context import CountryContext, RenderContext
from gateway.conversation.reducer import HOME
from gateway.conversation.sms import DID_YOU_MEAN, FIRST_WORDS, NO_PICTURES, OPENS
from reports.countries.country import Country

# What a screen needs that a conversation learns on its way, as long as it can be.
SAMPLE_FIELDS = {"code": "4821 9303", "pin": "7350", "messages": "9", "message": "Please come. " * 9 + "OK."}
SAMPLE_FIELDS |= {"opens": "30/11 08:00"}
# Screens of one channel alone, among those that no other screen leads to.
CHANNEL_SCREENS = {
    "ussd": frozenset({HOME["ussd"]}),
    "sms": frozenset({HOME["sms"], FIRST_WORDS, DID_YOU_MEAN, *OPENS.values(), NO_PICTURES, "home.how_to_delete"}),
}
DECIDING_QUESTIONS = ("danger", "category", "about", "about_missing", "age_band", "place", "send")
ROUTING_QUESTIONS = frozenset({*DECIDING_QUESTIONS, "avoid"})
# What changes with answers in the world of a call: `gateway.conversation.context` makes it.
CONTEXT_DEPENDENCIES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(sorted(ROUTED_FACTS), ROUTING_QUESTIONS),
    "places_in_group": frozenset({"place"}),
}


LIMITS = {str(kind): ScreenLimit(*limit) for kind, limit in Channel.limits.items()}
# What differs from line to line: whether the network's card asks for words before Send, whether a number is seen.
LINE_FACTS: Mapping[str, tuple[FactPairs, ...]] = {
    "ussd": (
        (("contactable", "yes"), ("words_before_send", "no")),
        (("contactable", "yes"), ("words_before_send", "yes")),
        (("contactable", "no"), ("words_before_send", "no")),
    ),
    "sms": ((),),
}


def load_catalogues() -> dict[str, Catalogue]:
    return load(locales.FOLDER)


def menu_languages(country: Country, known: Mapping[str, Catalogue]) -> tuple[Catalogue, ...]:
    """English, and each language of the country that has a catalogue, a draft too: it may be offered by name."""
    return (ENGLISH_CATALOGUE, *(known[tag] for tag in country.languages if tag in known and tag != ENGLISH))


def combinations(
    book: FlowBook,
    countries: Collection[Country],
    known: Mapping[str, Catalogue],
    channels: Collection[str] = tuple(CHANNEL_SCREENS),
) -> Iterator[Combination]:
    for country in countries:
        languages = menu_languages(country, known)
        for language in languages:
            yield from (combination(book, country, language, channel, languages) for channel in channels)


def combination(
    book: FlowBook, country: Country, language: Catalogue, channel: str, languages: Collection[Catalogue]
) -> Combination:
    """All hotlines of the country are set up, and named as they would be."""
    ground = CountryContext.of(country, language, tuple(languages))
    around = RenderContext(
        {language.tag: ground}, channel, True, country.hotlines, said=sample_fields(country, language)
    )
    return Combination(
        country=country.iso,
        language=language.tag,
        channel=channel,
        limit=LIMITS[channel],
        context_for=around,
        begin=tuple(initial_state(book, name) for name in _first(book, channel)),
        notices=tuple(_notices(book, channel)),
        depends=CONTEXT_DEPENDENCIES,
        equivalence_key=_AnswerKeys(country, around),
        lines=LINE_FACTS[channel],
        longest={name: longest_hotline_name(country, place) for place, name in enumerate(("send_to_1", "send_to_2"))},
        translation_source=_TranslationSources(language.tag),
    )


def sample_fields(country: Country, language: Catalogue) -> dict[str, str]:
    return {**SAMPLE_FIELDS, "desk": longest_hotline_name(country), "meant": language.say("Safety tips")}


def longest_hotline_name(country: Country, place: int = 0) -> str:
    """The longest name of a hotline on screens; of a country with one hotline also the second longest."""
    names = sorted((one.screen_name for one in country.hotlines.values()), key=len, reverse=True)
    return names[min(place, len(names) - 1)] if names else ""


def _first(book: FlowBook, channel: str) -> Iterator[str]:
    """Where a conversation may begin."""
    for name in entry_screens(book, channel):
        if not (book.screens[name].end or name == OVERLAY_SCREEN):
            yield name


def _notices(book: FlowBook, channel: str) -> Iterator[str]:
    yield from (name for name in entry_screens(book, channel) if book.screens[name].end or name == OVERLAY_SCREEN)


def entry_screens(book: FlowBook, channel: str) -> Iterator[str]:
    others = frozenset[str]().union(*(names for kind, names in CHANNEL_SCREENS.items() if kind != channel))
    yield from (one.id for one in book.screens.values() if (one.start or one.called) and one.id not in others)


class _AnswerKeys:
    """Answers that lead to the same hotlines are one answer to the world; groups of places are, where all have some.
    Of who was left out it matters how many, and in which roles those are who stay."""

    def __init__(self, country: Country, around: RenderContext) -> None:
        self._country, self._around = country, around
        self._known: dict[tuple[str, str | None], Hashable] = {}
        self._roles: dict[Hashable, Hashable] = {}

    def __call__(self, question: str, value: str | None, state: FlowState) -> Hashable:
        if question == "avoid":
            return self._left_out(state) if value else None
        if question == "about" and state.values.get("category") != "images":
            return None
        asked = question, value
        if asked not in self._known:
            self._known[asked] = self._of(question, value)
        return self._known[asked]

    def _left_out(self, state: FlowState) -> Hashable:
        values = state.values
        avoided = frozenset(state.many("avoid"))
        known = (avoided, *(values.get(name) for name in DECIDING_QUESTIONS))
        if known not in self._roles:
            kinds, legs = self._country.hotlines, self._around.legs(state)
            self._roles[known] = len(avoided), tuple((leg.role, kinds[leg.hotline].kind == "police") for leg in legs)
        return self._roles[known]

    def _of(self, question: str, value: str | None) -> Hashable:
        hotlines = self._country.hotlines.values()
        if question == "age_band":
            return frozenset(one.id for one in hotlines if one.covers_age(value or "unknown"))
        if question == "place":
            inside = next(iter(self._around.grounds.values())).inside
            codes = self._country.place_codes(value)
            return frozenset(one.id for one in hotlines if one.covers_place(codes)), (value or "") in inside
        if question == "danger":
            return self._country.police_on_danger_now and value == "now"
        if question == "about":
            return value in ("me", "my_child", "child_i_know")
        if question == "send":
            return value == "after_all"
        return value if question == "category" else None


@dataclass(frozen=True, slots=True)
class _TranslationSources:
    """Where a message's translation stands; English stands in the flow itself."""

    tag: str

    def __call__(self, message: str) -> tuple[str, int] | None:
        if self.tag == ENGLISH:
            return None
        context, _, words = message.rpartition(CONTEXT_SEPARATOR)
        po = polib.pofile(str(locales.FOLDER / f"{self.tag}.po"))
        found = po.find(words, msgctxt=context or False)
        return (f"locales/{self.tag}.po", found.linenum) if found and found.msgstr else None
