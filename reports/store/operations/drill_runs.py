"""Drills with a script: a lead plans one, web is its reporter, and the audit says what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, or_, select, update

from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as, reveal_report, write_as
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.staff.accounts import Account
from runtime.time_units import DAY, HOUR

MAX_DELAY = HOUR  # web was not there: nobody is woken by it at a time that no lead has named
RETENTION_PERIOD = 7 * DAY
DELIVERY_MILESTONES = {
    "accepted": "taken",
    "in_progress": "taken",
    "closed": "taken",
}  # a person's word, whoever passes it on
REPORT_MILESTONES = {"read": "opened", "answered": "answered"}

DrillTimes = Mapping[str, int]  # arrived, delivered, opened, taken, answered, closed; those that there were


@dataclass(frozen=True, slots=True)
class Drill:
    """`report_id`: None where it was not begun. `missed`: nothing has arrived, and nothing will. `priority`: "" while
    nothing has. `others`: hotlines that have taken it on beside this one, or in its place."""

    drill_id: str
    script: str
    actor: str
    at: int
    report_id: str | None
    missed: bool = False
    priority: str = ""
    moments: DrillTimes = field(default_factory=dict)
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DueDrill:
    """What web has to do for one: the report, or what its reporter writes after it. `at`: when it is to arrive."""

    drill_id: str
    hotline: str
    script: str
    at: int
    due_at: int
    report_id: str | None

    @property
    def is_follow_up(self) -> bool:
        """Its report is told already."""
        return self.due_at > self.at


def plan(database: Database, account: Account, script: str, at: int) -> bool:
    """False where one is planned already: two in one night are one too many, and a button may be pressed twice."""
    d, now = t.drill.c, database.now()
    waits = select(d.drill_id).where(d.hotline == account.hotline, d.report_id.is_(None), d.at > now - MAX_DELAY)
    row = {"drill_id": new_id(now), "hotline": account.hotline, "script": script, "actor": account.actor}
    with write_as(database, account.hotline) as connection:
        database.lock_until_commit(connection, "drill")
        if connection.execute(waits.limit(1)).first() is not None:
            return False
        connection.execute(insert(t.drill), row | {"asked_at": now, "at": at, "due_at": at})
        audit_log.append(connection, account.actor, "drill_planned", row["drill_id"], now)
    return True


def cancel(database: Database, account: Account, drill_id: str) -> bool:
    """False where it has begun, or there is none. One that was missed goes from the list."""
    d, now = t.drill.c, database.now()
    free = or_(d.at > now, d.at <= now - MAX_DELAY)  # in between, web may be at it
    mine = delete(t.drill).where(d.drill_id == drill_id, d.hotline == account.hotline, d.report_id.is_(None), free)
    with write_as(database, account.hotline) as connection:
        gone = connection.execute(mine).rowcount == 1
        if gone:
            audit_log.append(connection, account.actor, "drill_called_off", drill_id, now)
    return gone


def list_drills(database: Database, account: Account) -> list[Drill]:
    """The newest first, each with what became of it at this hotline; none whose report this person is kept out of."""
    d, now, hotline = t.drill.c, database.now(), account.hotline
    away = select(t.kept_away.c.report_id).where(t.kept_away.c.staff_id == account.staff_id)
    query = select(d.drill_id, d.script, d.actor, d.at, d.report_id).where(d.hotline == hotline)
    query = query.where(or_(d.report_id.is_(None), d.report_id.not_in(away)))
    with read_as(database, hotline) as connection:
        rows = connection.execute(query.order_by(d.at.desc(), d.drill_id.desc())).all()
        found = _milestones(connection, hotline, {row.report_id for row in rows if row.report_id})
        for report_id, became in found.items():
            reveal_report(database, connection, report_id)
            became["others"] = _others(connection, hotline, report_id)
    return [
        Drill(*row, missed=row.report_id not in found and row.at <= now - MAX_DELAY, **found.get(row.report_id, {}))
        for row in rows
    ]


def _milestones(connection: Connection, hotline: str, reports: Collection[str]) -> dict[str, dict[str, Any]]:
    """By report: `priority` and `moments`, the first of each kind."""
    d = t.delivery.c
    query = select(d.delivery_id, d.report_id, d.priority, d.created_at, d.delivered_at)
    sent = connection.execute(
        query.where(d.report_id.in_(reports), d.hotline == hotline, d.type == "created", d.state != "cancelled")
    ).all()
    of_delivery = {row.delivery_id: row.report_id for row in sent}
    found: dict[str, dict[str, Any]] = {}
    for row in sent:
        found[row.report_id] = {"priority": row.priority, "moments": {"arrived": row.created_at}}
        if row.delivered_at:
            found[row.report_id]["moments"]["delivered"] = row.delivered_at
    for act in _acts(connection, hotline, of_delivery, found):
        moments = found[of_delivery.get(act.object_id, act.object_id)]["moments"]
        for name in _names(act.act):
            moments.setdefault(name, act.at)
    return found


def _acts(connection: Connection, hotline: str, deliveries: Iterable[str], reports: Iterable[str]) -> list[Any]:
    """Of this hotline alone, the oldest first: SQLite would show what another one did with the same report."""
    a = t.audit.c
    theirs: ColumnElement[bool] = a.actor.startswith(f"staff:{hotline}/", autoescape=True)
    query = select(a.at, a.act, a.object_id).where(
        or_(
            and_(a.object_id.in_(list(deliveries)), a.act.in_(DELIVERY_MILESTONES)),
            and_(a.object_id.in_(list(reports)), a.act.in_(REPORT_MILESTONES), theirs),
        )
    )
    return list(connection.execute(query.order_by(a.at, a.audit_id)))


def _others(connection: Connection, hotline: str, report_id: str) -> tuple[str, ...]:
    d = t.delivery.c
    taken = (d.report_id == report_id, d.hotline != hotline, d.type == "created", d.handling.in_(DELIVERY_MILESTONES))
    return tuple(connection.execute(select(d.hotline).where(*taken).order_by(d.created_at)).scalars())


def _names(act: str) -> Iterator[str]:
    yield {**DELIVERY_MILESTONES, **REPORT_MILESTONES}[act]
    if act == "closed":
        yield act


def list_due(database: Database) -> list[DueDrill]:
    """What web has to do now, the oldest first."""
    d, now = t.drill.c, database.now_sql()
    query = select(d.drill_id, d.hotline, d.script, d.at, d.due_at, d.report_id)
    query = query.where(d.due_at <= now, d.due_at > now - MAX_DELAY).order_by(d.due_at, d.drill_id)
    with database.read() as connection:
        return [DueDrill(*row) for row in connection.execute(query)]


def mark_started(database: Database, one: DueDrill, report_id: str) -> bool:
    """What it is about to become: from here on nobody calls it off, and what arrives is its own though whoever tells it
    is killed. False where it is not there any more."""
    d = t.drill.c
    same = update(t.drill).where(d.drill_id == one.drill_id, d.due_at == one.due_at)
    with database.write() as connection:
        return connection.execute(same.values(report_id=report_id)).rowcount == 1


def is_submitted(database: Database, report_id: str, *, waiting: bool) -> bool:
    """Whether such a report is filed; `waiting`: or is left to file itself."""
    r, p = t.report.c.report_id, t.pending.c.report_id
    with database.read() as connection:
        for column in (r, p) if waiting else (r,):
            if connection.execute(select(column).where(column == report_id).limit(1)).first() is not None:
                return True
    return False


def mark_done(database: Database, one: DueDrill, report_id: str, due_at: int | None) -> None:
    """`due_at`: when there is more to do for it."""
    d = t.drill.c
    same = update(t.drill).where(d.drill_id == one.drill_id, d.due_at == one.due_at)
    with database.write() as connection:
        connection.execute(same.values(report_id=report_id, due_at=due_at))


def delete_missed(database: Database) -> int:
    """Those that were missed; the others go with their reports."""
    d, r = t.drill.c, t.report.c.report_id
    none = or_(d.report_id.is_(None), ~exists(select(r).where(r == d.report_id)))
    old = and_(none, d.at < database.now_sql() - RETENTION_PERIOD)
    with database.read() as connection:
        if connection.execute(select(d.drill_id).where(old).limit(1)).first() is None:
            return 0
    with database.write() as connection:
        return connection.execute(delete(t.drill).where(old)).rowcount
