"""Passwords of staff: which are refused, and how they are kept. Pass phrases are welcome; none has to be changed."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from zxcvbn import zxcvbn

SHORTEST, LONGEST = 12, 128
LOOKED_AT = 72  # characters that are compared with common words; the check takes long over more
TOO_SHORT = "Take at least 12 characters; four words that have nothing to do with each other are good."
TOO_LONG = "Take at most 128 characters."
EASY = "This is easy to guess. Take four words that have nothing to do with each other, nor with your work."
FAULTS = (TOO_SHORT, TOO_LONG, EASY)
STRONG = 4  # of 4, as zxcvbn counts: more than 10,000,000,000 guesses by somebody who knows what people choose
AT_ONCE = 2  # each takes 64 MiB

OURS = ("tokaut", "hotline", "helpline", "console", "password", "report", "child", "vanuatu", "pikinini")

_HASHER = PasswordHasher()  # Argon2id, 64 MiB, three passes, four lanes
_ROOM = threading.Semaphore(AT_ONCE)
PATIENCE = 5.0  # seconds that a request waits for its turn


class Busy(Exception):
    """Too many log in at the same moment."""


_NOBODYS = _HASHER.hash("of nobody: so that an unknown name takes as long as a known one")


def fault(password: str, own: Iterable[str]) -> str:
    """Why it cannot be taken, as a sentence of the catalogue; empty where it can. `own`: words that belong to it."""
    if len(password) < SHORTEST:
        return TOO_SHORT
    if len(password) > LONGEST:
        return TOO_LONG
    whole = (*own, *OURS)
    words = [*whole, *(part for one in whole for part in one.replace("-", " ").split())]
    if zxcvbn(_plain(password)[:LOOKED_AT], user_inputs=words)["score"] < STRONG:
        return EASY
    return ""


def hashed(password: str) -> str:
    with _room():
        return _HASHER.hash(_plain(password))


def is_right(password: str, kept: str | None) -> bool:
    """`kept`: None where there is no such account; it takes as long."""
    try:
        with _room():
            right = _HASHER.verify(_NOBODYS if kept is None else kept, _plain(password)[:LONGEST])
    except (Argon2Error, InvalidHashError):
        return False
    return right and kept is not None


@contextmanager
def _room() -> Iterator[None]:
    if not _ROOM.acquire(timeout=PATIENCE):
        raise Busy
    try:
        yield
    finally:
        _ROOM.release()


def is_outdated(kept: str) -> bool:
    """It was made under weaker parameters than new ones are."""
    return _HASHER.check_needs_rehash(kept)


def _plain(password: str) -> str:
    """The same letters, however a keyboard puts them together (RFC 8265)."""
    return unicodedata.normalize("NFC", password)
