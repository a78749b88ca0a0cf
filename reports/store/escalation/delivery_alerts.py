"""Alerts about undelivered reports: list those due, and record those sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, exists, func, insert, or_, select, update

from reports.case_state import Handling, ReportState
from reports.delivery import REPORT_TYPES, DeliveryState
from reports.escalation import Priority
from reports.store.audit_log import entry_row
from reports.store.deliveries import is_on_latest_route
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.schema import tables as t


@dataclass(frozen=True, slots=True)
class AlertRules:
    """The rules for alerting a person about a delivery.

    `first_after`: priority → microseconds without a receipt.
    `repeat_every`: priority → microseconds until the alert is repeated.
    `at_attempt`: class of the failure → the attempt at which a person is alerted.
    """

    first_after: Mapping[str, int]
    repeat_every: Mapping[str, int]
    at_attempt: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DueAlert:
    """An undelivered delivery about which a person must be alerted now."""

    delivery_id: str
    report_id: str
    hotline: str
    priority: Priority
    state: DeliveryState
    last_class: str


def list_due(database: Database, rules: AlertRules, at_most: int = 500) -> list[DueAlert]:
    """Return the alerts that are due, the most urgent first.

    An alert is due by the class of a failure at its attempt, by a state that needs a person, or by time alone.
    """
    d, r = t.delivery.c, t.report.c
    now = database.now_sql()
    never_alerted = d.told_at.is_(None)
    repeat_due = or_(
        *(and_(d.priority == priority, d.told_at <= now - delay) for priority, delay in rules.repeat_every.items())
    )
    is_late = or_(
        *(and_(d.priority == priority, d.created_at <= now - delay) for priority, delay in rules.first_after.items())
    )
    has_failed = or_(
        *(
            and_(d.last_class == error_class, d.attempt >= min_attempts)
            for error_class, min_attempts in rules.at_attempt.items()
        )
    )
    is_undelivered = and_(
        d.state == DeliveryState.DUE, or_(and_(never_alerted, or_(is_late, has_failed)), and_(is_late, repeat_due))
    )
    is_stopped = and_(
        d.state.in_((DeliveryState.REFUSED, DeliveryState.PARKED)),
        or_(never_alerted, and_(r.state == ReportState.NEEDS_PERSON, repeat_due)),
    )
    query = (
        select(d.delivery_id, d.report_id, d.hotline, d.priority, d.state, func.coalesce(d.last_class, ""))
        .join_from(t.delivery, t.report, r.report_id == d.report_id)
        .where(or_(is_undelivered, is_stopped))
        .order_by(d.priority, d.created_at)
        .limit(at_most)
    )
    with database.read() as connection:
        return [DueAlert(*row) for row in connection.execute(query)]


def list_unroutable(database: Database, hotlines: Collection[str]) -> list[tuple[str, Priority]]:
    """Return (report_id, priority) of reports that no hotline can have or keep, the most urgent first.

    All their hotlines declined them and no fallback is left, no hotline could be given them, or those that have them
    are not among `hotlines`, the ones of the country files. A report without a hotline is left out while a delivery of
    it is refused or parked: that delivery has an alert of its own.
    """
    d, r = t.delivery.c, t.report.c
    of_report = (d.report_id == r.report_id, d.type.in_(REPORT_TYPES))
    is_stopped = exists().where(*of_report, d.state.in_((DeliveryState.REFUSED, DeliveryState.PARKED)))
    has_nobody = and_(r.state == ReportState.NEEDS_PERSON, ~is_stopped, ~fallbacks.has_remaining(r.report_id))
    is_kept = exists().where(
        *of_report,
        d.state.in_((DeliveryState.DUE, DeliveryState.DELIVERED)),
        d.handling != Handling.REJECTED,
        d.hotline.in_(hotlines),
        is_on_latest_route(d),
    )
    is_with_hotline = r.state.in_((ReportState.DELIVERED, ReportState.ACCEPTED, ReportState.IN_PROGRESS))
    is_lost = and_(is_with_hotline, r.desk.not_in(hotlines), ~is_kept)  # `desk` alone rules out almost all, quickly
    query = select(r.report_id, r.priority).where(or_(has_nobody, is_lost))
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query.order_by(r.priority, r.created_at))]


def mark_alerted(database: Database, delivery_ids: Sequence[str]) -> None:
    """Record the alerts, with audit entries. Call it only after a channel has accepted the message."""
    d = t.delivery.c
    now = database.now()
    with database.write() as connection:
        statement = update(t.delivery).where(d.delivery_id.in_(delivery_ids)).values(told_at=database.now_sql())
        connection.execute(statement)
        connection.execute(
            insert(t.audit), [entry_row("clock", "told", alerted_id, now) for alerted_id in delivery_ids]
        )
