"""What a text may say in place of a number: the choices of the home screen by their names, in every language that is
offered in the country. A typing error is told, and means nothing by itself."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from flows.model import FlowBook, FlowState
from flows.renderer import offered_choices
from flows.text import MAX_CHOICE_CHARS, fold, is_free_text
from gateway.conversation.context import RenderContext
from gateway.conversation.languages import spoken

HELP = "help"  # in English it is a carriers' word, and acts everywhere
STOP = "stop"  # in English likewise; in other languages carriers do not know it
SHORTEST = 3  # letters of a word that may be mistyped
ALIKE = 0.74  # one letter wrong, missing, doubled or changed round in a word of four; two in a long one


@dataclass(frozen=True, slots=True)
class Keywords:
    """`words`: each word, folded, with its keyword, which is what the home screen takes in any language. `labels`: by
    language, each keyword's name on the screen. `tags`: the language of words that are of one alone. `stops`: words
    for STOP in the languages offered."""

    words: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    stops: frozenset[str] = frozenset()

    def is_stop(self, text: str) -> bool:
        """Return whether the whole text is a word for STOP."""
        return _bare(text) in self.stops

    def exact(self, text: str) -> str | None:
        return self.words.get(_bare(text))

    def near(self, text: str) -> str | None:
        """What a short text that is no keyword was most likely meant to be. More than a few letters are words."""
        wanted = _bare(text)
        if len(wanted) < SHORTEST or is_free_text(text) or wanted in self.tags:
            return None
        able = [word for word in self.words if len(word) >= SHORTEST]
        return next((self.words[word] for word in difflib.get_close_matches(wanted, able, n=1, cutoff=ALIKE)), None)

    def language(self, text: str) -> str | None:
        """The language that a text is a word of, where it is a word of no other that is offered."""
        return self.tags.get(_bare(text))


class Vocabulary:
    """The keywords of each country, worked out once."""

    def __init__(self, book: FlowBook, home: str) -> None:
        self._book = book
        self._home = home
        self._known: dict[str, Keywords] = {}

    def of(self, iso: str, around: RenderContext) -> Keywords:
        if iso not in self._known:
            self._known[iso] = self._read(around)
        return self._known[iso]

    def _read(self, around: RenderContext) -> Keywords:
        words: dict[str, str] = {HELP: HELP}
        labels: dict[str, dict[str, str]] = {}
        tags: dict[str, set[str]] = {}
        stops: set[str] = set()
        for tag, ground in around.grounds.items():
            named = self._named(tag, around)
            labels[tag] = {keyword: says[-1] for keyword, says in named.items()}
            own = {fold(part): keyword for keyword, says in named.items() for say in says for part in say.split(" / ")}
            own |= {word: meant for word, meant in ground.language.keywords.items() if meant != STOP}
            stops |= {word for word, meant in ground.language.keywords.items() if meant == STOP}
            words = {**own, **words, **{keyword: keyword for keyword in named}}
            for word in (*own, *ground.language.greetings):
                tags.setdefault(word, set()).add(tag)
        one = {word: next(iter(of)) for word, of in tags.items() if len(of) == 1 and word not in labels["en"]}
        return Keywords(words, labels, one, frozenset(stops))

    def _named(self, tag: str, around: RenderContext) -> dict[str, tuple[str, ...]]:
        """Each keyword with its choice's labels in that language, the shortest last."""
        screen = self._book.screen(self._home)
        world = around(spoken(FlowState(self._home), tag, at=0))
        return {offer.choice.also[0]: offer.say for offer in offered_choices(screen, {}, world) if offer.choice.also}


def _bare(text: str) -> str:
    """Folded, without what stands around the words: `Tips!`."""
    if len(text) > MAX_CHOICE_CHARS:
        return ""
    folded = fold(text)
    begin, end = 0, len(folded)
    while begin < end and not _is_letter(folded[begin]):
        begin += 1
    while end > begin and not _is_letter(folded[end - 1]):
        end -= 1
    return folded[begin:end]


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"
