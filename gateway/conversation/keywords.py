"""Words of an SMS with a meaning of their own: keywords in all languages, and those of carriers (STOP, HELP).

A typing error is recognised, and has no effect by itself.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from flows.model import Answer, FlowBook, FlowState
from flows.pagination import MAX_CHOICE_CHARS, fold, is_free_text, without_marks
from flows.renderer import offered_choices
from gateway.conversation.context import RenderContext, TurnRequest
from gateway.messaging.model import CarrierWord
from reports.access_codes import split_pair

CHOOSE = "language.choose"
HELP = "help"  # in English it is a carrier's word and works everywhere
STOP = "stop"  # likewise in English; carriers do not know its translations
CALL = "call"  # a request to be called
DELETE = "delete"  # another word for the choice that deletes words that are not sent
CODE = "code"  # its screen asks for code and PIN
HIDDEN_DIGIT = "\u2022"
SHORTEST = 3  # letters; typing errors are recognised only in words of this length or more
ALIKE = 0.74  # similarity; allows one letter wrong, missing, doubled or swapped in a word of four; two in a long one

# Carriers answer these in our place, so they act only as the whole message (S-09).
WORDS: Mapping[str, CarrierWord] = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "end", "quit", "revoke", "optout", "cancel"), "stop"),
    **dict.fromkeys(("start", "yes", "unstop"), "start"),
    **dict.fromkeys(("help", "info"), "help"),
}

# Words of courtesy; around a refusal or a keyword they do not count. A carrier's word with them is words: the carrier
# does not answer those in our place.
PLEASE = frozenset({"please", "pls", "plz"})
# A refusal to send words that are not sent yet, beside the labels of the choices in each offered language.
REFUSALS = frozenset(f"{no} send{it}" for no in ("dont", "do not", "not", "no") for it in ("", " it", " this"))
REFUSING_LABELS = ("Delete it", "Delete")
YES = "yes"  # likewise; it answers the question about danger, too
NO = "No"  # as its label is translated; beside "In danger?" it answers that question

# Words that are near a keyword and mean something else; greetings of the offered languages are added.
OTHER_WORDS = frozenset({
    *("come", "cold", "core", "cod", "hell", "lawn", "lips", "loan", "port", "trip", "leave"),  # English
    *("conseil", "cote", "idee", "aider", "lange"),  # French
    *("malo", "leqa", "lala", "laa", "lua", "sawa", "saada"),
})  # fmt: skip

# A network's free "call me" text is one of these and a number. A text with any further word is a person's own (S-22).
CALL_ME = frozenset(
    f"{please}{call}{after}"
    for please in ("", "please ", "pls ", "plz ")
    for call in ("call", "call me", "callme", "call back", "call me back")
    for after in ("", " please", " pls", " on", " at", " now")
) | {"pcm", "please call me thank you"}
ENDS_OF_CALL_ME = ("me", "callme")  # the other forms are recognised without typing errors only
FORMS_OF_ME = frozenset({"me", "mi", "m"})
MAX_CALL_ME_CHARS = 160
LONG_WORD = 4  # letters; a typing error is recognised only in words of this length or more
_NO_LETTER = re.compile(r"[^\w\s]+|[\d_]+")


# A session's language is the country's first, until the reporter chooses another or sends a first text in it.


def initial_state_for(request: TurnRequest, state: FlowState) -> FlowState:
    """Return the initial state of a session in the language that is already known."""
    return with_language(state, request.chosen_language, request.now) if request.chosen_language else state


def with_language(state: FlowState, tag: str, at: int) -> FlowState:
    """Return the state as if that language had been chosen before anything else."""
    return replace(state, trail=((CHOOSE, 0),), answers=(Answer(CHOOSE, "language", tag, typed=False, at=at),))


@dataclass(frozen=True, slots=True)
class Keywords:
    """The keywords of one country.

    `words`: folded word → keyword, which the home screen accepts in any language. `labels`: language → keyword → its
    name on the screen. `tags`: word → language, for words of only one language. `stops`: words for STOP in the
    country's languages. `call_me`: phrases for "call me" in the country's languages, each as its words. `refusals`:
    texts by which words that are not sent are deleted, `yeses` and `noes`: "yes" and "No" in each language, all without
    marks. `others`: words with another meaning, never a typing error.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    stops: frozenset[str] = frozenset()
    call_me: frozenset[tuple[str, ...]] = frozenset()
    refusals: frozenset[str] = frozenset()
    yeses: frozenset[str] = frozenset()
    noes: frozenset[str] = frozenset()
    others: frozenset[str] = OTHER_WORDS

    def is_stop(self, text: str) -> bool:
        """Return whether the whole text is a word for STOP."""
        return _stripped(text) in self.stops

    def refuses(self, text: str) -> bool:
        """Return whether the whole text says that words must not be sent, or is the line of `00` that deletes them."""
        return _without_please(text).removeprefix("00 ") in self.refusals

    def is_yes(self, text: str) -> bool:
        """Return whether the whole text is "yes"."""
        return _stripped(text) in self.yeses

    def is_no(self, text: str) -> bool:
        """Return whether the whole text is "No"."""
        return _stripped(text) in self.noes

    def exact(self, text: str) -> str | None:
        """Return the keyword that the whole text is, in any offered language; None if it is none.

        Words of courtesy around it do not count, except with HELP, which is a carrier's word. The SMS with code and
        PIN, sent back, is CODE: as words, both would be in a report.
        """
        if _has_code_and_pin(text):
            return CODE
        asked_for = self.words.get(_without_please(text))
        return self.words.get(_stripped(text)) if asked_for == HELP else asked_for

    def near(self, text: str) -> str | None:
        """Return the keyword that a short text most likely means, or None. A longer text is free text."""
        typed_word = _without_please(text)
        if len(typed_word) < SHORTEST or is_free_text(text) or typed_word in self.tags or typed_word in self.others:
            return None
        candidates = [word for word in self.words if len(word) >= SHORTEST]
        return next(
            (self.words[word] for word in difflib.get_close_matches(typed_word, candidates, n=1, cutoff=ALIKE)), None
        )

    def asks_for_call(self, text: str) -> bool:
        """Return whether a text is a "call me", perhaps with a typing error in a long word.

        A number and signs in it do not count, as in the free texts of networks. With a further word it is a person's
        own text.
        """
        typed_words = _letters_only(text)
        if not typed_words or len(text) > MAX_CALL_ME_CHARS:
            return False
        return " ".join(typed_words) in CALL_ME or any(_is_nearly(typed_words, phrase) for phrase in self.call_me)

    def language(self, text: str) -> str | None:
        """Return the language of a text that is a word of only one offered language; else None."""
        return self.tags.get(_without_please(text))


