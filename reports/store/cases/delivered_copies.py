"""Data that a hotline's system fetches: its delivered copies, still sealed, and its failing deliveries.

A copy is returned as it is stored, sealed to the hotline: nothing is decrypted here. A copy that holds a number which
the reporter has withdrawn since is left out, because only the worker can remove the number from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, insert, literal, select, tuple_

from reports.delivery import UNDELIVERED, DeliveryState, DeliveryType
from reports.escalation import Priority
from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.outbox import StoredBody
from reports.store.privileges.row_security import read_as, write_as
from reports.store.schema import tables as t
from runtime.settings import Mode

MAX_BYTES = 2 * 1024 * 1024  # size of the sealed copies of one page; a larger copy is a page by itself

WithheldReason = Literal["contact_withdrawn", "deleted", "not_stored"]


@dataclass(frozen=True, slots=True)
class PagePosition:
    """The last row of a page: its time in microseconds, and its delivery id."""

    at: int
    delivery_id: str


@dataclass(frozen=True, slots=True)
class DeliveredCopy:
    """A delivery that the hotline accepted. Times in microseconds.

    `sha256`: of the body that was sent; None if staff handled the report before a receipt came. `copy`: None if it is
    withheld, for the reason `withheld`.
    """

    delivery_id: str
    report_id: str
    type: DeliveryType
    revision: int
    mode: Mode
    priority: Priority
    created_at: int
    delivered_at: int
    sha256: bytes | None
    copy: StoredBody | None
    withheld: WithheldReason | None


@dataclass(frozen=True, slots=True)
class FailingDelivery:
    """A delivery that has failed at least once and was not accepted since. Times in microseconds.

    `next_at`: the next attempt; None: there is none until a person asks for it.
    """

    delivery_id: str
    report_id: str
    type: DeliveryType
    priority: Priority
    state: DeliveryState
    attempt: int
    failure_class: str
    status: int | None
    created_at: int
    next_at: int | None


@dataclass(frozen=True, slots=True)
class HotlinePause:
    """Until when the circuit breaker pauses deliveries, and since when the hotline accepts none; None: neither."""

    paused_until: int | None = None
    gone_since: int | None = None


def list_delivered(
    database: Database, hotline: str, since: int, after: PagePosition | None, *, at_most: int, actor: str
) -> tuple[list[DeliveredCopy], PagePosition | None]:
    """Return a page of the copies delivered to a hotline, oldest first, and its end; None: this is the last page.

    The audit names each copy before it is returned. `since`: microseconds.
    """
    d = t.delivery.c
    is_wanted = and_(d.hotline == hotline, d.state == DeliveryState.DELIVERED, d.delivered_at >= since)
    query = _delivered_query().where(is_wanted, _is_after(d.delivered_at, after))
    with read_as(database, hotline) as connection:
        rows = connection.execute(query.order_by(d.delivered_at, d.delivery_id).limit(at_most + 1)).all()
        page = list(_fill_page(connection, hotline, rows[:at_most]))
    acts = [
        audit_log.entry_row(actor, "fetched_again", entry.delivery_id, database.now())
        for entry in page
        if entry.copy is not None
    ]
    if acts:
        with write_as(database, hotline) as connection:
            connection.execute(insert(t.audit), acts)
    has_more = len(page) < len(rows)
    return page, PagePosition(page[-1].delivered_at, page[-1].delivery_id) if has_more else None


def list_failing(
    database: Database, hotline: str, since: int, after: PagePosition | None, *, at_most: int
) -> tuple[list[FailingDelivery], PagePosition | None]:
    """Return a page of a hotline's failing deliveries created since then, oldest first, and its end as above."""
    d = t.delivery.c
    is_failing = and_(d.hotline == hotline, d.state.in_(UNDELIVERED), d.last_class.is_not(None), d.created_at >= since)
    query = select(*(d[name] for name in _FAILING_COLUMNS)).where(is_failing, _is_after(d.created_at, after))
    with read_as(database, hotline) as connection:
        rows = connection.execute(query.order_by(d.created_at, d.delivery_id).limit(at_most + 1)).all()
    page = [_failing(row) for row in rows]
    last = page[at_most - 1] if len(page) > at_most else None
    return page[:at_most], PagePosition(last.created_at, last.delivery_id) if last else None


