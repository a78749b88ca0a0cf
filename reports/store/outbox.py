"""What a worker has in its hands with one row of the outbox: read as it takes the lease, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    update,
)

from reports.escalation.policy import LEASE_TIME
from reports.escalation.priorities import URGENT
from reports.escalation.time_limits import DELIVERY_ATTEMPT
from reports.store import audit_log, circuit_breakers, deliveries
from reports.store.deliveries import REPORT_TYPES, UNDELIVERED
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_ahead, is_due, period_by_column
from reports.store.schema import tables as t

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
    """What one hotline may open. `message_id`: of what was said by My report; a report itself has none."""

    key_id: str
    wrap: bytes
    head: bytes
    sealed: bytes
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class LeasedDelivery:
    """One row in the hands of one worker. `now` is the clock that the lease went by; times in microseconds.

    `withdrawn`: the reporter has taken back that the number in it may be used, or has given another.
    """

    delivery_id: str
    report_id: str
    hotline: str
    type: str
    revision: int
    priority: str
    attempt: int
    created_at: int
    last_class: str | None
    now: int
    mode: str
    withdrawn: bool
    body: StoredBody | None


def read_leased(connection: Connection, row: Any, now: int) -> LeasedDelivery:
    """`row`: of the outbox, just taken."""
    mode, withdrawn = _read_report(connection, row)
    fields = {name: getattr(row, name) for name in LEASED_COLUMNS}
    return LeasedDelivery(**fields, now=now, mode=mode, withdrawn=withdrawn, body=_read_body(connection, row))


def _read_report(connection: Connection, row: Any) -> tuple[str, bool]:
    """Of all that was said about contact the last holds, however late the rest goes out.

    A message that is not that last one holds no number any more, nor does a report: it may be another phone's.
    """
    m = t.message.c
    report = connection.execute(_MODE, {"report": row.report_id}).first()
    if report is None:
        return "", False
    if row.type != "message" or report.allowed != 1:
        return report.mode, report.allowed is not None
    said = select(m.created_at).where(m.report_id == row.report_id, m.number == row.revision).limit(1)
    return report.mode, connection.execute(said).scalar() != report.changed_at


def _read_body(connection: Connection, row: Any) -> StoredBody | None:
    query = _MESSAGE if row.type == "message" else _BODY
    found = connection.execute(query, {"report": row.report_id, "who": row.hotline, "number": row.revision}).first()
    return StoredBody(*found) if found else None


def _mode() -> Select[Any]:
    r, c = t.report.c, t.contact.c
    query = select(r.mode, c.allowed, c.changed_at).outerjoin_from(t.report, t.contact, c.report_id == r.report_id)
    return query.where(r.report_id == bindparam("report"))


def _body() -> Select[Any]:
    b = t.report_body.c
    its = (b.report_id == bindparam("report"), b.recipient == bindparam("who"), b.revision == bindparam("number"))
    return select(b.key_id, b.wrap, b.head, b.sealed).where(*its)


def _message() -> Select[Any]:
    m = t.message.c
    its = (m.report_id == bindparam("report"), m.recipient == bindparam("who"), m.number == bindparam("number"))
    return select(m.key_id, m.wrap, literal(b""), m.sealed, m.message_id).where(*its)


_MODE, _BODY, _MESSAGE = _mode(), _body(), _message()


# The outbox as a worker sees it: lease a row, give the connection back, call out, then say how it went.
#
# Success is not fenced, failure is: whoever saw a 2xx writes `delivered`; a failure is written only by the holder of
# that very attempt, so a worker that was frozen can undo nothing.

# Urgent calls to one hotline at once. One that hangs holds each for 20 s, and the hands for what is urgent are three: a
# worker and the clock's two threads; for what is not they are two, and one call less is made at once.
URGENT_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """The hotline has it: its status, and SHA-256 of what was sent."""

    why: str
    status: int | None
    sha256: bytes


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """How an attempt failed and when the next one may be; `delay` is None where there is none (refused)."""

    why: str
    status: int | None
    delay: int | None
    counts: bool = False  # against the hotline
    gone: bool = False  # the hotline takes nothing any more


def is_leasable(now: ColumnElement[int]) -> ColumnElement[bool]:
    """Rows of `delivery` that nobody holds and whose time has come."""
    d = t.delivery.c
    free = or_(d.lease_until.is_(None), ~is_ahead(d.lease_until, now, LEASE_TIME))
    come = is_due(d.next_at, now, period_by_column(DELIVERY_ATTEMPT, d.priority))
    return and_(d.state == "due", come, free, circuit_breakers.allows_delivery(now), _has_free_slot(now))


def _has_free_slot(now: ColumnElement[int]) -> ColumnElement[bool]:
    d, held = t.delivery.c, t.delivery.alias("held").c
    urgent = d.priority.in_(URGENT)
    live = and_(held.state == "due", held.lease_until.is_not(None), is_ahead(held.lease_until, now, LEASE_TIME))
    alike = and_(held.hotline == d.hotline, held.priority.in_(URGENT) == urgent)
    count = select(func.count()).where(alike, live).correlate(t.delivery).scalar_subquery()
    return count < case((urgent, URGENT_AT_ONCE), else_=URGENT_AT_ONCE - 1)


def lease(database: Database, delivery_id: str, holder: str) -> LeasedDelivery | None:
    """None: somebody else has it, it is done, or it is not its time."""
    with database.write() as connection:
        database.lock_until_commit(connection, "lease")  # two that count at once would both find a hand free
        row = connection.execute(database.once(_take), {"which": delivery_id, "holder": holder}).first()
        if row is None:
            return None
        if row.priority != "P1":
            circuit_breakers.start_probe(connection, row.hotline, row.lease_until - LEASE_TIME)
        return read_leased(connection, row, row.lease_until - LEASE_TIME)


def _take(database: Database) -> Any:
    """Of `which`, by `holder`."""
    d = t.delivery.c
    now = database.now_sql()
    its = select(d.delivery_id).where(d.delivery_id == bindparam("which")).with_for_update(skip_locked=True)
    return (
        update(t.delivery)
        .where(d.delivery_id == its.scalar_subquery(), is_leasable(now))
        .values(lease_by=bindparam("holder"), lease_until=now + LEASE_TIME, attempt=d.attempt + 1)
        .returning(*(d[name] for name in LEASED_COLUMNS), d.lease_until)
    )


def lease_next(database: Database, priorities: Sequence[str], holder: str) -> LeasedDelivery | None:
    """The most urgent of what is due; a row that failed has moved back and blocks nobody.

    Looked for before anything is locked: where thousands wait for a hotline whose hands are full, all are looked at.
    """
    tried: list[str] = []  # somebody was faster, or has the row locked
    while (found := _first(database, priorities, tried)) is not None:
        if leased := lease(database, found, holder):
            return leased
        tried.append(found)
    return None


def _first(database: Database, priorities: Sequence[str], tried: Sequence[str]) -> str | None:
    free, most = database.once(_free), len(tried) + 1
    with database.read() as connection:
        for one in sorted(priorities):
            found = connection.execute(free, {"one": one, "most": most}).scalars().all()
            first: str | None = next((each for each in found if each not in tried), None)
            if first is not None:
                return first
    return None


def _free(database: Database) -> Select[Any]:
    """Of priority `one`, at most so many."""
    d = t.delivery.c
    free = select(d.delivery_id).where(is_leasable(database.now_sql()), d.priority == bindparam("one"))
    return free.order_by(d.next_at).limit(bindparam("most"))


def mark_delivered(database: Database, leased: LeasedDelivery, receipt: DeliveryReceipt, actor: str) -> bool:
    """Keep the receipt, whoever saw it; false where it was there already."""
    values: dict[str, Any] = {"last_class": receipt.why, "last_status": receipt.status, "sent_sha256": receipt.sha256}
    with database.write() as connection:
        fresh = connection.execute(database.once(_keep_receipt), values | {"which": leased.delivery_id}).rowcount
        now = database.moment(connection)
        circuit_breakers.close(connection, leased.hotline, now)
        if fresh:
            _raise_priority(connection, leased)
            record_change(connection, leased.delivery_id, leased.report_id, act="delivered", actor=actor, now=now)
    return bool(fresh)


def _keep_receipt(database: Database) -> Update:
    """Of `which`; the other values are its own."""
    d = t.delivery.c
    values: dict[str, Any] = {name: bindparam(name) for name in ("last_class", "last_status", "sent_sha256")}
    values |= {"state": "delivered", "lease_by": None, "lease_until": None}
    of_it = update(t.delivery).where(d.delivery_id == bindparam("which"), d.state != "delivered")
    return of_it.values(**values, delivered_at=database.now_sql())


def _raise_priority(connection: Connection, leased: LeasedDelivery) -> None:
    """Staff find a report by the delivery of it. What came to them is as urgent as the update that came after it; until
    one has come, the chain asks others (`chains`).
    """
    if leased.type == "updated":
        d = t.delivery.c
        same = and_(d.report_id == leased.report_id, d.hotline == leased.hotline, d.type.in_(REPORT_TYPES))
        slower = and_(same, d.priority > leased.priority)
        connection.execute(update(t.delivery).where(slower).values(priority=leased.priority))


def mark_failed(database: Database, leased: LeasedDelivery, failure: DeliveryFailure, holder: str, actor: str) -> bool:
    """Write how this attempt failed; false, and nothing is written, where the lease went to somebody else."""
    d = t.delivery.c
    mine = and_(d.state == "due", d.lease_by == holder, d.attempt == leased.attempt)
    values: dict[str, Any] = {"last_class": failure.why, "last_status": failure.status}
    values |= {"lease_by": None, "lease_until": None}
    if failure.delay is None:
        values |= {"state": "refused", "told_at": None}
    else:
        values["next_at"] = database.now_sql() + failure.delay
    with database.write() as connection:
        row = update(t.delivery).where(d.delivery_id == leased.delivery_id, mine).values(values)
        if not connection.execute(row).rowcount:
            return False
        now = database.moment(connection)
        if failure.counts:
            circuit_breakers.count_failure(connection, database, leased.hotline, now, probe=leased.priority != "P1")
        if failure.gone:
            circuit_breakers.mark_gone(connection, database, leased.hotline, now)
        if failure.delay is None:
            record_change(connection, leased.delivery_id, leased.report_id, act="refused", actor=actor, now=now)
    return True


def release_slot(database: Database, slot: str) -> int:
    """A worker that starts gives up what the one before it in the same slot held: a kill must not cost a minute."""
    holders = slot.replace("%", "").replace("_", r"\_") + "/%"
    count = 0
    with database.write() as connection:
        for table in (t.delivery, t.outgoing):
            held = update(table).where(table.c.state == "due", table.c.lease_by.like(holders, escape="\\"))
            count += connection.execute(held.values(lease_by=None, lease_until=None)).rowcount
    return count


def record_change(connection: Connection, delivery_id: str, report_id: str, *, act: str, actor: str, now: int) -> None:
    """A delivery changed its state: one audit row, and the report's own state."""
    audit_log.append(connection, actor, act, delivery_id, now)
    deliveries.update_report_state(connection, report_id, now)


