"""The messages of all flows, and the catalogues that translate them. Pure.

English texts are the message ids. A translation in locales/ is a draft until two organisations have signed it (S-33).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources.abc import Traversable

import polib

import locales
from flows.model import FlowBook, Option, Screen
from flows.pagination import ENGINE_MESSAGES, PLACEHOLDER, fold, in_context, without_context
from flows.signatures import read_signatures, signed_keys, text_key


def messages(book: FlowBook) -> Mapping[str, tuple[str, ...]]:
    """Return each message with the screens that show it, in the order of the flows.

    The engine's own texts have no screens. Texts for flows that are not installed are included; mere placeholders are
    not.
    """
    screens_by_message: dict[str, list[str]] = {words: [] for words in ENGINE_MESSAGES}
    for flow in book.flows.values():
        for screen in flow.screens.values():
            for words in _texts(screen):
                if PLACEHOLDER.sub("", words).strip():
                    screens_by_message.setdefault(words, []).append(screen.id)
    return {words: tuple(dict.fromkeys(screens)) for words, screens in screens_by_message.items()}


def _texts(screen: Screen) -> Iterator[str]:
    choices = (*screen.choices, screen.zero) if screen.zero else screen.choices
    skip_line = (screen.typed.skip_line,) if screen.typed else ()
    for text in (screen.words, *skip_line, *(choice.say for choice in choices), screen.leave, screen.foot):
        for variant in text.variants:
            yield from variant.says


ENGLISH = "en"
# These screens must be in the language of the rest: emergency numbers, danger, and what happens if the session drops.
SAFETY_SCREENS = ("home.", "report.danger", "report.emergency", "report.category")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The translations of one language.

    `name`: the language's own name. `words`: message id → translation. `greetings`: first texts that choose the
    language. `keywords`: other words for the choices of the home screen, for HELP, STOP or "yes", with the English
    word. `signed`: the message ids whose translation two organisations have signed.
    """

    tag: str
    name: str
    words: Mapping[str, str] = field(default_factory=dict)
    greetings: frozenset[str] = frozenset()
    keywords: Mapping[str, str] = field(default_factory=dict)
    signed: frozenset[str] = frozenset()

    def translate(self, words: str) -> str:
        """Translate a message, or return its English text."""
        return self.words.get(words) or without_context(words)

    def lacks(self, messages: Iterable[str]) -> tuple[str, ...]:
        """Return the messages that have no translation."""
        return () if self.tag == ENGLISH else tuple(message for message in messages if message not in self.words)

    def has_signed(self, messages: Iterable[str]) -> bool:
        """Return whether all these messages are signed. English is the source, and counts as signed."""
        return self.tag == ENGLISH or self.signed.issuperset(messages)

    def as_shown(self, drafts: Collection[str]) -> Catalogue:
        """Return the catalogue as phones show it: only signed texts, unless `drafts` names the language."""
        if self.tag == ENGLISH or self.tag in drafts:
            return self
        return replace(self, words={message: words for message, words in self.words.items() if message in self.signed})


# With 12 letters or more these would be words for a report.
ENGLISH_KEYWORDS = dict.fromkeys(("tips for parents", "tips for parent", "tips for my child", "parent tips"), "tips")
ENGLISH_CATALOGUE = Catalogue(ENGLISH, "English", keywords=ENGLISH_KEYWORDS)
SIGNATURES = ".signed.toml"  # the end of the name of the file with a catalogue's signatures


def load(folder: Traversable) -> dict[str, Catalogue]:
    """Load all catalogues of a folder with their signatures, by tag; English is always included."""
    files = {file.name: file for file in folder.iterdir() if file.name.endswith((".po", SIGNATURES))}

    def content(name: str) -> str:
        return files[name].read_text(encoding="utf-8") if name in files else ""

    tags = [name.removesuffix(".po") for name in files if name.endswith(".po")]
    catalogues = [parse_catalogue(tag, content(f"{tag}.po"), content(f"{tag}{SIGNATURES}")) for tag in tags]
    return {catalogue.tag: catalogue for catalogue in sorted(catalogues, key=lambda catalogue: catalogue.tag)} | {
        ENGLISH: ENGLISH_CATALOGUE
    }


