"""Who counts for a report: the hotlines of its latest route, whom the reporter saw when they last pressed Send."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select

from reports.store import tables as t

_ROUTES = tuple(t.route.alias(name).c for name in ("routed", "newer_route", "any_route"))  # made once: it takes long


def counts(delivery: Any) -> ColumnElement[bool]:
    """Whether the hotline of `delivery` (its columns) is on the latest route. Who was left out since may have the
    report in hand, and nobody else is spared it. Where there is no route, everybody counts.
    """
    w, newer, any_ = _ROUTES
    is_latest = ~exists(select(newer.revision).where(newer.report_id == w.report_id, newer.revision > w.revision))
    on_it = and_(w.report_id == delivery.report_id, w.hotline == delivery.hotline, is_latest)
    has_none = ~exists(select(any_.report_id).where(any_.report_id == delivery.report_id))
    return or_(exists(select(w.hotline).where(on_it)), has_none)
