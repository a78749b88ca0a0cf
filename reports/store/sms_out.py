"""Outgoing SMS as the worker sees them. The provider knows no repeat by a key of ours: so never twice blindly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, or_, select, update

from reports.clocks import LEASE
from reports.periods import TEXT_ATTEMPT, TEXT_LIVES
from reports.store import tables as t
from reports.store.database import Database
from reports.store.due import is_ahead, is_due

LEASED = ("id", "channel", "key_id", "wrap", "sealed", "mode", "attempt", "created_at", "expires_at", "lease_until")


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
        return min(self.expires_at - (self.lease_until - LEASE), TEXT_LIVES)


def _may_be_taken(now: ColumnElement[int]) -> ColumnElement[bool]:
    o = t.outgoing.c
    return and_(o.state == "due", is_due(o.next_at, now, TEXT_ATTEMPT), o.expires_at > now, _is_free(now))


def _is_free(now: ColumnElement[int]) -> ColumnElement[bool]:
    o = t.outgoing.c
    return or_(o.lease_until.is_(None), ~is_ahead(o.lease_until, now, LEASE))


def due(database: Database, at_most: int = 500) -> list[str]:
    """Ids of what could be sent now, oldest first."""
    with database.read() as connection:
        return list(connection.execute(database.once(_due), {"most": at_most}).scalars())


def _due(database: Database) -> Select[Any]:
    o = t.outgoing.c
    return select(o.id).where(_may_be_taken(database.now_sql())).order_by(o.next_at).limit(bindparam("most"))


def state(database: Database, sms_id: str) -> str | None:
    """due, sent, failed, expired; None where it is forgotten."""
    with database.read() as connection:
        return connection.execute(select(t.outgoing.c.state).where(t.outgoing.c.id == sms_id)).scalar()


def lease(database: Database, sms_id: str, holder: str) -> LeasedSms | None:
    """None: somebody else has it, it is done, it is too late, or it is not its time."""
    o = t.outgoing.c
    now = database.now_sql()
    taken = update(t.outgoing).where(o.id == sms_id, _may_be_taken(now))
    taken = taken.values(lease_by=holder, lease_until=now + LEASE, attempt=o.attempt + 1)
    with database.write() as connection:
        row = connection.execute(taken.returning(*(o[name] for name in LEASED))).first()
    return LeasedSms(*row) if row else None


def sent(database: Database, leased: LeasedSms, provider_id: str | None, why: str) -> None:
    """The provider has it, whoever gave it."""
    values = {"state": "sent", "provider_id": provider_id, "last_class": why, "lease_by": None, "lease_until": None}
    with database.write() as connection:
        connection.execute(update(t.outgoing).where(t.outgoing.c.id == leased.id).values(values))


def failed(database: Database, leased: LeasedSms, why: str, delay: int | None, holder: str) -> bool:
    """`delay` in microseconds to the next try; None: no more. False where the lease went to somebody else."""
    o = t.outgoing.c
    mine = and_(o.id == leased.id, o.state == "due", o.lease_by == holder, o.attempt == leased.attempt)
    end = {"state": "failed"} if delay is None else {"next_at": database.now_sql() + delay}
    values = {"last_class": why, "lease_by": None, "lease_until": None} | end
    with database.write() as connection:
        return bool(connection.execute(update(t.outgoing).where(mine).values(values)).rowcount)


def expire(database: Database) -> int:
    """A reply that was held back must not arrive at night."""
    o = t.outgoing.c
    now = database.now_sql()
    late = and_(o.state == "due", o.expires_at <= now, _is_free(now))
    with database.write() as connection:
        values = {"state": "expired", "lease_by": None, "lease_until": None}
        return connection.execute(update(t.outgoing).where(late).values(values)).rowcount


def troubled(database: Database, classes: tuple[str, ...], since: int) -> list[tuple[str, str, int]]:
    """(channel, class, created_at) of SMS that failed since then for what only the operator can mend."""
    o = t.outgoing.c
    query = select(o.channel, o.last_class, o.created_at)
    query = query.where(o.last_class.in_(classes), o.created_at > since).order_by(o.created_at)
    with database.read() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query.limit(500))]


def forget_outgoing(database: Database, older_than: int) -> int:
    """Replies that were sent, failed or expired, once no delivery report can come any more."""
    o = t.outgoing.c
    with database.write() as connection:
        old = delete(t.outgoing).where(o.state != "due", o.created_at < database.now_sql() - older_than)
        return connection.execute(old).rowcount
