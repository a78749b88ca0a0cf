"""What is written to a reporter, on the operator's side: the key it is sealed to, and the answer itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, exists, insert, select

from reports.store import auditing
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where an answer to a report goes. `public_key`: None where no code was shown, empty where it is closed.

    `hotlines` were given the report, the one furthest along first; of those that whoever asks may see.
    """

    country: str
    mode: str
    public_key: bytes | None
    hotlines: tuple[str, ...]


def letterbox(database: Database, report_id: str) -> Letterbox | None:
    """None where there is no such report."""
    with database.read() as connection:
        return find_letterbox(connection, report_id)


def find_letterbox(connection: Connection, report_id: str) -> Letterbox | None:
    r, m, d = t.report.c, t.mailbox.c, t.delivery.c
    query = select(r.country, r.mode, r.desk, m.public_key)
    query = query.outerjoin_from(t.report, t.mailbox, m.report_id == r.report_id).where(r.report_id == report_id)
    row = connection.execute(query).first()
    if row is None:
        return None
    given = select(d.hotline).where(d.report_id == report_id, d.type.in_(THE_REPORT))
    rest = connection.execute(given.order_by(d.created_at, d.delivery_id)).scalars()
    hotlines = tuple(dict.fromkeys([row.desk, *rest] if row.desk else rest))
    return Letterbox(row.country, row.mode, row.public_key, hotlines)


@dataclass(frozen=True, slots=True)
class Sealed:
    answer_id: str
    report_id: str
    hotline: str  # whose words they are
    sealed: bytes


def answer(database: Database, one: Sealed, actor: str) -> None:
    with database.write() as connection:
        keep_answer(connection, one, actor, database.now())


def keep_answer(connection: Connection, one: Sealed, actor: str, now: int) -> None:
    connection.execute(insert(t.answer), asdict(one) | {"created_at": now})
    auditing.note(connection, actor, "answered", one.report_id, now)


def forget_answers(database: Database) -> int:
    """What was answered to reporters who have closed their mailbox; nobody can read it any more."""
    m, a = t.mailbox.c, t.answer.c
    closed = exists(select(m.report_id).where(m.report_id == a.report_id, m.public_key == b"").correlate(t.answer))
    with database.read() as connection:
        if connection.execute(select(a.answer_id).where(closed).limit(1)).first() is None:
            return 0
    with database.write() as connection:
        return connection.execute(delete(t.answer).where(closed)).rowcount
