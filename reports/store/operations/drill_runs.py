"""Scripted drills: a lead plans one, web plays the reporter, and the audit log shows how staff handled it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, or_, select, update

from reports.case_state import Handling
from reports.delivery import DeliveryState, DeliveryType
from reports.escalation import Priority
from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as, reveal_report, write_as
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.staff.accounts import Account
from reports.store.staff.hidden_reports import hidden_from
from runtime.time_units import DAY, HOUR

MAX_DELAY = HOUR  # if web was down for longer, the drill is missed: it must not alert people at an unplanned time
RETENTION_PERIOD = 7 * DAY
# Acts of a person, whichever process records them.
DELIVERY_MILESTONES: Mapping[str, str] = {
    Handling.ACCEPTED: "taken",
    Handling.IN_PROGRESS: "taken",
    Handling.CLOSED: "taken",
}
REPORT_MILESTONES: Mapping[str, str] = {"read": "opened", "answered": "answered"}

# Milestone (arrived, delivered, opened, taken, answered, closed) → microseconds; only milestones that were reached.
DrillTimes = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill and how its hotline handled it.

    `report_id`: None if it was not started. `was_missed`: no report has arrived, and none will. `priority`: "" until a
    report has arrived. `other_hotlines`: other hotlines that have acknowledged the report.
    """

    drill_id: str
    script: str
    actor: str
    at: int
    report_id: str | None
    was_missed: bool = False
    priority: Priority | Literal[""] = ""
    moments: DrillTimes = field(default_factory=dict)
    other_hotlines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DueDrill:
    """A drill for which web has to act: send the report, or an addition to it. `at`: when the report is to arrive."""

    drill_id: str
    hotline: str
    script: str
    at: int
    due_at: int
    report_id: str | None

    @property
    def is_follow_up(self) -> bool:
        """Return whether the report was sent already, so that only additions follow."""
        return self.due_at > self.at


def plan(database: Database, account: Account, script: str, at: int) -> bool:
    """Plan a drill. Returns False if the hotline has planned one already, or a button is clicked twice."""
    d, now = t.drill.c, database.now()
    planned_query = select(d.drill_id).where(
        d.hotline == account.hotline, d.report_id.is_(None), d.at > now - MAX_DELAY
    )
    row = {"drill_id": new_id(now), "hotline": account.hotline, "script": script, "actor": account.actor}
    with write_as(database, account.hotline) as connection:
        database.lock_until_commit(connection, "drill")
        if connection.execute(planned_query.limit(1)).first() is not None:
            return False
        connection.execute(insert(t.drill), row | {"asked_at": now, "at": at, "due_at": at})
        audit_log.append(connection, account.actor, "drill_planned", row["drill_id"], now)
    return True


def cancel(database: Database, account: Account, drill_id: str) -> bool:
    """Cancel a drill, or remove a missed one from the list. Returns False if it has started or does not exist."""
    d, now = t.drill.c, database.now()
    can_cancel = or_(d.at > now, d.at <= now - MAX_DELAY)  # in between, web may be executing it
    statement = delete(t.drill).where(
        d.drill_id == drill_id, d.hotline == account.hotline, d.report_id.is_(None), can_cancel
    )
    with write_as(database, account.hotline) as connection:
        deleted = connection.execute(statement).rowcount == 1
        if deleted:
            audit_log.append(connection, account.actor, "drill_called_off", drill_id, now)
    return deleted


def list_drills(database: Database, account: Account) -> list[Drill]:
    """Return the drills of the account's hotline, newest first, without reports that are hidden from the account."""
    d, now, hotline = t.drill.c, database.now(), account.hotline
    hidden_reports = hidden_from(account.staff_id, account.role)
    query = select(d.drill_id, d.script, d.actor, d.at, d.report_id).where(d.hotline == hotline)
    query = query.where(or_(d.report_id.is_(None), d.report_id.not_in(hidden_reports)))
    with read_as(database, hotline) as connection:
        rows = connection.execute(query.order_by(d.at.desc(), d.drill_id.desc())).all()
        milestones = _milestones(connection, hotline, {row.report_id for row in rows if row.report_id})
        for report_id, outcome in milestones.items():
            reveal_report(database, connection, report_id)
            outcome["other_hotlines"] = _other_hotlines(connection, hotline, report_id)
    return [
        Drill(
            *row,
            was_missed=row.report_id not in milestones and row.at <= now - MAX_DELAY,
            **milestones.get(row.report_id, {}),
        )
        for row in rows
    ]


