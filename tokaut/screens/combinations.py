"""Every combination of country, language and channel, for `tokaut flows lint` and `tokaut flows play`."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polib
from msgspec.structs import replace

import locales
from flows.authoring.paths import Combination, FactPairs
from flows.authoring.screen_variants import PhoneProfile
from flows.catalogues import ENGLISH, ENGLISH_CATALOGUE, Catalogue
from flows.engine import initial_state
from flows.model import FlowBook, FlowState, Option, ScreenContext
from flows.pagination import CONTEXT_SEPARATOR, ScreenLimit
from flows.renderer import OVERLAY_SCREEN
from gateway.channels.simulator import Channel
from gateway.conversation.actions import CALL_DURING_REPORT
from gateway.conversation.context import ROUTED as ROUTED_FACTS
from gateway.conversation.context import CountryContext, RenderContext
from gateway.conversation.reducer import HOME
from gateway.conversation.sms import DID_YOU_MEAN, FIRST_WORDS, NO_PICTURES, OPENS
from gateway.messaging import speech
from reports.countries.country import Country
from reports.countries.referral import service_placeholders
from runtime.telephony import CHANNEL_KINDS, ChannelKind

# Sample values of fields that a session gets only while it runs, each as long as possible.
SAMPLE_FIELDS = {
    "code": "4821 9303",
    "pin": "7350",
    "messages": "9",
    "message": "Please come. " * 9 + "OK.",
    "opens": "30/11 08:00",
}
YES_NO = ("yes", "no")
# Entry screens that belong to one channel only.
CHANNEL_SCREENS: Mapping[ChannelKind, frozenset[str]] = {
    "ussd": frozenset({HOME["ussd"]}),
    "voice": frozenset({HOME["voice"]}),
    "sms": frozenset(
        {HOME["sms"], FIRST_WORDS, DID_YOU_MEAN, *OPENS.values(), CALL_DURING_REPORT, NO_PICTURES, "home.how_to_delete"}
    ),
}
SERVICE_FIELDS = ("service_name", "service_phone", "service_hours", "service_checked")
DECIDING_QUESTIONS = ("danger", "category", "about", "about_missing", "age_band", "place", "send")
# Answers to these questions matter by whether they are among the given ones.
ONE_OR_OTHER = {"about": ("me", "my_child", "child_i_know"), "send": ("after_all",)}
ROUTING_QUESTIONS = frozenset({*DECIDING_QUESTIONS, "avoid"})
# Facts and lists of the screen context that change with answers; computed by `gateway.conversation.context`.
CONTEXT_DEPENDENCIES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(sorted(ROUTED_FACTS), ROUTING_QUESTIONS),
    "places_in_group": frozenset({"place"}),
    **dict.fromkeys(("services", "help_services"), frozenset({"help_place"})),
    **dict.fromkeys(SERVICE_FIELDS, frozenset({"help_place", "help_service"})),
}

LIMITS: Mapping[ChannelKind, ScreenLimit] = {
    **{kind: ScreenLimit(*limit) for kind, limit in Channel.limits.items()},
    "voice": ScreenLimit(*speech.LIMIT),
}
# Facts that differ between phone lines: whether staff can call the number, whether the network's card asks for words
# before Send, and whether callers may be recorded.
LINE_FACTS: Mapping[str, tuple[FactPairs, ...]] = {
    "ussd": (
        (("contactable", "yes"), ("words_before_send", "no")),
        (("contactable", "yes"), ("words_before_send", "yes")),
        (("contactable", "no"), ("words_before_send", "no")),
    ),
    "sms": ((),),
    "voice": (
        (("contactable", "yes"), ("words_before_send", "no"), ("recordings", "no")),
        (("contactable", "yes"), ("words_before_send", "no"), ("recordings", "yes")),
        (("contactable", "no"), ("words_before_send", "no"), ("recordings", "no")),
    ),
}


def menu_languages(country: Country, catalogues: Mapping[str, Catalogue]) -> tuple[Catalogue, ...]:
    """Return English, and each language of the country that has a catalogue.

    Drafts are included, because the operator may offer them by name.
    """
    return (ENGLISH_CATALOGUE, *(catalogues[tag] for tag in country.languages if tag in catalogues and tag != ENGLISH))


def combinations(
    book: FlowBook,
    countries: Collection[Country],
    catalogues: Mapping[str, Catalogue],
    channels: Collection[ChannelKind] = CHANNEL_KINDS,
) -> Iterator[Combination]:
    """Yield each combination of these countries, their languages and these channels."""
    for country in countries:
        languages = menu_languages(country, catalogues)
        for language in languages:
            yield from (combination(book, country, language, channel, languages) for channel in channels)


def combination(
    book: FlowBook, country: Country, language: Catalogue, channel: ChannelKind, languages: Collection[Catalogue]
) -> Combination:
    """Build one combination. All hotlines of the country count as set up, and have their real names."""
    country_context = CountryContext.of(country, language, tuple(languages))
    context = RenderContext(
        {language.tag: country_context},
        channel,
        True,
        country.hotlines,
        session_fields=sample_fields(country, language),
    )
    return Combination(
        country=country.iso,
        language=language.tag,
        channel=channel,
        limit=LIMITS[channel],
        context_for=context,
        starts=tuple(initial_state(book, name) for name in _start_screens(book, channel)),
        notices=tuple(_notices(book, channel)),
        dependencies=CONTEXT_DEPENDENCIES,
        equivalence_key=_AnswerKeys(country, context),
        phone_lines=LINE_FACTS[channel],
        longest_values={
            name: longest_hotline_name(country, place) for place, name in enumerate(("send_to_1", "send_to_2"))
        },
        translation_source=_TranslationSources(language.tag),
    )


def sample_fields(country: Country, language: Catalogue) -> dict[str, str]:
    """Return sample values of the fields that a session gets only while it runs."""
    services = country.phone_services(None)
    longest = max(services, key=lambda service: len(service.screen_name + service.hours), default=None)
    service_fields = service_placeholders(longest) if longest else {}
    return {
        **SAMPLE_FIELDS,
        **service_fields,
        "desk": longest_hotline_name(country),
        "meant": language.translate("Safety tips"),
    }


def longest_hotline_name(country: Country, place: int = 0) -> str:
    """Return the longest name of a hotline on screens, or with `place` 1 the second longest.

    A country with one hotline has the same name for both; without hotlines the name is empty.
    """
    names = sorted((hotline.screen_name for hotline in country.hotlines.values()), key=len, reverse=True)
    return names[min(place, len(names) - 1)] if names else ""


def _start_screens(book: FlowBook, channel: ChannelKind) -> Iterator[str]:
    """Yield the screens at which a conversation may begin."""
    for name in entry_screens(book, channel):
        if not (book.screens[name].end or name == OVERLAY_SCREEN):
            yield name


def _notices(book: FlowBook, channel: ChannelKind) -> Iterator[str]:
    """Yield the screens that the program shows by itself, outside of sessions or over a screen."""
    yield from (name for name in entry_screens(book, channel) if book.screens[name].end or name == OVERLAY_SCREEN)


def entry_screens(book: FlowBook, channel: ChannelKind) -> Iterator[str]:
    """Yield the screens of this channel at which a conversation begins or which the program shows by itself."""
    own = CHANNEL_SCREENS[channel]
    of_other_channels = frozenset[str]().union(*CHANNEL_SCREENS.values()) - own
    yield from (
        screen.id
        for screen in book.screens.values()
        if (screen.start or screen.called) and screen.id not in of_other_channels
    )


class _AnswerKeys:
    """Map an answer to a key. Answers with the same key have the same effect on the screen context.

    Answers that lead to the same hotlines share a key; of places, groups with more than one place are kept apart. Of
    excluded hotlines only the number counts, and the roles of those that remain.
    """

    def __init__(self, country: Country, context: RenderContext) -> None:
        self._country, self._context = country, context
        self._known: dict[tuple[str, str | None], Hashable] = {}
        self._roles: dict[Hashable, Hashable] = {}

    def __call__(self, question: str, value: str | None, state: FlowState) -> Hashable:
        if question == "avoid":
            return self._avoid_key(state) if value else None
        if question == "about" and state.values.get("category") != "images":
            return None
        answer = question, value
        if answer not in self._known:
            self._known[answer] = self._key_for(question, value)
        return self._known[answer]

    def _avoid_key(self, state: FlowState) -> Hashable:
        values = state.values
        avoided = frozenset(state.many("avoid"))
        key = (avoided, *(values.get(name) for name in DECIDING_QUESTIONS))
        if key not in self._roles:
            hotlines, recipients = self._country.hotlines, self._context.recipients(state)
            self._roles[key] = (
                len(avoided),
                tuple((recipient.role, hotlines[recipient.hotline].kind == "police") for recipient in recipients),
            )
        return self._roles[key]

    def _key_for(self, question: str, value: str | None) -> Hashable:
        if question == "help_place":
            return tuple(service.id for service in self._country.phone_services(value))
        hotlines = self._country.hotlines.values()
        if question == "age_band":
            return frozenset(hotline.id for hotline in hotlines if hotline.covers_age(value or "unknown"))
        if question == "place":
            larger_groups = next(iter(self._context.country_contexts.values())).inside
            codes = self._country.place_codes(value)
            return frozenset(hotline.id for hotline in hotlines if hotline.covers_place(codes)), (
                value or ""
            ) in larger_groups
        if question == "danger":
            return self._country.police_on_danger_now and value == "now"
        if question in ONE_OR_OTHER:
            return value in ONE_OR_OTHER[question]
        return value if question in ("category", "help_service") else None


@dataclass(frozen=True, slots=True)
class _TranslationSources:
    """Return the file and line of a message's translation; None for English, which is written in the flow itself."""

    tag: str

    def __call__(self, message: str) -> tuple[str, int] | None:
        if self.tag == ENGLISH:
            return None
        context, _, text = message.rpartition(CONTEXT_SEPARATOR)
        po = polib.pofile(str(locales.FOLDER / f"{self.tag}.po"))
        entry = po.find(text, msgctxt=context or False)
        return (f"locales/{self.tag}.po", entry.linenum) if entry and entry.msgstr else None


