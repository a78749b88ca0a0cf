"""The messages of all flows, and the catalogues that translate them. Pure.

English texts are the message ids. A catalogue in locales/ is a draft until its header names its reviewer (S-33).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources.abc import Traversable

import polib

from flows.model import FlowBook, Option, Screen
from flows.pagination import ENGINE_MESSAGES, PLACEHOLDER, fold, in_context, without_context


def messages(book: FlowBook) -> Mapping[str, tuple[str, ...]]:
    """Return each message with the screens that show it, in the order of the flows.

    The engine's own texts have no screens. Texts for flows that are not installed are included; mere placeholders are
    not.
    """
    found: dict[str, list[str]] = {words: [] for words in ENGINE_MESSAGES}
    for flow in book.flows.values():
        for screen in flow.screens.values():
            for words in _texts(screen):
                if PLACEHOLDER.sub("", words).strip():
                    found.setdefault(words, []).append(screen.id)
    return {words: tuple(dict.fromkeys(screens)) for words, screens in found.items()}


def _texts(screen: Screen) -> Iterator[str]:
    choices = (*screen.choices, screen.zero) if screen.zero else screen.choices
    for text in (screen.words, *(choice.say for choice in choices), screen.leave, screen.foot):
        for variant in text.variants:
            yield from variant.says


ENGLISH = "en"
# These screens must be in the language of the rest: emergency numbers, danger, and what happens if the session drops.
SAFETY_SCREENS = ("home.", "report.danger", "report.emergency", "report.category")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The translations of one language.

    `name`: the language's own name. `words`: message id → translation. `greetings`: first texts that choose the
    language. `keywords`: other words for the choices of the home screen, or for HELP and STOP, with the English word.
    `reviewed`: the organisation that reviewed it, and when.
    """

    tag: str
    name: str
    reviewed: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    greetings: frozenset[str] = frozenset()
    keywords: Mapping[str, str] = field(default_factory=dict)

    def say(self, words: str) -> str:
        """Translate a message, or return its English text."""
        return self.words.get(words) or without_context(words)

    def lacks(self, messages: Iterable[str]) -> tuple[str, ...]:
        """Return the messages that have no translation."""
        return () if self.tag == ENGLISH else tuple(message for message in messages if message not in self.words)


ENGLISH_CATALOGUE = Catalogue(ENGLISH, "English", reviewed="the source")


def load(folder: Traversable) -> dict[str, Catalogue]:
    """Load all catalogues of a folder, by tag; English is always included."""
    files = [file for file in folder.iterdir() if file.name.endswith(".po")]
    catalogues = [parse_catalogue(file.name.removesuffix(".po"), file.read_text(encoding="utf-8")) for file in files]
    return {catalogue.tag: catalogue for catalogue in sorted(catalogues, key=lambda catalogue: catalogue.tag)} | {
        ENGLISH: ENGLISH_CATALOGUE
    }


def reviewed_and_drafts(tags: Iterable[str], known: Mapping[str, Catalogue]) -> tuple[list[str], list[str]]:
    """Divide the languages that have a catalogue into reviewed ones and drafts. English counts as reviewed."""
    available = [tag for tag in tags if tag == ENGLISH or tag in known]
    reviewed_tags = [tag for tag in available if tag == ENGLISH or known[tag].reviewed]
    return reviewed_tags, [tag for tag in available if tag not in reviewed_tags]


@cache  # like the flows: parsed once, by the master
def parse_catalogue(tag: str, text: str) -> Catalogue:
    """Parse the text of a catalogue."""
    entries = polib.pofile(text)
    head = entries.metadata
    words = {message_id(entry): entry.msgstr for entry in entries if entry.msgstr and _is_usable(entry)}
    greetings = frozenset(map(fold, filter(None, head.get("X-Greetings", "").split(","))))
    keywords = (pair.split("=") for pair in filter(None, head.get("X-Keywords", "").split(",")))  # "help=helpem, …"
    meant = {fold(word): fold(keyword) for keyword, word in keywords}
    return Catalogue(tag, head.get("X-Name", tag), head.get("X-Reviewed", ""), words, greetings, meant)


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
    """Return the placeholders of each line that has some."""
    return sorted(filter(None, (sorted(PLACEHOLDER.findall(line)) for line in words.split("\n"))))


def offered_languages(
    spoken: Sequence[str], catalogues: Mapping[str, Catalogue], needed: Collection[str], drafts: Collection[str]
) -> tuple[Catalogue, ...]:
    """Return the languages that a country may offer, reviewed ones before English; the first is the default.

    `needed`: the messages of safety screens; a language without all of them is not offered. A draft is offered only if
    the operator names it, and is never the default.
    """
    known = [catalogues[tag] for tag in spoken if tag in catalogues and tag != ENGLISH]
    complete = [catalogue for catalogue in known if not catalogue.lacks(needed)]
    reviewed = [catalogue for catalogue in complete if catalogue.reviewed]
    return (
        *reviewed,
        ENGLISH_CATALOGUE,
        *(catalogue for catalogue in complete if not catalogue.reviewed and catalogue.tag in drafts),
    )


def safety_messages(messages: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the messages that no offered language may lack. `messages`: from `flows.catalogues.messages`."""
    return tuple(
        words
        for words, screens in messages.items()
        if words in ENGINE_MESSAGES or any(screen.startswith(SAFETY_SCREENS) for screen in screens)
    )


def language_options(catalogues: Iterable[Catalogue]) -> tuple[Option, ...]:
    """Return the languages by their own names, for the screen that asks for one."""
    return tuple(Option(catalogue.tag, catalogue.name) for catalogue in catalogues)
