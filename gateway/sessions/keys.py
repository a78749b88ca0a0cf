"""The keys that running conversations are sealed with, in a file that follows the time and forgets.

Redis writes each conversation into its append-only file, where it stays after it has expired or was deleted. What makes
it unreadable is that its key is deleted: `web` seals with the key of the current ten minutes, keeps those of the last
forty, and overwrites the file with a later key. From a later key no earlier one can be derived, so whatever was sealed
more than `LONGEST_SECONDS` ago cannot be opened by anybody, with all files of this machine and any backup of Redis'.

The file must be in no backup: it opens what is sealed after it. docs/threat-model.md says what it protects.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from reports.crypto import KeyRatchet, key_after
from runtime import filesystem

NAME: Final = "session-keys"  # in TOKAUT_DATA
EPOCH_SECONDS: Final = 10 * 60
OVERLAP: Final = 4  # epochs before the current one whose records still open
LEAST_SECONDS: Final = OVERLAP * EPOCH_SECONDS  # for so long a record surely opens
LONGEST_SECONDS: Final = (OVERLAP + 1) * EPOCH_SECONDS  # after that none does
MOST_AHEAD: Final = 30 * 24 * 6  # epochs: of a host whose clock is ahead, what it sealed is opened
MOST_STEPS: Final = 100_000  # epochs, nearly two years; beyond it a new key is drawn
VERSION: Final = "tokaut-session-keys/1"

log = structlog.get_logger()


class _State(Struct, frozen=True):
    """What the file holds. `shift`: epochs to add to the wall clock's, where that was set back."""

    oldest: int
    shift: int
    key: bytes

    @property
    def current(self) -> int:
        return self.oldest + OVERLAP


class SessionKeys:
    """Seals and opens what sessions keep. `secret` comes from TOKAUT_SESSION_KEY and is needed beside the file."""

    def __init__(
        self,
        folder: Path,
        secret: bytes,
        count: Callable[[str], None] = lambda name: None,
        now: Callable[[], float] | None = None,
    ) -> None:
        """Read the file, or make it. Where that cannot be done, keys of this process alone serve until it can."""
        self._path = folder / NAME
        self._secret = secret
        self._count = count
        self._now = now or time.time
        self._is_kept = True
        self._state = self._read_alone() or self._new()
        self._held = KeyRatchet(self._state.oldest, self._state.key, secret)
        self.renew()

    def seal(self, label: str, name: bytes, data: bytes) -> bytes:
        """Return `data` sealed with the key of the current ten minutes."""
        held = self._held
        return held.seal(self._epoch(held), label, name, data)

    def open(self, label: str, name: bytes, blob: bytes) -> bytes:
        """Return what was sealed. Raises Poison."""
        held = self._held
        return held.open(held.oldest + OVERLAP + MOST_AHEAD, label, name, blob)

    def renew(self) -> None:
        """Follow the time, and delete the keys that are over. Call this every few seconds, in a thread that may wait.

        Where the file cannot be written this process goes on with the later keys, and tries again the next time.
        """
        try:
            with self._locked():
                there = self._read()
                after = self._followed(there or self._state)
                self._hold(after)
                if after != there:
                    self._write(after)
            self._is_kept = True
        except OSError:
            self._hold(self._followed(self._state))
            self._count("session_key_deletions_failed")
            if self._is_kept:
                log.exception("session_key_deletion_failed")
            self._is_kept = False

    def _epoch(self, held: KeyRatchet) -> int:
        """Return the epoch to seal in: never an earlier one than before, whatever happens to the clock."""
        least = held.oldest + OVERLAP
        wall = self._wall() + self._state.shift
        return wall if least < wall <= least + MOST_AHEAD else least

    def _wall(self) -> int:
        return int(self._now() // EPOCH_SECONDS)

    def _hold(self, state: _State) -> None:
        self._state = state
        if (state.oldest, state.key) != (self._held.oldest, self._held.key):
            self._held = KeyRatchet(state.oldest, state.key, self._secret)

    def _followed(self, state: _State) -> _State:
        """Return the state of this moment.

        A clock that was set back by more than one epoch is followed from there, so that keys go on being deleted: the
        epochs only count the time. By less, the same epoch lasts a little longer.
        """
        current = self._wall() + state.shift
        if current < state.current - 1:
            log.warning("session_keys_renewed_after_clock_change", count=state.current - current)
            return replace(state, shift=state.shift + state.current - current)
        steps = current - state.current
        if steps <= 0:
            return state
        if steps > MOST_STEPS:
            return self._new()
        return replace(state, oldest=state.oldest + steps, key=key_after(state.key, steps))

    def _new(self) -> _State:
        return _State(self._wall() - OVERLAP, 0, secrets.token_bytes(32))

    # The file

    def _read(self) -> _State | None:
        """Return what is there; None where nothing is, or nothing that can be used: then conversations begin anew."""
        try:
            words = self._path.read_text("ascii").split()
        except FileNotFoundError:
            return None
        except ValueError:
            words = []
        with suppress(ValueError, binascii.Error):
            version, oldest, shift, key = words
            raw = base64.b64decode(key, altchars=b"-_", validate=True)
            if version == VERSION and len(raw) == 32:
                return _State(int(oldest), int(shift), raw)
        log.warning("session_keys_unreadable")
        return None

    def _read_alone(self) -> _State | None:
        with suppress(OSError):
            return self._read()
        return None

    def _write(self, state: _State) -> None:
        """Replace the file whole, on the disk when this returns; then overwrite the key that it held."""
        key = base64.urlsafe_b64encode(state.key).decode()
        beside = self._path.with_name(f".{NAME}.new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"{VERSION} {state.oldest} {state.shift} {key}\n")
            file.flush()
            os.fsync(file.fileno())
        with ExitStack() as stack:
            last = stack.enter_context(self._path.open("r+b")) if self._path.exists() else None
            beside.replace(self._path)
            filesystem.sync(self._path.parent)
            if last is not None:
                last.write(bytes(os.fstat(last.fileno()).st_size))
                last.flush()
                os.fsync(last.fileno())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process of this host at a time."""
        with os.fdopen(os.open(self._path.with_name(f".{NAME}.lock"), os.O_RDWR | os.O_CREAT, 0o600), "r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
