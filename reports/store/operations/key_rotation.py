"""After a hotline's key was rotated: the same bodies under the new key. 81 bytes a row change; no word is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, Table, bindparam, func, literal, select, tuple_, update

from reports.crypto import DecryptError, PublicKey, SealContext, SealedBody, rewrap_body
from reports.crypto.key_files import SENDER_KEY, PrivateKeySet
from reports.store.engine.database import Database
from reports.store.schema import tables as t

SENDER_TABLES = (t.outgoing, t.optout_key)  # what is sealed to nobody's desk
BATCH_SIZE = 500  # a transaction: some 60 ms of work, done before it begins


@dataclass(frozen=True, slots=True)
class RotationResult:
    """`unreadable` rows keep their old wrap: their private key is not here, or they do not open."""

    done: int
    unreadable: int


def count_outdated(database: Database, hotline: str, current: str) -> int:
    """How many rows of this hotline are under another key than `current`. Raises DatabaseUnavailable."""
    with database.read() as connection:
        counts = (select(func.count()).select_from(rows.subquery()) for _, rows in _sealed(hotline, current))
        return sum(connection.execute(count).scalar_one() for count in counts)


def count_by_key(database: Database, key_id: str) -> int:
    """How many rows a private key still opens; 35 days after there is none, it may be destroyed.

    Raises DatabaseUnavailable.
    """
    with database.read() as connection:
        counts = (
            select(func.count()).select_from(table).where(table.c.key_id == key_id)
            for table in (t.report_body, t.pending, t.message, t.note, *SENDER_TABLES)
        )
        return sum(connection.execute(count).scalar_one() for count in counts)


def rewrap_rows(
    database: Database, keys: PrivateKeySet, hotline: str, new: PublicKey, tell: Callable[[int], None] = lambda _: None
) -> RotationResult:
    """Every row of the hotline under `new`; may be repeated. `tell` hears how many rows each batch had.

    Raises DatabaseUnavailable.
    """
    done = unreadable = 0
    for table, query in _sealed(hotline, new.key_id):
        for rows in _batches(database, table, query):
            changes = [change for row in rows if (change := _change(keys, table, row, new)) is not None]
            if changes:
                with database.write() as connection:
                    connection.execute(_update(table), changes)
            done += len(changes)
            unreadable += len(rows) - len(changes)
            tell(len(rows))
    return RotationResult(done, unreadable)


def _sealed(hotline: str, current: str) -> tuple[tuple[Table, Select[Any]], ...]:
    """The tables that hold this hotline's boxes, and their rows under older keys with all that a Context needs."""
    if hotline == SENDER_KEY:
        return tuple((table, _of_sender(table.c, current)) for table in SENDER_TABLES)
    body, p, m, n = t.report_body.c, t.pending.c, t.message.c, t.note.c
    bodies = (
        select(body.report_id, body.revision, body.recipient, t.report.c.mode, body.key_id, body.wrap)
        .join_from(t.report_body, t.report, body.report_id == t.report.c.report_id)
        .where(body.recipient == hotline, body.key_id != current)
    )
    waiting = select(p.origin_key, p.report_id, p.revision, p.recipient, p.mode, p.key_id, p.wrap).where(
        p.recipient == hotline, p.key_id != current
    )
    context = (m.report_id + "/" + m.message_id).label("report_id"), literal(0).label("revision")
    of_note = (n.report_id + "/" + n.note_id).label("report_id"), literal(0).label("revision")
    said = (
        select(m.message_id, *context, m.recipient, t.report.c.mode, m.key_id, m.wrap)
        .join_from(t.message, t.report, m.report_id == t.report.c.report_id)
        .where(m.recipient == hotline, m.key_id != current)
    )
    kept = (
        select(n.note_id, *of_note, n.recipient, t.report.c.mode, n.key_id, n.wrap)
        .join_from(t.note, t.report, n.report_id == t.report.c.report_id)
        .where(n.recipient == hotline, n.key_id != current)
    )
    return ((t.report_body, bodies), (t.pending, waiting), (t.message, said), (t.note, kept))


def _of_sender(c: Any, current: str) -> Select[Any]:
    named = (c.id.label("report_id"), literal(1).label("revision"), literal(SENDER_KEY).label("recipient"))
    return select(c.id, *named, c.mode, c.key_id, c.wrap).where(c.key_id != current)


def _batches(database: Database, table: Table, query: Select[Any]) -> Iterator[Sequence[Row[Any]]]:
    """Onwards by the primary key, so that a row that does not open is passed once and not for ever."""
    key = tuple(table.primary_key.columns)
    query = query.order_by(*key).limit(BATCH_SIZE)
    after: tuple[Any, ...] | None = None
    while True:
        with database.read() as connection:
            rows = connection.execute(query if after is None else query.where(tuple_(*key) > after)).all()
        if not rows:
            return
        yield rows
        after = tuple(rows[-1]._mapping[column.name] for column in key)


def _change(keys: PrivateKeySet, table: Table, row: Row[Any], new: PublicKey) -> dict[str, Any] | None:
    box = SealedBody(row.key_id, row.wrap, b"", b"")
    try:
        moved = rewrap_body(
            keys.of(row.recipient, row.key_id),
            new,
            SealContext(row.mode, row.report_id, row.revision, row.recipient),
            box,
        )
    except DecryptError:
        return None
    of_row = {f"of_{column.name}": row._mapping[column.name] for column in table.primary_key.columns}
    return {**of_row, "of_key_id": row.key_id, "key_id": moved.key_id, "wrap": moved.wrap}


def _update(table: Table) -> Any:
    """Only while the row is as it was read: a rescue may have been written anew meanwhile."""
    columns = (*table.primary_key.columns, table.c.key_id)
    return update(table).where(*(column == bindparam(f"of_{column.name}") for column in columns))
