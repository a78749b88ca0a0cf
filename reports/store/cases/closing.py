"""Undo the closing of a report, and mark a report as a false report until a second person agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import update

from reports.case_state import ACTIVE, HANDLING_TRANSITIONS, Handling
from reports.store import audit_log, idempotency_keys, outbox
from reports.store.cases import case_status
from reports.store.cases.case_actions import SealedNote, TransitionNotAllowed, save_note
from reports.store.cases.case_status import CaseChange, CaseRef
from reports.store.deliveries import lock_report, reports_to
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as, reveal_report, write_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account
from runtime.time_units import MINUTE

UNDO_TIME: Final = 10 * MINUTE


class CannotUndo(Exception):
    """The report is not closed, somebody else closed it, or it was closed too long ago."""


def undo_until(database: Database, account: Account, report_id: str) -> int:
    """Return until when this person may undo the closing of a report, in microseconds; 0: they may not."""
    with read_as(database, account.hotline) as connection:
        rows = connection.execute(reports_to(account.hotline, report_id)).all()
        holding = case_status.load_holding(connection, account.hotline, report_id)
    return _undo_until(rows, holding, account, database.now())


def undo_close(database: Database, account: Account, report_id: str, key: bytes | None) -> None:
    """Restore the handling state that the report had before this person closed it; its deadlines run again.

    `key`: idempotency key of the form. Raises CannotUndo.
    """
    case_ref, now = CaseRef(account.hotline, report_id, account.actor), database.now()
    with write_as(database, account.hotline) as connection:
        lock_report(connection, report_id)
        if not idempotency_keys.claim_key(connection, database, key):
            return
        rows = connection.execute(reports_to(account.hotline, report_id)).all()
        holding = case_status.load_holding(connection, account.hotline, report_id)
        if not _undo_until(rows, holding, account, now):
            raise CannotUndo
        state = holding["closed_from"]
        holder = holding["holder"]
        # It waited for somebody when it was closed, or its holder cannot open it any more: this person holds it now.
        if state in ACTIVE and not case_status.may_hold(connection, case_ref, holder or ""):
            holder = account.name
        reveal_report(database, connection, report_id)
        for row in rows:
            statement = update(t.delivery).where(t.delivery.c.delivery_id == row.delivery_id)
            connection.execute(statement.values(handling=state))
            outbox.record_change(connection, row.delivery_id, report_id, act=state, actor=account.actor, now=now)
        values = {"outcome": None, "closed_from": None, "holder": holder}
        case_status.save_values(connection, database, account.hotline, report_id, values)
        # The entry has the same time as the state, so that the access log shows one act.
        audit_log.append(connection, account.actor, "close_undone", report_id, now)
        case_status.record_change(connection, database, case_ref)


def _undo_until(rows: Sequence[Any], holding: Mapping[str, Any], account: Account, now: int) -> int:
    if not rows or rows[-1].handling != Handling.CLOSED or holding["closed_from"] is None:
        return 0
    until = (holding["changed_at"] or 0) + UNDO_TIME
    return until if holding["changed_by"] == account.name and now < until else 0


def mark_as_hoax(
    database: Database, account: Account, report_id: str, why: SealedNote, key: bytes | None, *, status: str
) -> None:
    """Record that this person considers the report a hoax, and store their reason.

    `key`: idempotency key of the form. `status`: the key of the status that the page showed. Raises StatusConflict, and
    TransitionNotAllowed if the report cannot be closed or has a mark.
    """
    values = {"hoax_by": account.staff_id, "hoax_at": database.now()}
    _change_mark(database, account, report_id, CaseChange("hoax_said", values), key, status=status, why=why)


def withdraw_hoax(database: Database, account: Account, report_id: str, key: bytes | None, *, status: str) -> None:
    """Take back this person's own mark. Raises StatusConflict, and TransitionNotAllowed if there is no such mark."""
    change = CaseChange("hoax_withdrawn", {"hoax_by": None, "hoax_at": None})
    _change_mark(database, account, report_id, change, key, status=status)


def _change_mark(
    database: Database,
    account: Account,
    report_id: str,
    change: CaseChange,
    key: bytes | None,
    *,
    status: str,
    why: SealedNote | None = None,
) -> None:
    """Set the mark if there is none (with a reason), or remove this person's own."""
    case_ref = CaseRef(account.hotline, report_id, account.actor)
    with write_as(database, account.hotline) as connection:
        lock_report(connection, report_id)
        if not idempotency_keys.claim_key(connection, database, key):
            return
        handling = case_status.load_handling(connection, case_ref)
        case_status.check_unchanged(connection, database, case_ref, handling, status)
        expected_mark = None if why else account.staff_id
        may_close = Handling.CLOSED in HANDLING_TRANSITIONS[handling]
        if not may_close or case_status.load_hoax_mark(connection, case_ref) != expected_mark:
            raise TransitionNotAllowed(handling)
        if why:
            save_note(connection, why, account.actor, database.now())
        case_status.save_change(connection, database, case_ref, change)
