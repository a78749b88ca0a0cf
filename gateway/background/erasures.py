"""Apply the erasure journal again, so that a restored backup does not undo deletions.

`web` does this first each time it starts, and when its database turns out to be an older one. Every step is idempotent:
without a restore nothing changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import structlog

from gateway.conversation.mailbox import JOURNALED, ReporterMailbox
from reports.erasure_journal import Erasure, ErasureJournal, JournalReading
from reports.store import pending_submissions, tombstones
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.mailboxes.correspondence import MailboxClosed
from reports.store.operations import spool_status
from reports.store.row_isolation import process_each
from reports.store.sms import opt_outs
from runtime.time_units import HOUR

MESSAGE_KINDS = {journaled: kind for kind, journaled in JOURNALED.items()}
RETRY_SECONDS = 60  # until a journal with a file that cannot be read is read again: a large one takes seconds
MARGIN = HOUR  # the times are by the clocks of several hosts and of the database

log = structlog.get_logger()


class ErasureReplay:
    """Replay the erasure journal of this host, once in each process and after each restore under it."""

    def __init__(
        self, database: Database, journal: ErasureJournal, reporter_mailbox: ReporterMailbox, host: str
    ) -> None:
        self._database = database
        self._journal = journal
        self._reporter_mailbox = reporter_mailbox
        self._host = host
        self._settled: set[Erasure] = set()  # applied, or failed
        self._failed: set[Erasure] = set()
        self._retry_at = 0.0
        self.is_done = False

    def reapply(self) -> None:
        """Apply the journal. Raises DatabaseUnavailable.

        If the database has the status that this host saved last, it is no older one: only what was recorded from
        shortly before is applied. In every other case the whole journal is, whatever the times in it are.

        While a file cannot be read, the others are applied, and the replay is not done: a call a minute later tries
        again. A START waits for that: the file may hold a later STOP. A line that was applied, or that failed, is not
        tried again. Until the replay is done the status must not be saved, or the time from which to apply would be
        lost.
        """
        if self.is_done or time.monotonic() < self._retry_at:
            return
        seen_at = spool_status.last_seen(self._database, self._host)
        is_same = seen_at is not None and self._journal.is_last_status(seen_at)
        reading = self._journal.since(seen_at - MARGIN if seen_at is not None and is_same else 0)
        due = [
            erasure
            for erasure in _in_force(reading, self._database.now())
            if erasure not in self._settled and (reading.fault is None or erasure.kind != "start")
        ]
        process_each("erasures", due, self._settle, on_fault=self._fail)
        if reading.fault is not None:
            log.warning("erasures_not_applied", **{"class": type(reading.fault).__name__})
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return
        self.is_done = True
        if lost := len(self._failed) + reading.damaged:
            log.error("erasures_failed", count=lost)
        log.info("erasures_applied", count=len(reading.erasures) - len(self._failed))
        self._settled.clear()
        self._failed.clear()

    def repeat(self) -> None:
        """Apply the journal once more, as after a start: the database has become an older one."""
        self._retry_at = 0.0
        self.is_done = False

    def save_status_time(self, seen_at: int | None) -> None:
        """Remember the status that this host has saved, to recognise the database by it after a restart."""
        if seen_at is not None:
            self._journal.save_status_time(seen_at)

    def _settle(self, erasure: Erasure) -> None:
        self._apply(erasure)
        self._settled.add(erasure)

    def _fail(self, erasure: Erasure) -> None:
        self._settled.add(erasure)
        self._failed.add(erasure)

    def delete_expired(self) -> None:
        """Delete journal entries that are older than every backup."""
        with suppress(OSError):
            self._journal.delete_expired()

    def _apply(self, erasure: Erasure) -> None:
        keys = [bytes.fromhex(key) for key in erasure.keys]
        if erasure.kind == "draft":
            up_to = erasure.revision
            pending_submissions.cancel_pending(
                self._database,
                keys[0],
                erasure.report_id,
                up_to=up_to,
                tombstone_up_to=up_to,
                with_sends=erasure.with_sends,
            )
        elif erasure.kind == "stop":
            opt_outs.add(self._database, keys[0])
        elif erasure.kind == "start":
            opt_outs.remove(self._database, keys, before=erasure.at)
        else:
            self._repeat_erasure(erasure)

    def _repeat_erasure(self, erasure: Erasure) -> None:
        """Send a deletion request or a withdrawal of contact again. A deletion also cancels the pending revision.

        The report may be in the spool of another host and not in the database, so its tombstone covers each Send, too.
        The database knows it by its message. One that no hotline could open has none, so such a withdrawal is left out
        if the reporter has changed contact since.
        """
        if (erasure.kind == "contact" and erasure.has_no_message) and correspondence.is_contact_changed_since(
            self._database, erasure.report_id, erasure.at
        ):
            return
        if erasure.kind == "report":  # the draft it was sent from may have been restored as well
            ids = b"", erasure.report_id
            pending_submissions.cancel_pending(
                self._database, *ids, tombstone_up_to=tombstones.ALL_REVISIONS, with_sends=True
            )
        with suppress(MailboxClosed):
            self._reporter_mailbox.resend_message(erasure.report_id, erasure.message_id, MESSAGE_KINDS[erasure.kind])


def _in_force(reading: JournalReading, now: int) -> list[Erasure]:
    """Return the erasures without each STOP and START that a later one of the same number replaces.

    Those of one host are in their order, whatever its clock was. Of two hosts a START counts only if it is later by
    more than their clocks may differ. A START from a time that has not come never counts: the clock was ahead, and a
    STOP may have followed.
    """
    last = [erasure for erasures in reading.by_host.values() for erasure in _last_of_each_number(erasures, now)]
    stopped_at: dict[str, int] = {}
    for stop in (erasure for erasure in last if erasure.kind == "stop"):
        stopped_at |= {key: max(stop.at, stopped_at.get(key, 0)) for key in stop.keys}
    starts = {
        erasure
        for erasure in last
        if erasure.kind == "start" and all(stopped_at.get(key, 0) < erasure.at - MARGIN for key in erasure.keys)
    }
    started = {key for start in starts for key in start.keys}
    stops = {erasure for erasure in last if erasure.kind == "stop" and started.isdisjoint(erasure.keys)}
    return [
        erasure
        for erasure in reading.erasures
        if erasure.kind not in ("stop", "start") or erasure in stops or erasure in starts
    ]


def _last_of_each_number(erasures: Sequence[Erasure], now: int) -> Iterator[Erasure]:
    """Yield the last STOP or START of each number. `erasures`: of one host, in their order."""
    seen: set[str] = set()
    for erasure in reversed(erasures):
        if erasure.kind == "stop" or (erasure.kind == "start" and erasure.at <= now):
            if seen.isdisjoint(erasure.keys):
                yield erasure
            seen.update(erasure.keys)
