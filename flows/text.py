"""What a person types, made comparable; and the words of the engine itself. Pure."""

from __future__ import annotations

import re
import unicodedata

BACK, LEAVE, MORE, SKIP, SORRY, DRILL = "Back", "Leave", "More", "skip", "Sorry, try again.", "DRILL"
ENGINE_MESSAGES = (BACK, LEAVE, MORE, SKIP, SORRY, DRILL)
NAVIGATION_KEYS = frozenset({"0", "00", "98"})  # the same on every screen and channel: back, leave at once, more
CARRIER_WORDS = frozenset(
    {"stop", "stopall", "unsubscribe", "end", "quit", "revoke", "optout", "cancel"}
    | {"start", "yes", "unstop", "help", "info"}
)  # the carrier answers these in our place (S-09)
ACCEPTED_CARRIER_WORDS = frozenset({"yes"})  # no label, but meant as an answer where it is typed
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MIN_LETTERS = 12  # letters
CONTEXT_SEPARATOR = "\x04"  # between the context of a message and its words, as in gettext's own files
MAX_CHOICE_CHARS = 200  # characters; what is longer is words, and is not folded


def in_context(context: str, words: str) -> str:
    """Return the message id of words that mean something else on another screen."""
    return f"{context}{CONTEXT_SEPARATOR}{words}" if context else words


def without_context(message: str) -> str:
    """Return the words of a message id."""
    return message.rpartition(CONTEXT_SEPARATOR)[2]


def to_ascii_digits(reply: str) -> str:
    """Decimal digits of any script as the digits they are."""
    if reply.isascii():
        return reply
    return "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in reply)


def fold(words: str) -> str:
    """For comparing with keys and labels: NFKC, trimmed, no case, blanks as one. Never for keeping."""
    if words.isascii() and words.isdigit():
        return words
    return to_ascii_digits(" ".join(unicodedata.normalize("NFKC", words).casefold().split()))


def as_stored(typed: str) -> str:
    """As typed; NUL alone becomes U+FFFD, which a database can hold."""
    return typed.replace("\0", "\ufffd")


def is_free_text(text: str) -> bool:
    """Whether a reply that is no choice was meant to be heard."""
    return sum(map(str.isalpha, text)) >= MIN_LETTERS
