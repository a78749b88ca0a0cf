"""The messages of all flows: what a catalogue in locales/ must have. English words are the message ids. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources.abc import Traversable

import polib

from flows.model import FlowBook, Option, Screen
from flows.text import ENGINE_MESSAGES, PLACEHOLDER, fold, in_context, without_context


def messages(book: FlowBook) -> Mapping[str, tuple[str, ...]]:
    """Each message with the screens that show it, in the order of the flows; none for the words of every screen.

    Lines that wait for a flow to be installed are among them; what is only a placeholder is not.
    """
    found: dict[str, list[str]] = {words: [] for words in ENGINE_MESSAGES}
    for flow in book.flows.values():
        for screen in flow.screens.values():
            for words in _of(screen):
                if PLACEHOLDER.sub("", words).strip():
                    found.setdefault(words, []).append(screen.id)
    return {words: tuple(dict.fromkeys(screens)) for words, screens in found.items()}


def _of(screen: Screen) -> Iterator[str]:
    choices = (*screen.choices, screen.zero) if screen.zero else screen.choices
    for text in (screen.words, *(choice.say for choice in choices), screen.leave, screen.foot):
        for variant in text.variants:
            yield from variant.says


# Catalogues of locales/: the words of a language, and whether people who speak it have read them.
#
# English words are the message ids. A catalogue is a draft until its header names who has reviewed it (S-33).

ENGLISH = "en"
# Nothing of these may be in another language than the rest: the numbers, danger, and what happens when a line drops.
SAFETY_SCREENS = ("home.", "report.danger", "report.emergency", "report.category")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`name` is the language's own name. `words` holds what is translated. `greetings`: first texts that pick it.
    `keywords`: other words for what the home screen offers, or HELP, with what each means in English."""

    tag: str
    name: str
    reviewed: str = ""  # who has read it, an organisation, and when
    words: Mapping[str, str] = field(default_factory=dict)
    greetings: frozenset[str] = frozenset()
    keywords: Mapping[str, str] = field(default_factory=dict)

    def say(self, words: str) -> str:
        return self.words.get(words) or without_context(words)

    def lacks(self, messages: Iterable[str]) -> tuple[str, ...]:
        return () if self.tag == ENGLISH else tuple(one for one in messages if one not in self.words)


ENGLISH_CATALOGUE = Catalogue(ENGLISH, "English", reviewed="the source")


def load(folder: Traversable) -> dict[str, Catalogue]:
    """By tag; English is always there."""
    files = [file for file in folder.iterdir() if file.name.endswith(".po")]
    found = [parse_catalogue(file.name.removesuffix(".po"), file.read_text(encoding="utf-8")) for file in files]
    return {one.tag: one for one in sorted(found, key=lambda one: one.tag)} | {ENGLISH: ENGLISH_CATALOGUE}


def reviewed_and_drafts(tags: Iterable[str], known: Mapping[str, Catalogue]) -> tuple[list[str], list[str]]:
    """Of these languages, which people have read, and which are drafts. English is what all is written in."""
    there = [tag for tag in tags if tag == ENGLISH or tag in known]
    read = [tag for tag in there if tag == ENGLISH or known[tag].reviewed]
    return read, [tag for tag in there if tag not in read]


@cache  # as flows: once, by the master
def parse_catalogue(tag: str, text: str) -> Catalogue:
    entries = polib.pofile(text)
    head = entries.metadata
    words = {message_id(entry): entry.msgstr for entry in entries if entry.msgstr and _holds(entry)}
    greetings = frozenset(map(fold, filter(None, head.get("X-Greetings", "").split(","))))
    keywords = (pair.split("=") for pair in filter(None, head.get("X-Keywords", "").split(",")))  # "help=helpem, …"
    meant = {fold(word): fold(keyword) for keyword, word in keywords}
    return Catalogue(tag, head.get("X-Name", tag), head.get("X-Reviewed", ""), words, greetings, meant)


def message_id(entry: polib.POEntry) -> str:
    """Return the message id of an entry, its context included."""
    return in_context(entry.msgctxt or "", entry.msgid)


def _holds(entry: polib.POEntry) -> bool:
    """A translation with other placeholders than the English is none: a number might be missing. One that is fuzzy is
    none either: it says what the English said before.

    In each line too: one goes away with a field that a country lacks, and with it what else it says.
    """
    return not entry.fuzzy and fields_by_line(entry.msgid) == fields_by_line(entry.msgstr)


def fields_by_line(words: str) -> list[list[str]]:
    return sorted(filter(None, (sorted(PLACEHOLDER.findall(line)) for line in words.split("\n"))))


def offered_languages(
    spoken: Sequence[str], catalogues: Mapping[str, Catalogue], needed: Collection[str], drafts: Collection[str]
) -> tuple[Catalogue, ...]:
    """The languages of a country that may be offered, the first dial's first: reviewed ones before English.

    `needed`: the messages of safety screens; without all of them a language is not offered. A draft is offered only
    where the operator names it, and never comes first by itself.
    """
    known = [catalogues[tag] for tag in spoken if tag in catalogues and tag != ENGLISH]
    able = [one for one in known if not one.lacks(needed)]
    reviewed = [one for one in able if one.reviewed]
    return (*reviewed, ENGLISH_CATALOGUE, *(one for one in able if not one.reviewed and one.tag in drafts))


def safety_messages(messages: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The messages that no offered language may lack; `messages` as `flows.catalogues.messages` gives them."""
    return tuple(
        words
        for words, screens in messages.items()
        if words in ENGINE_MESSAGES or any(screen.startswith(SAFETY_SCREENS) for screen in screens)
    )


def language_options(catalogues: Iterable[Catalogue]) -> tuple[Option, ...]:
    """By their own names, for the screen where one is chosen."""
    return tuple(Option(one.tag, one.name) for one in catalogues)
