"""What an SMS must not set off (a loop with a machine, a step in a menu long gone, a carrier's own word), and what
gives way in a crowd. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

MOST_REPLIES = 5  # in a row to one sender, without one answer that was accepted
MOST_IN_DANGER = 20  # likewise, once Now was answered: no machine does that, and a child may text words for numbers
SILENCE = 60 * 60  # seconds
FORGOTTEN = 30 * 60  # seconds; a machine answers sooner
STALE = 15 * 60  # seconds
ALWAYS_SERVED = frozenset({"home", "report", "more"})  # flows
TO_READ = ("tips", "law")  # how the names of flows begin that only tell
MOST_READ = 60  # screens of them in 10 minutes, by one caller: more than anybody reads

Word = Literal["stop", "start", "help"]

# Carriers answer these in our place, so they act only as the whole message (S-09).
WORDS: Mapping[str, Word] = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "end", "quit", "revoke", "optout", "cancel"), "stop"),
    **dict.fromkeys(("start", "yes", "unstop"), "start"),
    **dict.fromkeys(("help", "info"), "help"),
}

# A network's free "call me" text is one of these and a number; any further word makes it a person's own words (S-22).
CALL_ME = frozenset(
    f"{please}{call}{after}"
    for please in ("", "please ", "pls ", "plz ")
    for call in ("call", "call me", "callme", "call back", "call me back")
    for after in ("", " please", " pls", " on", " at", " now")
) | {"pcm", "please call me thank you"}
_NO_LETTER = re.compile(r"[^\w\s]+|[\d_]+")


class ReplyLoop(Struct, frozen=True, array_like=True):
    """Kept with the conversation: replies that led nowhere, and until when (unix seconds) nothing is said."""

    replies: int = 0
    silent_until: int = 0


def reply_to(loop: ReplyLoop, *, freed: bool, now: int, most: int = MOST_REPLIES) -> tuple[bool, ReplyLoop]:
    """Whether this message may be replied to. `freed`: its answer was accepted, or it is HELP.

    Another machine's "we are closed" would be answered for ever; what comes in meanwhile is still read and kept.
    """
    if freed:
        return True, ReplyLoop()
    if is_silenced(loop, now):  # further ahead: our clock was set back, and silence must end
        return False, loop
    replies = 1 if loop.silent_until else loop.replies + 1
    return True, ReplyLoop(replies, now + SILENCE if replies >= most else 0)


def lasting(loop: ReplyLoop, *, quiet: int, now: int) -> ReplyLoop:
    """After so many quiet seconds nothing is counted on: another person, a day later, is replied to like anybody."""
    return loop if quiet <= FORGOTTEN or is_silenced(loop, now) else ReplyLoop()


def is_silenced(loop: ReplyLoop, now: int) -> bool:
    """Whether nothing is said to this sender just now: words that nobody confirms are not filed for it either."""
    return 0 < loop.silent_until - now <= SILENCE


def is_stale(sent_at: int | None, now: int) -> bool:
    """Sent more than 15 minutes ago: it takes no step in a menu that its sender did not see. Words are kept."""
    return sent_at is not None and now - sent_at > STALE


def can_wait(screen: str) -> bool:
    """Whether it gives way in a crowd: all but the way to Send, what a child in danger needs, and words after Send."""
    return screen.partition(".")[0] not in ALWAYS_SERVED


def has_begun(screen: str) -> bool:
    """Whether My report is open: by SMS what a step does there is done before anybody could be told that it is busy."""
    return screen.startswith("my.")


def is_to_read(screen: str) -> bool:
    """Whether it is a tip or the law: slowed for who asks for very many (S-36), and nothing else is."""
    return screen.startswith(TO_READ)


def is_key(text: str) -> bool:
    """Digits of any script and nothing else: an answer to a menu, no words."""
    return _plain(text).isdecimal()


def word(text: str) -> Word | None:
    """What the carriers' words ask for; None for all else, so for "stop him" too."""
    return WORDS.get(_plain(text)) if len(text) <= 64 else None


def is_call_me(text: str) -> bool:
    """A text without a word, or a please-call-me: from someone who cannot write; the home menu has the numbers."""
    if all(char.isspace() or unicodedata.category(char) in {"Cc", "Cf"} for char in text):
        return True
    return len(text) <= 160 and " ".join(_NO_LETTER.sub(" ", _plain(text)).split()) in CALL_ME


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()
