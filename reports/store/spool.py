"""What waits in the spool, as bytes and back."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from reports.crypto import DecryptError, RecordCipher
from reports.store.engine.database import DatabaseUnavailable
from reports.store.operations.spool_status import SpoolStatus
from reports.store.submissions import MailboxRecord, SealedCopy, Submission
from runtime import event_loop_guard, filesystem
from runtime.deadline import DeadlineExceeded, DeadlinePool

# "again" carries on an earlier walk; "anew" comes after "NOT SENT" was said, of what may have been kept late.
SUBMIT_KINDS = ("sent", "again", "anew")
CANCEL_KINDS = ("drop", "drop_unsent")
REPLACING_KINDS = ("anew", "drop_unsent")  # in place of a Send that nobody was told of

_MAILBOX = {one.name for one in fields(MailboxRecord)}


class SpoolEntry:
    """A filing, and how it is to be filed: kind "sent" is a Send, the others are revisions that file themselves."""

    def __init__(self, filing: Submission, kind: str, due_at: int = 0, mailbox: MailboxRecord | None = None) -> None:
        self.filing = filing
        self.kind = kind
        self.due_at = due_at
        self.mailbox = mailbox

    def encode(self) -> bytes:
        mailbox = asdict(self.mailbox) if self.mailbox else None
        rows = {"filing": asdict(self.filing), "kind": self.kind, "due_at": self.due_at, "mailbox": mailbox}
        return json.dumps(rows, default=_encode_bytes, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> SpoolEntry:
        rows: dict[str, Any] = json.loads(data, object_hook=_decode_bytes)
        filing = dict(rows["filing"])
        filing["parts"] = tuple(SealedCopy(**part) for part in filing["parts"])
        mailbox = rows["mailbox"]
        # One of the release before is left out: its code opens nothing here, and the report must not wait for that.
        mailbox = MailboxRecord(**mailbox) if mailbox and mailbox.keys() == _MAILBOX else None
        return cls(Submission(**filing), rows["kind"], rows["due_at"], mailbox)


def _encode_bytes(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    raise TypeError


def _decode_bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["b64"]) if value.keys() == {"b64"} else value


# The sealed local spool: where a report goes while the database is away. "Sent" may be said once `put` has returned.
#
# An entry is one file, written whole, synced, renamed, and its folder synced. After an error the same file is never
# synced again: on Linux the second try may succeed with the data gone (PostgreSQL's commit "PANIC on fsync()
# failure").

ENTRY_SUFFIX = ".box"
MAX_ENTRIES = 10_000
MAX_BYTES = 256 << 20
MIN_FREE_BYTES = 200 << 20  # bytes of disk
DISK_TIMEOUT_SECONDS = 1.0  # a caller waits
LISTING_MAX_AGE_SECONDS = 1.0  # between two looks: in a crowd each at a thousand files would hold up the next
MAX_THREADS = 32  # entries at once; and so many writes that hang in the disk
MAX_REFUSED = 4  # in one round: what is refused for good blocks nobody, a database that is away costs little


class SpoolWriteError(Exception):
    """The spool did not take it: full, or the disk refused. The reporter must be told NOT SENT."""


def _submission_mark(filing: Submission, kind: str) -> str:
    """Of a Send, which walk it came by: who walks the same path again finds it, and needs not open it."""
    return _origin_mark(filing.origin_key) if kind in SUBMIT_KINDS else ""


def _origin_mark(origin_key: bytes) -> str:
    return f"-{origin_key[:8].hex()}"


@dataclass(slots=True)
class _Listing:
    """What waited, in no order, and most of what this process has put since. `at`: by the monotonic clock."""

    at: float
    names: list[str]
    size: int  # bytes


class Spool:
    """`folder` is this host's own, mode 0700; `vault` seals each entry under its file name."""

    def __init__(self, folder: Path, cipher: RecordCipher, most_entries: int = MAX_ENTRIES) -> None:
        self.folder = folder
        self._cipher = cipher
        self._most = most_entries
        self._io_pool = DeadlinePool(MAX_THREADS)
        self._last_look = _Listing(float("-inf"), [], 0)
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
        filesystem.sync(self.folder.parent)
        self._is_made = True

    def close(self) -> None:
        """End the threads that write. Entries on the disk stay there."""
        self._io_pool.close()

    def put(self, entry: SpoolEntry) -> None:
        """On the disk when this returns. Raises NotKept."""
        event_loop_guard.check("spool.put")
        try:
            self._io_pool.within(DISK_TIMEOUT_SECONDS, lambda: self._keep(entry))
        except DeadlineExceeded:
            raise SpoolWriteError("slow") from None  # it may be kept yet, and come: that is better than not to come
        except OSError as error:
            raise SpoolWriteError(error.__class__.__name__) from None

    def _keep(self, entry: SpoolEntry) -> None:
        """A crowd is Sends; whoever deletes, or changes what waits, sees what there is now."""
        self._make_folders()
        kind = entry.kind
        if shutil.disk_usage(self.folder).free < MIN_FREE_BYTES:
            raise SpoolWriteError("full")
        seen = self._lately() if kind in SUBMIT_KINDS else self._look()
        if self._is_full(seen) and self._is_full(self._look()):
            raise SpoolWriteError("full")
        name = self._name(entry, seen.names)
        self._write(name, self._cipher.seal("spool", name.encode(), entry.encode()))
        with suppress(OSError):  # they come out all the same, one after the other
            over_sends = kind in REPLACING_KINDS
            waiting = self.names() if over_sends else seen.names  # what was slow came perhaps while this was written
            for outdated in _outdated_by(name, waiting, over_sends=over_sends):
                (self.folder / outdated).unlink(missing_ok=True)
        self._last_look.names.append(name)

    def _name(self, entry: SpoolEntry, waiting: list[str]) -> str:
        """Return a name that sorts after all that wait, so that their order holds where the clock is set back."""
        filing = entry.filing
        last = max(waiting, default="0")[:20]
        at = max(time.time_ns() // 1000, int(last) + 1)
        return f"{at:020d}-{filing.report_id}-{filing.revision}{_submission_mark(filing, entry.kind)}{ENTRY_SUFFIX}"

    def _write(self, name: str, data: bytes) -> None:
        unfinished = self.folder / (name + ".tmp")
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

    def _is_full(self, seen: _Listing) -> bool:
        return len(seen.names) >= self._most or seen.size > MAX_BYTES

    def _lately(self) -> _Listing:
        is_old = time.monotonic() - self._last_look.at > LISTING_MAX_AGE_SECONDS
        return self._look() if is_old else self._last_look

    def _look(self) -> _Listing:
        waiting = [entry for entry in os.scandir(self.folder) if entry.name.endswith(ENTRY_SUFFIX)]
        self._last_look = _Listing(time.monotonic(), [entry.name for entry in waiting], sum(map(_size, waiting)))
        return self._last_look

    def names(self) -> list[str]:
        """Return the names of the entries that wait, oldest first; none where the folder could not be made yet."""
        event_loop_guard.check("spool.names")
        if not self.folder.exists():
            return []
        return sorted(entry.name for entry in os.scandir(self.folder) if entry.name.endswith(ENTRY_SUFFIX))

    def sent_by(self, origin_key: bytes) -> tuple[str, int] | None:
        """Under which id, and up to which revision, a Send of this walk waits here; None where none does.

        What was put within the last second may not be seen: its id is the same within the hour, its key ever, and what
        is added to it in a walk has the higher number anyway.
        """
        event_loop_guard.check("spool.sent_by")
        mark = f"{_origin_mark(origin_key)}{ENTRY_SUFFIX}"
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
        return sum(1 for entry in os.scandir(self.folder / "bad") if entry.name.endswith(ENTRY_SUFFIX))

    def standing(self, host: str) -> SpoolStatus:
        """Return what waits here, for a person to see."""
        return SpoolStatus(host, len(self.names()), round(self.oldest_seconds()), self.bad())

    def drain(self, file: Callable[[SpoolEntry], None]) -> int:
        """Give each entry to `file`, oldest first; returns how many were filed.

        For which `file` raises, or which the disk does not give, stays where it is, with all that follows of the same
        report, and comes last in the next round; the fourth ends this one. One process of the host at a time; the
        others return 0 at once. Raises at the end what nobody expects.
        """
        done, refused, behind, crash = 0, set[str](), set[str](), None
        self.refusal = None
        with self._alone() as alone:
            for name in self._in_turn() if alone else ():
                if len(refused) == MAX_REFUSED:
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
                filesystem.sync(self.folder)
                done += 1
            self._refused = self._refused.intersection(self.names()) | refused | behind
        if crash:
            raise crash
        return done

    def _in_turn(self) -> list[str]:
        """Of a report with an entry that was refused, all come after the others, and in their order."""
        last = set(map(_report, self._refused))
        return sorted(self.names(), key=lambda name: (_report(name) in last, name))

    def _read(self, name: str) -> SpoolEntry | None:
        """None: it is torn, or of another key."""
        data = (self.folder / name).read_bytes()
        try:
            return SpoolEntry.decode(self._cipher.open("spool", name.encode(), data))
        except (DecryptError, ValueError, KeyError, TypeError):
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
    return int(name[58:].removesuffix(ENTRY_SUFFIX).partition("-")[0])


def _is_send(name: str) -> bool:
    return "-" in name[58:]


def _report(name: str) -> str:
    return name[20:58]


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0  # drained in the meantime
