"""Keeps `report.state` and `report.desk` in step with its deliveries, within the transaction that moved one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, Update, bindparam, case, func, select, update

from reports.state import Sending, standing
from reports.store import tables as t
from reports.store.deliveries import THE_REPORT
from reports.store.routed import counts

ROLES = ("primary", "also", "fallback")


def settle(connection: Connection, report_id: str, now: int) -> None:
    """Work the state out anew. The report's row is locked first, so that two who settle at once see each other.

    `now`: by the clock of whoever moved the delivery; how long the report is kept counts from it.
    """
    connection.execute(_LOCK, {"which": report_id})
    rows = connection.execute(_SENDINGS, {"which": report_id})
    sendings = sorted((Sending(*row) for row in rows), key=lambda s: ROLES.index(s.role))
    found = standing(sendings)
    connection.execute(_KEEP, {"which": report_id, "state": found.state, "desk": found.desk, "changed_at": now})


def _sendings() -> Select[Any]:
    d = t.delivery.c
    its = select(d.hotline, d.role, d.state, d.handling).where(d.report_id == bindparam("which"))
    return its.where(d.type.in_(THE_REPORT), counts(d)).order_by(d.created_at, d.delivery_id)


def _keep() -> Update:
    r = t.report.c
    state, desk, now = (bindparam(name, type_=r[name].type) for name in ("state", "desk", "changed_at"))
    closed_at = case((state == "closed", func.coalesce(r.closed_at, now)), else_=None)
    its = update(t.report).where(r.report_id == bindparam("which"))
    return its.values(state=state, desk=desk, changed_at=now, closed_at=closed_at)


_LOCK = select(t.report.c.report_id).where(t.report.c.report_id == bindparam("which")).with_for_update()
_SENDINGS, _KEEP = _sendings(), _keep()
