"""The journal of deletions: drafts and reports that were deleted, opt-outs, and consent that was withdrawn.

A restored backup is older than some of them, so web applies the journal to it again (gateway/background/erasures.py).
Each line is JSON with ids and keyed hashes only: no telephone number, and no words of a reporter.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from runtime import filesystem
from runtime.deadline import DeadlineExceeded, DeadlinePool
from runtime.settings.processes import sqlite_file
from runtime.time_units import DAY, SECOND

log = structlog.get_logger()

FOLDER_NAME = "erasures"
FILE_SUFFIX = ".jsonl"
KEEP_DAYS = 35  # days; backups are stored as long (tokaut/commands/backup.py)
DISK_TIMEOUT_SECONDS = 1.0  # the reporter waits for the answer
MAX_THREADS = 4
ErasureKind = Literal["draft", "report", "contact", "stop", "start"]


@dataclass(frozen=True, slots=True)
class Erasure:
    """One line of the journal.

    `at`: microseconds. `keys`: the origin key of a draft, or the opt-out keys of a number, in hex. `revision`: the
    highest revision of the draft that was deleted. `message_id`: of the message to the hotlines. `with_sends`: whether
    a Send that the reporter saw as NOT SENT was deleted, too; earlier releases did not say so. `has_no_message`: no
    hotline could open a message, so none was stored.
    """

    kind: ErasureKind
    at: int = 0
    report_id: str = ""
    keys: tuple[str, ...] = ()
    revision: int = 0
    message_id: str = ""
    with_sends: bool = False
    has_no_message: bool = False


@dataclass(frozen=True, slots=True)
class JournalReading:
    """The erasures of the files that could be read; `fault`: why the folder or a file could not be.

    `by_host`: the erasures of each host in the order in which it wrote them. `damaged`: how many lines of the same days
    cannot be read.
    """

    by_host: Mapping[str, list[Erasure]]
    fault: OSError | None
    damaged: int = 0

    @property
    def erasures(self) -> list[Erasure]:
        """Return the erasures of all hosts by their times, each once."""
        return sorted(dict.fromkeys(chain.from_iterable(self.by_host.values())), key=lambda erasure: erasure.at)


def journal_folder(address: str, data: Path) -> Path:
    """Return the folder of the journal: beside an embedded database, where backups can read it; else in `data`."""
    database_file = sqlite_file(address)
    return (database_file.parent if database_file else data) / FOLDER_NAME


class ErasureJournal:
    """Append erasures to one file for each day and host, and read the files of all hosts in the folder.

    Args:
        folder: may be a mount point of another disk.
        host: the name of this host.
        is_shared: whether the group may read the folder, as it may read the embedded database beside it.
        now: returns the time in microseconds.
        count: counts the erasures that could not be recorded.
    """

    def __init__(
        self, folder: Path, host: str, *, is_shared: bool, now: Callable[[], int], count: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self._host = "".join(letter if letter.isalnum() or letter == "-" else "_" for letter in host)
        self._status_file = folder / f"{self._host}.status"
        self._folder_mode, self._file_mode = (0o750, 0o640) if is_shared else (0o700, 0o600)
        self._now = now
        self._count = count
        self._io_pool = DeadlinePool(MAX_THREADS)

    def close(self) -> None:
        """Stop the threads that write."""
        self._io_pool.close()

    def record(
        self,
        kind: ErasureKind,
        *,
        report_id: str = "",
        keys: tuple[bytes, ...] = (),
        revision: int = 0,
        message_id: str = "",
        with_sends: bool = False,
        has_no_message: bool = False,
    ) -> None:
        """Append a line and sync it. Never raises: a failing disk must not prevent the deletion itself."""
        now = self._now()
        hex_keys = tuple(key.hex() for key in keys)
        erasure = Erasure(kind, now, report_id, hex_keys, revision, message_id, with_sends, has_no_message)
        try:
            self._io_pool.within(DISK_TIMEOUT_SECONDS, lambda: self._append(erasure))
        except (OSError, DeadlineExceeded) as error:
            self._count("erasures_not_recorded")
            log.warning("erasure_not_recorded", **{"class": type(error).__name__})

    def _append(self, erasure: Erasure) -> None:
        """Append a line to the file of the day.

        If this host has a file of a later day, the clock was set back: all but a START is also appended there. So a
        STOP comes after an earlier START, and a file of a day long ago, which soon expires, is not the only one.
        """
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            self.folder.chmod(self._folder_mode)  # the umask would deny the group access
        line = json.dumps(asdict(erasure), separators=(",", ":")).encode() + b"\n"
        today = self.folder / f"{_day(erasure.at)}-{self._host}{FILE_SUFFIX}"
        self._append_line(today, line)
        newest = [path for path in _files(self.folder) if _host_of(path) == self._host][-1]
        if newest > today and erasure.kind != "start":
            self._append_line(newest, line)

    def _append_line(self, path: Path, line: bytes) -> None:
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if is_new:
                os.fchmod(descriptor, self._file_mode)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a line left incomplete by a power failure
                line = b"\n" + line
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, "the line was not written whole")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            filesystem.sync(self.folder)

    def since(self, at: int) -> JournalReading:
        """Return the erasures of all hosts from this time on. A file that cannot be read hides no other."""
        fault: OSError | None = None
        by_host: dict[str, list[Erasure]] = defaultdict(list)
        damaged = 0
        try:
            files = _files(self.folder)
        except OSError as error:
            return JournalReading({}, error)
        for path in files:
            try:
                lines = list(_lines(path))
            except OSError as error:
                fault = error
                continue
            by_host[_host_of(path)] += [erasure for erasure in lines if erasure is not None and erasure.at >= at]
            damaged += lines.count(None) if path.name[:8] >= _day(at) else 0
        return JournalReading(by_host, fault, damaged)

    def save_status_time(self, seen_at: int) -> None:
        """Store the time of the status that this host saved last in the database. Not synced: only equality counts."""
        with suppress(OSError, DeadlineExceeded):  # such as no folder: nothing was recorded yet
            self._io_pool.within(DISK_TIMEOUT_SECONDS, lambda: self._write_status(str(seen_at)))

    def _write_status(self, text: str) -> None:
        part = self._status_file.with_suffix(".part")
        part.write_text(text)
        part.rename(self._status_file)

    def is_last_status(self, seen_at: int) -> bool:
        """Return whether a status in the database is the one that this host saved last."""
        try:
            return self._status_file.read_text() == str(seen_at)
        except (OSError, UnicodeDecodeError):
            return False

    def delete_expired(self) -> None:
        """Delete the files of days for which no backup is left. Raises OSError."""
        for path in _expired(_files(self.folder), self._now()):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class JournalFaults:
    """The files of a journal that were not copied, and the older copies that were not deleted, each with its cause."""

    not_copied: Mapping[Path, OSError]
    not_deleted: Mapping[Path, OSError]


def copy_journal(source: Path, target: Path, now: int) -> JournalFaults:
    """Copy the journal to the folder of the backups, and delete expired files there. One bad file stops no other.

    The copies of a journal that is lost stay: a new machine begins a new one. `now`: microseconds. Raises OSError if
    one of the folders cannot be used.
    """
    files = _files(source)
    not_copied: dict[Path, OSError] = {}
    not_deleted: dict[Path, OSError] = {}
    if files:
        target.mkdir(mode=0o700, exist_ok=True)
    for path in files:
        try:
            _copy_file(path, target)
        except OSError as error:
            not_copied[path] = error
    if files:
        filesystem.sync(target)
    for path in _expired(_files(target), now):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            not_deleted[path] = error
    return JournalFaults(not_copied, not_deleted)


def missing_copies(source: Path, target: Path) -> list[Path]:
    """Return the files of a journal that are not, or not whole, in another folder. Raises OSError."""
    sizes = {path.name: path.stat().st_size for path in _files(target)}
    return [path for path in _files(source) if sizes.get(path.name, -1) < path.stat().st_size]


def _copy_file(path: Path, target: Path) -> None:
    part = target / (path.name + ".part")
    with path.open("rb") as reader, part.open("wb") as writer:
        shutil.copyfileobj(reader, writer)
        writer.flush()
        os.fsync(writer.fileno())
    part.rename(target / path.name)


def _files(folder: Path) -> list[Path]:
    """Return the files of a journal, oldest first; none if there is no folder. Raises OSError.

    Path.glob() would find nothing in a folder that this account may not read, and raise nothing.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == FILE_SUFFIX)
    except FileNotFoundError:
        return []


def _host_of(path: Path) -> str:
    return path.stem[len("YYYYMMDD-") :]


def _expired(files: list[Path], now: int) -> list[Path]:
    """Return the files of days for which no backup is left.

    None while no file is from the days since, and at least a day old: the clock may have jumped.
    """
    oldest, yesterday = _day(now - (KEEP_DAYS + 1) * DAY), _day(now - DAY)
    if not any(oldest <= path.name[:8] <= yesterday for path in files):
        return []
    return [path for path in files if path.name[:8] < oldest]


def _lines(path: Path) -> Iterator[Erasure | None]:
    """Yield the erasures of a file; None for a line left incomplete by a power failure or damaged otherwise."""
    for line in path.read_bytes().splitlines():
        try:
            yield msgspec.json.decode(line, type=Erasure)  # checks the type of each field
        except (msgspec.MsgspecError, ValueError, RecursionError):
            yield None


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at // SECOND, UTC):%Y%m%d}"