_FAILING_COLUMNS = (
    *("delivery_id", "report_id", "type", "priority", "state", "attempt", "last_class", "last_status", "created_at"),
    "next_at",
)


def _failing(row: Any) -> FailingDelivery:
    fields = {name: getattr(row, name) for name in ("delivery_id", "report_id", "type", "priority", "state", "attempt")}
    return FailingDelivery(
        **fields,
        failure_class=row.last_class,
        status=row.last_status,
        created_at=row.created_at,
        next_at=row.next_at if row.state == DeliveryState.DUE else None,
    )


def load_pause(database: Database, hotline: str) -> HotlinePause:
    """Return whether deliveries to a hotline are paused."""
    h = t.hotline_state.c
    with database.read() as connection:
        row = connection.execute(select(h.open_until, h.dead_since).where(h.hotline == hotline)).first()
    if row is None:
        return HotlinePause()
    return HotlinePause(row.open_until if row.open_until > database.now() else None, row.dead_since)


def _is_after(column: ColumnElement[Any], position: PagePosition | None) -> ColumnElement[bool]:
    if position is None:
        return column.is_not(None)
    return tuple_(column, t.delivery.c.delivery_id) > tuple_(position.at, position.delivery_id)


_COPIED = ("delivery_id", "report_id", "type", "revision", "mode", "priority", "created_at", "delivered_at")


def _delivered_query() -> Select[Any]:
    d, r, c = t.delivery.c, t.report.c, t.contact.c
    columns = (d.delivery_id, d.report_id, d.type, d.revision, r.mode, d.priority, d.created_at, d.delivered_at)
    joined = t.delivery.join(t.report, r.report_id == d.report_id)
    joined = joined.outerjoin(t.contact, c.report_id == d.report_id)
    return select(*columns, d.sent_sha256, r.delete_asked_at, c.allowed, c.changed_at).select_from(joined)


def _fill_page(connection: Connection, hotline: str, rows: Sequence[Any]) -> Iterator[DeliveredCopy]:
    """Yield the rows with their copies, until the page is full."""
    size = 0
    for row in rows:
        copy, withheld = _read_copy(connection, hotline, row)
        size += len(copy.sealed) if copy else 0
        if size > MAX_BYTES and copy and size > len(copy.sealed):
            return
        fields = {name: getattr(row, name) for name in _COPIED}
        yield DeliveredCopy(**fields, sha256=row.sent_sha256, copy=copy, withheld=withheld)


def _read_copy(connection: Connection, hotline: str, row: Any) -> tuple[StoredBody | None, WithheldReason | None]:
    if row.delete_asked_at is not None:
        return None, "deleted"
    b, m = t.report_body.c, t.message.c
    if row.type == DeliveryType.MESSAGE:
        is_own = and_(m.report_id == row.report_id, m.recipient == hotline, m.number == row.revision)
        columns = (m.key_id, m.wrap, literal(b""), m.sealed, m.message_id, m.created_at)
        message = connection.execute(select(*columns).where(is_own)).first()
        copy = StoredBody(*message[:5]) if message else None
        is_last_statement = message is not None and row.allowed == 1 and message.created_at == row.changed_at
    else:
        is_own = and_(b.report_id == row.report_id, b.recipient == hotline, b.revision == row.revision)
        body = connection.execute(select(b.key_id, b.wrap, b.head, b.sealed).where(is_own)).first()
        copy, is_last_statement = StoredBody(*body) if body else None, False
    if copy is None:
        return None, "not_stored"
    # As for a late delivery (outbox.LeasedDelivery.withdrawn), only the last statement about contact keeps its number.
    return (copy, None) if row.allowed is None or is_last_statement else (None, "contact_withdrawn")
