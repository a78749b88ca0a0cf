"""Turn a screen into speech: recordings where they exist, else words for the provider's own voice. Pure.

A screen is the same as on a phone's display: lines of text, then one line for each key. They are spoken in order.
Numbers of three digits and more are spoken digit by digit, as they are dialled, with a pause where they have a space;
so are the keys.

A language is recorded in fragments: each text of the flows between its fields, each value of a field, and the ten
digits. A fragment's file is named after its text. So a text that changes no longer has a recording, and a number that
is withdrawn is never heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from msgspec import Struct

from gateway.messaging.model import UnreadableRequest

LIMIT = (160, 160, 0)  # size of one screen in septets or UTF-16 units: about 15 seconds of speech
PLAYS = 3  # a screen is spoken again after a silence, then the call ends
SILENCE_SECONDS = 7  # after a screen, until it is spoken again
SECOND_KEY_SECONDS = 2  # after a key that may be the first of two
FIRST_KEYS = frozenset({"0", "9"})  # the first keys of `00` and `98`
REPEAT = "*"
DIGITS = tuple("0123456789")
FILE = re.compile(r"([0-9a-f]{16})\.(mp3|wav)")
TURN_BYTES = 4
TURN = re.compile(f"[0-9a-f]{{{2 * TURN_BYTES}}}")
RECORDING_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SPEECH_PAUSE_SECONDS = 8  # a silence that ends a recording
AFTER_RECORDING, NOT_RECORDED = "1", "2"  # after a recording one of these keys is pressed for the caller
TAG = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")

_KEY_LINE = re.compile(r"([0-9*]{1,2}) (?=\S)")
_LONG_NUMBER = re.compile(r"\+?[0-9](?:[0-9 ]*[0-9])?")
_MARKS = " \t.,:;?!()/|\"'-"
_SPOKEN = re.compile(r"[^\W_]")
_WORD_ENDS = re.compile(r"(?<=\w)(?!\w)|(?<=[0-9])|\Z")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Words(Struct, frozen=True):
    """Words for the provider's voice."""

    text: str


class Recording(Struct, frozen=True):
    """A recorded file: the part of its address after `/prompts/`."""

    path: str


class Pressed(Struct, frozen=True):
    """The keys that a caller pressed. `waits_for_more`: a second key may follow."""

    keys: str
    waits_for_more: bool = False


Utterance = tuple[Words | Recording, ...]


