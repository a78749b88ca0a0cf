"""Deliveries about which a person may have to be told, and the mark that somebody was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, exists, func, insert, or_, select, update

from reports.store import tables as t
from reports.store.database import Database
from reports.store.filing import audit_row


@dataclass(frozen=True, slots=True)
class Untold:
    """A delivery that did not get through. Times in microseconds; `since_told` None: nobody was told."""

    delivery_id: str
    report_id: str
    hotline: str
    priority: str
    state: str
    last_class: str
    attempt: int
    waited: int
    since_told: int | None
    report_state: str


def untold(database: Database, shortest_wait: int, classes: Sequence[str], at_most: int = 500) -> list[Untold]:
    """Rows that may have to be told of: late, refused, parked, or with a failure of one of these classes."""
    d, r = t.delivery.c, t.report.c
    now = database.now_sql()
    late = or_(d.created_at <= now - shortest_wait, d.last_class.in_(classes))
    columns = (d.delivery_id, d.report_id, d.hotline, d.priority, d.state, func.coalesce(d.last_class, ""), d.attempt)
    query = (
        select(*columns, now - d.created_at, now - d.told_at, r.state)
        .join_from(t.delivery, t.report, r.report_id == d.report_id)
        .where(or_(and_(d.state == "due", late), d.state.in_(("refused", "parked"))))
        .order_by(d.priority, d.created_at)
        .limit(at_most)
    )
    with database.read() as connection:
        return [Untold(*row) for row in connection.execute(query)]


def nobody_for(database: Database, at_most: int = 100) -> list[tuple[str, str]]:
    """(report_id, priority) of reports that no hotline could be given at all: there is no delivery to tell of."""
    d, r = t.delivery.c, t.report.c
    query = select(r.report_id, r.priority).where(
        r.state == "needs_person", ~exists().where(d.report_id == r.report_id)
    )
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query.order_by(r.priority).limit(at_most))]


def mark_told(database: Database, delivery_ids: Sequence[str]) -> None:
    """Only after a channel accepted the message."""
    d = t.delivery.c
    now = database.now()
    with database.write() as connection:
        told = update(t.delivery).where(d.delivery_id.in_(delivery_ids)).values(told_at=database.now_sql())
        connection.execute(told)
        connection.execute(insert(t.audit), [audit_row("clock", "told", one, now) for one in delivery_ids])
