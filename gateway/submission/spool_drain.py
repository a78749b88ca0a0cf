"""What comes out of the spool is filed when the database is back, whatever was filed in the meantime."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from gateway.sms.opt_outs import START, STOP
from reports.store import submissions
from reports.store import submissions as store
from reports.store.engine.database import Database
from reports.store.sms import opt_outs
from reports.store.spool import CANCEL_KINDS, SUBMIT_KINDS, SpoolEntry


def file_late(database: Database, entry: SpoolEntry) -> None:
    """An entry of the spool. Raises DatabaseUnavailable."""
    filing, box = entry.filing, entry.mailbox
    if entry.kind in CANCEL_KINDS:
        submissions.cancel_pending(database, filing.origin_key, filing.report_id, up_to=filing.revision)
        return
    if entry.kind == STOP:
        opt_outs.add(database, filing.origin_key)
        return
    if entry.kind == START:
        opt_outs.remove(database, [filing.origin_key])
        return
    if entry.kind in SUBMIT_KINDS:
        filed = store.commit(database, filing, box, unsent=entry.kind == "anew")
        done = filed.completeness == "complete" and not filed.late and (entry.kind == "sent" or filed.own)
        if not (filed.fresh or done) and filed.report_id != filing.report_id:
            # Taken up again from a draft that Redis kept while another Send of that call was filed without it.
            own = hashlib.sha256(filing.origin_key + filing.report_id.encode()).digest()
            filed = store.commit(database, replace(filing, origin_key=own))
        if filed.fresh or done:
            return
    kind = "update" if entry.kind in SUBMIT_KINDS else entry.kind
    submissions.schedule_from_spool(database, filing, kind, entry.due_at)
