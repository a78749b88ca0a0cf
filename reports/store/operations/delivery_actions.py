"""Retry, park, cancel and transfer deliveries by hand. Each action is one transaction with its audit entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from reports.case_state import Handling, may_change
from reports.delivery import REPORT_TYPES, UNDELIVERED, DeliveryState, TransferOutcome
from reports.escalation import Priority, StepName
from reports.store import audit_log, outbox
from reports.store.deliveries import lock_report, of_latest_route, reports_to
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.schema import tables as t

NO_DELIVERY = "there is no such delivery; `tokaut deliveries list` has the ids"
LISTED_COLUMNS = (
    *("delivery_id", "report_id", "hotline", "type", "priority", "state", "handling", "attempt", "next_at"),
    *("last_class", "last_status", "created_at", "told_at"),
)


class ActionNotPossible(Exception):
    """The action does not fit the state of the delivery. The message says why, in one line."""


def list_deliveries(database: Database, states: Sequence[str] = UNDELIVERED, at_most: int = 200) -> list[Any]:
    """Return deliveries in these states, the most urgent and oldest first: ids, times and classes only."""
    d = t.delivery.c
    query = (
        select(*(d[name] for name in LISTED_COLUMNS))
        .where(d.state.in_(states))
        .order_by(d.priority, d.created_at)
        .limit(at_most)
    )
    with database.read() as connection:
        return list(connection.execute(query))


def retry(database: Database, delivery_id: str, actor: str) -> int:
    """Make an undelivered delivery due now, with the same idempotency key. Raises ActionNotPossible.

    Returns for how long it waits all the same, in microseconds: P2 to P4 wait while a hotline that fails is paused.
    """
    d, h = t.delivery.c, t.hotline_state.c
    query = select(d.hotline, d.priority, h.open_until, h.dead_since)
    query = query.outerjoin_from(t.delivery, t.hotline_state, h.hotline == d.hotline)
    with database.read() as connection:
        row = connection.execute(query.where(d.delivery_id == delivery_id, d.state.in_(UNDELIVERED))).first()
    if row is not None and row.dead_since is not None:
        raise ActionNotPossible(
            f"{row.hotline} answered that it takes no reports any more; if that is wrong: tokaut hotline revive "
            f"{row.hotline}"
        )
    _execute(database, delivery_id, DeliveryState.DUE, UNDELIVERED, act="retried", actor=actor)
    if row is None or row.priority == Priority.P1:
        return 0
    return max(0, (row.open_until or 0) - database.now())


def park(database: Database, delivery_id: str, actor: str) -> None:
    """Stop further attempts. The report stays, and a person has to deal with it. Raises ActionNotPossible."""
    _execute(
        database,
        delivery_id,
        DeliveryState.PARKED,
        (DeliveryState.DUE, DeliveryState.REFUSED),
        act="parked",
        actor=actor,
    )


def cancel(database: Database, delivery_id: str, actor: str, reason: str) -> None:
    """Cancel a delivery, but never the last active one of a report. Raises ActionNotPossible.

    If it brings the report itself, all that the hotline has not received of it is cancelled. `reason`: one word for the
    audit log, such as mistake, double, handed_over.
    """
    if not (reason.isascii() and reason.replace("_", "").isalpha() and len(reason) <= 12):
        raise ActionNotPossible("give the reason as one word of at most 12 letters")
    _execute(database, delivery_id, DeliveryState.CANCELLED, UNDELIVERED, act=f"cancelled:{reason}", actor=actor)


def record_action(database: Database, act: str, object_id: str, actor: str) -> None:
    """Write the audit entry of an action that takes place elsewhere."""
    with database.write() as connection:
        audit_log.append(connection, actor, act, object_id, database.now())


def _execute(
    database: Database,
    delivery_id: str,
    new_state: DeliveryState,
    states: Sequence[DeliveryState],
    *,
    act: str,
    actor: str,
) -> None:
    d = t.delivery.c
    with database.write() as connection:
        is_this = d.delivery_id == delivery_id
        report_id = connection.execute(select(d.report_id).where(is_this)).scalar()
        if report_id is None:
            raise ActionNotPossible(NO_DELIVERY)
        lock_report(connection, report_id)
        query = select(d.report_id, d.hotline, d.state, d.type, d.lease_by, d.created_at).where(is_this)
        row = connection.execute(query.with_for_update()).first()
        if row is None:  # purged meanwhile
            raise ActionNotPossible(NO_DELIVERY)
        if row.state not in states:
            raise ActionNotPossible(f"it is {row.state}; that can be done with {', '.join(states)} only")
        if new_state == DeliveryState.CANCELLED and not _has_another_alive(connection, delivery_id, row.report_id):
            raise ActionNotPossible(
                "it is the last open delivery of its report; give the report to another hotline first"
            )
        values: dict[str, Any] = (
            _due_values(database, row.state, has_risen=_has_risen_since(connection, row.report_id, row.created_at))
            if new_state == DeliveryState.DUE
            else {"state": new_state, "lease_by": None, "lease_until": None}
        )
        if new_state == DeliveryState.CANCELLED and row.lease_by:
            values["handling"] = Handling.REJECTED  # it may still arrive, and nothing more is sent there then
        connection.execute(update(t.delivery).where(d.delivery_id == delivery_id).values(values))
        outbox.record_change(connection, delivery_id, row.report_id, act=act, actor=actor, now=database.now())
        if new_state == DeliveryState.CANCELLED and row.type in REPORT_TYPES:
            _withdraw(connection, database, row.report_id, row.hotline, act=act, actor=actor)


def _due_values(database: Database, state: DeliveryState, *, has_risen: bool = False) -> dict[str, Any]:
    """Return the values of a delivery that becomes due. `has_risen`: its report became more urgent after it was made.

    A parked delivery counts as made now, so alerts and attempts begin again. But one that was made before its report
    became more urgent keeps its time: by it, it is known not to be the urgent revision (`fallbacks`).
    """
    now = database.now_sql()
    if state == DeliveryState.DUE:
        return {"next_at": now}
    values = {"state": DeliveryState.DUE, "next_at": now, "attempt": 0, "last_class": None, "told_at": None}
    return values | {"created_at": now} if state == DeliveryState.PARKED and not has_risen else values


def _has_risen_since(connection: Connection, report_id: str, at: int) -> bool:
    s = t.step.c
    query = select(s.report_id).where(s.report_id == report_id, s.step == StepName.BEGIN, s.due_at > at)
    return connection.execute(query.limit(1)).first() is not None


def _has_another_alive(connection: Connection, delivery_id: str, report_id: str) -> bool:
    d = t.delivery.c
    is_alive = and_(
        d.report_id == report_id,
        d.delivery_id != delivery_id,
        d.state.in_((DeliveryState.DUE, DeliveryState.DELIVERED)),
    )
    query = select(d.delivery_id).where(is_alive, d.handling != Handling.REJECTED, d.type.in_(REPORT_TYPES))
    return connection.execute(query.limit(1)).first() is not None


def revive_hotline(database: Database, hotline: str, actor: str) -> int:
    """Deliver to a hotline again that answered 410; the deliveries refused for that become due. Returns how many."""
    d, h = t.delivery.c, t.hotline_state.c
    was_refused_as_gone = and_(
        d.hotline == hotline, d.state == DeliveryState.REFUSED, or_(d.last_class == "gone", d.last_status == 410)
    )
    with database.write() as connection:
        count = 0
        query = select(d.delivery_id, d.report_id).where(was_refused_as_gone)
        for row in connection.execute(query.order_by(d.report_id)).all():
            lock_report(connection, row.report_id)
            retried = update(t.delivery).where(d.delivery_id == row.delivery_id, was_refused_as_gone)
            if connection.execute(retried.values(_due_values(database, DeliveryState.REFUSED))).rowcount:
                outbox.record_change(
                    connection, row.delivery_id, row.report_id, act="retried", actor=actor, now=database.now()
                )
                count += 1
        reset_values = {"dead_since": None, "failures": 0, "open_until": 0, "opened_times": 0}
        connection.execute(update(t.hotline_state).where(h.hotline == hotline).values(reset_values))
    return count


# Transfers from one hotline to another, requested by an operator or by staff, and the path of a report

TRANSFERRED = "HANDED_ON"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer of a report from hotline `giver` to hotline `taker`. `actor`: who requested it, for the audit log."""

    report_id: str
    giver: str
    taker: str
    actor: str


