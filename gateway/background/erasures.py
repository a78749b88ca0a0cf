"""Apply the journal of erasures again, so that a restored backup does not undo them.

Web does this before anything else, each time it starts. Every step is idempotent: without a restore nothing changes.
"""

from __future__ import annotations

from contextlib import suppress

import structlog

from gateway.conversation.mailbox import JOURNALED, ReporterMailbox
from reports.retention.erasure_journal import Erasure, ErasureJournal
from reports.store import submissions
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes.correspondence import MailboxClosed
from reports.store.operations import spool_status
from reports.store.sms import opt_outs
from runtime.time_units import MINUTE

SAID = {journaled: kind for kind, journaled in JOURNALED.items()}
MARGIN = 5 * MINUTE  # two processes of a host may write at the same time

log = structlog.get_logger()


class ErasureReplay:
    def __init__(self, database: Database, journal: ErasureJournal, mailroom: ReporterMailbox, host: str) -> None:
        self._database = database
        self._journal = journal
        self._mailroom = mailroom
        self._host = host
        self.is_done = False

    def reapply(self) -> None:
        """Apply what the journal has from shortly before the database last heard of this host. Raises
        DatabaseUnavailable.

        A restored database last heard of it before the backup. One that never did gets the whole journal.
        """
        if self.is_done:
            return
        seen_at = spool_status.last_seen(self._database, self._host)
        is_usable = seen_at is not None and seen_at <= self._database.now()  # the time may have been set back since
        try:
            erasures = self._journal.since(seen_at - MARGIN if seen_at is not None and is_usable else 0)
        except OSError as error:
            log.warning("erasures_not_applied", **{"class": type(error).__name__})
            self.is_done = True  # by this process: it goes on for those who call now
            return
        started = {key for one in erasures if one.kind == "start" for key in one.keys}
        for index, one in enumerate(erasures):
            later = erasures[index + 1 :] if started.intersection(one.keys) else ()
            if one.kind == "stop" and any(o.kind == "start" and set(o.keys) & set(one.keys) for o in later):
                continue  # START came after this STOP
            try:
                self._apply(one)
            except DatabaseUnavailable:
                raise
            except Exception:  # one line that cannot be applied must not hold up the others
                log.exception("crashed")
        self.is_done = True
        log.info("erasures_applied", count=len(erasures))

    def forget(self) -> None:
        """Delete the part of the journal that is older than every backup."""
        with suppress(OSError):
            self._journal.delete_expired()

    def _apply(self, one: Erasure) -> None:
        keys = [bytes.fromhex(key) for key in one.keys]
        if one.kind == "draft":
            submissions.cancel_pending(self._database, keys[0], one.report_id, up_to=one.revision)
        elif one.kind == "stop":
            opt_outs.add(self._database, keys[0])
        elif one.kind == "start":
            opt_outs.remove(self._database, keys)
        else:
            self._end(one)

    def _end(self, one: Erasure) -> None:
        """Delete the report, or withdraw contact."""
        if one.kind == "report":  # the draft that it was sent from may be back as well
            submissions.cancel_pending(self._database, b"", one.report_id)
        with suppress(MailboxClosed):
            self._mailroom.say_again(one.report_id, one.message_id, SAID[one.kind])
