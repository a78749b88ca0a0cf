"""What `web` writes about SMS: each taken in once, words kept while Redis is away, replies to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import and_, delete, or_, select, update

from reports.store import tables as t
from reports.store.database import Database

FORWARD = {"": 0, "unknown": 0, "sent": 1, "failed": 2, "delivered": 2}  # a state never goes back


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One SMS to send, sealed to the worker. Times in microseconds."""

    id: str
    channel: str
    mode: str
    key_id: str
    wrap: bytes
    sealed: bytes
    created_at: int
    expires_at: int


def put_outgoing(database: Database, message: Outgoing) -> None:
    """Once for each id: a repeat of the same inbound SMS sends nothing twice."""
    with database.write() as connection:
        connection.execute(database.insert_new(t.outgoing).values(outgoing_row(database, message)))


def outgoing_row(database: Database, message: Outgoing) -> dict[str, Any]:
    """Due at once."""
    by = database.by_its_clock
    times = {"created_at": by(message.created_at), "expires_at": by(message.expires_at)}
    return asdict(message) | times | {"state": "due", "attempt": 0, "next_at": times["created_at"]}


def note_status(database: Database, provider_id: str, status: str, ours: str = "") -> bool:
    """Keep what a delivery report says; false where no message of ours has that id, nor is called `ours`."""
    o = t.outgoing.c
    with database.write() as connection:
        named = or_(o.provider_id == provider_id, o.id == ours)
        row = connection.execute(select(o.id, o.status).where(named)).first()
        if row is None:
            return False
        if FORWARD.get(status, 0) > FORWARD.get(row.status or "", 0):
            connection.execute(update(t.outgoing).where(o.id == row.id).values(status=status))
    return True


def keep_waiting(database: Database, inbound_key: bytes, caller_key: bytes, sealed: bytes) -> None:
    """Keep an SMS that cannot be answered just now; the provider is told 200 only after this."""
    row = {"inbound_key": inbound_key, "seen_at": database.now(), "caller_key": caller_key, "waiting": sealed}
    with database.write() as connection:
        connection.execute(database.insert_new(t.inbound).values(row))


def waiting(database: Database, at_most: int = 50, after: tuple[int, bytes] | None = None) -> Sequence[Any]:
    """Rows (inbound_key, waiting, seen_at), oldest first; `after`: seen_at and inbound_key of the last one had.

    Without going on after them, as many rows that cannot be opened would hide all that came later.
    """
    i = t.inbound.c
    query = select(i.inbound_key, i.waiting, i.seen_at).where(i.waiting.is_not(None))
    if after is not None:
        seen_at, key = after
        query = query.where(or_(i.seen_at > seen_at, and_(i.seen_at == seen_at, i.inbound_key > key)))
    with database.read() as connection:
        return connection.execute(query.order_by(i.seen_at, i.inbound_key).limit(at_most)).all()


def was_played(database: Database, inbound_key: bytes) -> None:
    with database.write() as connection:
        connection.execute(update(t.inbound).where(t.inbound.c.inbound_key == inbound_key).values(waiting=None))


def forget_inbound(database: Database, older_than: int) -> int:
    """Which SMS were taken in; words that still wait to be played stay."""
    i = t.inbound.c
    with database.write() as connection:
        old = delete(t.inbound).where(i.seen_at < database.now_sql() - older_than, i.waiting.is_(None))
        return connection.execute(old).rowcount
