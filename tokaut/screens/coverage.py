"""How much of a language is translated and reviewed, and which of its screens need more pages than in English."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polib

import locales
from flows.authoring.screen_variants import PhoneProfile, ScreenVariant, screen_variants
from flows.catalogues import (
    ENGLISH,
    ENGLISH_CATALOGUE,
    SAFETY_SCREENS,
    Catalogue,
    messages,
    parse_catalogue,
    safety_messages,
)
from flows.model import FlowBook
from flows.pagination import alphabet
from reports.countries.country import Country
from reports.countries.law import LAW_MESSAGES
from reports.countries.validation import TRANSLATED_WORDS
from runtime.telephony import CHANNEL_KINDS, ChannelKind
from tokaut.screens.combinations import menu_languages, phone

EVERY_SCREEN = "the words of every screen"


@dataclass(frozen=True, slots=True)
class CatalogueCoverage:
    """Coverage of one language.

    messages, done: how many messages there are, and how many are translated. old: fuzzy translations, whose English has
    changed since; they are never shown. reviewed_by: the organisations, or empty.
    """

    tag: str
    name: str
    alphabet: str  # gsm7 or ucs2, for all its texts together
    messages: int
    done: int
    old: int
    reviewed_by: str
    lacking: tuple[str, ...]  # safety screens that keep it off every menu

    @property
    def reviewed(self) -> int:
        """Return how many messages are reviewed: all that are done, or 0. A language is reviewed as a whole."""
        return self.done if self.reviewed_by else 0


@dataclass(frozen=True, slots=True)
class OversizedScreen:
    """A screen that does not fit. pages: in this language. english: pages in English."""

    screen: str
    pages: int
    english: int


@dataclass(frozen=True, slots=True)
class ScreenCoverage:
    """The screens of one language on one channel of one country."""

    language: str
    country: str
    channel: ChannelKind
    screens: int
    pages: int
    unfit: tuple[OversizedScreen, ...]


def catalogue_coverage(tag: str, book: FlowBook) -> CatalogueCoverage:
    """Compute the coverage of one language from its catalogue."""
    text = (locales.FOLDER / f"{tag}.po").read_text(encoding="utf-8")
    catalogue, entries = parse_catalogue(tag, text), polib.pofile(text)
    screens_by_message = messages(book)
    wanted = (*screens_by_message, *TRANSLATED_WORDS, *LAW_MESSAGES)
    return CatalogueCoverage(
        tag,
        ENGLISH_CATALOGUE.name if tag == ENGLISH else catalogue.name,
        max(alphabet(translation) for translation in catalogue.words.values()),
        len(set(wanted)),
        len(set(wanted) & set(catalogue.words)),
        sum(entry.fuzzy for entry in entries),
        ENGLISH_CATALOGUE.reviewed if tag == ENGLISH else catalogue.reviewed,
        missing_safety_screens(catalogue, screens_by_message),
    )


def missing_safety_screens(catalogue: Catalogue, found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the safety screens that are not completely in this language (S-33).

    `found`: the result of `flows.catalogues.messages`.
    """
    screens = [
        _safety_only(found.get(message, ()))
        for message in catalogue.lacks((*safety_messages(found), *TRANSLATED_WORDS))
    ]
    return tuple(dict.fromkeys(name for names in screens for name in names or [EVERY_SCREEN]))


def _safety_only(screens: Sequence[str]) -> list[str]:
    return [name for name in screens if name.startswith(SAFETY_SCREENS)]


def screen_coverage(
    book: FlowBook, countries: Collection[Country], known: Mapping[str, Catalogue]
) -> Iterator[ScreenCoverage]:
    """Yield the coverage of each country, channel and language."""
    for country in countries:
        menu = menu_languages(country, known)
        for channel in CHANNEL_KINDS:
            english = phone(book, country, ENGLISH_CATALOGUE, channel, menu)
            for language in menu:
                profile = phone(book, country, language, channel, menu)
                yield _screen_coverage(
                    (language.tag, country.iso, channel), list(screen_variants(book, profile)), english
                )


def _screen_coverage(
    key: tuple[str, str, ChannelKind], variants: Sequence[ScreenVariant], english: PhoneProfile
) -> ScreenCoverage:
    screens = len({variant.screen.id for variant in variants})
    return ScreenCoverage(
        *key, screens, sum(len(variant.text) for variant in variants), tuple(_unfit(variants, english))
    )


def _unfit(variants: Sequence[ScreenVariant], english: PhoneProfile) -> Iterator[OversizedScreen]:
    """Yield the longest variant of each screen that needs more pages than in English, or whose heading is split."""
    worst: dict[str, OversizedScreen] = {}
    for variant in variants:
        pages, english_pages = len(variant.text), len(english.lay(variant).pages)
        if pages > english_pages or has_split_heading(variant):
            worst_so_far = worst.get(variant.screen.id)
            if worst_so_far is None or pages > worst_so_far.pages:
                worst[variant.screen.id] = OversizedScreen(variant.screen.id, pages, english_pages)
    yield from worst.values()


def has_split_heading(form: ScreenVariant) -> bool:
    """Return whether the heading continues on another page. A page break between two choices is no split."""
    return any(page.more and not page.lines for page in form.laid.pages)