def transfer_report(database: Database, report_id: str, giver: str, taker: str, actor: str) -> tuple[str, Priority]:
    """Transfer a report; return (delivery_id, priority) of the new delivery. Raises ActionNotPossible.

    At `giver` the report counts as rejected, and the escalation continues. What `giver` has not received is cancelled,
    unless it has the report itself; a request that is under way may still arrive, and then counts as delivered. `taker`
    must be a hotline that was shown to the reporter before Send: only those have a body sealed to them. A hotline that
    the reporter left out was not shown. A hotline from which the report was transferred before it was received may be
    given it again, even if `giver` has declined it.
    """
    with database.write() as connection:
        delivery = _transfer(connection, database, Transfer(report_id, giver, taker, actor))
        _withdraw(connection, database, report_id, giver, act="cancelled:handed_over", actor=actor)
        return delivery


def _withdraw(
    connection: Connection, database: Database, report_id: str, hotline: str, *, act: str, actor: str
) -> None:
    """Cancel the deliveries of a report to a hotline that has not received the report."""
    d = t.delivery.c
    of_hotline = and_(d.report_id == report_id, d.hotline == hotline)
    is_received = and_(of_hotline, d.type.in_(REPORT_TYPES), d.state == DeliveryState.DELIVERED)
    if connection.execute(select(d.delivery_id).where(is_received).limit(1)).first() is not None:
        return
    cancelling = update(t.delivery).where(of_hotline, d.state.in_(UNDELIVERED))
    values = {"state": DeliveryState.CANCELLED, "lease_by": None, "lease_until": None}
    for delivery_id in connection.execute(cancelling.values(values).returning(d.delivery_id)).scalars().all():
        outbox.record_change(connection, delivery_id, report_id, act=act, actor=actor, now=database.now())