def _milestones(connection: Connection, hotline: str, reports: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return report id → `priority` and `moments`, the first time of each milestone."""
    d = t.delivery.c
    query = select(d.delivery_id, d.report_id, d.priority, d.created_at, d.delivered_at)
    delivery_rows = connection.execute(
        query.where(
            d.report_id.in_(reports),
            d.hotline == hotline,
            d.type == DeliveryType.CREATED,
            d.state != DeliveryState.CANCELLED,
        )
    ).all()
    report_by_delivery = {row.delivery_id: row.report_id for row in delivery_rows}
    milestones: dict[str, dict[str, Any]] = {}
    for row in delivery_rows:
        milestones[row.report_id] = {"priority": row.priority, "moments": {"arrived": row.created_at}}
        if row.delivered_at:
            milestones[row.report_id]["moments"]["delivered"] = row.delivered_at
    for act in _acts(connection, hotline, report_by_delivery, milestones):
        moments = milestones[report_by_delivery.get(act.object_id, act.object_id)]["moments"]
        for name in _milestone_names(act.act):
            moments.setdefault(name, act.at)
    return milestones


def _acts(connection: Connection, hotline: str, deliveries: Iterable[str], reports: Iterable[str]) -> list[Any]:
    """Return the audit entries of milestones at this hotline, oldest first.

    The query names the hotline, because SQLite has no row security to exclude other hotlines.
    """
    a = t.audit.c
    by_hotline: ColumnElement[bool] = a.actor.startswith(f"staff:{hotline}/", autoescape=True)
    query = select(a.at, a.act, a.object_id).where(
        or_(
            and_(a.object_id.in_(list(deliveries)), a.act.in_(DELIVERY_MILESTONES)),
            and_(a.object_id.in_(list(reports)), a.act.in_(REPORT_MILESTONES), by_hotline),
        )
    )
    return list(connection.execute(query.order_by(a.at, a.audit_id)))


def _other_hotlines(connection: Connection, hotline: str, report_id: str) -> tuple[str, ...]:
    d = t.delivery.c
    has_acknowledged = (
        d.report_id == report_id,
        d.hotline != hotline,
        d.type == DeliveryType.CREATED,
        d.handling.in_(DELIVERY_MILESTONES),
    )
    return tuple(connection.execute(select(d.hotline).where(*has_acknowledged).order_by(d.created_at)).scalars())


def _milestone_names(act: str) -> Iterator[str]:
    yield {**DELIVERY_MILESTONES, **REPORT_MILESTONES}[act]
    if act == Handling.CLOSED:
        yield act


def list_due(database: Database) -> list[DueDrill]:
    """Return the drills for which web has to act now, oldest first."""
    d, now = t.drill.c, database.now_sql()
    query = select(d.drill_id, d.hotline, d.script, d.at, d.due_at, d.report_id)
    query = query.where(d.due_at <= now, d.due_at > now - MAX_DELAY).order_by(d.due_at, d.drill_id)
    with database.read() as connection:
        return [DueDrill(*row) for row in connection.execute(query)]


def mark_started(database: Database, drill: DueDrill, report_id: str) -> bool:
    """Store the report id of a drill before its report is sent. Returns False if the drill was deleted.

    From then on it cannot be cancelled, and the report is known as its own even if web is killed while sending.
    """
    d = t.drill.c
    statement = update(t.drill).where(d.drill_id == drill.drill_id, d.due_at == drill.due_at)
    with database.write() as connection:
        return connection.execute(statement.values(report_id=report_id)).rowcount == 1


def is_submitted(database: Database, report_id: str, *, waiting: bool) -> bool:
    """Return whether a report is stored, or, with `waiting`, is pending."""
    r, p = t.report.c.report_id, t.pending.c.report_id
    with database.read() as connection:
        for column in (r, p) if waiting else (r,):
            if connection.execute(select(column).where(column == report_id).limit(1)).first() is not None:
                return True
    return False


def mark_done(database: Database, drill: DueDrill, report_id: str, due_at: int | None) -> None:
    """Record that web has acted. `due_at`: when it has to act again, in microseconds; None: never."""
    d = t.drill.c
    statement = update(t.drill).where(d.drill_id == drill.drill_id, d.due_at == drill.due_at)
    with database.write() as connection:
        connection.execute(statement.values(report_id=report_id, due_at=due_at))


def delete_missed(database: Database) -> int:
    """Delete old drills without a report, and return how many. Other drills are purged with their reports."""
    d, r = t.drill.c, t.report.c.report_id
    has_no_report = or_(d.report_id.is_(None), ~exists(select(r).where(r == d.report_id)))
    is_expired = and_(has_no_report, d.at < database.now_sql() - RETENTION_PERIOD)
    return database.delete_any(t.drill, is_expired)
