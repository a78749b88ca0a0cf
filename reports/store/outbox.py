"""The outbox as a worker sees it: lease a row, give the connection back, call out, then say how it went.

Success is not fenced, failure is: whoever saw a 2xx writes `delivered`; a failure is written only by the holder of that
very attempt, so a worker that was frozen can undo nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, or_, select, update

from reports.clocks import LEASE, URGENT
from reports.store import auditing, breakers, standings
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT

# Urgent calls to one hotline at once. One that hangs holds each for 20 s, and the hands for what is urgent are three: a
# worker and the clock's two threads; for what is not they are two, and one call less is made at once.
AT_ONCE = 2
LEASED = ("delivery_id", "report_id", "hotline", "type", "revision", "priority", "attempt", "created_at", "last_class")


@dataclass(frozen=True, slots=True)
class Body:
    """What one hotline may open. `message_id`: of what was said by My report; a report itself has none."""

    key_id: str
    wrap: bytes
    head: bytes
    sealed: bytes
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Leased:
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
    body: Body | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The hotline has it: its status, and SHA-256 of what was sent."""

    why: str
    status: int | None
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt failed and when the next one may be; `delay` is None where there is none (refused)."""

    why: str
    status: int | None
    delay: int | None
    counts: bool = False  # against the hotline
    gone: bool = False  # the hotline takes nothing any more


def may_be_taken(now: ColumnElement[int]) -> ColumnElement[bool]:
    """Rows of `delivery` that nobody holds and whose time has come."""
    d = t.delivery.c
    free = or_(d.lease_until.is_(None), d.lease_until < now)
    return and_(d.state == "due", d.next_at <= now, free, breakers.lets_through(now), _has_a_hand_free(now))


def _has_a_hand_free(now: ColumnElement[int]) -> ColumnElement[bool]:
    d, held = t.delivery.c, t.delivery.alias("held").c
    urgent = d.priority.in_(URGENT)
    live = and_(held.state == "due", held.lease_until.is_not(None), held.lease_until >= now)
    alike = and_(held.hotline == d.hotline, held.priority.in_(URGENT) == urgent)
    count = select(func.count()).where(alike, live).correlate(t.delivery).scalar_subquery()
    return count < case((urgent, AT_ONCE), else_=AT_ONCE - 1)


def lease(database: Database, delivery_id: str, holder: str) -> Leased | None:
    """None: somebody else has it, it is done, or it is not its time."""
    d = t.delivery.c
    now = database.now_sql()
    its = select(d.delivery_id).where(d.delivery_id == delivery_id).with_for_update(skip_locked=True).scalar_subquery()
    taken = (
        update(t.delivery)
        .where(d.delivery_id == its, may_be_taken(now))
        .values(lease_by=holder, lease_until=now + LEASE, attempt=d.attempt + 1)
        .returning(*(d[name] for name in LEASED), d.lease_until)
    )
    with database.write() as connection:
        database.take_turns(connection, "lease")  # two that count at once would both find a hand free
        row = connection.execute(taken).first()
        if row is None:
            return None
        if row.priority != "P1":
            breakers.send_probe(connection, row.hotline, row.lease_until - LEASE)
        mode, withdrawn = _read_report(connection, row)
        body = _read_body(connection, row)
    fields = {name: getattr(row, name) for name in LEASED}
    return Leased(**fields, now=row.lease_until - LEASE, mode=mode, withdrawn=withdrawn, body=body)


def lease_next(database: Database, priorities: Sequence[str], holder: str) -> Leased | None:
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
    d = t.delivery.c
    free = select(d.delivery_id).where(may_be_taken(database.now_sql()), d.delivery_id.not_in(tried))
    free = free.order_by(d.next_at).limit(1)
    with database.read() as connection:
        each = (connection.execute(free.where(d.priority == one)).scalar() for one in sorted(priorities))
        return next((found for found in each if found is not None), None)


def _read_report(connection: Connection, leased: Any) -> tuple[str, bool]:
    """Of all that was said about contact the last holds, however late the rest goes out.

    A message that is not that last one holds no number any more, nor does a report: it may be another phone's.
    """
    r, c, m = t.report.c, t.contact.c, t.message.c
    query = select(r.mode, c.allowed, c.changed_at).outerjoin_from(t.report, t.contact, c.report_id == r.report_id)
    row = connection.execute(query.where(r.report_id == leased.report_id)).first()
    if row is None:
        return "", False
    if leased.type != "message" or row.allowed != 1:
        return row.mode, row.allowed is not None
    said = select(m.created_at).where(m.report_id == leased.report_id, m.number == leased.revision).limit(1)
    return row.mode, connection.execute(said).scalar() != row.changed_at


def _read_body(connection: Connection, row: Any) -> Body | None:
    b, m = t.report_body.c, t.message.c
    query = select(b.key_id, b.wrap, b.head, b.sealed).where(b.report_id == row.report_id, b.recipient == row.hotline)
    query = query.where(b.revision == row.revision)
    if row.type == "message":
        query = select(m.key_id, m.wrap, literal(b""), m.sealed, m.message_id).where(m.number == row.revision)
        query = query.where(m.report_id == row.report_id, m.recipient == row.hotline)
    found = connection.execute(query).first()
    return Body(*found) if found else None


def delivered(database: Database, leased: Leased, receipt: Receipt, actor: str) -> bool:
    """Keep the receipt, whoever saw it; false where it was there already."""
    d = t.delivery.c
    values: dict[str, Any] = {"state": "delivered", "delivered_at": database.now_sql(), "sent_sha256": receipt.sha256}
    values |= {"last_class": receipt.why, "last_status": receipt.status, "lease_by": None, "lease_until": None}
    with database.write() as connection:
        fresh = connection.execute(
            update(t.delivery).where(d.delivery_id == leased.delivery_id, d.state != "delivered").values(values)
        ).rowcount
        now = database.moment(connection)
        breakers.close(connection, leased.hotline, now)
        if fresh:
            _lift(connection, leased)
            moved(connection, leased.delivery_id, leased.report_id, act="delivered", actor=actor, now=now)
    return bool(fresh)


def _lift(connection: Connection, leased: Leased) -> None:
    """Staff find a report by the delivery of it. What came to them is as urgent as the update that came after it; until
    one has come, the chain asks others (`chains`).
    """
    if leased.type == "updated":
        d = t.delivery.c
        same = and_(d.report_id == leased.report_id, d.hotline == leased.hotline, d.type.in_(THE_REPORT))
        slower = and_(same, d.priority > leased.priority)
        connection.execute(update(t.delivery).where(slower).values(priority=leased.priority))


def failed(database: Database, leased: Leased, failure: Failure, holder: str, actor: str) -> bool:
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
            breakers.count_failure(connection, database, leased.hotline, now, probe=leased.priority != "P1")
        if failure.gone:
            breakers.bury(connection, database, leased.hotline, now)
        if failure.delay is None:
            moved(connection, leased.delivery_id, leased.report_id, act="refused", actor=actor, now=now)
    return True


def give_up_slot(database: Database, slot: str) -> int:
    """A worker that starts gives up what the one before it in the same slot held: a kill must not cost a minute."""
    holders = slot.replace("%", "").replace("_", r"\_") + "/%"
    count = 0
    with database.write() as connection:
        for table in (t.delivery, t.outgoing):
            held = update(table).where(table.c.state == "due", table.c.lease_by.like(holders, escape="\\"))
            count += connection.execute(held.values(lease_by=None, lease_until=None)).rowcount
    return count


def moved(connection: Connection, delivery_id: str, report_id: str, *, act: str, actor: str, now: int) -> None:
    """A delivery changed its state: one audit row, and the report's own state."""
    auditing.note(connection, actor, act, delivery_id, now)
    standings.settle(connection, report_id, now)
