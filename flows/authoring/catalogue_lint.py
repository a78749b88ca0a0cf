"""What is wrong with a catalogue as a file, whoever speaks its language: header, placeholders, figures, letters. Pure.

Nothing here says that the words are right. Each fault is a sentence with file and line, for whoever translates.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterable, Iterator, Mapping

import polib

from flows.catalogues import ENGLISH, fields_by_line, message_id
from flows.gsm7 import alphabet
from flows.text import CARRIER_WORDS, CONTEXT_SEPARATOR, NAVIGATION_KEYS, PLACEHOLDER, fold
from flows.vocabulary import OPTIONAL_FIELDS

ALPHABETS = ("gsm7", "ucs2")
HEADER = {
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Project-Id-Version": "Tokaut",
}
# What a word processor puts in place of ' " - ... and a blank: one of them, and a screen holds 70 in place of 160.
CURLY = re.compile("[\u2018\u2019\u201c\u201d\u2010\u2011\u2012\u2013\u2014\u2026\u00a0\u202f\u200b\ufeff]")
ENDS = ".?!:"
_FIGURES = re.compile(r"(\d+)(am|pm)?")
_ADDRESS = re.compile(r"\b[a-z]+(?:\.[a-z]+)+\b")


def catalogue_faults(tag: str, text: str, english: str) -> Iterator[str]:
    """Of `locales/<tag>.po`; `english` is the text of locales/en.po."""
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
    for entry in po:
        if entry.msgstr and not entry.obsolete:
            for line in _entry(entry.msgid, entry.msgstr, plain=plain):
                yield f"locales/{tag}.po:{entry.linenum}: {entry.msgid[:40]!r}: {line}"


def _header(tag: str, po: polib.POFile) -> Iterator[str]:
    head: Mapping[str, str] = po.metadata
    for name, wanted in {**HEADER, "Language": tag}.items():
        if head.get(name) != wanted:
            yield f"its header says {name}: {head.get(name, 'nothing')}; it has to be {wanted}"
    yield from _plural(head.get("Plural-Forms", ""))
    if tag == ENGLISH:
        return
    if not head.get("X-Name") or alphabet(head["X-Name"]) != "gsm7":
        yield "X-Name: it is missing, or has a letter that not every phone has; write the language's own name plainly"
    if not head.get("X-Greetings"):
        yield "X-Greetings: it is missing; name the first texts that pick this language"
    if head.get("X-Alphabet") not in ALPHABETS:
        yield "X-Alphabet: it has to be gsm7 or ucs2, as the language is properly written: people decide, no program"
    if ("DRAFT" in po.header) == bool(head.get("X-Reviewed")):
        yield "the comment on top says DRAFT exactly as long as X-Reviewed names nobody"


def _plural(form: str) -> Iterator[str]:
    found = re.fullmatch(r"nplurals=(\d); plural=(.+);", form)
    try:
        if not found or not all(gettext.c2py(found[2])(n) < int(found[1]) for n in range(200)):
            yield f"Plural-Forms: {form!r} is no rule of gettext"
    except ValueError:
        yield f"Plural-Forms: {form!r} is no rule of gettext"


def _messages(po: polib.POFile, english: polib.POFile) -> Iterator[str]:
    """In one order, so that two files can be read side by side."""
    here, there = [message_id(entry) for entry in po], [message_id(entry) for entry in english]
    if missing := [one for one in there if one not in here]:
        yield f"it lacks {_some(missing)}; put them in, empty where nobody has translated them"
    if over := [one for one in here if one not in there]:
        yield f"it has {_some(over)}, which no screen says; take them out"
    if not missing and not over and here != there:
        yield "its messages are not in the order of locales/en.po"


def _some(messages: list[str]) -> str:
    more = f" and {len(messages) - 3} more" if messages[3:] else ""
    return ", ".join(_named(one) for one in messages[:3]) + more


def _named(message: str) -> str:
    context, _, words = message.rpartition(CONTEXT_SEPARATOR)
    return f"{words[:40]!r} (context {context!r})" if context else f"{words[:40]!r}"


def _entry(english: str, words: str, *, plain: bool) -> Iterator[str]:
    yield from _fields(english, words)
    if found := CURLY.search(words):
        yield f"{found[0]!r} is a letter that a word processor put in; write ' \" - ... and plain blanks"
    elif plain and alphabet(words) != "gsm7":
        odd = sorted({letter for letter in words if alphabet(letter) != "gsm7"})
        yield f"{' '.join(odd)} is outside GSM-7: the screen would hold 70 in place of 160"
    if _figures(english) != _figures(words):
        yield "its figures are not those of the English"
    if _ADDRESS.findall(english) != _ADDRESS.findall(words):
        yield "an address on the web is not that of the English"
    if words.count('"') != english.count('"'):
        yield "its quotes are not those of the English"
    if any(line != line.strip() or "  " in line or "\t" in line for line in words.split("\n")):
        yield "it has blanks at an end, or two together"
    if _end(english) != _end(words):
        yield f"the English ends with {_end(english) or 'a word'}, and this does not"
    if fold(words) in CARRIER_WORDS | NAVIGATION_KEYS:
        yield "it is a word that the network answers in our place, or a key; choose another"


def _fields(english: str, words: str) -> Iterator[str]:
    """Of each line: one goes where a field of it is absent, and with it what else stands there."""
    if fields_by_line(english) != fields_by_line(words):
        yield "its {placeholders} are not those of the English, line by line; until they are, English is shown"
    more, may_go = words.count("\n") - english.count("\n"), OPTIONAL_FIELDS.intersection(PLACEHOLDER.findall(english))
    if more > 0 or (more and may_go):
        yield "it has not as many lines as the English"


def _figures(words: str) -> list[int]:
    """7am-9pm and 7h-21h are the same; so is the order in which a language puts them."""
    return sorted(int(figure) + (12 if half == "pm" else 0) for figure, half in _FIGURES.findall(words))


def _end(words: str) -> str:
    return words[-1] if words[-1] in ENDS else ""


def all_catalogue_faults(catalogues: Iterable[tuple[str, str]]) -> Iterator[str]:
    """`catalogues`: tag and text of each, English among them."""
    found = dict(catalogues)
    for tag, text in found.items():
        yield from catalogue_faults(tag, text, found[ENGLISH])
