"""Apply the erasure journal again, so that a restored backup does not undo deletions.

`web` does this first each time it starts. Every step is idempotent: without a restore nothing changes.
"""

from __future__ import annotations

import time
from contextlib import suppress

import structlog

from gateway.conversation.mailbox import JOURNALED, ReporterMailbox
from reports.erasure_journal import Erasure, ErasureJournal
from reports.store import pending_submissions, tombstones
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes.correspondence import MailboxClosed
from reports.store.operations import spool_status
from reports.store.sms import opt_outs
from runtime.time_units import HOUR

SAID = {journaled: kind for kind, journaled in JOURNALED.items()}
WARN_SECONDS = 60  # between two warnings that a file cannot be read
MARGIN = HOUR  # the journal's times are by this host's clock, the status row's by the database's

log = structlog.get_logger()


class ErasureReplay:
    """Replay the erasure journal of this host once in each process."""

    def __init__(
        self, database: Database, journal: ErasureJournal, reporter_mailbox: ReporterMailbox, host: str
    ) -> None:
        self._database = database
        self._journal = journal
        self._reporter_mailbox = reporter_mailbox
        self._host = host
        self._applied: set[Erasure] = set()
        self._next_warning_at = 0.0
        self.is_done = False

    def reapply(self) -> None:
        """Apply the journal from shortly before this host last saved its spool's status. Raises DatabaseUnavailable.

        In a restored database that status is older than the backup, so nothing since then is left out. Without a status
        the whole journal is applied.

        While a file cannot be read, the others are applied, each line once, and the replay is not done: the next call
        tries again. Until it is done the status must not be saved, or the time from which to apply would be lost.
        """
        if self.is_done:
            return
        seen_at = spool_status.last_seen(self._database, self._host)
        is_usable = seen_at is not None and seen_at <= self._database.now()  # the clock may have been set back since
        reading = self._journal.since(seen_at - MARGIN if seen_at is not None and is_usable else 0)
        for erasure in _in_force(reading.erasures):
            if erasure in self._applied:
                continue
            try:
                self._apply(erasure)
            except DatabaseUnavailable:
                raise
            except Exception:  # an entry that cannot be applied must not block the others
                log.exception("crashed")
            self._applied.add(erasure)
        if reading.fault is not None:
            self._warn(reading.fault)
            return
        self.is_done = True
        self._applied.clear()
        log.info("erasures_applied", count=len(reading.erasures))

    def _warn(self, fault: OSError) -> None:
        if time.monotonic() >= self._next_warning_at:
            log.warning("erasures_not_applied", **{"class": type(fault).__name__})
            self._next_warning_at = time.monotonic() + WARN_SECONDS

    def forget(self) -> None:
        """Delete journal entries that are older than every backup."""
        with suppress(OSError):
            self._journal.delete_expired()

    def _apply(self, erasure: Erasure) -> None:
        keys = [bytes.fromhex(key) for key in erasure.keys]
        if erasure.kind == "draft":
            pending_submissions.cancel_pending(self._database, keys[0], erasure.report_id, up_to=erasure.revision)
        elif erasure.kind == "stop":
            opt_outs.add(self._database, keys[0])
        elif erasure.kind == "start":
            opt_outs.remove(self._database, keys)
        else:
            self._repeat_erasure(erasure)

    def _repeat_erasure(self, erasure: Erasure) -> None:
        """Send a deletion request or a withdrawal of contact again. A deletion also cancels the pending revision."""
        if erasure.kind == "report":  # the draft it was sent from may have been restored as well
            ids = b"", erasure.report_id
            pending_submissions.cancel_pending(self._database, *ids, buried=tombstones.ALL_REVISIONS)
        with suppress(MailboxClosed):
            self._reporter_mailbox.resend_message(erasure.report_id, erasure.message_id, SAID[erasure.kind])


def _in_force(erasures: list[Erasure]) -> list[Erasure]:
    """Return the erasures without each STOP and START that a later one of the same number replaces."""
    seen: set[str] = set()
    kept = []
    for erasure in reversed(erasures):
        if erasure.kind in ("stop", "start"):
            is_replaced = not seen.isdisjoint(erasure.keys)
            seen.update(erasure.keys)
            if is_replaced:
                continue
        kept.append(erasure)
    return kept[::-1]
