"""What `web` writes about SMS: each taken in once, words kept while Redis is away, replies to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, or_, select, update

from reports.escalation.policy import LEASE_TIME
from reports.escalation.time_limits import SMS_ATTEMPT, SMS_LIFETIME
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_ahead, is_due
from reports.store.schema import tables as t

STATUS_ORDER = {"": 0, "unknown": 0, "sent": 1, "failed": 2, "delivered": 2}  # a state never goes back


@dataclass(frozen=True, slots=True)
class OutgoingSms:
    """One SMS to send, sealed to the worker. Times in microseconds."""

    id: str
    channel: str
    mode: str
    key_id: str
    wrap: bytes
    sealed: bytes
    created_at: int
    expires_at: int


def enqueue_outgoing(database: Database, message: OutgoingSms) -> None:
    """Once for each id: a repeat of the same inbound SMS sends nothing twice."""
    with database.write() as connection:
        connection.execute(database.insert_new(t.outgoing).values(outgoing_row(database, message)))


def outgoing_row(database: Database, message: OutgoingSms) -> dict[str, Any]:
    """Due at once."""
    by = database.to_database_time
    times = {"created_at": by(message.created_at), "expires_at": by(message.expires_at)}
    return asdict(message) | times | {"state": "due", "attempt": 0, "next_at": times["created_at"]}


def record_delivery_report(database: Database, provider_id: str, status: str, ours: str = "") -> bool:
    """Keep what a delivery report says; false where no message of ours has that id, nor is called `ours`."""
    o = t.outgoing.c
    with database.write() as connection:
        named = or_(o.provider_id == provider_id, o.id == ours)
        row = connection.execute(select(o.id, o.status).where(named)).first()
        if row is None:
            return False
        if STATUS_ORDER.get(status, 0) > STATUS_ORDER.get(row.status or "", 0):
            connection.execute(update(t.outgoing).where(o.id == row.id).values(status=status))
    return True


def save_inbound(database: Database, inbound_key: bytes, caller_key: bytes, sealed: bytes) -> None:
    """Keep an SMS that cannot be answered just now; the provider is told 200 only after this."""
    row = {"inbound_key": inbound_key, "seen_at": database.now(), "caller_key": caller_key, "waiting": sealed}
    with database.write() as connection:
        connection.execute(database.insert_new(t.inbound).values(row))


def list_inbound(database: Database, at_most: int = 50, after: tuple[int, bytes] | None = None) -> Sequence[Any]:
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


def mark_processed(database: Database, inbound_key: bytes) -> None:
    with database.write() as connection:
        connection.execute(update(t.inbound).where(t.inbound.c.inbound_key == inbound_key).values(waiting=None))


def delete_old_inbound(database: Database, older_than: int) -> int:
    """Which SMS were taken in; words that still wait to be played stay."""
    i = t.inbound.c
    with database.write() as connection:
        old = delete(t.inbound).where(i.seen_at < database.now_sql() - older_than, i.waiting.is_(None))
        return connection.execute(old).rowcount


# Outgoing SMS as the worker sees them. The provider knows no repeat by a key of ours: so never twice blindly.

LEASED_COLUMNS = (
    "id",
    "channel",
    "key_id",
    "wrap",
    "sealed",
    "mode",
    "attempt",
    "created_at",
    "expires_at",
    "lease_until",
)


@dataclass(frozen=True, slots=True)
class LeasedSms:
    """One row in the hands of one worker. Times in microseconds, by the clock that leases go by."""

    id: str
    channel: str
    key_id: str
    wrap: bytes
    sealed: bytes
    mode: str
    attempt: int
    created_at: int
    expires_at: int
    lease_until: int

    @property
    def lives(self) -> int:
        """How much longer it may arrive, from when it was taken."""
        return min(self.expires_at - (self.lease_until - LEASE_TIME), SMS_LIFETIME)


def _is_leasable(now: ColumnElement[int]) -> ColumnElement[bool]:
    o = t.outgoing.c
    return and_(o.state == "due", is_due(o.next_at, now, SMS_ATTEMPT), o.expires_at > now, _is_free(now))


def _is_free(now: ColumnElement[int]) -> ColumnElement[bool]:
    o = t.outgoing.c
    return or_(o.lease_until.is_(None), ~is_ahead(o.lease_until, now, LEASE_TIME))


def list_due(database: Database, at_most: int = 500) -> list[str]:
    """Ids of what could be sent now, oldest first."""
    with database.read() as connection:
        return list(connection.execute(database.once(_due), {"most": at_most}).scalars())


def _due(database: Database) -> Select[Any]:
    o = t.outgoing.c
    return select(o.id).where(_is_leasable(database.now_sql())).order_by(o.next_at).limit(bindparam("most"))


def load_state(database: Database, sms_id: str) -> str | None:
    """due, sent, failed, expired; None where it is forgotten."""
    with database.read() as connection:
        return connection.execute(select(t.outgoing.c.state).where(t.outgoing.c.id == sms_id)).scalar()


def lease(database: Database, sms_id: str, holder: str) -> LeasedSms | None:
    """None: somebody else has it, it is done, it is too late, or it is not its time."""
    o = t.outgoing.c
    now = database.now_sql()
    taken = update(t.outgoing).where(o.id == sms_id, _is_leasable(now))
    taken = taken.values(lease_by=holder, lease_until=now + LEASE_TIME, attempt=o.attempt + 1)
    with database.write() as connection:
        row = connection.execute(taken.returning(*(o[name] for name in LEASED_COLUMNS))).first()
    return LeasedSms(*row) if row else None


def mark_sent(database: Database, leased: LeasedSms, provider_id: str | None, why: str) -> None:
    """The provider has it, whoever gave it."""
    values = {"state": "sent", "provider_id": provider_id, "last_class": why, "lease_by": None, "lease_until": None}
    with database.write() as connection:
        connection.execute(update(t.outgoing).where(t.outgoing.c.id == leased.id).values(values))


def mark_failed(database: Database, leased: LeasedSms, why: str, delay: int | None, holder: str) -> bool:
    """`delay` in microseconds to the next try; None: no more. False where the lease went to somebody else."""
    o = t.outgoing.c
    mine = and_(o.id == leased.id, o.state == "due", o.lease_by == holder, o.attempt == leased.attempt)
    end = {"state": "failed"} if delay is None else {"next_at": database.now_sql() + delay}
    values = {"last_class": why, "lease_by": None, "lease_until": None} | end
    with database.write() as connection:
        return bool(connection.execute(update(t.outgoing).where(mine).values(values)).rowcount)


def expire_old(database: Database) -> int:
    """A reply that was held back must not arrive at night."""
    o = t.outgoing.c
    now = database.now_sql()
    late = and_(o.state == "due", o.expires_at <= now, _is_free(now))
    with database.write() as connection:
        values = {"state": "expired", "lease_by": None, "lease_until": None}
        return connection.execute(update(t.outgoing).where(late).values(values)).rowcount


def list_failures(database: Database, classes: tuple[str, ...], since: int) -> list[tuple[str, str, int]]:
    """(channel, class, created_at) of SMS that failed since then for what only the operator can mend."""
    o = t.outgoing.c
    query = select(o.channel, o.last_class, o.created_at)
    query = query.where(o.last_class.in_(classes), o.created_at > since).order_by(o.created_at)
    with database.read() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query.limit(500))]


def delete_old_outgoing(database: Database, older_than: int) -> int:
    """Replies that were sent, failed or expired, once no delivery report can come any more."""
    o = t.outgoing.c
    with database.write() as connection:
        old = delete(t.outgoing).where(o.state != "due", o.created_at < database.now_sql() - older_than)
        return connection.execute(old).rowcount
