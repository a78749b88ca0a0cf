"""Store submissions in a sealed local queue while the database is unavailable: the spool.

"Sent" may be shown once `put` has returned. An entry is one file: it is written completely, synced and renamed, and its
folder is synced. After an error the same file is never synced again: on Linux the second attempt may succeed with the
data gone (PostgreSQL's commit "PANIC on fsync() failure"). `drain` submits the entries once the database is available
again.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from reports.crypto import DecryptError, RecordCipher
from reports.store.engine.database import DatabaseUnavailable
from reports.store.operations.spool_status import SpoolStatus
from reports.store.submissions import MailboxRecord, SealedCopy, Submission
from runtime import event_loop_guard, filesystem
from runtime.deadline import DeadlineExceeded, DeadlinePool

# "again" resumes an earlier session; "anew" follows NOT SENT, shown of an entry that may have been stored all the same.
SUBMIT_KINDS = ("sent", "again", "anew")
CANCEL_KINDS = ("drop", "drop_unsent")
REPLACING_KINDS = ("anew", "drop_unsent")  # these replace a Send that the reporter saw as NOT SENT

_MAILBOX_FIELDS = {field.name for field in fields(MailboxRecord)}


class SpoolEntry:
    """A submission and how to submit it.

    `kind`: one of `SUBMIT_KINDS` is a Send, one of `CANCEL_KINDS` deletes a pending revision, and any other is the kind
    of a pending revision, due at `due_at` (microseconds). `mailbox`: of a Send, None if it has none.
    """

    def __init__(
        self, submission: Submission, kind: str, due_at: int = 0, mailbox: MailboxRecord | None = None
    ) -> None:
        self.submission = submission
        self.kind = kind
        self.due_at = due_at
        self.mailbox = mailbox

    def encode(self) -> bytes:
        """Return the entry as JSON."""
        mailbox = asdict(self.mailbox) if self.mailbox else None
        rows = {"filing": asdict(self.submission), "kind": self.kind, "due_at": self.due_at, "mailbox": mailbox}
        return json.dumps(rows, default=_encode_bytes, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> SpoolEntry:
        """Read an entry from JSON. Raises ValueError, KeyError or TypeError for other data."""
        rows: dict[str, Any] = json.loads(data, object_hook=_decode_bytes)
        submission = dict(rows["filing"])
        submission["parts"] = tuple(SealedCopy(**part) for part in submission["parts"])
        mailbox = rows["mailbox"]
        # A mailbox of the previous release is dropped: its code opens nothing here, and must not delay the report.
        mailbox = MailboxRecord(**mailbox) if mailbox and mailbox.keys() == _MAILBOX_FIELDS else None
        return cls(Submission(**submission), rows["kind"], rows["due_at"], mailbox)


def open_entry(cipher: RecordCipher, name: str, data: bytes) -> SpoolEntry:
    """Open a sealed entry. Raises DecryptError, ValueError, KeyError or TypeError if it is damaged, or another's."""
    return SpoolEntry.decode(cipher.open("spool", name.encode(), data))


def _encode_bytes(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    raise TypeError


def _decode_bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["b64"]) if value.keys() == {"b64"} else value


ENTRY_SUFFIX = ".box"
UNFINISHED_SUFFIX = ".tmp"
UNFINISHED_SECONDS = (
    60  # after which nobody writes such a file any more; its reporter was shown NOT SENT after a second
)
_ENTRY_NAME = re.compile(rf"(\d{{20}})-(.{{36}})-(\d+)(?:-([0-9a-f]{{16}}))?{re.escape(ENTRY_SUFFIX)}")
MAX_ENTRIES = 10_000
MAX_BYTES = 256 << 20
MIN_FREE_BYTES = 200 << 20  # free bytes that must remain on the disk
DISK_TIMEOUT_SECONDS = 1.0  # a reporter waits meanwhile
LISTING_MAX_AGE_SECONDS = 1.0  # under load, listing a thousand files for each entry would delay the next entry
MAX_THREADS = 32  # concurrent writes, including those that hang in the disk
# Refusals per round: permanent ones block no other entry, and an unavailable database costs few attempts.
MAX_REFUSED = 4