def signed_and_drafts(
    tags: Iterable[str], catalogues: Mapping[str, Catalogue], needed: Collection[str]
) -> tuple[list[str], list[str]]:
    """Divide the languages that have a catalogue into those whose safety screens are signed, and drafts.

    `needed`: the messages of safety screens.
    """
    available = [tag for tag in tags if tag == ENGLISH or tag in catalogues]
    signed = [tag for tag in available if tag == ENGLISH or catalogues[tag].has_signed(needed)]
    return signed, [tag for tag in available if tag not in signed]


@cache
def shipped() -> Mapping[str, Catalogue]:
    """Return the catalogues of the product: loaded once, before a server forks, as its processes share them."""
    return load(locales.FOLDER)


def parse_catalogue(tag: str, text: str, signatures: str = "") -> Catalogue:
    """Parse the text of a catalogue. `signatures`: the text of the file with its signatures."""
    entries = polib.pofile(text)
    head = entries.metadata
    words = {message_id(entry): entry.msgstr for entry in entries if entry.msgstr and _is_usable(entry)}
    greetings = frozenset(map(fold, filter(None, head.get("X-Greetings", "").split(","))))
    keywords = (pair.split("=") for pair in filter(None, head.get("X-Keywords", "").split(",")))  # "help=helpem, …"
    meant = {fold(word): fold(keyword) for keyword, word in keywords}
    keys = signed_keys(read_signatures(tag, signatures)[0])
    signed = frozenset(message for message, own in words.items() if keys and text_key(tag, message, own) in keys)
    return Catalogue(tag, head.get("X-Name", tag), words, greetings, meant, signed)


def message_id(entry: polib.POEntry) -> str:
    """Return the message id of an entry, including its context."""
    return in_context(entry.msgctxt or "", entry.msgid)


def _is_usable(entry: polib.POEntry) -> bool:
    """Return whether a translation may be used.

    It may not if it is fuzzy, because it translates an earlier English text, or if its placeholders differ from the
    English, because a number might be missing. They are compared line by line, because a line is left out as a
    whole if a country lacks one of its fields.
    """
    return not entry.fuzzy and fields_by_line(entry.msgid) == fields_by_line(entry.msgstr)


def fields_by_line(words: str) -> list[list[str]]:
    """Return the placeholders of each line that has any."""
    return sorted(filter(None, (sorted(PLACEHOLDER.findall(line)) for line in words.split("\n"))))


def offered_languages(
    spoken: Sequence[str], catalogues: Mapping[str, Catalogue], needed: Collection[str], drafts: Collection[str]
) -> tuple[Catalogue, ...]:
    """Return the languages that a country may offer, signed ones before English; the first is the default.

    `needed`: the messages of safety screens; a language without all of them is not offered. Unsigned texts are shown
    only in a language that the operator names. One whose safety screens are not signed is never the default.
    """
    available = [catalogues[tag].as_shown(drafts) for tag in spoken if tag in catalogues and tag != ENGLISH]
    complete = [catalogue for catalogue in available if not catalogue.lacks(needed)]
    signed = [catalogue for catalogue in complete if catalogue.has_signed(needed)]
    return (*signed, ENGLISH_CATALOGUE, *(catalogue for catalogue in complete if catalogue not in signed))


def safety_messages(messages: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the messages of safety screens and of every screen. `messages`: from `flows.catalogues.messages`."""
    return tuple(
        words
        for words, screens in messages.items()
        if words in ENGINE_MESSAGES or any(screen.startswith(SAFETY_SCREENS) for screen in screens)
    )


def needed_messages(book: FlowBook, beside_numbers: Iterable[str]) -> frozenset[str]:
    """Return the messages that an offered language has to have: those of safety screens, and the words at numbers."""
    return frozenset((*safety_messages(messages(book)), *beside_numbers))


def language_options(catalogues: Iterable[Catalogue]) -> tuple[Option, ...]:
    """Return the languages by their own names, for the screen that asks for one."""
    return tuple(Option(catalogue.tag, catalogue.name) for catalogue in catalogues)
