"""The messages of all flows: what a catalogue in locales/ must have. English words are the message ids. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flows.model import Book, Screen
from flows.words import OWN_WORDS, PLACEHOLDER


def messages(book: Book) -> Mapping[str, tuple[str, ...]]:
    """Each message with the screens that show it, in the order of the flows; none for the words of every screen.

    Lines that wait for a flow to be installed are among them; what is only a placeholder is not.
    """
    found: dict[str, list[str]] = {words: [] for words in OWN_WORDS}
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
