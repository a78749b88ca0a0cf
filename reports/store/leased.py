"""What a worker has in its hands with one row of the outbox: read as it takes the lease, in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, literal, select

from reports.store import tables as t

COLUMNS = ("delivery_id", "report_id", "hotline", "type", "revision", "priority", "attempt", "created_at", "last_class")


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


def read(connection: Connection, row: Any, now: int) -> Leased:
    """`row`: of the outbox, just taken."""
    mode, withdrawn = _read_report(connection, row)
    fields = {name: getattr(row, name) for name in COLUMNS}
    return Leased(**fields, now=now, mode=mode, withdrawn=withdrawn, body=_read_body(connection, row))


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


def _read_body(connection: Connection, row: Any) -> Body | None:
    query = _MESSAGE if row.type == "message" else _BODY
    found = connection.execute(query, {"report": row.report_id, "who": row.hotline, "number": row.revision}).first()
    return Body(*found) if found else None


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
