"""Fallback hotlines of a report: those tried, and those left. The scheduler decides when one is added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from reports.case_state import Handling, ReportState
from reports.delivery import UNDELIVERED, DeliveryState, DeliveryType, RecipientRole
from reports.escalation import URGENT, Priority, StepName
from reports.store import outbox
from reports.store.deliveries import is_on_latest_route, lock_report, new_delivery, of_latest_route, was_taken_from
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.schema import tables as t


@dataclass(frozen=True, slots=True)
class TriedHotline:
    """A hotline of the chain (primary, then fallbacks of the latest route) that was given the report.

    `waited`: microseconds since the delivery was made. `gone`: the hotline accepts no reports any more. If the hotline
    has the report but not the update that made it more urgent, the fields describe this update.
    """

    hotline: str
    state: DeliveryState
    handling: Handling
    last_class: str
    gone: bool
    waited: int


@dataclass(frozen=True, slots=True)
class FallbackChain:
    """The hotlines that were tried for a report, and those that are left.

    `tried`: in the order in which the deliveries were made. `remaining`: fallbacks that were not given the report, in
    order.
    """

    report_id: str
    priority: Priority
    tried: tuple[TriedHotline, ...]
    remaining: tuple[str, ...]


def list_due(database: Database, waits: Mapping[Priority, int], at_most: int = 200, skip: int = 0) -> list[str]:
    """Return ids of reports whose next fallback is due, as by `next_fallback`; the most urgent and oldest first.

    No hotline of the chain has them, and a fallback is left. One that the reporter has left out since does not count.
    `waits`: priority → microseconds without a receipt. `skip`: how many are left out, because they could not be given
    to their fallback.
    """
    d, r, other_delivery = t.delivery.c, t.report.c, t.delivery.alias("other").c
    is_last = ~exists().where(
        other_delivery.report_id == d.report_id,
        *_in_chain(other_delivery),
        tuple_(other_delivery.created_at, other_delivery.delivery_id) > tuple_(d.created_at, d.delivery_id),
    )
    now = database.now_sql()
    newer_delivery = t.delivery.alias("newer").c
    is_waiting = or_(d.handling == Handling.REJECTED, _is_late(d, now, waits))
    is_waiting |= exists().where(*_lacks_update(d, newer_delivery), _is_late(newer_delivery, now, waits))
    is_received = exists().where(
        other_delivery.report_id == d.report_id, *_in_chain(other_delivery), *_has_latest(other_delivery)
    )
    stored = t.report.alias("stored").c  # read here, so that SQLite looks at no more of a report that was received
    is_on_route = (stored.report_id == d.report_id, stored.state.not_in((ReportState.QUEUED, ReportState.NEEDS_PERSON)))
    is_received = is_received.where(*is_on_route)
    query = (
        select(d.report_id)
        .join_from(t.delivery, t.report, r.report_id == d.report_id)
        .where(*_in_chain(d), ~is_received, is_waiting, is_last, has_remaining(d.report_id))  # the quickest first
        .order_by(r.priority, d.created_at, d.report_id)
    )
    with database.read() as connection:
        return list(connection.execute(query.limit(at_most).offset(skip)).scalars())


def _in_chain(c: Any) -> tuple[ColumnElement[bool], ...]:
    return c.type == DeliveryType.CREATED, c.role != RecipientRole.ALSO


def has_remaining(report_id: Any) -> ColumnElement[bool]:
    """Match reports that can be given to a fallback: one of the latest route that was not given them, with a body."""
    r, b, newer_route, given = t.route.c, t.report_body.c, t.route.alias("newer_route").c, t.delivery.alias("given").c
    return exists().where(
        r.report_id == report_id,
        r.role == RecipientRole.FALLBACK,
        ~exists().where(newer_route.report_id == r.report_id, newer_route.revision > r.revision),
        ~exists().where(given.report_id == r.report_id, given.hotline == r.hotline, given.type == DeliveryType.CREATED),
        exists().where(b.report_id == r.report_id, b.recipient == r.hotline),
    )


def _is_late(c: Any, now: ColumnElement[int], delays: Mapping[Priority, int]) -> ColumnElement[bool]:
    """Match deliveries of reports that have to go to the next hotline now, unless this one has received them."""
    r, h = t.report.c, t.hotline_state.c
    is_gone = or_(c.last_class == "gone", exists().where(h.hotline == c.hotline, h.dead_since.is_not(None)))
    is_refused = or_(c.state == DeliveryState.REFUSED, c.last_class.like("refused%"))
    overdue = (and_(r.priority == priority, c.created_at <= now - delay) for priority, delay in delays.items())
    return or_(is_gone, and_(r.priority.in_(URGENT), is_refused), *overdue)


def _has_latest(c: Any) -> tuple[ColumnElement[bool], ...]:
    """Match deliveries by which a hotline has the report, with every update that made it more urgent."""
    return (
        c.state == DeliveryState.DELIVERED,
        c.handling != Handling.REJECTED,
        ~exists().where(*_lacks_update(c, t.delivery.alias("lacking").c)),
    )


def _lacks_update(c: Any, newer: Any) -> tuple[ColumnElement[bool], ...]:
    return c.state == DeliveryState.DELIVERED, *is_missing_update(c, newer)


def is_missing_update(c: Any, newer: Any) -> tuple[ColumnElement[bool], ...]:
    """Match updates (`newer`) that a hotline lacks though it was given the report (`c`).

    Such an update is undelivered, and more urgent than anything that the hotline has received.
    """
    received = t.delivery.alias("got").c
    same_hotline = (
        received.report_id == newer.report_id,
        received.hotline == newer.hotline,
        received.type == DeliveryType.UPDATED,
    )
    is_known = exists().where(
        *same_hotline, received.state == DeliveryState.DELIVERED, ~_is_less_urgent(received, newer)
    )
    is_update = (newer.report_id == c.report_id, newer.hotline == c.hotline, newer.type == DeliveryType.UPDATED)
    return *is_update, newer.state.in_(UNDELIVERED), _is_less_urgent(c, newer), ~is_known


def _is_less_urgent(earlier: Any, newer: Any) -> ColumnElement[bool]:
    """Match deliveries (`earlier`) of a revision that was less urgent than `newer`.

    A delivery that waited while the report became more urgent has the higher priority since, but not the revision.
    """
    s = t.step.c
    is_begin = (s.report_id == newer.report_id, s.priority == newer.priority, s.step == StepName.BEGIN)
    is_between = (s.due_at > earlier.created_at, s.due_at <= newer.created_at)
    has_risen_since = exists().where(*is_begin, *is_between).correlate_except(t.step)
    return or_(newer.priority < earlier.priority, has_risen_since)


def load_chain(database: Database, report_id: str) -> FallbackChain:
    """Load the tried and the remaining hotlines of a report."""
    with database.read() as connection:
        return _chain(connection, database, report_id)


def _chain(connection: Connection, database: Database, report_id: str) -> FallbackChain:
    d, h = t.delivery.c, t.hotline_state.c
    priority = connection.execute(select(t.report.c.priority).where(t.report.c.report_id == report_id)).scalar_one()
    waiting_time = database.now_sql() - d.created_at
    last_class, is_gone = func.coalesce(d.last_class, ""), h.dead_since.is_not(None)
    rows = connection.execute(
        select(d.hotline, d.state, d.handling, last_class, is_gone, waiting_time)
        .outerjoin_from(t.delivery, t.hotline_state, h.hotline == d.hotline)
        .where(d.report_id == report_id, *_in_chain(d), is_on_latest_route(d))
        .order_by(d.created_at, d.delivery_id)
    ).all()
    missing = _missing_updates(connection, database, report_id)
    tried_hotlines = tuple(TriedHotline(row[0], *missing.get(row[0], row[1:])) for row in rows)
    return FallbackChain(report_id, priority, tried_hotlines, remaining_fallbacks(connection, report_id))


def _missing_updates(connection: Connection, database: Database, report_id: str) -> dict[str, tuple[Any, ...]]:
    """Return, for each hotline, the fields of `TriedHotline` for the first urgent update that it lacks."""
    d, h, newer = t.delivery.c, t.hotline_state.c, t.delivery.alias("newer")
    n = newer.c
    is_update = and_(*_lacks_update(d, n))
    query = (
        select(d.hotline, n.state, d.handling, func.coalesce(n.last_class, ""), h.dead_since.is_not(None))
        .add_columns(database.now_sql() - n.created_at)
        .join_from(t.delivery, newer, is_update)
        .outerjoin(t.hotline_state, h.hotline == d.hotline)
        .where(d.report_id == report_id, d.type == DeliveryType.CREATED)
        .order_by(n.created_at.desc(), n.delivery_id.desc())
    )
    return {row[0]: tuple(row[1:]) for row in connection.execute(query)}


def add_fallback(database: Database, report_id: str, hotline: str, why: str) -> tuple[str, Priority] | None:
    """Give the report to one more hotline; return (delivery_id, priority).

    The delivery has a key of its own, and earlier deliveries go on. None if the hotline was given the report meanwhile,
    or is not a fallback of it.
    """
    with database.write() as connection:
        lock_report(connection, report_id)
        return insert_fallback(connection, database, report_id, hotline, why)


def remaining_fallbacks(connection: Connection, report_id: str) -> tuple[str, ...]:
    """Return the fallbacks that were not given the report, in order, on an open connection."""
    return tuple(connection.execute(_REMAINING, {"which": report_id}).scalars())


def _remaining_query() -> Select[Any]:
    d, r = t.delivery.c, t.route.c
    which: Any = bindparam("which")
    is_given = exists().where(d.report_id == which, d.hotline == r.hotline, d.type == DeliveryType.CREATED)
    fallback_query = select(r.hotline).where(of_latest_route(which), r.role == RecipientRole.FALLBACK)
    return fallback_query.where(~is_given).order_by(r.rank)


_REMAINING = _remaining_query()


def returnable_hotlines(connection: Connection, report_id: str) -> tuple[str, ...]:
    """Return the hotlines from which the report was transferred before they received it, in order.

    Only a person may give it to them again: the escalation does not undo what a person has decided.
    """
    r = t.route.c
    query = select(r.hotline).where(of_latest_route(report_id))
    return tuple(connection.execute(query.where(was_taken_from(r.report_id, r.hotline)).order_by(r.rank)).scalars())


def insert_fallback(
    connection: Connection,
    database: Database,
    report_id: str,
    hotline: str,
    why: str,
    *,
    actor: str = "clock",
    may_return: bool = False,
) -> tuple[str, Priority] | None:
    """Do as `add_fallback`, within the caller's transaction, which has locked the report. `actor`: for the audit entry.

    `may_return`: the hotline may also be one of `returnable_hotlines`.
    """
    b = t.report_body.c
    revision_query = select(func.max(b.revision)).where(b.report_id == report_id, b.recipient == hotline)
    chain = _chain(connection, database, report_id)
    revision = connection.execute(revision_query).scalar()
    is_returned = may_return and hotline in returnable_hotlines(connection, report_id)
    if not (is_returned or hotline in chain.remaining) or revision is None:
        return None
    now = database.moment(connection)
    row = new_delivery(
        report_id, hotline, kind=DeliveryType.CREATED, revision=revision, priority=chain.priority, now=now
    )
    reopened = _send_again(connection, row) if is_returned else None
    if reopened is None:
        connection.execute(insert(t.delivery), row | {"role": RecipientRole.FALLBACK, "why": why})
    delivery_id, act = (reopened, "retried") if reopened else (str(row["delivery_id"]), "made")
    outbox.record_change(connection, delivery_id, report_id, act=act, actor=actor, now=now)
    correspondence.deliver_missing_messages(connection, database, report_id, hotline, now)
    return delivery_id, chain.priority


def _send_again(connection: Connection, row: Mapping[str, Any]) -> str | None:
    """Make the cancelled delivery that is the same as `row` due, and the cancelled messages; return the delivery's id.

    None if there is none: it was of an earlier revision.
    """
    d = t.delivery.c
    of_hotline = (d.report_id == row["report_id"], d.hotline == row["hotline"], d.state == DeliveryState.CANCELLED)
    names = ("state", "handling", "priority", "attempt", "next_at", "created_at")
    values = {name: row[name] for name in names} | {"last_class": None, "last_status": None, "told_at": None}
    again = update(t.delivery).where(*of_hotline).values(values)
    connection.execute(again.where(d.type == DeliveryType.MESSAGE))
    is_same = (d.type == row["type"], d.revision == row["revision"])
    delivery_id = connection.execute(again.where(*is_same).returning(d.delivery_id)).scalar()
    return None if delivery_id is None else str(delivery_id)
