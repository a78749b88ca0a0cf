"""Passwords and one-time codes of staff (RFC 6238). Pass phrases are welcome; passwords never expire."""

from __future__ import annotations

import hmac
import importlib
import os
import threading
import unicodedata
from base64 import b32encode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyotp
import segno
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import ARGON2_VERSION

from reports.crypto import RecordCipher

MIN_LENGTH, MAX_LENGTH = 12, 128
CHECKED_LENGTH = 72  # characters that zxcvbn rates; longer texts make it slow
TOO_SHORT = "Take at least 12 characters; four words that have nothing to do with each other are good."
TOO_LONG = "Take at most 128 characters."
TOO_EASY = "This is easy to guess. Take four words that have nothing to do with each other, nor with your work."
FAULTS = (TOO_SHORT, TOO_LONG, TOO_EASY)
MIN_SCORE = 4  # of 4 (zxcvbn): more than 10,000,000,000 guesses, even with knowledge of common passwords

PROJECT_WORDS = ("tokaut", "hotline", "helpline", "console", "password", "report", "child", "vanuatu", "pikinini")

_HASHER = PasswordHasher()  # Argon2id, 64 MiB, three passes, four lanes
MAX_PER_SOURCE = 2  # unanswered logins of one address or known browser
TURN_TIMEOUT = 5.0  # seconds that a login waits for its turn to hash
STEP_SECONDS = 30
SECRET_BYTES = 20
ISSUER = "Tokaut"
QUIET_ZONE = 4  # white modules around a QR code
STEP_OFFSETS = (0, -1, 1)  # accepted steps: a phone's clock may be off


class TooManyLogins(Exception):
    """Too many people log in at the same moment."""


class LoginSlots:
    """Lets one password be checked at a time, because each check takes 64 MiB; `waiting` more may wait.

    Further logins are refused at once: a waiting request occupies a thread, and other pages need threads.
    """

    def __init__(self, waiting: int) -> None:
        self._slots = threading.Semaphore(1 + waiting)
        self._turn = threading.Semaphore()
        self._lock = threading.Lock()
        self._held_by_source: Counter[str] = Counter()

    @contextmanager
    def place(self, source: str = "") -> Iterator[None]:
        """Hold a slot during a login. Raises TooManyLogins if none is free, or if this source holds two.

        `source`: an address or a known browser; empty: not counted.
        """
        with self._lock:
            is_full = bool(source) and self._held_by_source[source] >= MAX_PER_SOURCE
            if is_full or not self._slots.acquire(blocking=False):
                raise TooManyLogins
            self._held_by_source[source] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held_by_source[source] -= 1
                self._held_by_source += Counter()  # drops sources that hold none
                self._slots.release()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the only turn to hash, once the previous check is done. Raises TooManyLogins after TURN_TIMEOUT."""
        if not self._turn.acquire(timeout=TURN_TIMEOUT):
            raise TooManyLogins
        try:
            yield
        finally:
            self._turn.release()


# A flood of logins from unknown browsers occupies at most three of a process's eight threads. It delays nobody who is
# known by a session, by a browser that they have logged in with, or by an invitation.
UNKNOWN_BROWSERS = LoginSlots(waiting=2)
KNOWN_BROWSERS = LoginSlots(waiting=3)


def _hash_of_nobody() -> str:
    """Return a hash under the current parameters that no password has, without the cost of hashing one."""
    salt, key = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (_HASHER.salt_len, _HASHER.hash_len))
    cost = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${key}"


# Verified in place of a missing account's hash, so that an unknown name takes as long as a known one.
_NOBODYS = _hash_of_nobody()


def rejection_reason(password: str, own: Iterable[str]) -> str:
    """Return why a password is refused, as a message id; empty if it is accepted. `own`: words about its owner."""
    if len(password) < MIN_LENGTH:
        return TOO_SHORT
    if len(password) > MAX_LENGTH:
        return TOO_LONG
    phrases = (*own, *PROJECT_WORDS)
    words = [*phrases, *(part for phrase in phrases for part in phrase.replace("-", " ").split())]
    rate = importlib.import_module("zxcvbn").zxcvbn  # its lists take 12 MB, and few processes ever need them
    if rate(_normalize(password)[:CHECKED_LENGTH], user_inputs=words)["score"] < MIN_SCORE:
        return TOO_EASY
    return ""


def hash_password(password: str) -> str:
    """Hash a new password. Raises TooManyLogins if no slot is free."""
    with KNOWN_BROWSERS.place(), KNOWN_BROWSERS.turn():
        return _HASHER.hash(_normalize(password))


def rehash_password(password: str, slots: LoginSlots) -> str:
    """Hash a password under the current parameters, while the caller holds one of `slots`. Raises TooManyLogins."""
    with slots.turn():
        return _HASHER.hash(_normalize(password))


def is_correct(password: str, stored_hash: str | None, slots: LoginSlots = KNOWN_BROWSERS) -> bool:
    """Return whether a password is right, while the caller holds one of `slots`. Raises TooManyLogins.

    `stored_hash`: None if there is no such account: then the check takes as long, and returns False.
    """
    try:
        with slots.turn():
            is_right = _HASHER.verify(
                _NOBODYS if stored_hash is None else stored_hash, _normalize(password)[:MAX_LENGTH]
            )
    except (Argon2Error, InvalidHashError):
        return False
    return is_right and stored_hash is not None


def is_outdated(stored_hash: str) -> bool:
    """Return whether a hash has weaker parameters than new ones."""
    return _HASHER.check_needs_rehash(stored_hash)


def _normalize(password: str) -> str:
    """Normalise to NFC: keyboards compose the same letters differently (RFC 8265)."""
    return unicodedata.normalize("NFC", password)


# One-time codes of an authenticator (RFC 6238), the second factor of every login.


def derive_secret(cipher: RecordCipher, invitation: str, browser: str) -> bytes:
    """Derive the secret of an invitation in one browser: the same each time its page is opened there, stored nowhere.

    Another browser gets another secret, so that the link alone reveals no codes to somebody who intercepted it.
    """
    return cipher.mac("one-time codes", invitation, browser)[:SECRET_BYTES]


def seal_secret(cipher: RecordCipher, staff_id: str, secret: bytes) -> bytes:
    """Seal the secret of an account's one-time codes, to store it."""
    return cipher.seal("one-time codes", staff_id.encode(), secret)


