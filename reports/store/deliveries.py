"""Make rows of the outbox, and derive the state of a report from its deliveries."""

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

from reports.case_state import Handling, RecipientState, ReportState, derive_case_state
from reports.delivery import REPORT_TYPES, DeliveryState, DeliveryType, RecipientRole
from reports.escalation import Priority
from reports.store.schema import tables as t
from reports.store.schema.base import new_id


def new_delivery(
    report_id: str, hotline: str, *, kind: DeliveryType, revision: int, priority: Priority, now: int
) -> dict[str, object]:
    """Return a row of `delivery` that is due at once. The caller adds `role` and `why`. `now`: microseconds."""
    return {
        "delivery_id": new_id(now),
        "report_id": report_id,
        "hotline": hotline,
        "type": kind,
        "revision": revision,
        "priority": priority,
        "state": DeliveryState.DUE,
        "handling": Handling.NONE,
        "attempt": 0,
        "next_at": now,
        "created_at": now,
    }


_ROUTES = tuple(t.route.alias(name).c for name in ("routed", "newer_route", "any_route"))  # slow to build


def reports_to(hotline: str, report_id: str) -> Select[Any]:
    """Select the deliveries by which a hotline was given a report, the oldest first, without cancelled ones."""
    d = t.delivery.c
    query = select(d.delivery_id, d.report_id, d.handling, d.priority).where(d.report_id == report_id)
    query = query.where(d.hotline == hotline, d.type.in_(REPORT_TYPES), d.state != DeliveryState.CANCELLED)
    return query.order_by(d.created_at, d.delivery_id)


def is_on_latest_route(delivery: Any) -> ColumnElement[bool]:
    """Return whether the hotline of `delivery` (its columns) is on the report's latest route.

    The latest route names the hotlines that the reporter saw before the last Send. A hotline that the reporter has left
    out since may have acknowledged the report, but other hotlines are still asked. Without a route, all hotlines count.
    """
    w, newer_route, any_route = _ROUTES
    is_latest = ~exists(
        select(newer_route.revision).where(newer_route.report_id == w.report_id, newer_route.revision > w.revision)
    )
    is_routed = and_(w.report_id == delivery.report_id, w.hotline == delivery.hotline, is_latest)
    has_no_route = ~exists(select(any_route.report_id).where(any_route.report_id == delivery.report_id))
    return or_(exists(select(w.hotline).where(is_routed)), has_no_route)


def of_latest_route(report_id: Any) -> ColumnElement[bool]:
    """Match the rows of a report's latest route. `report_id`: an id or a parameter of the query."""
    w, newer_route = t.route.c, _ROUTES[1]
    latest_revision = select(func.max(newer_route.revision)).where(newer_route.report_id == report_id)
    return and_(w.report_id == report_id, w.revision == latest_revision.scalar_subquery())


def has_part(delivery: Any) -> ColumnElement[bool]:
    """Match deliveries by which a hotline has or gets a report (`delivery`: its columns), and then all that follows.

    A hotline gets nothing more of a report that it has declined, or whose delivery to it was cancelled.
    """
    is_active = (delivery.state != DeliveryState.CANCELLED, delivery.handling != Handling.REJECTED)
    return and_(delivery.type.in_(REPORT_TYPES), *is_active)


def was_taken_from(report_id: Any, hotline: Any) -> ColumnElement[bool]:
    """Match hotlines from which the report was transferred before they received it."""
    taken, kept = (t.delivery.alias(name).c for name in ("taken", "kept"))
    is_taken = (taken.state == DeliveryState.CANCELLED, taken.handling == Handling.REJECTED)
    return and_(
        exists().where(taken.report_id == report_id, taken.hotline == hotline, taken.type.in_(REPORT_TYPES), *is_taken),
        ~exists().where(
            kept.report_id == report_id,
            kept.hotline == hotline,
            kept.type.in_(REPORT_TYPES),
            kept.state != DeliveryState.CANCELLED,
        ),
    )


ROLE_ORDER = tuple(RecipientRole)


def lock_report(connection: Connection, report_id: str) -> None:
    """Lock the row of a report, before the transaction changes or locks any of its deliveries.

    Everybody locks in this order: reports by id, their deliveries, the state of the hotline. In two different orders
    two transactions could wait for each other (docs/store.md).
    """
    connection.execute(_LOCK, {"which": report_id})


def update_report_state(connection: Connection, report_id: str, now: int) -> None:
    """Derive `report.state` and `report.desk` anew, within the transaction that changed a delivery.

    The transaction has called `lock_report`, so two concurrent ones see each other's changes. `now`: microseconds by
    the clock of the process that changed the delivery; the retention period counts from it.
    """
    rows = connection.execute(_RECIPIENTS, {"which": report_id})
    recipients = sorted((RecipientState(*row) for row in rows), key=lambda recipient: ROLE_ORDER.index(recipient.role))
    case_state = derive_case_state(recipients)
    connection.execute(
        _SAVE, {"which": report_id, "state": case_state.state, "desk": case_state.desk, "changed_at": now}
    )


def _recipients_query() -> Select[Any]:
    d = t.delivery.c
    statement = select(d.hotline, d.role, d.state, d.handling).where(d.report_id == bindparam("which"))
    return statement.where(d.type.in_(REPORT_TYPES), is_on_latest_route(d)).order_by(d.created_at, d.delivery_id)


def _save_query() -> Update:
    r = t.report.c
    state, desk, now = (bindparam(name, type_=r[name].type) for name in ("state", "desk", "changed_at"))
    closed_at = case((state == ReportState.CLOSED, func.coalesce(r.closed_at, now)), else_=None)
    statement = update(t.report).where(r.report_id == bindparam("which"))
    return statement.values(state=state, desk=desk, changed_at=now, closed_at=closed_at)


_LOCK = select(t.report.c.report_id).where(t.report.c.report_id == bindparam("which")).with_for_update()
_RECIPIENTS, _SAVE = _recipients_query(), _save_query()
