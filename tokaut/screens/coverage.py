"""How much of a language is done, who has read it, and which of its screens need more pages than the English ones."""

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
from flows.gsm7 import alphabet
from flows.model import FlowBook
from reports.countries.country import Country
from reports.countries.law import CRITERIA
from reports.countries.placeholders import TRANSLATED_WORDS
from tokaut.screens.phone_profiles import CHANNELS, menu_languages, phone

EVERY_SCREEN = "the words of every screen"


@dataclass(frozen=True, slots=True)
class CatalogueCoverage:
    """Of one language. `old`: translations of an English that has changed since (fuzzy); they are shown to nobody."""

    tag: str
    name: str
    alphabet: str  # gsm7 or ucs2: of its words taken together
    messages: int
    done: int
    old: int
    reviewed_by: str
    lacking: tuple[str, ...]  # safety screens that keep it off every menu

    @property
    def reviewed(self) -> int:
        """A language is read whole or not at all; what came since is not."""
        return self.done if self.reviewed_by else 0


@dataclass(frozen=True, slots=True)
class OversizedScreen:
    screen: str
    pages: int
    english: int


@dataclass(frozen=True, slots=True)
class ScreenCoverage:
    """One language on one channel of one country."""

    language: str
    country: str
    channel: str
    screens: int
    pages: int
    unfit: tuple[OversizedScreen, ...]


def catalogue_coverage(tag: str, book: FlowBook) -> CatalogueCoverage:
    text = (locales.FOLDER / f"{tag}.po").read_text(encoding="utf-8")
    catalogue, entries = parse_catalogue(tag, text), polib.pofile(text)
    found = messages(book)
    wanted = (*found, *TRANSLATED_WORDS, *CRITERIA.values())
    return CatalogueCoverage(
        tag,
        ENGLISH_CATALOGUE.name if tag == ENGLISH else catalogue.name,
        max(alphabet(one) for one in catalogue.words.values()),
        len(set(wanted)),
        len(set(wanted) & set(catalogue.words)),
        sum(entry.fuzzy for entry in entries),
        ENGLISH_CATALOGUE.reviewed if tag == ENGLISH else catalogue.reviewed,
        missing_safety_screens(catalogue, found),
    )


def missing_safety_screens(catalogue: Catalogue, found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the safety screens that are not wholly in this language (S-33). `found`: of `flows.catalogues`."""
    screens = [_safe(found.get(words, ())) for words in catalogue.lacks((*safety_messages(found), *TRANSLATED_WORDS))]
    return tuple(dict.fromkeys(name for names in screens for name in names or [EVERY_SCREEN]))


def _safe(screens: Sequence[str]) -> list[str]:
    return [name for name in screens if name.startswith(SAFETY_SCREENS)]


def screen_coverage(
    book: FlowBook, countries: Collection[Country], known: Mapping[str, Catalogue]
) -> Iterator[ScreenCoverage]:
    for country in countries:
        menu = menu_languages(country, known)
        for channel in CHANNELS:
            english = phone(book, country, ENGLISH_CATALOGUE, channel, menu)
            for language in menu:
                own = phone(book, country, language, channel, menu)
                yield _line((language.tag, country.iso, channel), list(screen_variants(book, own)), english)


def _line(which: tuple[str, str, str], shown: Sequence[ScreenVariant], english: PhoneProfile) -> ScreenCoverage:
    screens = len({form.screen.id for form in shown})
    return ScreenCoverage(*which, screens, sum(len(form.text) for form in shown), tuple(_unfit(shown, english)))


def _unfit(shown: Sequence[ScreenVariant], english: PhoneProfile) -> Iterator[OversizedScreen]:
    """The worst form of each screen that takes more pages than in English, or whose heading is cut in two."""
    worst: dict[str, OversizedScreen] = {}
    for form in shown:
        pages, there = len(form.text), len(english.lay(form).pages)
        if pages > there or has_split_heading(form):
            before = worst.get(form.screen.id)
            if before is None or pages > before.pages:
                worst[form.screen.id] = OversizedScreen(form.screen.id, pages, there)
    yield from worst.values()


def has_split_heading(form: ScreenVariant) -> bool:
    """Whether words run on to another page. A menu that goes on between two choices is whole."""
    return any(page.more and not page.lines for page in form.laid.pages)
