"""Tombstones: what reporters deleted, so that an entry of a spool that is submitted later does not bring it back.

A host that was unavailable may have an entry of a draft, an addition or an unconfirmed report that its reporter has
deleted through another host since. Each submission from a spool checks the tombstones first, in the same transaction.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, case, exists, literal, or_, select, update

from reports.store.engine.database import Database
from reports.store.schema import tables as t

ALL_REVISIONS = 2**31 - 1


def lock(database: Database, connection: Connection, report_id: str) -> None:
    """Lock a report, so that its deletion and the submission of its spooled entries do not run at the same time."""
    database.lock_until_commit(connection, f"deleted {report_id}")


def add(
    database: Database, connection: Connection, report_id: str, origin_key: bytes, up_to: int, *, with_sends: bool
) -> None:
    """Record that the revisions of a report up to `up_to` were deleted. Call `lock` before.

    `origin_key`: of the session, or b"". `with_sends`: also a Send that the reporter saw as NOT SENT, which has a lower
    revision; a confirmed one may have the same, and stays.
    """
    c = t.tombstone.c
    row = {"report_id": report_id, "origin_key": origin_key, "up_to": up_to, "with_sends": int(with_sends)}
    row["at"] = database.now()
    if not connection.execute(database.insert_or_ignore(t.tombstone), row).rowcount:
        highest = case((c.up_to < up_to, literal(up_to)), else_=c.up_to)
        any_sends = case((c.with_sends < int(with_sends), literal(int(with_sends))), else_=c.with_sends)
        widened = update(t.tombstone).where(c.report_id == report_id)
        connection.execute(widened.values(up_to=highest, with_sends=any_sends, at=row["at"]))


def covers(connection: Connection, report_id: str, origin_key: bytes, revision: int, *, is_send: bool) -> bool:
    """Return whether this revision was deleted by its reporter, or its report was purged. Call `lock` before."""
    c = t.tombstone.c
    is_same = or_(c.report_id == report_id, c.origin_key == origin_key)
    is_deleted = and_(is_same, c.up_to > revision, c.with_sends == 1) if is_send else and_(is_same, c.up_to >= revision)
    is_purged = select(t.purged.c.report_id).where(t.purged.c.report_id == report_id)
    query = select(or_(exists(select(c.report_id).where(is_deleted)), exists(is_purged)))
    return bool(connection.execute(query).scalar())


def delete_old(database: Database, older: int) -> int:
    """Delete tombstones older than `older` microseconds, and return how many."""
    is_old = t.tombstone.c.at < database.now() - older
    return database.delete_any(t.tombstone, is_old)
