"""Decide what an inbound message means after the last turn: a reply, a duplicate, a new session, or out of order. Pure.

Africa's Talking sends all replies of a session joined by `*`, and a person may type `*` too. So a path is never split
while the session is known: the text after the part already seen is one reply.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

from msgspec import Struct

from gateway.messaging.model import Inbound
from gateway.sessions.record import LastTurn
from runtime.telephony import CALL_KINDS

MAX_PARTS = 100  # replies in a replayed path; no session of 180 s has more
MIN_KINDS, MIN_LETTERS = 8, 4  # different characters, and letters, in an id; 32 hex digits have about 14, 12
_PARTS = re.compile(r"[0-9A-Za-z]{26,}")
EARLY_SECONDS = 5  # nobody reads an SMS and answers it sooner; also how much a provider's clock may be fast
STALE = 15 * 60  # seconds after which a message no longer acts as a key
MENU_KEYS = frozenset({"00", "98"})


class NewSession(Struct, frozen=True):
    """A new session: the home screen is shown."""

    skip: int = 0
    early_reply: str = ""  # a reply without a session; words in it are stored all the same


class Duplicate(Struct, frozen=True):
    """A repeat of the last turn: it gets the answer given before, byte for byte."""


class NextReply(Struct, frozen=True):
    """A reply to the current screen."""

    text: str  # not trimmed


class OutOfOrder(Struct, frozen=True):
    """A message that is older than the last turn or does not continue it: the current screen is shown again."""


class Replay(Struct, frozen=True):
    """The session is not known but its whole path is: replay it from the home screen, one part for each screen."""

    parts: tuple[str, ...]
    skip: int = 0


class Unreplayable(Struct, frozen=True):
    """The session is not known, and its path is too long to replay."""


TurnKind = NewSession | Duplicate | NextReply | OutOfOrder | Replay | Unreplayable


def key_of(inbound: Inbound, version: bytes) -> str:
    """Return the idempotency key of this turn, 22 characters. Equal keys in one session are one turn.

    `version`: the version of the session when it was *first* loaded for this request (b"" if there was none). It stands
    for the turn's number where the provider sends none: after a lost race the reloaded session has this request's own
    key, with the answer.
    """
    if inbound.path:
        return _path_key(inbound.text)
    if inbound.id:
        return _digest("id", inbound.id)
    if inbound.kind == "sms" and inbound.sent_at is not None:
        return _digest("sent", str(inbound.sent_at), inbound.text)
    return _digest("version", version.hex(), inbound.event, inbound.text)


def classify(inbound: Inbound, last: LastTurn | None, key: str, code: str = "") -> TurnKind:
    """Return what this inbound message means after the last turn.

    `last` is None if the session is not known; `code` is the country's service code, used if the provider names none.
    """
    if last is not None and (last.turn_id == key or inbound.repeats):
        return Duplicate()
    if inbound.path:
        dialled = inbound.code or code
        return _first_path(inbound.text, dialled) if last is None else _continued_path(inbound.text, last, dialled)
    if inbound.event == "new" or (inbound.kind == "ussd" and is_dial(inbound, code)):
        return NewSession()
    if last is None:
        return NewSession(early_reply=inbound.text)
    if inbound.kind == "ussd" and 0 < _number(inbound.id) < last.path_length:
        return OutOfOrder()
    return NextReply(inbound.text)


def after(kind: TurnKind, inbound: Inbound, last: LastTurn | None, key: str) -> LastTurn:
    """Return the turn as the session stores it.

    For `OutOfOrder` and `Duplicate` no turn is taken: keep the last one.
    """
    path_length = len(inbound.text) if inbound.path else _number(inbound.id)
    text = _digest("text", inbound.text) if inbound.kind == "sms" else ""
    if isinstance(kind, NewSession | Replay):
        return LastTurn(key, path_length, kind.skip, text)
    return LastTurn(key, path_length, last.prefix_length if last else 0, text)


def starts(code: str) -> Iterator[str]:
    """Yield the forms in which operators send the dialled code as the first reply, longest first.

    A last part that is also a menu key (`*384*1#`) is left out: a reporter's answer could be mistaken for it.
    """
    body = code.strip("*#")
    if body:
        yield from (f"*{body}#", f"*{body}", f"{body}#")
        yield from (form for form in dict.fromkeys((body, body.rpartition("*")[2])) if _is_code(form))


def is_dial(inbound: Inbound, code: str = "") -> bool:
    """Return whether this text is a dialled service code, and not a reply to a screen.

    Where the network names no operation, an empty text, any text of the form `*…#`, and the code without its marks or
    without its beginning count as dialled. Elsewhere only the code with its marks does, which nobody types as a reply.
    """
    text = inbound.text.strip()
    is_event_unnamed = inbound.event == "unsaid"
    if is_event_unnamed and (not text or (text.startswith("*") and text.endswith("#"))):
        return True
    return text in forms(inbound.code or code) and (is_event_unnamed or not text.isdecimal())


def begins_call(inbound: Inbound) -> bool:
    """Return whether this is the first request of a call."""
    if inbound.kind not in CALL_KINDS:
        return False
    if inbound.event == "new" or inbound.kind == "voice":
        return inbound.event == "new"
    return (inbound.path and not inbound.text.strip()) or is_dial(inbound)


@lru_cache(maxsize=256)  # called at each screen
def forms(code: str) -> frozenset[str]:
    """Return every form in which networks write the dialled code.

    With or without `*` and `#`, whole or only its tail.
    """
    parts = code.strip("*#").split("*")
    tails = ("*".join(parts[n:]) for n in range(len(parts)))
    return frozenset(
        f"{star}{tail}{hash_}" for tail in tails if _is_code(tail) for star in ("*", "") for hash_ in ("#", "")
    )


def is_stale(sent_at: int | None, now: int) -> bool:
    """Return whether a message was sent more than 15 minutes ago.

    It must not act as a key in a menu that its sender did not see. Words are stored all the same.
    """
    return sent_at is not None and now - sent_at > STALE


def is_early_repeat(inbound: Inbound, before: LastTurn, last: LastTurn, answered_at: int) -> bool:
    """Return whether an SMS repeats the one before it, and was sent before anybody could read the answer to that one.

    `before`: the turn of the earlier text, `last`: its own. False if the provider names no time. A clock of a provider
    that is slow makes every repeat look early, so a repeat that was recognised must not count as the text before.
    """
    is_early = inbound.sent_at is not None and inbound.sent_at <= answered_at + EARLY_SECONDS
    return is_early and bool(before.text) and before.text == last.text and before.turn_id != last.turn_id


def is_unguessable(session: str) -> bool:
    """Return whether a provider's session id looks random, with about 128 bits: Africa's Talking's has 32 hex digits.

    A counter, a time or a number is short or has only digits; somebody could try all of them.
    """
    parts = _PARTS.findall(session.replace("-", ""))
    return any(len(set(part)) >= MIN_KINDS and sum(map(str.isalpha, part)) >= MIN_LETTERS for part in parts)


def _is_code(form: str) -> bool:
    return len(form) > 1 and form not in MENU_KEYS


def _first_path(text: str, dialled: str) -> TurnKind:
    skip = _skip(text, dialled)
    if skip == len(text):
        return NewSession(skip)
    start = skip + 1 if skip else 0
    if text.count("*", start) >= MAX_PARTS:
        return Unreplayable()
    return Replay(tuple(text[start:].split("*")), skip)


def _continued_path(text: str, last_turn: LastTurn, dialled: str) -> TurnKind:
    if len(text) == last_turn.prefix_length and _skip(text, dialled) == last_turn.prefix_length:
        return NewSession(last_turn.prefix_length)  # only the service code: a new dial under the same session id
    if last_turn.path_length == 0:
        return NextReply(text)
    if (
        text[last_turn.path_length : last_turn.path_length + 1] == "*"
        and _path_key(text[: last_turn.path_length]) == last_turn.turn_id
    ):
        return NextReply(text[last_turn.path_length + 1 :])
    is_dialled = not text or text in forms(dialled)  # likewise a new dial, with the service code in another form
    return NewSession(_skip(text, dialled)) if is_dialled else OutOfOrder()


def _skip(text: str, dialled: str) -> int:
    """Return how many characters at the start of a path are the dialled code; 0 if it does not begin with one."""
    return next((len(code) for code in starts(dialled) if text == code or text.startswith(code + "*")), 0)


def _number(id_: str) -> int:
    """Return the provider's number of a turn; 0 if it is not a number, and then only equality can be tested."""
    return int(id_) if id_.isascii() and id_.isdecimal() and len(id_) <= 18 else 0


def _path_key(text: str) -> str:
    return _digest("path", text)


def _digest(*parts: str) -> str:
    """Return a digest of 16 bytes. It only distinguishes the turns of one session, and is sealed with the session."""
    digest = blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")
