"""Coverage of a language: its translated and signed texts, and the screens that need more pages than in English."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import polib

import locales
from flows.authoring.screen_variants import PhoneProfile, ScreenVariant, screen_variants
from flows.catalogues import (
    ENGLISH,
    ENGLISH_CATALOGUE,
    SAFETY_SCREENS,
    SIGNATURES,
    Catalogue,
    message_id,
    messages,
    needed_messages,
    parse_catalogue,
    safety_messages,
)
from flows.model import FlowBook
from flows.pagination import ENGINE_MESSAGES, alphabet, in_context
from flows.signatures import Signature, is_stale, read_signatures, text_key
from flows.staff_replies import REPLY_TEMPLATES
from reports.answer_notices import NOTICE_TEXT
from reports.countries.country import Country
from reports.countries.law import LAW_MESSAGES
from reports.countries.validation import TRANSLATED_WORDS
from runtime.telephony import CHANNEL_KINDS, ChannelKind
from tokaut.screens.combinations import menu_languages, phone

EVERY_SCREEN = "the words of every screen"
# Parts of a catalogue beside the flows.
ON_EVERY_SCREEN, BESIDE_NUMBERS, FROM_STAFF = "every screen", "numbers", "staff"


class TextState(StrEnum):
    """The state of one message of a language."""

    SIGNED = "signed"  # by two organisations, as it is now
    STALE = "stale"  # signed before its English or its translation changed
    DRAFT = "draft"  # translated, and not signed by both
    MISSING = "missing"  # not translated, or by a text that is not used: an outdated one, or without a placeholder


@dataclass(frozen=True, slots=True)
class CatalogueCoverage:
    """Coverage of one language.

    messages, done: how many messages there are, and how many are translated. old: fuzzy translations, whose English has
    changed since; they are never shown. states: how many messages are in each state, in all and in each part: a flow,
    or what is beside the flows; a message that several flows show counts in each. halves: drafts that one of two
    organisations has signed. is_signed: whether the safety screens are, so that the language is offered.
    """

    tag: str
    name: str
    alphabet: str  # gsm7 or ucs2, for all its texts together
    messages: int
    done: int
    old: int
    states: Mapping[TextState, int]
    parts: Mapping[str, Mapping[TextState, int]]
    halves: int
    signed_by: tuple[str, ...]  # organisations
    is_signed: bool
    lacking: tuple[str, ...]  # incomplete safety screens: the language is on no menu


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
    signatures_text = signature_text(tag)
    catalogue, entries = parse_catalogue(tag, text, signatures_text), polib.pofile(text)
    signatures, _ = read_signatures(tag, signatures_text)
    keys_by_message = {
        message_id(entry): text_key(tag, message_id(entry), entry.msgstr) for entry in entries if entry.msgstr
    }
    parts = parts_of(book)
    all_messages = {message for part in parts.values() for message in part}
    states = {message: _state(message, catalogue, signatures, keys_by_message) for message in all_messages}
    for entry in entries:
        if entry.fuzzy and _was_signed(tag, entry, signatures):
            states[message_id(entry)] = TextState.STALE
    one_of_two = {key for signature in signatures for key in signature.texts}
    return CatalogueCoverage(
        tag,
        ENGLISH_CATALOGUE.name if tag == ENGLISH else catalogue.name,
        max(alphabet(translation) for translation in catalogue.words.values()),
        len(all_messages),
        len(all_messages & set(catalogue.words)),
        sum(entry.fuzzy for entry in entries),
        _count(states.values()),
        {name: _count(states[message] for message in part) for name, part in parts.items()},
        sum(keys_by_message.get(name) in one_of_two for name, state in states.items() if state is TextState.DRAFT),
        tuple(dict.fromkeys(signature.organisation for signature in signatures)),
        catalogue.has_signed(needed_messages(book, TRANSLATED_WORDS)),
        missing_safety_screens(catalogue, messages(book)),
    )


def signature_text(tag: str) -> str:
    """Return the text of the file with the signatures of a language; empty if nobody has signed yet."""
    path = locales.FOLDER / f"{tag}{SIGNATURES}"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def parts_of(book: FlowBook) -> dict[str, list[str]]:
    """Return the messages of each flow, in the order of the flows, then those beside the flows."""
    parts: dict[str, list[str]] = {name: [] for name in book.flows}
    for message, screens in messages(book).items():
        for name in dict.fromkeys(screen.partition(".")[0] for screen in screens):
            parts[name].append(message)
    parts["law"] = [*parts.get("law", []), *LAW_MESSAGES]
    return parts | {
        ON_EVERY_SCREEN: list(ENGINE_MESSAGES),
        BESIDE_NUMBERS: list(TRANSLATED_WORDS),
        FROM_STAFF: [*REPLY_TEMPLATES, NOTICE_TEXT],
    }


def _state(
    message: str, catalogue: Catalogue, signatures: Sequence[Signature], keys_by_message: Mapping[str, str]
) -> TextState:
    if catalogue.tag == ENGLISH or message in catalogue.signed:
        return TextState.SIGNED
    if message not in catalogue.words:
        return TextState.MISSING
    current = set(keys_by_message.values()) if signatures else set()
    return TextState.STALE if is_stale(keys_by_message[message], signatures, current) else TextState.DRAFT


def _was_signed(tag: str, entry: polib.POEntry, signatures: Sequence[Signature]) -> bool:
    """Return whether the translation of an entry was signed for the English before, which gettext's tools note."""
    before = in_context(entry.previous_msgctxt or entry.msgctxt or "", entry.previous_msgid or "")
    key = text_key(tag, before, entry.msgstr)
    return any(key in signature.texts for signature in signatures)


def _count(states: Iterable[TextState]) -> dict[TextState, int]:
    found = list(states)
    return {state: found.count(state) for state in TextState}


def missing_safety_screens(catalogue: Catalogue, screens_by_message: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the safety screens that are not completely in this language (S-33).

    `screens_by_message`: the result of `flows.catalogues.messages`.
    """
    screens = [
        _safety_only(screens_by_message.get(message, ()))
        for message in catalogue.lacks((*safety_messages(screens_by_message), *TRANSLATED_WORDS))
    ]
    return tuple(dict.fromkeys(name for names in screens for name in names or [EVERY_SCREEN]))


def _safety_only(screens: Sequence[str]) -> list[str]:
    return [name for name in screens if name.startswith(SAFETY_SCREENS)]


def screen_coverage(
    book: FlowBook, countries: Collection[Country], catalogues: Mapping[str, Catalogue]
) -> Iterator[ScreenCoverage]:
    """Yield the coverage of each country, channel and language."""
    for country in countries:
        menu = menu_languages(country, catalogues)
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
        pages, english_pages = len(variant.text), len(english.lay_out(variant).pages)
        if pages > english_pages or has_split_heading(variant):
            worst_so_far = worst.get(variant.screen.id)
            if worst_so_far is None or pages > worst_so_far.pages:
                worst[variant.screen.id] = OversizedScreen(variant.screen.id, pages, english_pages)
    yield from worst.values()


def has_split_heading(form: ScreenVariant) -> bool:
    """Return whether the heading continues on another page. A page break between two choices is no split."""
    return any(page.more and not page.lines for page in form.layout.pages)