class EntryCopies(Protocol):
    """Copies of the entries in another place. Neither method waits or raises."""

    def add(self, name: str) -> None:
        """Copy the entry of this name, which is in the spool now."""
        ...

    def remove(self, name: str) -> None:
        """Delete the copy of an entry that is not in the spool any more."""
        ...


class SpoolWriteError(Exception):
    """The spool did not store an entry: it is full, or the disk failed. The reporter must be shown NOT SENT."""


@dataclass(frozen=True, slots=True)
class EntryName:
    """The file name of an entry: the facts that must be readable without opening the entry.

        <microseconds, 20 digits>-<report id>-<revision>[-<start of the origin key>].box

    A stray file, which has another name, has no report; `drain` moves it to `bad`.
    """

    text: str
    at: int = 0  # microseconds; the order in which entries are submitted
    report_id: str = ""
    revision: int = 0
    origin: str = ""  # start of the origin key of a Send, by which its session finds the entry

    @classmethod
    def of(cls, submission: Submission, kind: str, at: int) -> EntryName:
        """Return the name for a new entry."""
        origin = _start_of(submission.origin_key) if kind in SUBMIT_KINDS else ""
        text = f"{at:020d}-{submission.report_id}-{submission.revision}{origin and '-'}{origin}{ENTRY_SUFFIX}"
        return cls(text, at, submission.report_id, submission.revision, origin)

    @classmethod
    def parse(cls, text: str) -> EntryName:
        """Return the parts of a file name."""
        match = _ENTRY_NAME.fullmatch(text)
        return cls(text, int(match[1]), match[2], int(match[3]), match[4] or "") if match else cls(text)

    def supersedes(self, other: EntryName, *, sends: bool) -> bool:
        """Return whether `other` is an earlier entry whose content this one holds, or whose report it deletes.

        `sends`: Sends are superseded too. A Send that the reporter saw as NOT SENT has a lower revision; a confirmed
        one may have the same, and stays.
        """
        is_earlier = other.report_id == self.report_id and other.at < self.at
        return is_earlier and (
            other.revision < self.revision
            if other.origin and sends
            else not other.origin and other.revision <= self.revision
        )


def _start_of(origin_key: bytes) -> str:
    return origin_key[:8].hex()


@dataclass(slots=True)
class _Listing:
    """Names of the entries, unordered, with most of those stored by this process since `at` (monotonic seconds)."""

    at: float
    names: list[EntryName]
    size: int  # bytes


