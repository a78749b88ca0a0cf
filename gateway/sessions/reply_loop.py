"""The guard against a loop with a machine that answers every SMS. Pure."""

from __future__ import annotations

from msgspec import Struct

MOST_REPLIES = 5  # in a row to one sender, without one answer that was accepted
MOST_IN_DANGER = 20  # likewise, once Now was answered: no machine does that, and a child may text words for numbers
SILENCE = 60 * 60  # seconds
FORGOTTEN = 30 * 60  # seconds; a machine answers sooner


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
