"""Rewrap stored bodies after a hotline's key was rotated. 81 bytes of each row change; no body is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, Table, bindparam, func, literal, select, tuple_, update

from reports.crypto import DecryptError, PublicKey, SealContext, SealedBody, rewrap_body
from reports.crypto.key_files import SENDER_KEY, PrivateKeySet
from reports.store.engine.database import Database
from reports.store.schema import tables as t

SENDER_TABLES = (t.outgoing, t.optout_key, t.recording)  # sealed to the worker, not to a hotline
BATCH_SIZE = 500  # rows of a transaction: about 60 ms of work, done before the transaction begins


@dataclass(frozen=True, slots=True)
class RotationResult:
    """Numbers of rows. `unreadable` rows keep their old wrap: their private key is missing, or they do not open."""

    done: int
    unreadable: int


def count_outdated(database: Database, hotline: str, current: str) -> int:
    """Count the rows of a hotline that are sealed under another key than `current`. Raises DatabaseUnavailable."""
    with database.read() as connection:
        counts = (select(func.count()).select_from(rows.subquery()) for _, rows in _outdated_queries(hotline, current))
        return sum(connection.execute(count).scalar_one() for count in counts)


def count_by_key(database: Database, key_id: str) -> int:
    """Count the rows that a private key still opens. The key may be destroyed 35 days after the count has become 0.

    Raises DatabaseUnavailable.
    """
    with database.read() as connection:
        counts = (
            select(func.count()).select_from(table).where(table.c.key_id == key_id)
            for table in (t.report_body, t.pending, t.message, t.note, t.recording_copy, *SENDER_TABLES)
        )
        return sum(connection.execute(count).scalar_one() for count in counts)


def rewrap_rows(
    database: Database,
    keys: PrivateKeySet,
    hotline: str,
    new: PublicKey,
    on_batch: Callable[[int], None] = lambda _: None,
) -> RotationResult:
    """Rewrap every row of a hotline to the key `new`. A repeat does no harm. Raises DatabaseUnavailable.

    `on_batch` is called with the number of rows of each batch.
    """
    rewrapped = unreadable = 0
    for table, query in _outdated_queries(hotline, new.key_id):
        for rows in _batches(database, table, query):
            changes = [change for row in rows if (change := _rewrap(keys, table, row, new)) is not None]
            if changes:
                with database.write() as connection:
                    connection.execute(_update(table), changes)
            rewrapped += len(changes)
            unreadable += len(rows) - len(changes)
            on_batch(len(rows))
    return RotationResult(rewrapped, unreadable)


def _outdated_queries(hotline: str, current: str) -> tuple[tuple[Table, Select[Any]], ...]:
    """Return each table with bodies of this hotline, and a query of its rows under older keys.

    The queries select all that a `SealContext` needs.
    """
    if hotline == SENDER_KEY:
        return tuple((table, _sender_query(table, current)) for table in SENDER_TABLES)
    body, p, m, n = t.report_body.c, t.pending.c, t.message.c, t.note.c
    bodies = (
        select(body.report_id, body.revision, body.recipient, t.report.c.mode, body.key_id, body.wrap)
        .join_from(t.report_body, t.report, body.report_id == t.report.c.report_id)
        .where(body.recipient == hotline, body.key_id != current)
    )
    pending = select(p.origin_key, p.report_id, p.revision, p.recipient, p.mode, p.key_id, p.wrap).where(
        p.recipient == hotline, p.key_id != current
    )
    of_message = (m.report_id + "/" + m.message_id).label("report_id"), literal(0).label("revision")
    of_note = (n.report_id + "/" + n.note_id).label("report_id"), literal(0).label("revision")
    messages = (
        select(m.message_id, *of_message, m.recipient, t.report.c.mode, m.key_id, m.wrap)
        .join_from(t.message, t.report, m.report_id == t.report.c.report_id)
        .where(m.recipient == hotline, m.key_id != current)
    )
    notes = (
        select(n.note_id, *of_note, n.recipient, t.report.c.mode, n.key_id, n.wrap)
        .join_from(t.note, t.report, n.report_id == t.report.c.report_id)
        .where(n.recipient == hotline, n.key_id != current)
    )
    s = t.recording_copy.c
    of_sound = (s.report_id + "/recording/" + s.recording_id).label("report_id"), literal(0).label("revision")
    sounds = (
        select(s.recording_id, *of_sound, s.recipient, t.report.c.mode, s.key_id, s.wrap)
        .join_from(t.recording_copy, t.report, s.report_id == t.report.c.report_id)
        .where(s.recipient == hotline, s.key_id != current)
    )
    return (
        (t.report_body, bodies),
        (t.pending, pending),
        (t.message, messages),
        (t.note, notes),
        (t.recording_copy, sounds),
    )


def _sender_query(table: Table, current: str) -> Select[Any]:
    c, (key,) = table.c, table.primary_key.columns
    labels = (key.label("report_id"), literal(1).label("revision"), literal(SENDER_KEY).label("recipient"))
    return select(key, *labels, c.mode, c.key_id, c.wrap).where(c.key_id != current)


def _batches(database: Database, table: Table, query: Select[Any]) -> Iterator[Sequence[Row[Any]]]:
    """Yield the rows in batches, ordered by primary key.

    A row that cannot be decrypted is read only once.
    """
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


def _rewrap(keys: PrivateKeySet, table: Table, row: Row[Any], new_key: PublicKey) -> dict[str, Any] | None:
    sealed_body = SealedBody(row.key_id, row.wrap, b"", b"")
    try:
        rewrapped = rewrap_body(
            keys.of(row.recipient, row.key_id),
            new_key,
            SealContext(row.mode, row.report_id, row.revision, row.recipient),
            sealed_body,
        )
    except DecryptError:
        return None
    of_row = {f"of_{column.name}": row._mapping[column.name] for column in table.primary_key.columns}
    return {**of_row, "of_key_id": row.key_id, "key_id": rewrapped.key_id, "wrap": rewrapped.wrap}


def _update(table: Table) -> Any:
    """Return an UPDATE of a row under its old key: a pending revision may have been replaced since it was read."""
    columns = (*table.primary_key.columns, table.c.key_id)
    return update(table).where(*(column == bindparam(f"of_{column.name}") for column in columns))
