"""What a delivery is, and a new row of the outbox."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from reports.case_state import RecipientState, derive_case_state
from reports.store.schema import tables as t
from reports.store.schema.base import new_id

REPORT_TYPES = ("created", "unread")  # types that bring a hotline the report; the others bring what follows it
UNDELIVERED = ("due", "refused", "parked")  # states in which the hotline does not have it and it is not cancelled


def new_delivery(
    report_id: str, hotline: str, *, kind: str, revision: int, priority: str, now: int
) -> dict[str, object]:
    """A row of `delivery` that is due at once; role and why are the caller's."""
    return {
        "delivery_id": new_id(now),
        "report_id": report_id,
        "hotline": hotline,
        "type": kind,
        "revision": revision,
        "priority": priority,
        "state": "due",
        "handling": "none",
        "attempt": 0,
        "next_at": now,
        "created_at": now,
    }


# Who counts for a report: the hotlines of its latest route, whom the reporter saw when they last pressed Send.


def is_on_latest_route(delivery: Any) -> ColumnElement[bool]:
    """Whether the hotline of `delivery` (its columns) is on the latest route. Who was left out since may have the
    report in hand, and nobody else is spared it. Where there is no route, everybody counts.
    """
    w, newer, any_ = (t.route.alias(name).c for name in ("routed", "newer_route", "any_route"))
    is_latest = ~exists(select(newer.revision).where(newer.report_id == w.report_id, newer.revision > w.revision))
    on_it = and_(w.report_id == delivery.report_id, w.hotline == delivery.hotline, is_latest)
    has_none = ~exists(select(any_.report_id).where(any_.report_id == delivery.report_id))
    return or_(exists(select(w.hotline).where(on_it)), has_none)


# Keeps `report.state` and `report.desk` in step with its deliveries, within the transaction that moved one.

ROLE_ORDER = ("primary", "also", "fallback")


def update_report_state(connection: Connection, report_id: str, now: int) -> None:
    """Work the state out anew. The report's row is locked first, so that two who settle at once see each other.

    `now`: by the clock of whoever moved the delivery; how long the report is kept counts from it.
    """
    connection.execute(_LOCK, {"which": report_id})
    rows = connection.execute(_SENDINGS, {"which": report_id})
    sendings = sorted((RecipientState(*row) for row in rows), key=lambda s: ROLE_ORDER.index(s.role))
    found = derive_case_state(sendings)
    connection.execute(_KEEP, {"which": report_id, "state": found.state, "desk": found.desk, "changed_at": now})


def _sendings() -> Select[Any]:
    d = t.delivery.c
    its = select(d.hotline, d.role, d.state, d.handling).where(d.report_id == bindparam("which"))
    return its.where(d.type.in_(REPORT_TYPES), is_on_latest_route(d)).order_by(d.created_at, d.delivery_id)


def _keep() -> Update:
    r = t.report.c
    state, desk, now = (bindparam(name, type_=r[name].type) for name in ("state", "desk", "changed_at"))
    closed_at = case((state == "closed", func.coalesce(r.closed_at, now)), else_=None)
    its = update(t.report).where(r.report_id == bindparam("which"))
    return its.values(state=state, desk=desk, changed_at=now, closed_at=closed_at)


_LOCK = select(t.report.c.report_id).where(t.report.c.report_id == bindparam("which")).with_for_update()
_SENDINGS, _KEEP = _sendings(), _keep()
