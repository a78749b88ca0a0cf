"""The planted texts, and the encodings in which a program may have written them."""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, quote_plus

from reports.store import migrations

WORDS = ("Lukaotem", "Zoŋrovik", "Quillomba")  # rare words, so that half a sentence in a log is also found
SENTENCE = f'{WORDS[0]} the "{WORDS[1]}" canoe 🐢 by the {WORDS[2]} jetty'
PLACE, PLACE_CODE = "Vortimsel", "VU-QRX"
PICTURE = "MEvorbeltine"  # in the address of a picture, which was never opened
SPOKEN = "Brimmolast was heard"  # in the sound of a recording
ANSWER = "Trebbinox says thanks"  # reply of a hotline
ATTACKER = "Murglewhit was here"  # an attacker writes this into Redis and the database, and it must be nowhere else
SHORT = 5  # characters; shorter digits occur by chance, and count only as a separate word
MIGRATIONS = Path(migrations.__file__).parent / "versions"
BY_CHANCE = {  # four digits that are separate words in any installation's files and logs; a PIN may equal them
    max(MIGRATIONS.glob("[0-9]*.py")).name[:4].encode(),  # number of the database schema
    *(b"1000", b"2000"),  # row counts of SQLite's planner, in the database
    *re.findall(rb"\b\d{4}\b", sys.version.encode()),  # build date of this Python
    time.strftime("%Y", time.gmtime()).encode(),
}
SHORTEST = 6  # bytes of a needle that need not be a separate word

Encode = Callable[[str], Iterator[bytes]]


@dataclass
class Planted:
    """name → text. Codes and PINs are added as the screens show them, secrets from the installation."""

    texts: dict[str, str] = field(default_factory=dict)
    pids: list[int] = field(default_factory=list)  # of the installation; they are in Redis and in its log

    def add(self, name: str, text: str) -> None:
        self.texts[name] = text

    def patterns(self, names: Callable[[str], bool] = lambda name: True) -> list[SearchPattern]:
        by_chance = BY_CHANCE | {str(pid).encode() for pid in self.pids}
        return [
            SearchPattern(name, how, raw, alone=_is_short(text), number=raw.isdigit())
            for name, text in self.texts.items()
            if names(name)
            for how, encode in ENCODINGS.items()
            for raw in encode(text)
            if (raw not in by_chance if _is_short(text) else len(raw) >= SHORTEST)
        ]


@dataclass(frozen=True)
class SearchPattern:
    name: str
    how: str
    raw: bytes
    alone: bool = False  # only as a separate word
    number: bool = False  # not within a longer one: eight digits occur by chance in a time or hash

    @property
    def unnamed(self) -> SearchPattern:
        """Return the needle without its name, equal to all that are found in the same places."""
        return replace(self, name="", how="")

    def stands_in(self, held: bytes) -> bool:
        if self.raw not in held:
            return False
        before, after = rb"(?<![0-9A-Fa-f])", rb"(?![0-9A-Fa-f])"
        if self.alone:
            before, after = rb"(?<![0-9A-Za-z.$:*+-])", rb"(?![0-9A-Za-z.])"
        return not self.number or re.search(before + re.escape(self.raw) + after, held) is not None


def _is_short(text: str) -> bool:
    """Return whether these digits occur by chance in a time or length, so that only a separate word counts."""
    return len(text) < SHORT and text.isdecimal()


def _plain(text: str) -> Iterator[bytes]:
    yield text.encode()


def _percent(text: str) -> Iterator[bytes]:
    yield quote(text, safe="").encode()
    yield quote_plus(text).encode()


def _base64(text: str) -> Iterator[bytes]:
    """Yield the encoding for each of the three positions at which the text may begin in a longer one."""
    raw = text.encode()
    if _is_short(text):
        yield base64.b64encode(raw).rstrip(b"=")
        return
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        inner = whole[(shift * 8 + 5) // 6 : (len(raw) + shift) * 8 // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def _utf16(text: str) -> Iterator[bytes]:
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")


def _json(text: str) -> Iterator[bytes]:
    yield json.dumps(text)[1:-1].encode()
    yield json.dumps(json.dumps(text))[3:-3].encode()


def _reversed(text: str) -> Iterator[bytes]:
    """Yield digits as SMS protocols write them: pairwise, or from the end."""
    yield text[::-1].encode()
    if text.isdecimal():
        even = text if len(text) % 2 == 0 else text + "F"
        yield "".join(even[n + 1] + even[n] for n in range(0, len(even), 2)).encode()


ENCODINGS: dict[str, Encode] = {
    "plain": _plain,
    "percent": _percent,
    "base64": _base64,
    "utf-16": _utf16,
    "json": _json,
    "reversed": _reversed,
}
