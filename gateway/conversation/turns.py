"""What one inbound means beside the last turn taken: the next reply, a repeat, a new start, or nothing sensible. Pure.

Africa's Talking sends all replies of a session joined by `*`, and a person may type `*` too, so a path is never split
while the session is known: what follows the part already seen is the reply, whole.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import blake2b

from msgspec import Struct

from gateway.messaging.model import Inbound
from gateway.sessions.record import LastTurn

MOST_PARTS = 100  # of a path that is walked again from the start; no session of 180 s has more
LEAST_KINDS, LEAST_LETTERS = 8, 4  # of a random session id; 32 random hex digits have 14 or so, and 12
_PARTS = re.compile(r"[0-9A-Za-z]{26,}")
STALE = 15 * 60  # seconds
MENU_KEYS = frozenset({"00", "98"})


class NewSession(Struct, frozen=True):
    """The home screen."""

    skip: int = 0
    unheard: str = ""  # a reply that came to no session; words in it are still meant to be heard


class Duplicate(Struct, frozen=True):
    """A repeat of the last turn: the answer given before, byte for byte."""


class NextReply(Struct, frozen=True):
    text: str  # nothing trimmed


class OutOfOrder(Struct, frozen=True):
    """Older than the last turn, or no continuation of it: the current screen again, no step, counted."""


class Replay(Struct, frozen=True):
    """The session is not known but its whole path is: walk from home, one part a screen, never guessing."""

    parts: tuple[str, ...]
    skip: int = 0


class Unreplayable(Struct, frozen=True):
    """The session is not known, and its path is too long to be walked: as a walk that does not fit."""


TurnKind = NewSession | Duplicate | NextReply | OutOfOrder | Replay | Unreplayable


def key_of(inbound: Inbound, version: bytes) -> str:
    """The key of this turn, 22 characters. Equal keys in one session are one turn.

    `version`: of the session when it was *first* loaded for this request (b"": there was none). Where the provider
    numbers nothing it stands for the number: who loses a race and loads again finds its own key there, with the answer.
    """
    if inbound.path:
        return _path_key(inbound.text)
    if inbound.id:
        return _digest("id", inbound.id)
    if inbound.kind == "sms" and inbound.sent_at is not None:
        return _digest("sent", str(inbound.sent_at), inbound.text)
    return _digest("version", version.hex(), inbound.event, inbound.text)


def meaning(inbound: Inbound, last: LastTurn | None, key: str, code: str = "") -> TurnKind:
    """`last` is None when the session is not known; `code` is the country's, for when the provider names none."""
    if last is not None and last.turn == key:
        return Duplicate()
    if inbound.path:
        dialled = inbound.code or code
        return _walked(inbound.text, dialled) if last is None else _onward(inbound.text, last, dialled)
    if inbound.event == "new" or (inbound.kind == "ussd" and is_dial(inbound, code)):
        return NewSession()
    if last is None:
        return NewSession(unheard=inbound.text)
    if inbound.kind == "ussd" and 0 < _number(inbound.id) < last.seen:
        return OutOfOrder()
    return NextReply(inbound.text)


def after(found: TurnKind, inbound: Inbound, last: LastTurn | None, key: str) -> LastTurn:
    """What the session keeps once this turn is taken. For Odd and Again nothing is taken: keep the last."""
    seen = len(inbound.text) if inbound.path else _number(inbound.id)
    if isinstance(found, NewSession | Replay):
        return LastTurn(key, seen, found.skip)
    return LastTurn(key, seen, last.skip if last else 0)


def starts(code: str) -> Iterator[str]:
    """The ways in which operators send the dialled code as the first reply, longest first.

    A tail that is also a key of a menu (`*384*1#`) is not taken for one: it would swallow an answer.
    """
    body = code.strip("*#")
    if body:
        yield from (f"*{body}#", f"*{body}", f"{body}#")
        yield from (way for way in dict.fromkeys((body, body.rpartition("*")[2])) if _is_code(way))


def is_dial(inbound: Inbound, code: str = "") -> bool:
    """Return whether this text is a service code that was dialled, and no reply to a screen.

    Where the network names no operation, so are an empty text, anything of the form `*…#`, and the code without its
    marks or its beginning. Elsewhere only the code with its marks, which nobody types as a reply.
    """
    text = inbound.text.strip()
    unsaid = inbound.event == "unsaid"
    if unsaid and (not text or (text.startswith("*") and text.endswith("#"))):
        return True
    return text in forms(inbound.code or code) and (unsaid or not text.isdecimal())


def begins_call(inbound: Inbound) -> bool:
    """Return whether this is the first request of a USSD call."""
    if inbound.kind != "ussd":
        return False
    return inbound.event == "new" or (inbound.path and not inbound.text.strip()) or is_dial(inbound)


def forms(code: str) -> frozenset[str]:
    """Return every way in which networks write the dialled code: with or without `*` and `#`, whole or its tail."""
    parts = code.strip("*#").split("*")
    tails = ("*".join(parts[n:]) for n in range(len(parts)))
    return frozenset(
        f"{star}{one}{hash_}" for one in tails if _is_code(one) for star in ("*", "") for hash_ in ("#", "")
    )


def is_stale(sent_at: int | None, now: int) -> bool:
    """Sent more than 15 minutes ago: it takes no step in a menu that its sender did not see. Words are kept."""
    return sent_at is not None and now - sent_at > STALE


def is_unguessable(session: str) -> bool:
    """Return whether a provider's session id looks random, of some 128 bits: Africa's Talking's has 32 hex digits.

    A counter, a time or a number is short or has digits alone, and somebody could try them all.
    """
    parts = _PARTS.findall(session.replace("-", ""))
    return any(len(set(part)) >= LEAST_KINDS and sum(map(str.isalpha, part)) >= LEAST_LETTERS for part in parts)


def _is_code(way: str) -> bool:
    return len(way) > 1 and way not in MENU_KEYS


def _walked(text: str, dialled: str) -> TurnKind:
    skip = _skip(text, dialled)
    if skip == len(text):
        return NewSession(skip)
    begin = skip + 1 if skip else 0
    if text.count("*", begin) >= MOST_PARTS:
        return Unreplayable()
    return Replay(tuple(text[begin:].split("*")), skip)


def _onward(text: str, last: LastTurn, dialled: str) -> TurnKind:
    if len(text) == last.skip and _skip(text, dialled) == last.skip:
        return NewSession(last.skip)  # nothing but the start again: a new dial that re-uses the session's id
    if last.seen == 0:
        return NextReply(text)
    if text[last.seen : last.seen + 1] == "*" and _path_key(text[: last.seen]) == last.turn:
        return NextReply(text[last.seen + 1 :])
    is_dialled = not text or text in forms(dialled)  # likewise, though the last one came in another form
    return NewSession(_skip(text, dialled)) if is_dialled else OutOfOrder()


def _skip(text: str, dialled: str) -> int:
    """How many characters of a path are the dialled code; 0: it does not begin with one."""
    return next((len(code) for code in starts(dialled) if text == code or text.startswith(code + "*")), 0)


def _number(id_: str) -> int:
    """The provider's number of a turn; 0 where it is no number, and then only equality says anything."""
    return int(id_) if id_.isascii() and id_.isdecimal() and len(id_) <= 18 else 0


def _path_key(text: str) -> str:
    return _digest("path", text)


def _digest(*parts: str) -> str:
    """16 bytes: it only tells turns of one session apart, and is kept sealed with it."""
    digest = blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")
