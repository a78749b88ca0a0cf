"""The sealed local spool: where a report goes while the database is away. "Sent" may be said once `put` has returned.

An entry is one file, written whole, synced, renamed, and its folder synced. After an error the same file is never
synced again: on Linux the second try may succeed with the data gone (PostgreSQL's commit "PANIC on fsync() failure").
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reports import durable, loop_guard
from reports.entry import OVER_SENDS, SENDS, Entry
from reports.hands import Hands, TooSlow
from reports.sealing import Poison, Vault
from reports.store.engine.database import DatabaseUnavailable
from reports.store.operations.spool_status import SpoolStatus
from reports.store.submissions import Submission

ENDING = ".box"
MOST_ENTRIES = 10_000
MOST_BYTES = 256 << 20
LEAST_FREE = 200 << 20  # bytes of disk
DISK_SECONDS = 1.0  # a caller waits
LOOK_SECONDS = 1.0  # between two looks: in a crowd each at a thousand files would hold up the next
MOST_HANDS = 32  # entries at once; and so many writes that hang in the disk
MOST_REFUSED = 4  # in one round: what is refused for good blocks nobody, a database that is away costs little


class NotKept(Exception):
    """The spool did not take it: full, or the disk refused. The reporter must be told NOT SENT."""


def _sent_by(filing: Submission, kind: str) -> str:
    """Of a Send, which walk it came by: who walks the same path again finds it, and needs not open it."""
    return _walk(filing.origin_key) if kind in SENDS else ""


def _walk(origin_key: bytes) -> str:
    return f"-{origin_key[:8].hex()}"


@dataclass(slots=True)
class _Look:
    """What waited, in no order, and most of what this process has put since. `at`: by the monotonic clock."""

    at: float
    names: list[str]
    size: int  # bytes


class Spool:
    """`folder` is this host's own, mode 0700; `vault` seals each entry under its file name."""

    def __init__(self, folder: Path, vault: Vault, most_entries: int = MOST_ENTRIES) -> None:
        self.folder = folder
        self._vault = vault
        self._most = most_entries
        self._hands = Hands(MOST_HANDS)
        self._last_look = _Look(float("-inf"), [], 0)
        self._seen_since: dict[str, float] = {}  # monotonic seconds
        self._refused: set[str] = set()  # in an earlier round: the others come before them
        self.refusal: Exception | None = None  # why the last round left an entry where it was
        self._is_made = False
        with suppress(OSError):  # a read-only disk: `put` refuses, and callers still get the emergency numbers
            self._make_folders()

    def _make_folders(self) -> None:
        """Make the folders once. One that disappears later is not made again: the disk may be gone with it."""
        if self._is_made:
            return
        for place in (self.folder, self.folder / "bad"):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.sync(self.folder.parent)
        self._is_made = True

    def close(self) -> None:
        """End the threads that write. Entries on the disk stay there."""
        self._hands.close()

    def put(self, entry: Entry) -> None:
        """On the disk when this returns. Raises NotKept."""
        loop_guard.check("spool.put")
        try:
            self._hands.within(DISK_SECONDS, lambda: self._keep(entry))
        except TooSlow:
            raise NotKept("slow") from None  # it may be kept yet, and come: that is better than not to come
        except OSError as error:
            raise NotKept(error.__class__.__name__) from None

    def _keep(self, entry: Entry) -> None:
        """A crowd is Sends; whoever deletes, or changes what waits, sees what there is now."""
        self._make_folders()
        kind = entry.kind
        if shutil.disk_usage(self.folder).free < LEAST_FREE:
            raise NotKept("full")
        seen = self._lately() if kind in SENDS else self._look()
        if self._is_full(seen) and self._is_full(self._look()):
            raise NotKept("full")
        name = self._name(entry, seen.names)
        self._write(name, self._vault.seal("spool", name.encode(), entry.encode()))
        with suppress(OSError):  # they come out all the same, one after the other
            over_sends = kind in OVER_SENDS
            waiting = self.names() if over_sends else seen.names  # what was slow came perhaps while this was written
            for outdated in _outdated_by(name, waiting, over_sends=over_sends):
                (self.folder / outdated).unlink(missing_ok=True)
        self._last_look.names.append(name)

    def _name(self, entry: Entry, waiting: list[str]) -> str:
        """Return a name that sorts after all that wait, so that their order holds where the clock is set back."""
        filing = entry.filing
        last = max(waiting, default="0")[:20]
        at = max(time.time_ns() // 1000, int(last) + 1)
        return f"{at:020d}-{filing.report_id}-{filing.revision}{_sent_by(filing, entry.kind)}{ENDING}"

    def _write(self, name: str, data: bytes) -> None:
        unfinished = self.folder / (name + ".tmp")
        try:
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self.folder / name)
            durable.sync(self.folder)
        except OSError:
            unfinished.unlink(missing_ok=True)
            (self.folder / name).unlink(missing_ok=True)
            raise

    def _is_full(self, seen: _Look) -> bool:
        return len(seen.names) >= self._most or seen.size > MOST_BYTES

    def _lately(self) -> _Look:
        is_old = time.monotonic() - self._last_look.at > LOOK_SECONDS
        return self._look() if is_old else self._last_look

    def _look(self) -> _Look:
        waiting = [entry for entry in os.scandir(self.folder) if entry.name.endswith(ENDING)]
        self._last_look = _Look(time.monotonic(), [entry.name for entry in waiting], sum(map(_size, waiting)))
        return self._last_look

    def names(self) -> list[str]:
        """Return the names of the entries that wait, oldest first; none where the folder could not be made yet."""
        loop_guard.check("spool.names")
        if not self.folder.exists():
            return []
        return sorted(entry.name for entry in os.scandir(self.folder) if entry.name.endswith(ENDING))

    def sent_by(self, origin_key: bytes) -> tuple[str, int] | None:
        """Under which id, and up to which revision, a Send of this walk waits here; None where none does.

        What was put within the last second may not be seen: its id is the same within the hour, its key ever, and what
        is added to it in a walk has the higher number anyway.
        """
        loop_guard.check("spool.sent_by")
        mark = f"{_walk(origin_key)}{ENDING}"
        try:
            found = [name.removesuffix(mark) for name in self._lately().names if name.endswith(mark)]
        except OSError:  # the folder is away, and the database need not be
            return None
        ids = [(name[21:57], int(name[58:])) for name in found]
        return max(ids, key=lambda one: one[1]) if ids else None

    def oldest_seconds(self) -> float:
        """Return the age of the oldest entry; 0 when none waits.

        By its name, or by how long this process has seen it: the clock that named it may have been ahead.
        """
        names, now = self.names(), time.monotonic()
        self._seen_since = {name: self._seen_since.get(name, now) for name in names}
        by_name = time.time() - int(names[0][:20]) / 1_000_000 if names else 0.0
        return max(by_name, *(now - since for since in self._seen_since.values()), 0.0)

    def bad(self) -> int:
        """Count the entries that could not be read and were put aside for a person."""
        if not (self.folder / "bad").exists():
            return 0
        return sum(1 for entry in os.scandir(self.folder / "bad") if entry.name.endswith(ENDING))

    def standing(self, host: str) -> SpoolStatus:
        """Return what waits here, for a person to see."""
        return SpoolStatus(host, len(self.names()), round(self.oldest_seconds()), self.bad())

    def drain(self, file: Callable[[Entry], None]) -> int:
        """Give each entry to `file`, oldest first; returns how many were filed.

        For which `file` raises, or which the disk does not give, stays where it is, with all that follows of the same
        report, and comes last in the next round; the fourth ends this one. One process of the host at a time; the
        others return 0 at once. Raises at the end what nobody expects.
        """
        done, refused, behind, crash = 0, set[str](), set[str](), None
        self.refusal = None
        with self._alone() as alone:
            for name in self._in_turn() if alone else ():
                if len(refused) == MOST_REFUSED:
                    break
                if any(_report(name) == _report(one) for one in refused):
                    behind.add(name)
                    continue
                try:
                    if entry := self._read(name):
                        file(entry)
                except FileNotFoundError:
                    continue  # a later revision has taken its place
                except Exception as error:
                    refused.add(name)
                    self.refusal = error
                    crash = crash if isinstance(error, DatabaseUnavailable | OSError) else error
                    continue
                if entry is None:
                    (self.folder / name).rename(self.folder / "bad" / name)  # never deleted: a person looks at it
                    continue
                (self.folder / name).unlink(missing_ok=True)
                durable.sync(self.folder)
                done += 1
            self._refused = self._refused.intersection(self.names()) | refused | behind
        if crash:
            raise crash
        return done

    def _in_turn(self) -> list[str]:
        """Of a report with an entry that was refused, all come after the others, and in their order."""
        last = set(map(_report, self._refused))
        return sorted(self.names(), key=lambda name: (_report(name) in last, name))

    def _read(self, name: str) -> Entry | None:
        """None: it is torn, or of another key."""
        data = (self.folder / name).read_bytes()
        try:
            return Entry.decode(self._vault.open("spool", name.encode(), data))
        except (Poison, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        with os.fdopen(os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


def _outdated_by(name: str, waiting: list[str], *, over_sends: bool) -> list[str]:
    """What was kept of the same report before: it holds all of that, or deletes it. A Send that nobody was told of has
    a lower number; one that was confirmed may have the same.
    """
    before = [one for one in waiting if one < name and _report(one) == _report(name)]
    numbers = {one: _revision(one) + _is_send(one) for one in before if over_sends or not _is_send(one)}
    return [one for one, number in numbers.items() if number <= _revision(name)]


def _revision(name: str) -> int:
    return int(name[58:].removesuffix(ENDING).partition("-")[0])


def _is_send(name: str) -> bool:
    return "-" in name[58:]


def _report(name: str) -> str:
    return name[20:58]


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0  # drained in the meantime
