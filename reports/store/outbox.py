"""The outbox as a worker sees it: lease a row, give the connection back, call out, then say how it went.

Success is not fenced, failure is: whoever saw a 2xx writes `delivered`; a failure is written only by the holder of that
very attempt, so a worker that was frozen can undo nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Update, and_, bindparam, case, func, or_, select, update

from reports.clocks import LEASE
from reports.escalation.priorities import URGENT
from reports.periods import ATTEMPT
from reports.store import auditing, breakers, standings
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT
from reports.store.due import is_ahead, is_due, longest_of
from reports.store.leased import COLUMNS, Leased, read

# Urgent calls to one hotline at once. One that hangs holds each for 20 s, and the hands for what is urgent are three: a
# worker and the clock's two threads; for what is not they are two, and one call less is made at once.
AT_ONCE = 2


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
    free = or_(d.lease_until.is_(None), ~is_ahead(d.lease_until, now, LEASE))
    come = is_due(d.next_at, now, longest_of(ATTEMPT, d.priority))
    return and_(d.state == "due", come, free, breakers.lets_through(now), _has_a_hand_free(now))


def _has_a_hand_free(now: ColumnElement[int]) -> ColumnElement[bool]:
    d, held = t.delivery.c, t.delivery.alias("held").c
    urgent = d.priority.in_(URGENT)
    live = and_(held.state == "due", held.lease_until.is_not(None), is_ahead(held.lease_until, now, LEASE))
    alike = and_(held.hotline == d.hotline, held.priority.in_(URGENT) == urgent)
    count = select(func.count()).where(alike, live).correlate(t.delivery).scalar_subquery()
    return count < case((urgent, AT_ONCE), else_=AT_ONCE - 1)


def lease(database: Database, delivery_id: str, holder: str) -> Leased | None:
    """None: somebody else has it, it is done, or it is not its time."""
    with database.write() as connection:
        database.take_turns(connection, "lease")  # two that count at once would both find a hand free
        row = connection.execute(database.once(_take), {"which": delivery_id, "holder": holder}).first()
        if row is None:
            return None
        if row.priority != "P1":
            breakers.send_probe(connection, row.hotline, row.lease_until - LEASE)
        return read(connection, row, row.lease_until - LEASE)


def _take(database: Database) -> Any:
    """Of `which`, by `holder`."""
    d = t.delivery.c
    now = database.now_sql()
    its = select(d.delivery_id).where(d.delivery_id == bindparam("which")).with_for_update(skip_locked=True)
    return (
        update(t.delivery)
        .where(d.delivery_id == its.scalar_subquery(), may_be_taken(now))
        .values(lease_by=bindparam("holder"), lease_until=now + LEASE, attempt=d.attempt + 1)
        .returning(*(d[name] for name in COLUMNS), d.lease_until)
    )


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
    free = select(d.delivery_id).where(may_be_taken(database.now_sql()), d.priority == bindparam("one"))
    return free.order_by(d.next_at).limit(bindparam("most"))


def delivered(database: Database, leased: Leased, receipt: Receipt, actor: str) -> bool:
    """Keep the receipt, whoever saw it; false where it was there already."""
    values: dict[str, Any] = {"last_class": receipt.why, "last_status": receipt.status, "sent_sha256": receipt.sha256}
    with database.write() as connection:
        fresh = connection.execute(database.once(_keep_receipt), values | {"which": leased.delivery_id}).rowcount
        now = database.moment(connection)
        breakers.close(connection, leased.hotline, now)
        if fresh:
            _lift(connection, leased)
            moved(connection, leased.delivery_id, leased.report_id, act="delivered", actor=actor, now=now)
    return bool(fresh)


def _keep_receipt(database: Database) -> Update:
    """Of `which`; the other values are its own."""
    d = t.delivery.c
    values: dict[str, Any] = {name: bindparam(name) for name in ("last_class", "last_status", "sent_sha256")}
    values |= {"state": "delivered", "lease_by": None, "lease_until": None}
    of_it = update(t.delivery).where(d.delivery_id == bindparam("which"), d.state != "delivered")
    return of_it.values(**values, delivered_at=database.now_sql())


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