def list_requested_transfers(database: Database, at_most: int = 50, skip: int = 0) -> list[Transfer]:
    """Return the transfers that staff have requested and that are not executed yet, oldest first.

    `skip`: how many are left out, because they could not be executed.
    """
    h = t.handover.c
    query = select(h.report_id, h.giver, h.taker, h.actor).where(h.outcome.is_(None))
    with database.read() as connection:
        query = query.order_by(h.asked_at, h.report_id, h.giver, h.taker)
        return [Transfer(*row) for row in connection.execute(query.limit(at_most).offset(skip))]


def execute_transfer(database: Database, transfer: Transfer) -> tuple[str, Priority] | None:
    """Execute a requested transfer once; return (delivery_id, priority) of the new delivery.

    Returns None if the transfer is not possible (the request is marked refused) or was executed by another process.
    """
    try:
        with database.write() as connection:
            return (
                _transfer(connection, database, transfer)
                if _close_request(connection, transfer, TransferOutcome.DONE)
                else None
            )
    except ActionNotPossible:
        with database.write() as connection:
            if _close_request(connection, transfer, TransferOutcome.REFUSED):
                audit_log.append(connection, "clock", "hand_over_refused", transfer.report_id, database.now())
        return None


def _close_request(connection: Connection, transfer: Transfer, outcome: TransferOutcome) -> bool:
    h = t.handover.c
    is_open = and_(
        h.report_id == transfer.report_id, h.giver == transfer.giver, h.taker == transfer.taker, h.outcome.is_(None)
    )
    return bool(connection.execute(update(t.handover).where(is_open).values(outcome=outcome)).rowcount)