# The phones of a country, one for each language and channel, as people who read the texts need to see them.
#
# If the text of a screen depends on an answer, the longest text is shown: the longest names, the group with the most
# places.


def phone(
    book: FlowBook, country: Country, language: Catalogue, channel: ChannelKind, all_: Collection[Catalogue]
) -> PhoneProfile:
    """Build the profile of one phone. `all_`: the languages on the menu of this country."""
    country_context = CountryContext.of(country, language, tuple(all_))
    hotline_names = sorted((hotline.screen_name for hotline in country.hotlines.values()), key=len, reverse=True)
    lists = {
        **country_context.lists,
        "places_in_group": max(country_context.inside.values(), key=len, default=()),
        "who_else": tuple(Option(name, name) for name in hotline_names[:3]),
        "help_services": tuple(Option(service.id, service.screen_name) for service in country.phone_services(None)),
    }
    fields = {
        **country_context.fields,
        **sample_fields(country, language),
        "send_to_1": longest_hotline_name(country),
        "send_to_2": longest_hotline_name(country, 1),
    }
    return PhoneProfile(
        ScreenContext(
            {**country_context.facts, "channel": channel, "drill": "no"},
            fields,
            lists,
            language.translate,
            english=country_context.english,
        ),
        LIMITS[channel],
        _variable_facts(channel, len(hotline_names)),
        tuple(entry_screens(book, channel)),
    )


def _variable_facts(channel: ChannelKind, hotlines: int) -> dict[str, Sequence[str]]:
    """Return the facts that change with answers, with the values they may have."""
    send_to = ("one", "two", "staff", "nobody") if hotlines > 1 else ("one", "staff", "nobody")
    return {"send_to": send_to, "words_before_send": YES_NO if channel == "ussd" else ("no",)}


def for_reviewers(profile: PhoneProfile) -> PhoneProfile:
    """Return the profile with a placeholder for messages from staff, which are private."""
    return replace(
        profile, context=replace(profile.context, fields={**profile.context.fields, "message": "(words of staff)"})
    )