class Recordings(Struct, frozen=True):
    """The recorded fragments of all languages. `files`: language → fragment's id → name of the file."""

    files: Mapping[str, Mapping[str, str]] = {}

    @classmethod
    def load(cls, folder: Path | None) -> Recordings:
        """List the files of a folder: `<language>/<id>.mp3` or `.wav`; other files are ignored."""
        if folder is None:
            return cls()
        languages = (entry for entry in folder.iterdir() if entry.is_dir() and TAG.fullmatch(entry.name))
        return cls(
            {
                entry.name: {match[1]: match[0] for file in entry.iterdir() if (match := FILE.fullmatch(file.name))}
                for entry in languages
            }
        )

    def lacks(self, language: str, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the fragments of these texts that have no recording in a language, each once."""
        recorded = self.files.get(language, {})
        return tuple(text for text in fragments(texts) if fragment_id(text) not in recorded)

    def find(self, language: str, text: str) -> Recording | None:
        """Return the recording of a fragment, or None."""
        name = self.files.get(language, {}).get(fragment_id(text))
        return Recording(f"{language}/{name}") if name else None


def fragment_id(text: str) -> str:
    """Return the name of a fragment's file without its ending: 16 hexadecimal digits."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def fragments(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the fragments to record so that these texts can be spoken: each once, the digits first."""
    texts_once = dict.fromkeys(DIGITS)
    for text in texts:
        for line in text.split("\n"):
            texts_once |= dict.fromkeys(part for part in _parts(line) if not part.isdecimal())
    return tuple(texts_once)


def utter(text: str, language: str, recordings: Recordings, *, has_voice: bool) -> Utterance:
    """Return the recordings and words that speak a screen.

    `has_voice`: the provider has a voice of this language. Then it speaks everything: two voices in one sentence are
    hard to understand. Otherwise it speaks only what nobody can have recorded, such as a message from staff.
    """
    lines = [line for line in _NOT_XML.sub("", text).split("\n") if _SPOKEN.search(line)]
    if has_voice:
        return (Words("\n".join(map(_read_out, lines))),) if lines else ()
    return tuple(_merged(part for line in lines for part in _recorded(line, language, recordings)))


def last_plays(text: str) -> int:
    """Return how often the last screen of a call is spoken: twice if it has a number to call."""
    return 2 if any(map(str.isdecimal, text)) else 1


def _read_out(line: str) -> str:
    """Return a line for a voice to read: keys and long numbers digit by digit, with a pause at its end."""
    key, label = _split_key(line)
    words = _LONG_NUMBER.sub(lambda number: _digit_by_digit(number[0]), label).replace(" / ", ", ")
    if words[-1:] not in ".?!":
        words += "."
    return f"{_digit_by_digit(key, min_digits=1)}. {words}" if key else words


def _digit_by_digit(number: str, min_digits: int = 3) -> str:
    groups = number.removeprefix("+").split()
    if sum(map(len, groups)) < min_digits:
        return number
    return ". ".join(", ".join(group) for group in groups)


def _split_key(line: str) -> tuple[str, str]:
    match = _KEY_LINE.match(line)
    return (match[1], line[match.end() :]) if match else ("", line)


def _parts(line: str) -> Iterator[str]:
    """Yield the fragments of a line, and each digit of a long number by itself."""
    at = 0
    for number in _LONG_NUMBER.finditer(line):
        digits = number[0].replace(" ", "").removeprefix("+")
        if len(digits) < 3:
            continue
        yield from _stripped(line[at : number.start()])
        yield from digits
        at = number.end()
    yield from _stripped(line[at:])


def _stripped(text: str) -> Iterator[str]:
    words = " ".join(text.split()).strip(_MARKS)
    if _SPOKEN.search(words):
        yield words


def _recorded(line: str, language: str, recordings: Recordings) -> Iterator[Words | Recording]:
    """Yield the recordings of a line, and words for the parts that have none."""
    complete_line = _fewest_recordings(line, language, recordings)
    if complete_line is not None:
        yield from complete_line
        return
    key, label = _split_key(line)
    for digit in key:
        yield recordings.find(language, digit) or Words(digit)
    for part in _parts(label):
        yield from _fewest_recordings(part, language, recordings) or _digits_of(part, language, recordings)


def _digits_of(text: str, language: str, recordings: Recordings) -> Iterator[Words | Recording]:
    """Yield a text without recordings: its digits one by one, and its words for the provider's voice."""
    for piece in re.findall(r"[0-9]|[^0-9]+", text):
        if words := piece.strip(_MARKS):
            yield from _fewest_recordings(words, language, recordings) or (Words(words),)


def _fewest_recordings(text: str, language: str, recordings: Recordings) -> tuple[Recording, ...] | None:
    """Return the fewest recordings that together speak a text; None if none do.

    A sentence around a name was recorded in two parts, before and after it.
    """

    @cache
    def split_from(at: int) -> tuple[Recording, ...] | None:
        while at < len(text) and text[at] in _MARKS:
            at += 1
        if at == len(text):
            return ()
        ends = sorted((match.start() for match in _WORD_ENDS.finditer(text, at + 1)), reverse=True)
        splits = (
            (first, *rest)
            for end in ends
            if (first := recordings.find(language, text[at:end].rstrip(_MARKS)))
            and (rest := split_from(end)) is not None
        )
        return min(splits, key=len, default=None)

    return split_from(0)


def _merged(parts: Iterable[Words | Recording]) -> Iterator[Words | Recording]:
    """Join neighbouring words."""
    words: list[str] = []
    for part in parts:
        if isinstance(part, Words):
            words.append(part.text)
            continue
        if words:
            yield Words(". ".join(words))
            words = []
        yield part
    if words:
        yield Words(". ".join(words))


# The addresses to which the provider sends the next keys. They hold keys of menus alone, never a code or a PIN. Each
# answer has a random id of its own there: by it a request that the provider sends again is recognised.


def query(**values: str) -> str:
    """Return the query of an address. Values that are "" are left out."""
    parts = [f"{name}={value}" for name, value in values.items() if value]
    return "?" + "&amp;".join(parts) if parts else ""


def new_turn_id() -> str:
    """Return a random id of one answer."""
    return token_hex(TURN_BYTES)


def pressed(digits: str, values: Mapping[str, tuple[str, ...]]) -> Pressed:
    """Return the keys that a caller pressed, from the digits of a request and the query of its address.

    A caller who stays silent leaves the service as by `00`. Raises UnreadableRequest for a query that no answer of
    ours holds.
    """
    values = {name: value for name, value in values.items() if name != "turn"}
    if values == {"silent": ("1",)}:
        return Pressed("00")
    if values == {"typed": ("1",)}:
        return Pressed(digits)
    if not values:
        return Pressed(digits, waits_for_more=digits in FIRST_KEYS)
    first = "".join(values.get("first", ()))
    if first not in FIRST_KEYS or len(values) != 1:
        raise UnreadableRequest("not an address of this channel", "not_form")
    return Pressed(first + digits)


def turn(values: Mapping[str, tuple[str, ...]], keys: str = "") -> str:
    """Return the id of the answer that a request follows, from the query of its address; "" in a first request.

    `00` has an id of its own, because it also leaves a screen that was answered; a silence has not. Raises
    UnreadableRequest for an id that no answer of ours holds.
    """
    followed = "".join(values.get("turn", ()))
    if followed and not TURN.fullmatch(followed):
        raise UnreadableRequest("not an address of this channel", "not_form")
    return followed + keys if followed and keys == "00" and "silent" not in values else followed


def recorded(values: Mapping[str, tuple[str, ...]]) -> str:
    """Return the id of the recording that a request comes after, from the query of its address; "" if after none.

    Raises UnreadableRequest for an id that no answer of ours holds.
    """
    expected = "".join(values.get("recorded", ()))
    if expected and not RECORDING_ID.fullmatch(expected):
        raise UnreadableRequest("not an address of this channel", "not_form")
    return expected


def without_keys(text: str) -> str:
    """Return a screen without the lines of its keys: while a voice is recorded, no key is offered."""
    return "\n".join(line for line in text.split("\n") if not _KEY_LINE.match(line))


def covers(recordings: Recordings, language: str, texts: Iterable[str]) -> bool:
    """Return whether a language has all the recordings that these texts need."""
    return language in recordings.files and not recordings.lacks(language, texts)