# What the clock looks for in the database, and what it tidies. Each function is one short transaction or one read.


def list_due(database: Database, priorities: Sequence[str], at_most: int = 500) -> list[tuple[str, str]]:
    """(delivery_id, priority) of what could be sent now, the most urgent first."""
    d = t.delivery.c
    query = select(d.delivery_id, d.priority).where(d.priority.in_(priorities))
    query = query.where(is_leasable(database.now_sql())).order_by(d.priority, d.next_at).limit(at_most)
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def refuse_for_gone_hotlines(database: Database, at_most: int = 500) -> list[str]:
    """What is due to a hotline that answered 410 is refused, so that its fallback starts and a person is told."""
    d, h = t.delivery.c, t.hotline_state.c
    query = select(d.delivery_id, d.report_id).join_from(t.delivery, t.hotline_state, h.hotline == d.hotline)
    query = query.where(d.state == "due", h.dead_since.is_not(None)).limit(at_most)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [row.delivery_id for row in rows if _end(database, row, "refused", "gone", d.state == "due")]


def park_expired(database: Database, older_than: int, at_most: int = 500) -> list[str]:
    """After so many microseconds: a loss of hope, not of data. Nothing parked is ever purged."""
    d = t.delivery.c
    old = and_(d.state == "due", d.created_at <= database.now_sql() - older_than)
    with database.read() as connection:
        rows = connection.execute(select(d.delivery_id, d.report_id).where(old).limit(at_most)).all()
    return [row.delivery_id for row in rows if _end(database, row, "parked", "parked", old)]


