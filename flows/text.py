"""Normalise what a person types, and define the texts of the engine itself. Pure."""

from __future__ import annotations

import re
import unicodedata

BACK, LEAVE, MORE, SKIP, SORRY, DRILL = "Back", "Leave", "More", "skip", "Sorry, try again.", "DRILL"
ENGINE_MESSAGES = (BACK, LEAVE, MORE, SKIP, SORRY, DRILL)
NAVIGATION_KEYS = frozenset({"0", "00", "98"})  # the same on each screen and channel: back, leave, more
CARRIER_WORDS = frozenset(
    {"stop", "stopall", "unsubscribe", "end", "quit", "revoke", "optout", "cancel"}
    | {"start", "yes", "unstop", "help", "info"}
)  # the carrier itself answers these words (S-09)
ACCEPTED_CARRIER_WORDS = frozenset({"yes"})  # not allowed as a label, but accepted when typed
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MIN_LETTERS = 12  # a reply with so many letters is free text
CONTEXT_SEPARATOR = "\x04"  # between the context and the text of a message, as in gettext's files
MAX_CHOICE_CHARS = 200  # characters; a longer reply is free text, and is not folded


def in_context(context: str, words: str) -> str:
    """Return the message id of a text that means something else on another screen."""
    return f"{context}{CONTEXT_SEPARATOR}{words}" if context else words


def without_context(message: str) -> str:
    """Return the text of a message id."""
    return message.rpartition(CONTEXT_SEPARATOR)[2]


def to_ascii_digits(reply: str) -> str:
    """Convert decimal digits of any script to ASCII digits."""
    if reply.isascii():
        return reply
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in reply)


def fold(words: str) -> str:
    """Return the text for comparison with keys and labels: NFKC, trimmed, without case, blanks collapsed.

    Never store the result.
    """
    if words.isascii() and words.isdigit():
        return words
    return to_ascii_digits(" ".join(unicodedata.normalize("NFKC", words).casefold().split()))


def as_stored(typed: str) -> str:
    """Return the text as typed; only NUL becomes U+FFFD, because a database cannot store NUL."""
    return typed.replace("\0", "\ufffd")


def is_free_text(text: str) -> bool:
    """Return whether a reply that is not a choice was meant as a message."""
    return sum(map(str.isalpha, text)) >= MIN_LETTERS
