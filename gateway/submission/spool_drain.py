"""Submit the spool's entries once the database is available again, whatever was stored in the meantime."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from gateway.sms import START, STOP
from reports.escalation import PendingKind
from reports.facts import Completeness
from reports.store import pending_submissions, submissions
from reports.store.engine.database import Database
from reports.store.sms import opt_outs
from reports.store.spool import CANCEL_KINDS, REPLACING_KINDS, SUBMIT_KINDS, SpoolEntry


def submit_late(database: Database, entry: SpoolEntry) -> None:
    """Submit one entry of the spool. Raises DatabaseUnavailable."""
    submission, mailbox = entry.submission, entry.mailbox
    if entry.kind in CANCEL_KINDS:
        # After "drop" the session may go on, with revisions that are not higher where it had lost count.
        tombstone_up_to = submission.revision if entry.kind in REPLACING_KINDS else 0
        ids = submission.origin_key, submission.report_id
        pending_submissions.cancel_pending(
            database, *ids, up_to=submission.revision, tombstone_up_to=tombstone_up_to, with_sends=True
        )
        return
    if entry.kind == STOP:
        opt_outs.add(database, submission.origin_key, said_at=submission.created_at)
        return
    if entry.kind == START:
        opt_outs.remove(database, [submission.origin_key], before=submission.created_at)
        return
    if entry.kind in SUBMIT_KINDS:
        result = submissions.commit(database, submission, mailbox, unsent=entry.kind == "anew", from_spool=True)
        if result.is_deleted:
            return
        is_done = (
            result.completeness == Completeness.COMPLETE
            and not result.replaces_unsent
            and (entry.kind == "sent" or result.by_this_session)
        )
        if not (result.is_new or is_done) and result.report_id != submission.report_id:
            # The session continued a draft in Redis, while another Send of that call was submitted without that draft.
            derived_key = hashlib.sha256(submission.origin_key + submission.report_id.encode()).digest()
            result = submissions.commit(database, replace(submission, origin_key=derived_key), from_spool=True)
        if result.is_new or result.is_deleted or is_done:
            return
    kind = PendingKind.UPDATE if entry.kind in SUBMIT_KINDS else PendingKind(entry.kind)
    pending_submissions.schedule_from_spool(database, submission, kind, entry.due_at)
