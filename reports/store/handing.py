"""A report goes from one hotline to another, by an operator's word or by its staff's, and the way it has gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from reports.handling import may_follow
from reports.store import auditing, chains, outbox
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT
from reports.store.orders import NotPossible

HANDED_ON = "HANDED_ON"


@dataclass(frozen=True, slots=True)
class Handover:
    report_id: str
    giver: str
    taker: str
    actor: str


def hand_over(database: Database, report_id: str, giver: str, taker: str, actor: str) -> tuple[str, str]:
    """(delivery_id, priority) of what `taker` gets. For `giver` it is as if it had handed the report back, and the
    clock runs on for everybody. Raises NotPossible.

    Only who was shown to the reporter before Send can get it: nobody else has a body that opens. Who was left out was
    not on that list.
    """
    with database.write() as connection:
        return _hand_over(connection, database, Handover(report_id, giver, taker, actor))


def asked(database: Database, at_most: int = 50) -> list[Handover]:
    """What staff asked for and nobody has done yet, the oldest first."""
    h = t.handover.c
    query = select(h.report_id, h.giver, h.taker, h.actor).where(h.outcome.is_(None))
    with database.read() as connection:
        return [Handover(*row) for row in connection.execute(query.order_by(h.asked_at).limit(at_most))]


def carry_out(database: Database, one: Handover) -> tuple[str, str] | None:
    """As `hand_over`, once for what was asked. None: it cannot be, and the row says so; or another clock was faster."""
    try:
        with database.write() as connection:
            return _hand_over(connection, database, one) if _settle(connection, one, "done") else None
    except NotPossible:
        with database.write() as connection:
            if _settle(connection, one, "refused"):
                auditing.note(connection, "clock", "hand_over_refused", one.report_id, database.now())
        return None


def _settle(connection: Connection, one: Handover, outcome: str) -> bool:
    h = t.handover.c
    open_still = and_(h.report_id == one.report_id, h.giver == one.giver, h.taker == one.taker, h.outcome.is_(None))
    return bool(connection.execute(update(t.handover).where(open_still).values(outcome=outcome)).rowcount)


def _hand_over(connection: Connection, database: Database, one: Handover) -> tuple[str, str]:
    report_id, giver = one.report_id, one.giver
    connection.execute(select(t.report.c.report_id).where(t.report.c.report_id == report_id).with_for_update())
    rows = _held(connection, report_id, giver)
    if not rows:
        raise NotPossible(f"{giver} was not given this report")
    if not may_follow(rows[-1].handling, "rejected") or rows[-1].handling == "rejected":
        raise NotPossible(f"it is {rows[-1].handling} at {giver}; nothing is handed over from there")
    made = chains.give(connection, database, report_id, one.taker, HANDED_ON, actor=one.actor)
    if made is None:
        raise NotPossible(_who_may(one.taker, chains.left(connection, report_id)))
    for row in rows:
        mine = update(t.delivery).where(t.delivery.c.delivery_id == row.delivery_id)
        connection.execute(mine.values(handling="rejected"))
        outbox.moved(connection, row.delivery_id, report_id, act="handed_on", actor=one.actor, now=database.now())
    return made


def _held(connection: Connection, report_id: str, hotline: str) -> list[Any]:
    d = t.delivery.c
    theirs = and_(d.report_id == report_id, d.hotline == hotline, d.type.in_(THE_REPORT), d.state != "cancelled")
    query = select(d.delivery_id, d.handling).where(theirs).order_by(d.created_at, d.delivery_id)
    return list(connection.execute(query.with_for_update()))


def _who_may(taker: str, left: tuple[str, ...]) -> str:
    others = f"it can go to {', '.join(left)}" if left else "nobody is left who can get it"
    return f"{taker} has it already, or was not shown to the reporter before Send; {others}"


@dataclass(frozen=True, slots=True)
class Way:
    """Of one report: itself, whom its latest route names, what was sent, and who did what; each in its order."""

    report: Any
    route: tuple[Any, ...]
    deliveries: tuple[Any, ...]
    done: tuple[Any, ...]


def way(database: Database, report_id: str) -> Way | None:
    """None where there is no such report. Ids, codes and times only."""
    r, w, d, a = t.report.c, t.route.c, t.delivery.c, t.audit.c
    latest = select(func.max(w.revision)).where(w.report_id == report_id).scalar_subquery()
    report = select(r.report_id, r.created_at, r.country, r.priority, r.completeness, r.state, r.desk)
    route = select(w.hotline, w.role, w.why).where(w.report_id == report_id, w.revision == latest).order_by(w.rank)
    sent = select(d.delivery_id, d.created_at, d.hotline, d.type, d.revision, d.role, d.why, d.state, d.handling)
    sent = sent.where(d.report_id == report_id).order_by(d.created_at, d.delivery_id)
    its = select(d.delivery_id).where(d.report_id == report_id)
    done = select(a.at, a.actor, a.act, a.object_id).where(or_(a.object_id == report_id, a.object_id.in_(its)))
    with database.read() as connection:
        found = connection.execute(report.where(r.report_id == report_id)).first()
        if found is None:
            return None
        rest = (tuple(connection.execute(query)) for query in (route, sent, done.order_by(a.at, a.audit_id)))
        return Way(found, *rest)
