"""Lease deliveries from the outbox, and record the outcome of each attempt.

A worker leases a delivery and reads its body in one transaction, returns the connection, calls the hotline, and then
records the outcome. Success is not fenced, failure is: any worker that received a 2xx writes `delivered`; a failure is
written only by the holder of that very attempt. So a worker that was suspended cannot undo anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from reports.delivery import REPORT_TYPES, UNDELIVERED, DeliveryState, DeliveryType
from reports.escalation import LEASE_TIME, URGENT, Priority
from reports.store import audit_log, circuit_breakers, deliveries
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_ahead, is_due, period_by_column
from reports.store.schema import tables as t
from reports.time_limits import DELIVERY_ATTEMPT
from runtime.settings import Mode

LEASED_COLUMNS = (
    "delivery_id",
    "report_id",
    "hotline",
    "type",
    "revision",
    "priority",
    "attempt",
    "created_at",
    "last_class",
)


@dataclass(frozen=True, slots=True)
class StoredBody:
    """A body sealed to one hotline. `message_id`: the id of a My report message; "" if it is the report itself."""

    key_id: str
    wrap: bytes
    head: bytes
    sealed: bytes
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class LeasedDelivery:
    """A delivery leased to one worker. Times in microseconds; `now`: when the lease began, by the database's clock.

    `withdrawn`: the reporter has withdrawn consent to use the number in the body, or has given another number.
    `body`: None if no body is stored for this hotline.
    """

    delivery_id: str
    report_id: str
    hotline: str
    type: DeliveryType
    revision: int
    priority: Priority
    attempt: int
    created_at: int
    last_class: str | None
    now: int
    mode: Mode | None  # None: the report was purged
    withdrawn: bool
    body: StoredBody | None


def read_leased(connection: Connection, row: Any, now: int) -> LeasedDelivery:
    """Read the body of a delivery. `row`: `LEASED_COLUMNS` of a delivery just leased by this transaction."""
    mode, withdrawn = _read_mode_and_consent(connection, row)
    fields = {name: getattr(row, name) for name in LEASED_COLUMNS}
    return LeasedDelivery(**fields, now=now, mode=mode, withdrawn=withdrawn, body=_read_body(connection, row))


def _read_mode_and_consent(connection: Connection, row: Any) -> tuple[Mode | None, bool]:
    """Return the mode of the report, and whether the number in this body must not be used.

    The reporter's latest statement about contact holds, however late the delivery goes out. Once there is one, only the
    message that made it may keep its number: the report or another message may name another phone.
    """
    m = t.message.c
    report = connection.execute(_MODE, {"report": row.report_id}).first()
    if report is None:
        return None, False
    if row.type != DeliveryType.MESSAGE or report.allowed != 1:
        return report.mode, report.allowed is not None
    sent_at = select(m.created_at).where(m.report_id == row.report_id, m.number == row.revision).limit(1)
    return report.mode, connection.execute(sent_at).scalar() != report.changed_at


def _read_body(connection: Connection, row: Any) -> StoredBody | None:
    query = _MESSAGE if row.type == DeliveryType.MESSAGE else _BODY
    result = connection.execute(query, {"report": row.report_id, "who": row.hotline, "number": row.revision}).first()
    return StoredBody(*result) if result else None


def _mode_query() -> Select[Any]:
    r, c = t.report.c, t.contact.c
    query = select(r.mode, c.allowed, c.changed_at).outerjoin_from(t.report, t.contact, c.report_id == r.report_id)
    return query.where(r.report_id == bindparam("report"))


def _body_query() -> Select[Any]:
    b = t.report_body.c
    condition = (b.report_id == bindparam("report"), b.recipient == bindparam("who"), b.revision == bindparam("number"))
    return select(b.key_id, b.wrap, b.head, b.sealed).where(*condition)


def _message_query() -> Select[Any]:
    m = t.message.c
    condition = (m.report_id == bindparam("report"), m.recipient == bindparam("who"), m.number == bindparam("number"))
    return select(m.key_id, m.wrap, literal(b""), m.sealed, m.message_id).where(*condition)


def _lock_query() -> Select[Any]:
    d = t.delivery.c
    lock = func.pg_advisory_xact_lock(func.hashtext("lease " + d.hotline))
    return select(lock).where(d.delivery_id == bindparam("which"))


_LOCK_HOTLINE = _lock_query()
_MODE, _BODY, _MESSAGE = _mode_query(), _body_query(), _message_query()


# Leases and outcomes, for workers

# Requests under way to one hotline, of all workers together, for urgent and for other deliveries each. A hotline that
# answers may get as many as its distance needs; a worker that died or hangs holds at most eight of them.
AT_ONCE = 12
# Of a hotline whose last request failed the next may hang for 20 s each, so it gets few until one succeeds. For other
# deliveries than urgent ones the limit is one less.
FAILING_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """A hotline accepted a delivery. `status`: of its HTTP reply, or None; `sha256`: of the body that was sent.

    `is_notice`: the hotline was only told that a report waits: staff read the copy that is stored here.
    """

    why: str
    status: int | None
    sha256: bytes
    is_notice: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """The failure of an attempt. `delay`: microseconds until the next attempt; None: no further attempt (refused)."""

    why: str
    status: int | None
    delay: int | None
    counts: bool = False  # counts for the circuit breaker of the hotline
    gone: bool = False  # the hotline answered 410


def is_leasable(now: ColumnElement[int]) -> ColumnElement[bool]:
    """Return whether a row of `delivery` is due, not leased, and neither its breaker nor its slots prevent it.

    Two deliveries of one report never go to a hotline at once: an update would overtake the report.
    """
    d = t.delivery.c
    available = or_(d.lease_until.is_(None), ~is_ahead(d.lease_until, now, LEASE_TIME))
    is_attempt_due = is_due(d.next_at, now, period_by_column(DELIVERY_ATTEMPT, d.priority))
    return and_(
        d.state == DeliveryState.DUE,
        is_attempt_due,
        available,
        circuit_breakers.allows_delivery(now),
        _has_free_slot(now),
    )


def _has_free_slot(now: ColumnElement[int]) -> ColumnElement[bool]:
    d, leased_delivery = t.delivery.c, t.delivery.alias("held").c
    urgent = d.priority.in_(URGENT)
    is_live = and_(
        leased_delivery.hotline == d.hotline,
        leased_delivery.state == DeliveryState.DUE,
        leased_delivery.lease_until.is_not(None),
        is_ahead(leased_delivery.lease_until, now, LEASE_TIME),
    )
    is_of_this_report = leased_delivery.report_id == d.report_id
    is_alike = leased_delivery.priority.in_(URGENT) == urgent
    # Another delivery of the same report blocks this one.
    taken = func.sum(case((is_of_this_report, AT_ONCE), (is_alike, 1), else_=0))
    count = select(func.coalesce(taken, 0)).where(is_live).correlate(t.delivery).scalar_subquery()
    when_failing = case((urgent, FAILING_AT_ONCE), else_=FAILING_AT_ONCE - 1)
    return count < case((circuit_breakers.has_failed(d.hotline), when_failing), else_=AT_ONCE)


def lease(database: Database, delivery_id: str, holder: str) -> LeasedDelivery | None:
    """Lease a delivery. Returns None if another worker holds it, it is done, or it is not due."""
    with database.write() as connection:
        _lock_hotline(database, connection, delivery_id)
        row = connection.execute(database.once(_lease_query), {"which": delivery_id, "holder": holder}).first()
        if row is None:
            return None
        if row.priority != Priority.P1:
            circuit_breakers.start_probe(connection, row.hotline, row.lease_until - LEASE_TIME)
        return read_leased(connection, row, row.lease_until - LEASE_TIME)


def _lock_hotline(database: Database, connection: Connection, delivery_id: str) -> None:
    """Let one transaction at a time lease deliveries to this hotline: two would find the same slot free.

    Other hotlines do not wait: the lock is held until COMMIT returns, which waits for a standby.
    """
    if not database.is_sqlite:
        connection.execute(_LOCK_HOTLINE, {"which": delivery_id})


def _lease_query(database: Database) -> Any:
    """Return the UPDATE that leases the delivery `which` to `holder`."""
    d = t.delivery.c
    now = database.now_sql()
    target = select(d.delivery_id).where(d.delivery_id == bindparam("which")).with_for_update(skip_locked=True)
    return (
        update(t.delivery)
        .where(d.delivery_id == target.scalar_subquery(), is_leasable(now))
        .values(lease_by=bindparam("holder"), lease_until=now + LEASE_TIME, attempt=d.attempt + 1)
        .returning(*(d[name] for name in LEASED_COLUMNS), d.lease_until)
    )


def lease_next(
    database: Database, priorities: Sequence[Priority], holder: str, full: Sequence[str] = ()
) -> LeasedDelivery | None:
    """Lease the most urgent delivery that is due; None if there is none. A failed one is due later.

    `full`: hotlines to which no more are begun now. The search locks nothing, so it can pass over thousands of
    deliveries to a hotline without a free slot.
    """
    tried: list[str] = []  # deliveries that another worker leased or locked meanwhile
    while (delivery_id := _find_leasable(database, priorities, tried, full)) is not None:
        if leased := lease(database, delivery_id, holder):
            return leased
        tried.append(delivery_id)
    return None


def _find_leasable(
    database: Database, priorities: Sequence[Priority], tried: Sequence[str], full: Sequence[str]
) -> str | None:
    available, limit = database.once(_leasable_query), len(tried) + 1
    if full:
        available = available.where(t.delivery.c.hotline.not_in(full))
    with database.read() as connection:
        for priority in sorted(priorities):
            delivery_ids = connection.execute(available, {"priority": priority, "limit": limit}).scalars().all()
            leasable: str | None = next((delivery_id for delivery_id in delivery_ids if delivery_id not in tried), None)
            if leasable is not None:
                return leasable
    return None


def _leasable_query(database: Database) -> Select[Any]:
    """Return the SELECT of at most `limit` leasable deliveries of the priority `priority`."""
    d = t.delivery.c
    available = select(d.delivery_id).where(is_leasable(database.now_sql()), d.priority == bindparam("priority"))
    return available.order_by(d.next_at).limit(bindparam("limit"))


def mark_delivered(database: Database, leased: LeasedDelivery, receipt: DeliveryReceipt, actor: str) -> bool:
    """Store the receipt of a delivery, whether or not the lease still holds. Returns False if one was stored before.

    Also False for a notice of a delivery that was cancelled meanwhile: it stays cancelled, and the copy here hidden.
    """
    values: dict[str, Any] = {"last_class": receipt.why, "last_status": receipt.status, "sent_sha256": receipt.sha256}
    with database.write() as connection:
        deliveries.lock_report(connection, leased.report_id)
        statement = database.once(_receipt_query)
        if receipt.is_notice:
            statement = statement.where(t.delivery.c.state != DeliveryState.CANCELLED)
        stored = connection.execute(statement, values | {"which": leased.delivery_id})
        delivered_at: int | None = stored.scalar()
        is_new = delivered_at is not None
        now = delivered_at or database.moment(connection)
        circuit_breakers.close(connection, leased.hotline, now)
        if is_new:
            _raise_priority(connection, leased)
            record_change(
                connection, leased.delivery_id, leased.report_id, act=DeliveryState.DELIVERED, actor=actor, now=now
            )
    return is_new


def _receipt_query(database: Database) -> Any:
    """Return the UPDATE that stores the receipt of the delivery `which`."""
    d = t.delivery.c
    values: dict[str, Any] = {name: bindparam(name) for name in ("last_class", "last_status", "sent_sha256")}
    values |= {"state": DeliveryState.DELIVERED, "lease_by": None, "lease_until": None}
    statement = update(t.delivery).where(d.delivery_id == bindparam("which"), d.state != DeliveryState.DELIVERED)
    return statement.values(**values, delivered_at=database.now_sql()).returning(d.delivered_at)


def _raise_priority(connection: Connection, leased: LeasedDelivery) -> None:
    """Give the report's own delivery the priority of a more urgent update, once the hotline has that update.

    Staff find a report by its own delivery. Until the update is delivered, fallbacks are asked (`fallbacks`).
    """
    if leased.type == DeliveryType.UPDATED:
        d = t.delivery.c
        is_report = and_(d.report_id == leased.report_id, d.hotline == leased.hotline, d.type.in_(REPORT_TYPES))
        is_less_urgent = and_(is_report, d.priority > leased.priority)
        connection.execute(update(t.delivery).where(is_less_urgent).values(priority=leased.priority))


def mark_failed(database: Database, leased: LeasedDelivery, failure: DeliveryFailure, holder: str, actor: str) -> bool:
    """Record why this attempt failed. Returns False without writing if another worker has leased the delivery."""
    d = t.delivery.c
    is_held = and_(d.state == DeliveryState.DUE, d.lease_by == holder, d.attempt == leased.attempt)
    values: dict[str, Any] = {"last_class": failure.why, "last_status": failure.status}
    values |= {"lease_by": None, "lease_until": None}
    if failure.delay is None:
        values |= {"state": DeliveryState.REFUSED, "told_at": None}
    else:
        values["next_at"] = database.now_sql() + failure.delay
    with database.write() as connection:
        if failure.delay is None:
            deliveries.lock_report(connection, leased.report_id)
        row = update(t.delivery).where(d.delivery_id == leased.delivery_id, is_held).values(values)
        if not connection.execute(row).rowcount:
            return False
        now = database.moment(connection)
        if failure.counts:
            circuit_breakers.count_failure(
                connection, database, leased.hotline, now, probe=leased.priority != Priority.P1
            )
        if failure.gone:
            circuit_breakers.mark_gone(connection, database, leased.hotline, now)
        if failure.delay is None:
            record_change(
                connection, leased.delivery_id, leased.report_id, act=DeliveryState.REFUSED, actor=actor, now=now
            )
    return True


def release_slot(database: Database, slot: str) -> int:
    """End the leases of the worker that used this slot before, without waiting for their expiry; return how many.

    `slot`: the holder's name up to the first slash.
    """
    holders = slot.replace("%", "").replace("_", r"\_") + "/%"
    count = 0
    with database.write() as connection:
        for table in (t.delivery, t.outgoing):
            statement = update(table).where(
                table.c.state == DeliveryState.DUE, table.c.lease_by.like(holders, escape="\\")
            )
            count += connection.execute(statement.values(lease_by=None, lease_until=None)).rowcount
    return count


def record_change(connection: Connection, delivery_id: str, report_id: str, *, act: str, actor: str, now: int) -> None:
    """Write the audit entry of a delivery that changed its state, and update the state of its report.

    The transaction has locked the report, by `deliveries.lock_report`.
    """
    audit_log.append(connection, actor, act, delivery_id, now)
    deliveries.update_report_state(connection, report_id, now)


# Queries and cleanup for the scheduler. Each function is one short transaction or one read.


def list_due(database: Database, priorities: Sequence[Priority], at_most: int = 500) -> list[tuple[str, str]]:
    """Return (delivery_id, priority) of the deliveries that may be sent now, the most urgent first."""
    d = t.delivery.c
    query = select(d.delivery_id, d.priority).where(d.priority.in_(priorities))
    query = query.where(is_leasable(database.now_sql())).order_by(d.priority, d.next_at).limit(at_most)
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def refuse_for_gone_hotlines(database: Database, at_most: int = 500) -> list[str]:
    """Refuse due deliveries to hotlines that answered 410, so that fallbacks start and a person is notified.

    Returns the ids of the deliveries.
    """
    d, h = t.delivery.c, t.hotline_state.c
    query = select(d.delivery_id, d.report_id).join_from(t.delivery, t.hotline_state, h.hotline == d.hotline)
    query = query.where(d.state == DeliveryState.DUE, h.dead_since.is_not(None)).order_by(d.priority, d.created_at)
    with database.read() as connection:
        rows = connection.execute(query.limit(at_most)).all()
    return [
        row.delivery_id
        for row in rows
        if _end(database, row, DeliveryState.REFUSED, "gone", d.state == DeliveryState.DUE)
    ]


def park_expired(database: Database, older_than: int, at_most: int = 500) -> list[str]:
    """Park deliveries that are still due after `older_than` microseconds, and return their ids.

    One that a person has retried gets as long again. No data is lost: a report with a parked delivery is never purged.
    """
    d, a = t.delivery.c, t.audit.c
    since = database.now_sql() - older_than
    was_retried = exists().where(a.object_id == d.delivery_id, a.act == "retried", a.at > since)
    is_old = and_(d.state == DeliveryState.DUE, d.created_at <= since, ~was_retried)
    with database.read() as connection:
        query = select(d.delivery_id, d.report_id).where(is_old).order_by(d.priority, d.created_at)
        rows = connection.execute(query.limit(at_most)).all()
    return [row.delivery_id for row in rows if _end(database, row, DeliveryState.PARKED, "parked", is_old)]


def _end(database: Database, row: Any, state: DeliveryState, error_class: str, condition: Any) -> bool:
    values = {"state": state, "last_class": error_class, "told_at": None, "lease_by": None, "lease_until": None}
    with database.write() as connection:
        deliveries.lock_report(connection, row.report_id)
        statement = update(t.delivery).where(t.delivery.c.delivery_id == row.delivery_id, condition).values(values)
        if not connection.execute(statement).rowcount:
            return False
        now = database.moment(connection)
        record_change(connection, row.delivery_id, row.report_id, act=state, actor="clock", now=now)
    return True


def oldest_ages(database: Database) -> dict[str, int]:
    """Return priority → age of its oldest undelivered delivery in microseconds, including refused and parked ones."""
    d = t.delivery.c
    age = database.now_sql() - func.min(d.created_at)
    with database.read() as connection:
        rows = connection.execute(select(d.priority, age).where(d.state.in_(UNDELIVERED)).group_by(d.priority))
        return {row[0]: row[1] for row in rows}


def count_undelivered(database: Database) -> dict[tuple[str, str], int]:
    """Return (state, priority) → number of deliveries that are not delivered."""
    d = t.delivery.c
    query = select(d.state, d.priority, func.count()).where(d.state.in_(UNDELIVERED)).group_by(d.state, d.priority)
    with database.read() as connection:
        return {(row[0], row[1]): row[2] for row in connection.execute(query)}