def open_secret(cipher: RecordCipher, staff_id: str, blob: bytes) -> bytes:
    """Decrypt what `seal_secret` returned. Raises DecryptError."""
    return cipher.open("one-time codes", staff_id.encode(), blob)


def matching_step(secret: bytes, code: str, now: float) -> int | None:
    """Return the time step of a code; None if it is not the current, previous or next one. `now`: Unix seconds."""
    totp = pyotp.TOTP(_letters(secret))
    typed = "".join(code.split())
    matched_step = None
    for offset in STEP_OFFSETS:
        moment = int(now) + offset * STEP_SECONDS
        if hmac.compare_digest(totp.at(moment).encode(), typed.encode()) and matched_step is None:
            matched_step = moment // STEP_SECONDS
    return matched_step


def manual_entry_key(secret: bytes) -> str:
    """Return the secret for typing instead of scanning: letters and digits in groups of four."""
    letters = _letters(secret)
    return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))


@dataclass(frozen=True, slots=True)
class QrCode:
    """A QR code as an SVG of `side` × `side` units. `path`: draws its dark modules."""

    side: int
    path: str


def qr_code(secret: bytes, name: str, hotline: str) -> QrCode:
    """Return the QR code that an authenticator scans."""
    return draw_qr_code(pyotp.TOTP(_letters(secret)).provisioning_uri(name=f"{name} ({hotline})", issuer_name=ISSUER))


def draw_qr_code(text: str) -> QrCode:
    """Return the QR code of a text."""
    rows = tuple(segno.make(text, error="m", micro=False).matrix)
    modules = (
        f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h1v1h-1z"
        for y, row in enumerate(rows)
        for x, is_dark in enumerate(row)
        if is_dark
    )
    return QrCode(len(rows) + 2 * QUIET_ZONE, "".join(modules))


def _letters(secret: bytes) -> str:
    return b32encode(secret).decode().rstrip("=")
