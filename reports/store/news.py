"""What a reporter said since a hotline read the report last. Times of the clock that gives it to the hotline."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from reports.store import tables as t
from reports.store.accounts import Account
from reports.store.asking import looking_as
from reports.store.database import Database
from reports.store.waiting_list import LATER, WHOLE


@dataclass(frozen=True, slots=True)
class News:
    """`at`: of the last of it, microseconds; 0: there is none. `messages`: ids of what came by My report. `revised`:
    when the last revision that was read was given; words typed in it since then are new. 0: none is."""

    at: int = 0
    messages: frozenset[str] = frozenset()
    revised: int = 0


def since(connection: Connection, hotline: str, report_id: str, read_at: int) -> News:
    d, m = t.delivery.c, t.message.c
    theirs = (d.report_id == report_id, d.hotline == hotline)
    rows = connection.execute(select(d.type, d.revision, d.created_at).where(*theirs, d.type.in_((*WHOLE, *LATER))))
    given = rows.all()
    new = [row for row in given if row.type in LATER and row.created_at > read_at]
    numbers = [row.revision for row in new if row.type == "message"]
    ids = select(m.message_id).where(m.report_id == report_id, m.recipient == hotline, m.number.in_(numbers))
    is_revised = any(row.type == "updated" for row in new)
    read = [row.created_at for row in given if row.type in WHOLE and row not in new]
    return News(
        max((row.created_at for row in new), default=0),
        frozenset(connection.execute(ids).scalars()) if numbers else frozenset(),
        max(read, default=1) if is_revised else 0,
    )


def is_any(database: Database, account: Account, report_id: str, after: int) -> bool:
    """Of a report that is known to be this person's."""
    d = t.delivery.c
    theirs = (d.report_id == report_id, d.hotline == account.hotline, d.type.in_(LATER))
    with looking_as(database, account.hotline) as connection:
        last = connection.execute(select(func.max(d.created_at)).where(*theirs)).scalar()
    return (last or 0) > after
