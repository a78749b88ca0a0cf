"""Reports that staff enter: taken by telephone, or from a person who came to the hotline.

The console writes a pending revision, sealed to its own hotline, and the scheduler stores the report within a second.
So the console needs no right to read reports, nor to create a report or a delivery: the scheduler stores such a
revision only as a new report.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, select, update

from reports.escalation import PendingKind
from reports.store import audit_log
from reports.store.cases import case_status
from reports.store.cases.case_status import CaseRef
from reports.store.engine.database import Database
from reports.store.idempotency_keys import claim_key, was_key_used
from reports.store.privileges.row_security import read_as, write_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account
from reports.store.submissions import Submission, pending_rows


def enter(
    database: Database,
    account: Account,
    submission: Submission,
    *,
    key: bytes,
    code: bytes | None,
    is_taken: bool,
) -> bool:
    """Store an entered report for the scheduler, with its audit entry. Return False if the form was sent before.

    Args:
        submission: sealed to the person's own hotline, and to no other.
        key: the idempotency key of the form.
        code: access code and PIN, sealed to web; None if the reporter gets none.
        is_taken: this person acknowledges the report by entering it; nobody does if their account has ended meanwhile.
    """
    [row] = pending_rows(submission, PendingKind.STAFF)
    row |= {"taker": None, "code": code, "due_at": database.now_sql()}
    case_ref = CaseRef(account.hotline, submission.report_id, account.actor)
    with write_as(database, account.hotline) as connection:
        if not claim_key(connection, database, key):
            return False
        if code is not None:
            claim_key(connection, database, _code_key(key))
        if is_taken and case_status.may_hold(connection, case_ref, account.name):
            row["taker"] = account.actor
        connection.execute(database.insert_or_ignore(t.pending).values(**row))
        audit_log.append(connection, account.actor, "entered", submission.report_id, database.now())
        return True


def give_up(connection: Connection, account: Account) -> None:
    """Let nobody take the reports that this person has entered and that the scheduler has yet to store."""
    p = t.pending.c
    is_own = (p.kind == PendingKind.STAFF, p.recipient == account.hotline, p.taker == account.actor)
    connection.execute(update(t.pending).where(*is_own).values(taker=None))


def has_code(database: Database, key: bytes) -> bool:
    """Return whether the report of this form was stored with a code; a form that is sent again gets no other answer."""
    return was_key_used(database, _code_key(key))


def entered_at(database: Database, account: Account, report_id: str) -> int:
    """Return when this person entered a report, in microseconds; 0 if they did not."""
    a = t.audit.c
    query = select(a.at).where(a.actor == account.actor, a.act == "entered", a.object_id == report_id)
    with read_as(database, account.hotline) as connection:
        return connection.execute(query).scalar() or 0


def _code_key(key: bytes) -> bytes:
    return hashlib.sha256(key + b"code").digest()
