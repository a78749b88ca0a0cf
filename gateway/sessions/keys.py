"""Keys that seal running sessions, in a file that is advanced with time and deletes old keys.

Redis writes each session to its append-only file, where it stays after it has expired or was deleted. Deleting its key
makes it unreadable: `web` seals with the key of the current ten minutes, keeps the keys of the last forty, and
overwrites the file with a later key. No earlier key can be derived from a later one. So nobody can open a session that
was sealed more than `MAX_SECONDS` ago, even with all files of this machine and any backup of Redis.

The file must not be in any backup: it opens everything sealed after it. docs/threat-model.md describes the protection.
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

NAME: Final = "session-keys"  # file name in TOKAUT_DATA
EPOCH_SECONDS: Final = 10 * 60
OVERLAP: Final = 4  # epochs before the current one whose records can still be opened
MIN_SECONDS: Final = OVERLAP * EPOCH_SECONDS  # a record can be opened for at least this long
MAX_SECONDS: Final = (OVERLAP + 1) * EPOCH_SECONDS  # a record can never be opened after this long
MAX_AHEAD: Final = 30 * 24 * 6  # epochs; records sealed on a host whose clock is ahead can be opened
MAX_STEPS: Final = 100_000  # epochs, nearly two years; after a longer gap a new key is made
VERSION: Final = "tokaut-session-keys/1"

log = structlog.get_logger()


class _State(Struct, frozen=True):
    """The contents of the file. `shift`: epochs to add to the wall clock's, after the clock was set back."""

    oldest: int
    shift: int
    key: bytes

    @property
    def current(self) -> int:
        return self.oldest + OVERLAP


class SessionKeys:
    """Seal and open session records.

    `secret` comes from TOKAUT_SESSION_KEY and is needed in addition to the file.
    """

    def __init__(
        self,
        folder: Path,
        secret: bytes,
        count: Callable[[str], None] = lambda name: None,
        now: Callable[[], float] | None = None,
    ) -> None:
        """Read the key file, or create it. If that fails, use keys of this process alone until it succeeds."""
        self._path = folder / NAME
        self._secret = secret
        self._count = count
        self._now = now or time.time
        self._is_written = True
        self._state = self._read_if_possible() or self._new_state()
        self._ratchet = KeyRatchet(self._state.oldest, self._state.key, secret)
        self.renew()

    def seal(self, label: str, name: bytes, data: bytes) -> bytes:
        """Return `data` sealed with the key of the current ten minutes."""
        ratchet = self._ratchet
        return ratchet.seal(self._epoch(ratchet), label, name, data)

    def open(self, label: str, name: bytes, blob: bytes) -> bytes:
        """Return the sealed data. Raises DecryptError."""
        ratchet = self._ratchet
        return ratchet.open(ratchet.oldest + OVERLAP + MAX_AHEAD, label, name, blob)

    def renew(self) -> None:
        """Advance to the current time and delete expired keys. Call this every few seconds, in a thread that may block.

        If the file cannot be written, this process goes on with the later keys and tries again at the next call.
        """
        try:
            with self._locked():
                stored_state = self._read()
                new_state = self._advanced(stored_state or self._state)
                self._use(new_state)
                if new_state != stored_state:
                    self._write(new_state)
            self._is_written = True
        except OSError:
            self._use(self._advanced(self._state))
            self._count("session_key_deletions_failed")
            if self._is_written:
                log.exception("session_key_deletion_failed")
            self._is_written = False

    def _epoch(self, ratchet: KeyRatchet) -> int:
        """Return the epoch to seal in. It never decreases, whatever happens to the clock."""
        lowest_epoch = ratchet.oldest + OVERLAP
        wall_epoch = self._wall_epoch() + self._state.shift
        return wall_epoch if lowest_epoch < wall_epoch <= lowest_epoch + MAX_AHEAD else lowest_epoch

    def _wall_epoch(self) -> int:
        return int(self._now() // EPOCH_SECONDS)

    def _use(self, state: _State) -> None:
        self._state = state
        if (state.oldest, state.key) != (self._ratchet.oldest, self._ratchet.key):
            self._ratchet = KeyRatchet(state.oldest, state.key, self._secret)

    def _advanced(self, state: _State) -> _State:
        """Return the state advanced to the current time.

        If the clock was set back by more than one epoch, its new time is followed from there, so that keys are still
        deleted: epochs only count the time. If it was set back by less, the current epoch lasts a little longer.
        """
        current = self._wall_epoch() + state.shift
        if current < state.current - 1:
            log.warning("session_keys_renewed_after_clock_change", count=state.current - current)
            return replace(state, shift=state.shift + state.current - current)
        steps = current - state.current
        if steps <= 0:
            return state
        if steps > MAX_STEPS:
            return self._new_state()
        return replace(state, oldest=state.oldest + steps, key=key_after(state.key, steps))

    def _new_state(self) -> _State:
        return _State(self._wall_epoch() - OVERLAP, 0, secrets.token_bytes(32))

    # The file

    def _read(self) -> _State | None:
        """Return the stored state; None if there is no usable one, and then all sessions begin anew."""
        try:
            file_fields = self._path.read_text("ascii").split()
        except FileNotFoundError:
            return None
        except ValueError:
            file_fields = []
        with suppress(ValueError, binascii.Error):
            version, oldest, shift, encoded_key = file_fields
            raw = base64.b64decode(encoded_key, altchars=b"-_", validate=True)
            if version == VERSION and len(raw) == 32:
                return _State(int(oldest), int(shift), raw)
        log.warning("session_keys_unreadable")
        return None

    def _read_if_possible(self) -> _State | None:
        with suppress(OSError):
            return self._read()
        return None

    def _write(self, state: _State) -> None:
        """Replace the whole file and sync it to disk; then overwrite the old key."""
        key = base64.urlsafe_b64encode(state.key).decode()
        new_path = self._path.with_name(f".{NAME}.new")
        new_path.unlink(missing_ok=True)
        with os.fdopen(os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"{VERSION} {state.oldest} {state.shift} {key}\n")
            file.flush()
            os.fsync(file.fileno())
        with ExitStack() as stack:
            old_file = stack.enter_context(self._path.open("r+b")) if self._path.exists() else None
            new_path.replace(self._path)
            filesystem.sync(self._path.parent)
            if old_file is not None:
                old_file.write(bytes(os.fstat(old_file.fileno()).st_size))
                old_file.flush()
                os.fsync(old_file.fileno())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold a lock against the other processes of this host."""
        with os.fdopen(os.open(self._path.with_name(f".{NAME}.lock"), os.O_RDWR | os.O_CREAT, 0o600), "r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
