"""Passwords of staff: which are refused, and how they are kept. Pass phrases are welcome; none has to be changed."""

from __future__ import annotations

import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from zxcvbn import zxcvbn

MIN_LENGTH, MAX_LENGTH = 12, 128
CHECKED_LENGTH = 72  # characters that are compared with common words; the check takes long over more
TOO_SHORT = "Take at least 12 characters; four words that have nothing to do with each other are good."
TOO_LONG = "Take at most 128 characters."
TOO_EASY = "This is easy to guess. Take four words that have nothing to do with each other, nor with your work."
FAULTS = (TOO_SHORT, TOO_LONG, TOO_EASY)
MIN_SCORE = 4  # of 4, as zxcvbn counts: more than 10,000,000,000 guesses by somebody who knows what people choose

PROJECT_WORDS = ("tokaut", "hotline", "helpline", "console", "password", "report", "child", "vanuatu", "pikinini")

_HASHER = PasswordHasher()  # Argon2id, 64 MiB, three passes, four lanes
MAX_PER_ADDRESS = 2  # strangers' logins that are not answered yet
TURN_TIMEOUT = 5.0  # seconds that a request waits for its turn


class TooManyLogins(Exception):
    """Too many log in at the same moment."""


class LoginSlots:
    """One password is checked at a time, for each check takes 64 MiB; `waiting` more may wait for it.

    Everybody else is turned away at once: a request that waits holds a thread, and other pages need threads.
    """

    def __init__(self, waiting: int) -> None:
        self._places = threading.Semaphore(1 + waiting)
        self._turn = threading.Semaphore()
        self._lock = threading.Lock()
        self._of_address: Counter[str] = Counter()

    @contextmanager
    def place(self, address: str = "") -> Iterator[None]:
        """Hold a place while a person logs in. Raises Busy where none is free, or this address holds two."""
        with self._lock:
            is_full = bool(address) and self._of_address[address] >= MAX_PER_ADDRESS
            if is_full or not self._places.acquire(blocking=False):
                raise TooManyLogins
            self._of_address[address] += 1
        try:
            yield
        finally:
            with self._lock:
                self._of_address[address] -= 1
                self._of_address += Counter()  # forgets those that hold none
                self._places.release()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until the one before is done. Raises Busy after `PATIENCE`."""
        if not self._turn.acquire(timeout=TURN_TIMEOUT):
            raise TooManyLogins
        try:
            yield
        finally:
            self._turn.release()


# A flood of strangers' logins holds three of a process's eight threads, and no turn of those who have shown before who
# they are: by a session of theirs, a browser that they logged in with, or an invitation.
UNKNOWN_BROWSERS = LoginSlots(waiting=2)
KNOWN_BROWSERS = LoginSlots(waiting=3)
_NOBODYS = _HASHER.hash("of nobody: so that an unknown name takes as long as a known one")


def fault(password: str, own: Iterable[str]) -> str:
    """Why it cannot be taken, as a sentence of the catalogue; empty where it can. `own`: words that belong to it."""
    if len(password) < MIN_LENGTH:
        return TOO_SHORT
    if len(password) > MAX_LENGTH:
        return TOO_LONG
    whole = (*own, *PROJECT_WORDS)
    words = [*whole, *(part for one in whole for part in one.replace("-", " ").split())]
    if zxcvbn(_plain(password)[:CHECKED_LENGTH], user_inputs=words)["score"] < MIN_SCORE:
        return TOO_EASY
    return ""


def hash_password(password: str) -> str:
    with KNOWN_BROWSERS.place(), KNOWN_BROWSERS.turn():
        return _HASHER.hash(_plain(password))


def rehash_password(password: str, room: LoginSlots) -> str:
    """Hash it under today's parameters, within a place that is held already."""
    with room.turn():
        return _HASHER.hash(_plain(password))


def is_correct(password: str, kept: str | None, room: LoginSlots = KNOWN_BROWSERS) -> bool:
    """`kept`: None where there is no such account; it takes as long. Call it within a place of this room."""
    try:
        with room.turn():
            right = _HASHER.verify(_NOBODYS if kept is None else kept, _plain(password)[:MAX_LENGTH])
    except (Argon2Error, InvalidHashError):
        return False
    return right and kept is not None


def is_outdated(kept: str) -> bool:
    """It was made under weaker parameters than new ones are."""
    return _HASHER.check_needs_rehash(kept)


def _plain(password: str) -> str:
    """The same letters, however a keyboard puts them together (RFC 8265)."""
    return unicodedata.normalize("NFC", password)