class Vocabulary:
    """Compute the keywords of each country once."""

    def __init__(self, book: FlowBook, home: str) -> None:
        self._book = book
        self._home = home
        self._known: dict[str, Keywords] = {}

    def of(self, iso: str, render_context: RenderContext) -> Keywords:
        """Return the keywords of a country."""
        if iso not in self._known:
            self._known[iso] = self._read(render_context)
        return self._known[iso]

    def _read(self, render_context: RenderContext) -> Keywords:
        words: dict[str, str] = {HELP: HELP}
        labels: dict[str, dict[str, str]] = {}
        tags: dict[str, set[str]] = {}
        stop_words: set[str] = set()
        refusals, yeses, noes = set(REFUSALS), {YES}, set[str]()
        others = set(OTHER_WORDS)
        call_phrases = {tuple(phrase.split()) for phrase in CALL_ME if phrase.endswith(ENDS_OF_CALL_ME)}
        for tag, context in render_context.country_contexts.items():
            labels_by_keyword = self._named(tag, render_context)
            labels[tag] = {keyword: choice_labels[-1] for keyword, choice_labels in labels_by_keyword.items()}
            own_words = {
                _stripped(part): keyword
                for keyword, choice_labels in labels_by_keyword.items()
                for label in choice_labels
                for part in label.split(" / ")
            }
            further = [(_stripped(word), keyword) for word, keyword in context.language.keywords.items()]
            greetings = set(map(_stripped, context.language.greetings))
            own_words |= {word: keyword for word, keyword in further if keyword not in (STOP, CALL, DELETE, YES)}
            refusals |= {_stripped(context.language.translate(label)) for label in REFUSING_LABELS}
            refusals |= {word for word, keyword in further if keyword == DELETE}
            yeses |= {word for word, keyword in further if keyword == YES}
            noes.add(_stripped(context.language.translate(NO)))
            calls = {word for word, keyword in further if keyword == CALL}
            call_phrases |= {_letters_only(phrase) for phrase in calls}
            stop_words |= {word for word, keyword in further if keyword == STOP}
            words = {**own_words, **words, **{keyword: keyword for keyword in labels_by_keyword}}
            others |= {part for greeting in greetings for part in greeting.split()}
            for word in (*own_words, *calls, *greetings):
                tags.setdefault(word, set()).add(tag)
        single_language = {
            word: next(iter(word_tags))
            for word, word_tags in tags.items()
            if len(word_tags) == 1 and word not in labels["en"]
        }
        return Keywords(
            words,
            labels,
            single_language,
            frozenset(stop_words),
            frozenset(call_phrases),
            refusals=frozenset(refusals),
            yeses=frozenset(yeses),
            noes=frozenset(noes),
            others=frozenset(others | yeses),
        )

    def _named(self, tag: str, render_context: RenderContext) -> dict[str, tuple[str, ...]]:
        """Return each keyword with its choice's labels in that language, the shortest last."""
        screen = self._book.screens[self._home]
        screen_context = render_context(with_language(FlowState(self._home), tag, at=0))
        return {
            offer.choice.also[0]: offer.say
            for offer in offered_choices(screen, {}, screen_context)
            if offer.choice.also
        }


