"""What an operator orders about deliveries. Each order is one transaction with its audit row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from reports.case_state import may_change
from reports.store import audit_log, outbox
from reports.store.deliveries import REPORT_TYPES, UNDELIVERED
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.schema import tables as t

LISTED_COLUMNS = (
    *("delivery_id", "report_id", "hotline", "type", "priority", "state", "handling", "attempt", "next_at"),
    *("last_class", "last_status", "created_at", "told_at"),
)


class ActionNotPossible(Exception):
    """The order does not fit the state of the delivery; says why, in one line."""


def list_deliveries(database: Database, states: Sequence[str] = UNDELIVERED, at_most: int = 200) -> list[Any]:
    """Rows of `delivery` in these states, the most urgent and oldest first: ids, times and classes only."""
    d = t.delivery.c
    query = (
        select(*(d[name] for name in LISTED_COLUMNS))
        .where(d.state.in_(states))
        .order_by(d.priority, d.created_at)
        .limit(at_most)
    )
    with database.read() as connection:
        return list(connection.execute(query))


def retry(database: Database, delivery_id: str, actor: str) -> None:
    """Send it again, now, with the same key: refused and parked become due; what is due waits no longer."""
    _order(database, delivery_id, "due", UNDELIVERED, act="retried", actor=actor)


def park(database: Database, delivery_id: str, actor: str) -> None:
    """Stop trying, keep it. A person takes it from here."""
    _order(database, delivery_id, "parked", ("due", "refused"), act="parked", actor=actor)


def cancel(database: Database, delivery_id: str, actor: str, reason: str) -> None:
    """`reason` is one word for the audit: mistake, double, handed_over. Never the last one alive of a report."""
    if not (reason.isascii() and reason.replace("_", "").isalpha() and len(reason) <= 12):
        raise ActionNotPossible("give the reason as one word of at most 12 letters")
    _order(database, delivery_id, "cancelled", UNDELIVERED, act=f"cancelled:{reason}", actor=actor)


def record_action(database: Database, act: str, object_id: str, actor: str) -> None:
    """What was ordered elsewhere, for the audit."""
    with database.write() as connection:
        audit_log.append(connection, actor, act, object_id, database.now())


def _order(database: Database, delivery_id: str, to: str, states: Sequence[str], *, act: str, actor: str) -> None:
    d = t.delivery.c
    with database.write() as connection:
        which = select(d.report_id, d.state, d.type).where(d.delivery_id == delivery_id)
        row = connection.execute(which.with_for_update()).first()
        if row is None:
            raise ActionNotPossible("there is no such delivery")
        if row.state not in states:
            raise ActionNotPossible(f"it is {row.state}; that can be done with {', '.join(states)} only")
        if to == "cancelled" and not _another_alive(connection, delivery_id, row.report_id):
            raise ActionNotPossible("it is the last one alive of its report; give the report to somebody else first")
        values = _again(database, row.state) if to == "due" else {"state": to, "lease_by": None, "lease_until": None}
        connection.execute(update(t.delivery).where(d.delivery_id == delivery_id).values(values))
        outbox.record_change(connection, delivery_id, row.report_id, act=act, actor=actor, now=database.now())


def _again(database: Database, state: str) -> dict[str, Any]:
    now = database.now_sql()
    if state == "due":
        return {"next_at": now}
    values = {"state": "due", "next_at": now, "attempt": 0, "last_class": None, "told_at": None}
    return values | {"created_at": now} if state == "parked" else values  # or its 14 days would be over at once


def _another_alive(connection: Connection, delivery_id: str, report_id: str) -> bool:
    d = t.delivery.c
    alive = and_(d.report_id == report_id, d.delivery_id != delivery_id, d.state.in_(("due", "delivered")))
    query = select(d.delivery_id).where(alive, d.handling != "rejected", d.type.in_(REPORT_TYPES))
    return connection.execute(query.limit(1)).first() is not None


def revive_hotline(database: Database, hotline: str, actor: str) -> int:
    """The hotline takes reports again: what was refused because it was gone is due. Returns how many."""
    d, h = t.delivery.c, t.hotline_state.c
    lost = and_(d.hotline == hotline, d.state == "refused", or_(d.last_class == "gone", d.last_status == 410))
    with database.write() as connection:
        back = {"dead_since": None, "failures": 0, "open_until": 0, "opened_times": 0}
        connection.execute(update(t.hotline_state).where(h.hotline == hotline).values(back))
        rows = connection.execute(select(d.delivery_id, d.report_id).where(lost)).all()
        for row in rows:
            again = update(t.delivery).where(d.delivery_id == row.delivery_id).values(_again(database, "refused"))
            connection.execute(again)
            outbox.record_change(
                connection, row.delivery_id, row.report_id, act="retried", actor=actor, now=database.now()
            )
    return len(rows)


# A report goes from one hotline to another, by an operator's word or by its staff's, and the way it has gone.

TRANSFERRED = "HANDED_ON"


@dataclass(frozen=True, slots=True)
class Transfer:
    report_id: str
    giver: str
    taker: str
    actor: str


def transfer_report(database: Database, report_id: str, giver: str, taker: str, actor: str) -> tuple[str, str]:
    """(delivery_id, priority) of what `taker` gets. For `giver` it is as if it had handed the report back, and the
    clock runs on for everybody. Raises NotPossible.

    Only who was shown to the reporter before Send can get it: nobody else has a body that opens. Who was left out was
    not on that list.
    """
    with database.write() as connection:
        return _transfer(connection, database, Transfer(report_id, giver, taker, actor))


def list_requested_transfers(database: Database, at_most: int = 50) -> list[Transfer]:
    """What staff asked for and nobody has done yet, the oldest first."""
    h = t.handover.c
    query = select(h.report_id, h.giver, h.taker, h.actor).where(h.outcome.is_(None))
    with database.read() as connection:
        return [Transfer(*row) for row in connection.execute(query.order_by(h.asked_at).limit(at_most))]


def execute_transfer(database: Database, one: Transfer) -> tuple[str, str] | None:
    """As `hand_over`, once for what was asked. None: it cannot be, and the row says so; or another clock was faster."""
    try:
        with database.write() as connection:
            return _transfer(connection, database, one) if _settle(connection, one, "done") else None
    except ActionNotPossible:
        with database.write() as connection:
            if _settle(connection, one, "refused"):
                audit_log.append(connection, "clock", "hand_over_refused", one.report_id, database.now())
        return None


def _settle(connection: Connection, one: Transfer, outcome: str) -> bool:
    h = t.handover.c
    open_still = and_(h.report_id == one.report_id, h.giver == one.giver, h.taker == one.taker, h.outcome.is_(None))
    return bool(connection.execute(update(t.handover).where(open_still).values(outcome=outcome)).rowcount)


def _transfer(connection: Connection, database: Database, one: Transfer) -> tuple[str, str]:
    report_id, giver = one.report_id, one.giver
    connection.execute(select(t.report.c.report_id).where(t.report.c.report_id == report_id).with_for_update())
    rows = _held(connection, report_id, giver)
    if not rows:
        raise ActionNotPossible(f"{giver} was not given this report")
    if not may_change(rows[-1].handling, "rejected") or rows[-1].handling == "rejected":
        raise ActionNotPossible(f"it is {rows[-1].handling} at {giver}; nothing is handed over from there")
    made = fallbacks.insert_fallback(connection, database, report_id, one.taker, TRANSFERRED, actor=one.actor)
    if made is None:
        raise ActionNotPossible(_who_may(one.taker, fallbacks.remaining_fallbacks(connection, report_id)))
    for row in rows:
        mine = update(t.delivery).where(t.delivery.c.delivery_id == row.delivery_id)
        connection.execute(mine.values(handling="rejected"))
        outbox.record_change(
            connection, row.delivery_id, report_id, act="handed_on", actor=one.actor, now=database.now()
        )
    return made


def _held(connection: Connection, report_id: str, hotline: str) -> list[Any]:
    d = t.delivery.c
    theirs = and_(d.report_id == report_id, d.hotline == hotline, d.type.in_(REPORT_TYPES), d.state != "cancelled")
    query = select(d.delivery_id, d.handling).where(theirs).order_by(d.created_at, d.delivery_id)
    return list(connection.execute(query.with_for_update()))


def _who_may(taker: str, left: tuple[str, ...]) -> str:
    others = f"it can go to {', '.join(left)}" if left else "nobody is left who can get it"
    return f"{taker} has it already, or was not shown to the reporter before Send; {others}"


@dataclass(frozen=True, slots=True)
class ReportPath:
    """Of one report: itself, whom its latest route names, what was sent, and who did what; each in its order."""

    report: Any
    route: tuple[Any, ...]
    deliveries: tuple[Any, ...]
    done: tuple[Any, ...]


def load_report_path(database: Database, report_id: str) -> ReportPath | None:
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
        return ReportPath(found, *rest)