def _transfer(connection: Connection, database: Database, transfer: Transfer) -> tuple[str, Priority]:
    report_id, giver = transfer.report_id, transfer.giver
    lock_report(connection, report_id)
    if connection.execute(select(t.report.c.report_id).where(t.report.c.report_id == report_id)).first() is None:
        raise ActionNotPossible(
            f"there is no report {report_id}; `tokaut deliveries show` finds the whole id by digits"
        )
    rows = connection.execute(reports_to(giver, report_id).with_for_update()).all()
    if not rows:
        raise ActionNotPossible(f"{giver} was not given this report, or it was cancelled there")
    returnable = fallbacks.returnable_hotlines(connection, report_id)
    is_declined = rows[-1].handling == Handling.REJECTED and transfer.taker not in returnable  # the escalation goes on
    if is_declined or not may_change(rows[-1].handling, Handling.REJECTED):
        raise ActionNotPossible(f"it is {rows[-1].handling} at {giver}; a report in that state is not handed over")
    delivery = fallbacks.insert_fallback(
        connection, database, report_id, transfer.taker, TRANSFERRED, actor=transfer.actor, may_return=True
    )
    if delivery is None:
        remaining = fallbacks.remaining_fallbacks(connection, report_id) + returnable
        raise ActionNotPossible(_why_not(transfer.taker, remaining))
    for row in rows:
        statement = update(t.delivery).where(t.delivery.c.delivery_id == row.delivery_id)
        connection.execute(statement.values(handling=Handling.REJECTED))
        outbox.record_change(
            connection, row.delivery_id, report_id, act="handed_on", actor=transfer.actor, now=database.now()
        )
    return delivery


def _why_not(hotline: str, remaining: tuple[str, ...]) -> str:
    hint = f"it can go to {', '.join(remaining)}" if remaining else "nobody is left who can get it"
    return f"{hotline} has it already, or was not shown to the reporter before Send; {hint}"


@dataclass(frozen=True, slots=True)
class ReportPath:
    """A report, its latest route, its deliveries, and the audit entries about them (`done`), each in order."""

    report: Any
    route: tuple[Any, ...]
    deliveries: tuple[Any, ...]
    done: tuple[Any, ...]


def find_reports(database: Database, digits: str, at_most: int = 20) -> tuple[str, ...]:
    """Return the ids of the reports that begin or end with these hexadecimal digits, the newest first.

    It reads every id, so it is for a person who asks and not for a script.
    """
    r = t.report.c
    report_digits = func.replace(r.report_id, "-", "")
    query = select(r.report_id).where(or_(report_digits.like(f"{digits}%"), report_digits.like(f"%{digits}")))
    with database.read() as connection:
        return tuple(connection.execute(query.order_by(r.created_at.desc()).limit(at_most)).scalars())


def load_report_path(database: Database, report_id: str) -> ReportPath | None:
    """Load the path of a report: ids, codes and times only. Returns None if there is no such report."""
    r, w, d, a = t.report.c, t.route.c, t.delivery.c, t.audit.c
    report_query = select(r.report_id, r.created_at, r.country, r.priority, r.completeness, r.state, r.desk)
    route_query = select(w.hotline, w.role, w.why).where(of_latest_route(report_id)).order_by(w.rank)
    delivery_query = select(
        d.delivery_id, d.created_at, d.hotline, d.type, d.revision, d.role, d.why, d.state, d.handling,
        d.attempt, d.last_class, d.last_status, d.next_at,
    )  # fmt: skip
    delivery_query = delivery_query.where(d.report_id == report_id).order_by(d.created_at, d.delivery_id)
    audit_query = select(a.at, a.actor, a.act, a.object_id).order_by(a.at, a.audit_id)
    with database.read() as connection:
        report_row = connection.execute(report_query.where(r.report_id == report_id)).first()
        if report_row is None:
            return None
        route_rows, delivery_rows = (tuple(connection.execute(query)) for query in (route_query, delivery_query))
        object_ids = [report_id, *(row.delivery_id for row in delivery_rows)]
        audit_rows = tuple(connection.execute(audit_query.where(a.object_id.in_(object_ids))))
        return ReportPath(report_row, route_rows, delivery_rows, audit_rows)
