"""Copy the entries of this host's spool to Redis, sealed as they are, so that another host can submit them.

"Sent" depends on the disk alone: nothing waits for a copy, and while Redis is unavailable none is made. A copy is
deleted once any host has submitted its entry, and expires. An entry that two hosts submit is stored once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from reports.crypto import DecryptError, RecordCipher
from reports.store.spool import MAX_REFUSED, REPLACING_KINDS, EntryName, SpoolEntry, open_entry
from runtime.time_units import HOUR_SECONDS

KEY = "l:spool"  # a hash: name of the entry → the entry, sealed
KEEP_SECONDS = 48 * HOUR_SECONDS  # after the last copy was added
MAX_COPIES = 2_000  # a Redis that is full of copies could store no sessions
MAX_COPY_BYTES = 64 << 10
RETRY_SECONDS = 5
# A host submits its entries within 5 s once the database is back. Another one begins later, to save double work.
OWN_HOST_SECONDS = 15

log = structlog.get_logger()


class SpoolCopies:
    """The copies in Redis of the spools of all hosts. `folder` is this host's spool; `count` counts failures."""

    def __init__(self, redis: Redis, folder: Path, cipher: RecordCipher, count: Callable[[str], None]) -> None:
        self._redis: Any = redis
        self._folder = folder
        self._cipher = cipher
        self._count = count
        self._lock = threading.Condition()
        self._waiting: dict[str, bool] = {}  # name → whether to add its copy, or to delete it
        self._is_stopping = False
        self._first_seen: dict[str, float] = {}  # monotonic seconds
        self._last: set[str] = set()  # ids of reports that were refused; they are tried after all others
        self._thread = threading.Thread(target=self._run, name="spool copies", daemon=True)

    def start(self, names: Iterable[str]) -> None:
        """Start the thread. `names`: of the entries that are in the spool already."""
        with self._lock:
            self._waiting = dict.fromkeys(names, True) | self._waiting
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and close the connections. Copies stay."""
        with self._lock:
            self._is_stopping = True
            self._lock.notify()
        if self._thread.ident:
            self._thread.join(RETRY_SECONDS)
        self._redis.close()

    def add(self, name: str) -> None:
        """Copy an entry soon. Neither blocks nor raises, because a reporter waits for the answer."""
        self._note(name, is_stored=True)

    def remove(self, name: str) -> None:
        """Delete the copy of an entry soon. Neither blocks nor raises."""
        self._note(name, is_stored=False)

    def _note(self, name: str, *, is_stored: bool) -> None:
        with self._lock:
            self._waiting[name] = is_stored
            self._lock.notify()

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._waiting or self._is_stopping)
                if self._is_stopping:
                    return
            if not self.sync():
                with self._lock:
                    self._lock.wait_for(lambda: self._is_stopping, RETRY_SECONDS)

    def sync(self) -> bool:
        """Add and delete the waiting copies. Returns False if Redis did not answer; then they wait for the next try."""
        with self._lock:
            batch, self._waiting = self._waiting, {}
        try:
            self._delete([name for name, is_stored in batch.items() if not is_stored])
            self._add([name for name, is_stored in batch.items() if is_stored])
        except RedisError:
            with self._lock:
                self._waiting = batch | self._waiting
            return False
        return True

    def _add(self, names: Sequence[str]) -> None:
        free_slots = MAX_COPIES - int(self._redis.hlen(KEY)) if names else 0
        for name in names:
            with suppress(OSError):  # submitted in the meantime, or a disk error, which is reported elsewhere
                sealed = (self._folder / name).read_bytes()
                if free_slots <= 0 or len(sealed) > MAX_COPY_BYTES:
                    self._count("spool_copies_refused")
                    continue
                self._redis.hset(KEY, name, sealed)
                self._redis.pexpire(KEY, KEEP_SECONDS * 1000)
                free_slots -= 1

    def _delete(self, names: Sequence[str]) -> None:
        if names:
            self._redis.hdel(KEY, *names)

    # Entries of other hosts

    def submit(self, submit: Callable[[SpoolEntry], None]) -> int:
        """Call `submit` with each copied entry that its own host has not submitted; return how many were submitted.

        Only one process of all hosts does this at a time. An entry for which `submit` raises stays, and comes last in
        the next round; `MAX_REFUSED` such reports end this round. Without Redis nothing happens.
        """
        submitted = refused = 0
        try:
            for report_id, names in self._due():
                try:
                    submitted += self._submit_report(names, submit)
                    self._last.discard(report_id)
                except RedisError:
                    raise
                except Exception as error:  # a report that cannot be stored must not block the others
                    self._last.add(report_id)
                    log.warning("spool_not_drained", **{"class": type(error).__name__}, count=len(names))
                    refused += 1
                    if refused == MAX_REFUSED:
                        break
        except RedisError:
            pass
        return submitted

    def _due(self) -> list[tuple[str, list[EntryName]]]:
        """Return the names of other hosts' copies that are due, by report, oldest first. Raises RedisError."""
        now = time.monotonic()
        names = sorted(name.decode(errors="replace") for name in self._redis.hkeys(KEY))
        self._first_seen = {name: self._first_seen.get(name, now) for name in names}
        waited = [name for name in names if now - self._first_seen[name] >= OWN_HOST_SECONDS]
        due = [EntryName.parse(name) for name in waited if not (self._folder / name).exists()]
        due.sort(key=lambda name: name.report_id)  # stable: those of one report stay in order
        reports = [(report_id, list(group)) for report_id, group in groupby(due, key=lambda name: name.report_id)]
        return sorted(reports, key=lambda report: (report[0] in self._last, report[1][0].text))

    def _submit_report(self, names: Sequence[EntryName], submit: Callable[[SpoolEntry], None]) -> int:
        """Submit the copied entries of one report, without those that a later one replaces, and delete the copies."""
        entries = [(name, entry) for name in names if (entry := self._open(name))]
        for name, entry in entries:
            if not any(later.supersedes(name, sends=replacing.kind in REPLACING_KINDS) for later, replacing in entries):
                submit(entry)
        self._delete([name.text for name, _ in entries])
        return len(entries)

    def _open(self, name: EntryName) -> SpoolEntry | None:
        """Return a copied entry; None if it was submitted meanwhile, or does not open: then it stays, and expires."""
        sealed = self._redis.hget(KEY, name.text)
        try:
            return open_entry(self._cipher, name.text, sealed) if sealed else None
        except (DecryptError, ValueError, KeyError, TypeError):
            return None
