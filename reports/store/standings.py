"""Keeps `report.state` and `report.desk` in step with its deliveries, within the transaction that moved one."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update

from reports.state import Sending, standing
from reports.store import tables as t
from reports.store.deliveries import THE_REPORT
from reports.store.routed import counts

ROLES = ("primary", "also", "fallback")


def settle(connection: Connection, report_id: str, now: int) -> None:
    """Work the state out anew. The report's row is locked first, so that two who settle at once see each other.

    `now`: by the clock of whoever moved the delivery; how long the report is kept counts from it.
    """
    r, d = t.report.c, t.delivery.c
    connection.execute(select(r.report_id).where(r.report_id == report_id).with_for_update())
    rows = connection.execute(
        select(d.hotline, d.role, d.state, d.handling)
        .where(d.report_id == report_id, d.type.in_(THE_REPORT), counts(d))
        .order_by(d.created_at, d.delivery_id)
    )
    sendings = sorted((Sending(*row) for row in rows), key=lambda s: ROLES.index(s.role))
    found = standing(sendings)
    closed_at = func.coalesce(r.closed_at, now) if found.state == "closed" else None
    values = {"state": found.state, "desk": found.desk, "changed_at": now, "closed_at": closed_at}
    connection.execute(update(t.report).where(r.report_id == report_id).values(values))