def _end(database: Database, row: Any, state: str, why: str, still: Any) -> bool:
    values = {"state": state, "last_class": why, "told_at": None, "lease_by": None, "lease_until": None}
    with database.write() as connection:
        ended = update(t.delivery).where(t.delivery.c.delivery_id == row.delivery_id, still).values(values)
        if not connection.execute(ended).rowcount:
            return False
        now = database.moment(connection)
        record_change(connection, row.delivery_id, row.report_id, act=state, actor="clock", now=now)
    return True


def oldest_ages(database: Database) -> dict[str, int]:
    """Priority → age in microseconds of its oldest undelivered delivery, refused and parked ones too."""
    d = t.delivery.c
    age = database.now_sql() - func.min(d.created_at)
    with database.read() as connection:
        rows = connection.execute(select(d.priority, age).where(d.state.in_(UNDELIVERED)).group_by(d.priority))
        return {row[0]: row[1] for row in rows}


def count_undelivered(database: Database) -> dict[tuple[str, str], int]:
    """(state, priority) → how many deliveries. What was delivered is not looked at."""
    d = t.delivery.c
    query = select(d.state, d.priority, func.count()).where(d.state.in_(UNDELIVERED)).group_by(d.state, d.priority)
    with database.read() as connection:
        return {(row[0], row[1]): row[2] for row in connection.execute(query)}
