"""A line of the audit: who did what to which id. The clock numbers and chains it later."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from reports.store import tables as t
from reports.store.ids import new_id

_NEW = insert(t.audit)


def note(connection: Connection, actor: str, act: str, object_id: str, at: int) -> None:
    """In the transaction of what was done, so that there is never the one without the other."""
    connection.execute(_NEW, audit_row(actor, act, object_id, at))


def audit_row(actor: str, act: str, object_id: str, at: int) -> dict[str, str | int]:
    """For who inserts many at once."""
    return {"audit_id": new_id(at), "at": at, "actor": actor, "act": act, "object_id": object_id}