class Spool:
    """The spool of this host. `folder` has mode 0700; `cipher` seals each entry under its file name."""

    def __init__(
        self,
        folder: Path,
        cipher: RecordCipher,
        max_entries: int = MAX_ENTRIES,
        copies: EntryCopies | None = None,
    ) -> None:
        self.folder = folder
        self._copies = copies
        self._cipher = cipher
        self._max_entries = max_entries
        self._io_pool = DeadlinePool(MAX_THREADS)
        self._listing = _Listing(float("-inf"), [], 0)
        self._first_seen: dict[str, float] = {}  # monotonic seconds
        self._refused: set[str] = set()  # names refused in an earlier round; they come after all others
        self._submitted: set[str] = set()  # names that are submitted and could not be deleted
        self.refusal: Exception | None = None  # why the last round left an entry queued
        self._has_folders = False
        with suppress(OSError):  # a read-only disk: `put` fails, and reporters still get the emergency numbers
            self._make_folders()

    def _make_folders(self) -> None:
        """Create the folders once. A folder that disappears later is not created again: its disk may be gone."""
        if self._has_folders:
            return
        for directory in (self.folder, self.folder / "bad"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        filesystem.sync(self.folder.parent)
        self._has_folders = True

    def close(self) -> None:
        """Stop the writing threads. Entries stay on the disk."""
        self._io_pool.close()

    def put(self, entry: SpoolEntry) -> None:
        """Store an entry; it is on the disk when this returns. Raises SpoolWriteError."""
        event_loop_guard.check("spool.put")
        try:
            self._io_pool.within(DISK_TIMEOUT_SECONDS, lambda: self._store(entry))
        except DeadlineExceeded:
            raise SpoolWriteError("slow") from None  # it may still be stored and submitted, which is better than a loss
        except OSError as error:
            raise SpoolWriteError(error.__class__.__name__) from None

    def _store(self, entry: SpoolEntry) -> None:
        """Write an entry and delete those that it supersedes.

        Many Sends may come at once, so they use a listing that may be a second old; other kinds list the folder anew.
        """
        self._make_folders()
        kind = entry.kind
        if shutil.disk_usage(self.folder).free < MIN_FREE_BYTES:
            raise SpoolWriteError("full")
        listing = self._recent_listing() if kind in SUBMIT_KINDS else self._new_listing()
        if self._is_full(listing) and self._is_full(self._new_listing()):
            raise SpoolWriteError("full")
        name = self._new_name(entry, listing.names)
        self._write(name.text, self._cipher.seal("spool", name.text.encode(), entry.encode()))
        if self._copies:
            self._copies.add(name.text)
        with suppress(OSError):  # remaining ones are submitted in order, which does no harm
            sends = kind in REPLACING_KINDS
            stored = self._names() if sends else listing.names  # a slow Send may have arrived during the write
            for earlier in stored:
                if name.supersedes(earlier, sends=sends):
                    (self.folder / earlier.text).unlink(missing_ok=True)
                    self._forget_copy(earlier.text)
        self._listing.names.append(name)

    def _forget_copy(self, name: str) -> None:
        if self._copies:
            self._copies.remove(name)

    def _new_name(self, entry: SpoolEntry, names: list[EntryName]) -> EntryName:
        """Return a name that sorts after all stored ones, so that the order holds even if the clock is set back."""
        at = max(time.time_ns() // 1000, *(name.at + 1 for name in names), 0)
        return EntryName.of(entry.submission, entry.kind, at)

    def _write(self, name: str, data: bytes) -> None:
        unfinished = self.folder / (name + UNFINISHED_SUFFIX)
        try:
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self.folder / name)
            filesystem.sync(self.folder)
        except OSError:
            unfinished.unlink(missing_ok=True)
            (self.folder / name).unlink(missing_ok=True)
            raise

    def _is_full(self, listing: _Listing) -> bool:
        return len(listing.names) >= self._max_entries or listing.size > MAX_BYTES

    def _recent_listing(self) -> _Listing:
        is_old = time.monotonic() - self._listing.at > LISTING_MAX_AGE_SECONDS
        return self._new_listing() if is_old else self._listing

    def _new_listing(self) -> _Listing:
        entries = [entry for entry in os.scandir(self.folder) if entry.name.endswith(ENTRY_SUFFIX)]
        names = [EntryName.parse(entry.name) for entry in entries]
        self._listing = _Listing(time.monotonic(), names, sum(map(_size, entries)))
        return self._listing

    def names(self) -> list[str]:
        """Return the names of the stored entries, oldest first; none if the folder could not be created yet."""
        event_loop_guard.check("spool.names")
        if not self.folder.exists():
            return []
        return sorted(entry.name for entry in os.scandir(self.folder) if entry.name.endswith(ENTRY_SUFFIX))

    def _names(self) -> list[EntryName]:
        return [EntryName.parse(name) for name in self.names()]

    def sent_by(self, origin_key: bytes) -> tuple[str, int] | None:
        """Return the report id and the highest revision of a stored Send of this session; None if there is none.

        A Send stored within the last second may be missed. That does no harm: a repeated Send has the same report id
        within the hour and always the same origin key, and an addition in the same session has a higher revision.
        """
        event_loop_guard.check("spool.sent_by")
        origin = _start_of(origin_key)
        try:
            stored = [name for name in self._recent_listing().names if name.origin == origin]
        except OSError:  # the folder is unavailable, but the database may work
            return None
        last = max(stored, key=lambda name: name.revision, default=None)
        return (last.report_id, last.revision) if last else None

    def oldest_seconds(self) -> float:
        """Return the age of the oldest entry; 0 if there is none.

        The age is by its name or by how long this process has seen it, whichever is more: the clock may have been ahead
        when the entry was named.
        """
        names, now = self.names(), time.monotonic()
        self._first_seen = {name: self._first_seen.get(name, now) for name in names}
        named_at = next((name.at for name in map(EntryName.parse, names) if name.at), None)  # except stray files
        age_by_name = time.time() - named_at / 1_000_000 if named_at else 0.0
        return max(age_by_name, *(now - seen_at for seen_at in self._first_seen.values()), 0.0)

    def bad(self) -> int:
        """Count the entries that could not be read and were moved to `bad`, for a person to look at."""
        if not (self.folder / "bad").exists():
            return 0
        return sum(1 for entry in os.scandir(self.folder / "bad") if entry.name.endswith(ENTRY_SUFFIX))

    def delete_unfinished(self) -> None:
        """Delete the entries that a power failure left incomplete: no reporter was shown "Sent" for them."""
        with suppress(OSError):
            for entry in os.scandir(self.folder):
                is_unfinished = entry.name.endswith(ENTRY_SUFFIX + UNFINISHED_SUFFIX)
                if is_unfinished and time.time() - entry.stat().st_mtime > UNFINISHED_SECONDS:
                    (self.folder / entry.name).unlink(missing_ok=True)

    def status(self, host: str) -> SpoolStatus:
        """Return the number and age of the entries, to be shown to operators."""
        return SpoolStatus(host, len(self.names()), round(self.oldest_seconds()), self.bad())

    def drain(self, submit: Callable[[SpoolEntry], None]) -> int:
        """Call `submit` with each entry, oldest first, and delete it; return how many were submitted.

        An entry for which `submit` raises, or that the disk does not return, stays queued, as do later entries of the
        same report. They come last in the next round. `MAX_REFUSED` such entries end this round. Only one process of
        the host drains at a time; the others return 0 at once. An error other than `DatabaseUnavailable` or `OSError`
        is raised at the end.

        If the disk refuses to delete a submitted entry, later ones of its report are submitted all the same. `submit`
        is called with it again only after a restart or by another process, as for a copy that another host submitted.
        """
        submitted, unexpected = 0, None
        refused, blocked = list[EntryName](), set[str]()
        self.refusal = None
        with self._drain_lock() as has_lock:
            for name in self._drain_order() if has_lock else ():
                if len(refused) == MAX_REFUSED:
                    break
                if any(name.report_id == earlier.report_id for earlier in refused):
                    blocked.add(name.text)
                    continue
                try:
                    if name.text not in self._submitted:
                        entry = self._read(name.text)
                        if entry is None:
                            self._move_to_bad(name.text)  # which does not hold up later entries of its report
                            continue
                        submit(entry)
                        self._submitted.add(name.text)
                        self._forget_copy(name.text)
                        submitted += 1
                except FileNotFoundError:
                    continue  # a later revision has superseded it
                except Exception as error:
                    refused.append(name)
                    self.refusal = error
                    unexpected = unexpected if isinstance(error, DatabaseUnavailable | OSError) else error
                    continue
                try:
                    (self.folder / name.text).unlink(missing_ok=True)
                    filesystem.sync(self.folder)
                except OSError as error:
                    self.refusal = error
            left = self.names()
            self._submitted.intersection_update(left)
            self._refused = self._refused.intersection(left) | {name.text for name in refused} | blocked
        if unexpected:
            raise unexpected
        return submitted

    def _drain_order(self) -> list[EntryName]:
        """Return the names, oldest first; reports with a refused entry come after all others."""
        refused_reports = {EntryName.parse(name).report_id for name in self._refused}
        return sorted(self._names(), key=lambda name: (name.report_id in refused_reports, name.text))

    def _read(self, name: str) -> SpoolEntry | None:
        """Open an entry. Returns None if it is damaged or was sealed under another key."""
        data = (self.folder / name).read_bytes()
        try:
            return open_entry(self._cipher, name, data)
        except (DecryptError, ValueError, KeyError, TypeError):
            return None

    def _move_to_bad(self, name: str) -> None:
        """Move an entry that cannot be read to `bad`. It is never deleted: a person has to look at it."""
        bad = self.folder / "bad"
        try:
            bad.mkdir(mode=0o700, exist_ok=True)
            (self.folder / name).rename(bad / name)
        except OSError as error:
            self.refusal = error

    @contextmanager
    def _drain_lock(self) -> Iterator[bool]:
        lock = self._open_lock()
        try:
            yield _try_lock(lock)
        finally:
            os.close(lock)

    def _open_lock(self) -> int:
        """Open what the draining process locks: a file, or the folder if its disk is read-only and has no such file.

        Writable if possible: a network disk locks no other file.
        """
        path = self.folder / "lock"
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
        try:
            return os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0  # the entry was drained in the meantime
