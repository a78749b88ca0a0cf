"""What staff are writing about a report and have not sent, sealed to their hotline. It lasts as long as a login can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, insert, select

from reports.store.cases.case_actions import SealedNote
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as, write_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account
from runtime.time_units import HOUR

LIFETIME = 10 * HOUR  # as a session
MESSAGE, NOTE = KINDS = ("message", "note")


def save(database: Database, account: Account, sealed: SealedNote) -> None:
    """In the place of the draft of the same kind by the same person for the same report."""
    with write_as(database, account.hotline) as connection:
        connection.execute(delete(t.draft).where(*_mine(account, sealed.report_id, (sealed.kind,))))
        row = asdict(sealed) | {"staff_id": account.staff_id, "saved_at": database.now()}
        connection.execute(insert(t.draft), row)


def discard(database: Database, account: Account, report_id: str, *kinds: str) -> None:
    with write_as(database, account.hotline) as connection:
        connection.execute(delete(t.draft).where(*_mine(account, report_id, kinds)))


def list_drafts(database: Database, account: Account, report_id: str) -> Sequence[Any]:
    """The rows of this person's drafts for a report that is known to be theirs to read."""
    young = t.draft.c.saved_at > database.now() - LIFETIME
    with read_as(database, account.hotline) as connection:
        return connection.execute(select(t.draft).where(*_mine(account, report_id, KINDS), young)).all()


def delete_old(database: Database) -> None:
    """Delete what no session can still show. The clock's work."""
    old = t.draft.c.saved_at < database.now_sql() - LIFETIME
    with database.read() as connection:
        if connection.execute(select(t.draft.c.report_id).where(old).limit(1)).first() is None:
            return
    with database.write() as connection:
        connection.execute(delete(t.draft).where(old))


def _mine(account: Account, report_id: str, kinds: Sequence[str]) -> tuple[Any, ...]:
    d = t.draft.c
    return d.staff_id == account.staff_id, d.report_id == report_id, d.kind.in_(kinds)