def _stripped(text: str) -> str:
    """Return a text folded, without marks and apostrophes, and without what is no letter or digit around it.

    As in `Tips!`. A very long text gives "".
    """
    if len(text) > MAX_CHOICE_CHARS:
        return ""
    folded = without_marks(fold(text))
    begin, end = 0, len(folded)
    while begin < end and not _is_letter(folded[begin]):
        begin += 1
    while end > begin and not _is_letter(folded[end - 1]):
        end -= 1
    return folded[begin:end]


def _without_please(text: str) -> str:
    """Return a text folded and stripped, without words of courtesy around it, as in `Delete, please!`."""
    words = _stripped(text).split()
    while len(words) > 1 and words[-1] in PLEASE:
        words.pop()
    while len(words) > 1 and words[0] in PLEASE:
        words.pop(0)
    return _stripped(" ".join(words))


def _has_code_and_pin(text: str) -> bool:
    """Return whether a text has code and PIN and calls them so, as the screens in all languages do."""
    words = _letters_only(text)
    return "pin" in words and ("code" in words or "kod" in words) and split_pair(text) is not None


def without_code_and_pin(text: str) -> str:
    """Return a text with its digits hidden if it has code and PIN and calls them so; else the text."""
    return re.sub(r"\d", HIDDEN_DIGIT, text) if _has_code_and_pin(text) else text


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"


# The words that carriers and networks use in an SMS: STOP, START, HELP, "call me". Pure.


def word(text: str) -> CarrierWord | None:
    """Return which carrier's word the whole text is; None for any other text, such as "stop him".

    Signs around the word do not count. With a "please" it is words: carriers do not answer them in our place.
    """
    return WORDS.get(_stripped(text)) if len(text) <= 64 else None


def is_call_me(text: str) -> bool:
    """Return whether a text is a "please call me", or has no word at all.

    Its sender cannot write; the home menu shows the numbers.
    """
    if all(char.isspace() or unicodedata.category(char) in {"Cc", "Cf"} for char in text):
        return True
    return len(text) <= MAX_CALL_ME_CHARS and " ".join(_letters_only(text)) in CALL_ME


def _letters_only(text: str) -> tuple[str, ...]:
    """Return the words of a text without digits and signs."""
    return tuple(_NO_LETTER.sub(" ", _plain(text[: MAX_CALL_ME_CHARS + 1])).split())


def _is_nearly(typed_words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    return len(typed_words) == len(phrase) and all(map(_is_meant, typed_words, phrase))


def _is_meant(typed: str, word: str) -> bool:
    """Return whether a word is another with one letter wrong, missing, added or swapped; a short word must be equal."""
    if typed == word or {typed, word} <= FORMS_OF_ME:
        return True
    if len(word) < LONG_WORD:
        return False
    shared = next((n for n, (a, b) in enumerate(zip(typed, word, strict=False)) if a != b), min(len(typed), len(word)))
    rest, other = typed[shared:], word[shared:]
    is_swapped = len(rest) > 1 and rest[1] + rest[0] + rest[2:] == other
    return is_swapped or rest[1:] in (other, other[1:]) or rest == other[1:]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()
