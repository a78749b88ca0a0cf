"""Prevent an SMS loop with a machine that answers every message. Pure."""

from __future__ import annotations

from msgspec import Struct

MOST_REPLIES = 5  # in a row to one sender, without an accepted answer
MOST_IN_DANGER = 20  # after the answer Now: a machine never gives it, and a child may text words in place of numbers
SILENCE = 60 * 60  # seconds
FORGOTTEN = 30 * 60  # seconds; a machine answers sooner


class ReplyLoop(Struct, frozen=True, array_like=True):
    """The state of the guard, stored with the session.

    `replies`: replies in a row without an accepted answer. `silent_until`: Unix time until which no reply is sent.
    """

    replies: int = 0
    silent_until: int = 0


def reply_to(loop: ReplyLoop, *, freed: bool, now: int, most: int = MOST_REPLIES) -> tuple[bool, ReplyLoop]:
    """Return whether this message may be answered, and the new state. `freed`: its answer was accepted, or it is HELP.

    Without this rule another machine's "we are closed" would be answered for ever. Messages without a reply are still
    read and stored.
    """
    if freed:
        return True, ReplyLoop()
    if is_silenced(loop, now):  # if `silent_until` is further ahead, our clock was set back, and the silence must end
        return False, loop
    replies = 1 if loop.silent_until else loop.replies + 1
    return True, ReplyLoop(replies, now + SILENCE if replies >= most else 0)


def after_pause(loop: ReplyLoop, *, quiet: int, now: int) -> ReplyLoop:
    """Return the state after `quiet` seconds without a message.

    After a long pause the count starts again: the next message may come from another person.
    """
    return loop if quiet <= FORGOTTEN or is_silenced(loop, now) else ReplyLoop()


def is_silenced(loop: ReplyLoop, now: int) -> bool:
    """Return whether this sender gets no replies now. Their unconfirmed words are not submitted either."""
    return 0 < loop.silent_until - now <= SILENCE
