"""Drafts of messages and notes that staff have not sent, sealed to their hotline.

A draft is valid for as long as a login can last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, get_args

from sqlalchemy import Connection, delete, insert, select

from reports.store.cases.case_actions import DraftKind, SealedNote
from reports.store.engine.database import Database
from reports.store.idempotency_keys import claim_key, key_exists
from reports.store.privileges.row_security import read_as, write_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account
from runtime.time_units import HOUR

LIFETIME = 10 * HOUR  # the longest that a session lasts
MESSAGE: Final = "message"
NOTE: Final = "note"
CLOSING: Final = "closing"
PASSING: Final = "passing"
REFERRAL: Final = "referral"
ENTRY: Final = "entry"
HANDOVER: Final = "handover"
REPLIES: Final = "replies"
DRAFT_KINDS: tuple[DraftKind, ...] = get_args(DraftKind)


def save(database: Database, account: Account, sealed: SealedNote, page: bytes | None = None) -> None:
    """Save a draft; it replaces the same person's draft of the same kind for the same report.

    `page`: key of the page and the field that it comes from. A page that has sent its text saves no draft of it any
    more: what a script had saved before may arrive after Send.
    """
    with write_as(database, account.hotline) as connection:
        _lock(connection, account)
        if page is not None and key_exists(connection, page):
            return
        connection.execute(delete(t.draft).where(*_own_drafts(account, sealed.report_id, (sealed.kind,))))
        row = asdict(sealed) | {"staff_id": account.staff_id, "saved_at": database.now()}
        connection.execute(insert(t.draft), row)


def discard(database: Database, account: Account, report_id: str, kind: DraftKind, page: bytes | None = None) -> None:
    """Delete this person's draft of a kind for a report. `page`: key of the page that has sent it; see `save`."""
    with write_as(database, account.hotline) as connection:
        _lock(connection, account)
        claim_key(connection, database, page)
        connection.execute(delete(t.draft).where(*_own_drafts(account, report_id, (kind,))))


def _lock(connection: Connection, account: Account) -> None:
    """Let one of the person's drafts be saved or discarded at a time, so that neither overtakes the other."""
    connection.execute(select(t.staff.c.staff_id).where(t.staff.c.staff_id == account.staff_id).with_for_update())


def list_drafts(database: Database, account: Account, report_id: str) -> Sequence[Any]:
    """Return the rows of this person's drafts for a report; the caller has checked that they may read it."""
    is_recent = t.draft.c.saved_at > database.now() - LIFETIME
    with read_as(database, account.hotline) as connection:
        return connection.execute(select(t.draft).where(*_own_drafts(account, report_id, DRAFT_KINDS), is_recent)).all()


def delete_old(database: Database) -> None:
    """Delete drafts that no session can show any more. The scheduler calls this."""
    is_old = t.draft.c.saved_at < database.now_sql() - LIFETIME
    database.delete_any(t.draft, is_old)


def _own_drafts(account: Account, report_id: str, kinds: Sequence[str]) -> tuple[Any, ...]:
    d = t.draft.c
    return d.staff_id == account.staff_id, d.report_id == report_id, d.kind.in_(kinds)
