"""Check a catalogue file without knowing its language: header, placeholders, figures, letters. Pure.

It cannot tell whether the translation is right. Each fault is a sentence with file and line, for the translator.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterable, Iterator, Mapping

import polib

from flows.authoring.spellings import spelling_faults
from flows.catalogues import ENGLISH, fields_by_line, message_id
from flows.model import OPTIONAL_FIELDS
from flows.pagination import ALPHABETS, CARRIER_WORDS, CONTEXT_SEPARATOR, NAVIGATION_KEYS, PLACEHOLDER, alphabet, fold

HEADER = {
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Project-Id-Version": "Tokaut",
}
# Characters that a word processor substitutes for ' " - ... and a blank. With one of them a screen holds 70
# characters instead of 160.
CURLY = re.compile("[\u2018\u2019\u201c\u201d\u2010\u2011\u2012\u2013\u2014\u2026\u00a0\u202f\u200b\ufeff]")
ENDS = ".?!:"
MAX_LABEL_CHARS = 30
_FIGURES = re.compile(r"(\d+)(am|pm)?")
_ADDRESS = re.compile(r"\b[a-z]+(?:\.[a-z]+)+\b")


def catalogue_faults(tag: str, text: str, english: str) -> Iterator[str]:
    """Yield the faults of `locales/<tag>.po`. `english`: the text of locales/en.po."""
    try:
        po = polib.pofile(text, check_for_duplicates=True)
    except (ValueError, OSError) as error:
        yield f"locales/{tag}.po: it cannot be read: {error}"
        return
    yield from (f"locales/{tag}.po: {line}" for line in _header(tag, po))
    if tag == ENGLISH:
        return
    yield from (f"locales/{tag}.po: {line}" for line in _messages(po, polib.pofile(english)))
    plain = po.metadata.get("X-Alphabet") == "gsm7"
    keywords = dict(_keywords(po.metadata.get("X-Keywords", "")))
    for entry in po:
        if entry.msgstr and not entry.obsolete:
            place, words = f"locales/{tag}.po:{entry.linenum}: {entry.msgid[:40]!r}", fold(entry.msgstr)
            if (keyword := keywords.get(words)) and entry.msgid != "Call me":
                yield f"{place}: typed, it is {keyword.upper()}: see X-Keywords"
            elif _is_label(entry.msgid) and keywords.get(words.partition(" ")[0]) == "stop":
                yield f"{place}: its first word, typed, is STOP: see X-Keywords"
            for line in (*_entry(entry.msgid, entry.msgstr, plain=plain), *spelling_faults(tag, entry.msgstr)):
                yield f"locales/{tag}.po:{entry.linenum}: {entry.msgid[:40]!r}: {line}"


def _header(tag: str, po: polib.POFile) -> Iterator[str]:
    head: Mapping[str, str] = po.metadata
    for name, expected in {**HEADER, "Language": tag}.items():
        if head.get(name) != expected:
            yield f"its header says {name}: {head.get(name, 'nothing')}; it has to be {expected}"
    yield from _plural(head.get("Plural-Forms", ""))
    if tag == ENGLISH:
        return
    if not head.get("X-Name") or alphabet(head["X-Name"]) != "gsm7":
        yield "X-Name: it is missing, or has a letter that not every phone has; write the language's own name plainly"
    if not head.get("X-Greetings"):
        yield "X-Greetings: it is missing; name the first texts that pick this language"
    if head.get("X-Alphabet") not in ALPHABETS:
        yield "X-Alphabet: it has to be gsm7 or ucs2, as the language is properly written: people decide, no program"
    if "X-Reviewed" in head:
        yield "X-Reviewed: take it out; who has read what is in the file of signatures"


def _is_label(english: str) -> bool:
    """Return whether a text may be a choice, of which people type the first word only: it is short, and no sentence."""
    return len(english) <= MAX_LABEL_CHARS and not _end_mark(english)


def _keywords(pairs: str) -> Iterator[tuple[str, str]]:
    """Yield each word of X-Keywords that is read before the choices of the open screen, and what it means."""
    for keyword, _, word in (pair.strip().partition("=") for pair in pairs.split(",")):
        if keyword in ("stop", "help", "call", "yes"):
            yield fold(word), keyword


def _plural(form: str) -> Iterator[str]:
    match = re.fullmatch(r"nplurals=(\d); plural=(.+);", form)
    try:
        if not match or not all(gettext.c2py(match[2])(n) < int(match[1]) for n in range(200)):
            yield f"Plural-Forms: {form!r} is not a valid gettext rule"
    except ValueError:
        yield f"Plural-Forms: {form!r} is not a valid gettext rule"


def _messages(po: polib.POFile, english: polib.POFile) -> Iterator[str]:
    """Check that the messages are those of the English file, in the same order: both can be read side by side."""
    own_ids, english_ids = [message_id(entry) for entry in po], [message_id(entry) for entry in english]
    if missing := [message for message in english_ids if message not in own_ids]:
        yield f"it lacks {_first_few(missing)}; put them in, empty where nobody has translated them"
    if unknown := [message for message in own_ids if message not in english_ids]:
        yield f"it has {_first_few(unknown)}, which no screen says; take them out"
    if not missing and not unknown and own_ids != english_ids:
        yield "its messages are not in the order of locales/en.po"


def _first_few(messages: list[str]) -> str:
    more = f" and {len(messages) - 3} more" if messages[3:] else ""
    return ", ".join(_quoted_message(message) for message in messages[:3]) + more


def _quoted_message(message: str) -> str:
    context, _, words = message.rpartition(CONTEXT_SEPARATOR)
    return f"{words[:40]!r} (context {context!r})" if context else f"{words[:40]!r}"


def _entry(english: str, words: str, *, plain: bool) -> Iterator[str]:
    yield from _fields(english, words)
    if match := CURLY.search(words):
        yield f"{match[0]!r} is a letter that a word processor put in; write ' \" - ... and plain blanks"
    elif plain and alphabet(words) != "gsm7":
        outside = sorted({letter for letter in words if alphabet(letter) != "gsm7"})
        yield f"{' '.join(outside)} is outside GSM-7: the screen would hold 70 in place of 160"
    if _figures(english) != _figures(words):
        yield "its figures are not those of the English"
    if _ADDRESS.findall(english) != _ADDRESS.findall(words):
        yield "an address on the web is not that of the English"
    if words.count('"') != english.count('"'):
        yield "its quotes are not those of the English"
    if any(line != line.strip() or "  " in line or "\t" in line for line in words.split("\n")):
        yield "it has blanks at an end, or two together"
    if _end_mark(english) != _end_mark(words):
        yield f"the English ends with {_end_mark(english) or 'a word'}, and this does not"
    if fold(words) in CARRIER_WORDS | NAVIGATION_KEYS:
        yield "it is a word that the network answers in our place, or a key; choose another"


def _fields(english: str, words: str) -> Iterator[str]:
    """Check the placeholders line by line: a line is left out if one of its fields is absent."""
    if fields_by_line(english) != fields_by_line(words):
        yield "its {placeholders} are not those of the English, line by line; until they are, English is shown"
    extra_lines, has_optional_field = (
        words.count("\n") - english.count("\n"),
        OPTIONAL_FIELDS.intersection(PLACEHOLDER.findall(english)),
    )
    if extra_lines > 0 or (extra_lines and has_optional_field):
        yield "it has not as many lines as the English"


def _figures(words: str) -> list[int]:
    """Return the numbers of a text in a comparable form: 7am-9pm equals 7h-21h, and the order does not matter."""
    return sorted(int(figure) + (12 if suffix == "pm" else 0) for figure, suffix in _FIGURES.findall(words))


def _end_mark(words: str) -> str:
    return words[-1] if words[-1] in ENDS else ""


def all_catalogue_faults(catalogues: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the faults of all catalogues. `catalogues`: tag and text of each, including English."""
    text_by_tag = dict(catalogues)
    for tag, text in text_by_tag.items():
        yield from catalogue_faults(tag, text, text_by_tag[ENGLISH])
