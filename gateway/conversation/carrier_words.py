"""Words of carriers and networks in an SMS: STOP, START, HELP, "call me". Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal

Word = Literal["stop", "start", "help"]

# Carriers answer these in our place, so they act only as the whole message (S-09).
WORDS: Mapping[str, Word] = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "end", "quit", "revoke", "optout", "cancel"), "stop"),
    **dict.fromkeys(("start", "yes", "unstop"), "start"),
    **dict.fromkeys(("help", "info"), "help"),
}

# A network's free "call me" text is one of these and a number. With any further word it is a person's own (S-22).
CALL_ME = frozenset(
    f"{please}{call}{after}"
    for please in ("", "please ", "pls ", "plz ")
    for call in ("call", "call me", "callme", "call back", "call me back")
    for after in ("", " please", " pls", " on", " at", " now")
) | {"pcm", "please call me thank you"}
_NO_LETTER = re.compile(r"[^\w\s]+|[\d_]+")


def is_key(text: str) -> bool:
    """Return whether a text holds only digits of any script: an answer to a menu, not words."""
    return _plain(text).isdecimal()


def word(text: str) -> Word | None:
    """Return which carrier's word the whole text is; None for all else, so for "stop him" too."""
    return WORDS.get(_plain(text)) if len(text) <= 64 else None


def is_call_me(text: str) -> bool:
    """Return whether a text has no word or is a "please call me".

    Its sender cannot write; the home menu shows the numbers.
    """
    if all(char.isspace() or unicodedata.category(char) in {"Cc", "Cf"} for char in text):
        return True
    return len(text) <= 160 and " ".join(_NO_LETTER.sub(" ", _plain(text)).split()) in CALL_ME


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()
