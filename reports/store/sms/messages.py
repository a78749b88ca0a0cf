"""Incoming and outgoing SMS.

The gateway stores each inbound SMS once, keeps it sealed while Redis is unavailable, and stores the replies to send.
The worker sends them. Providers accept no idempotency key, so an SMS must not be repeated blindly: it could arrive
twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, exists, func, or_, select, update

from reports.escalation import LEASE_TIME
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_ahead, is_due
from reports.store.schema import tables as t
from reports.time_limits import SMS_ATTEMPT, SMS_LIFETIME
from runtime.settings import Mode
from runtime.telephony import DeliveryReportStatus

BATCH_SIZE = 500  # ids in one query
# The status of an SMS never returns to a lower rank.
STATUS_ORDER: Mapping[DeliveryReportStatus, int] = {"": 0, "unknown": 0, "sent": 1, "failed": 2, "delivered": 2}

# Values of an SMS that is not leased, and of one that is done: nothing shows then which SMS went to the same phone.
UNLEASED: Mapping[str, Any] = {"lease_by": None, "lease_until": None}
DONE: Mapping[str, Any] = {**UNLEASED, "phone_key": None}


class SmsState(StrEnum):
    """The state of an outgoing SMS."""

    DUE = "due"
    SENT = "sent"  # a provider has accepted it
    FAILED = "failed"
    EXPIRED = "expired"  # too late to be sent: a delayed reply must not arrive at night


@dataclass(frozen=True, slots=True)
class OutgoingSms:
    """An SMS to send, sealed to the worker. Times in microseconds.

    `phone_key`: the keyed hash of channel and number, of a reply to a reporter; None: it waits for no other.
    """

    id: str
    channel: str
    mode: Mode
    key_id: str
    wrap: bytes
    sealed: bytes
    created_at: int
    expires_at: int
    phone_key: bytes | None = None


def enqueue_outgoing(database: Database, message: OutgoingSms) -> None:
    """Store an SMS to send. A repeat of the same inbound SMS has the same id, and sends nothing twice."""
    with database.write() as connection:
        connection.execute(database.insert_or_ignore(t.outgoing).values(outgoing_row(database, message)))


def outgoing_row(database: Database, message: OutgoingSms) -> dict[str, Any]:
    """Return a row of `outgoing` that is due at once."""
    to_database_time = database.to_database_time
    times = {"created_at": to_database_time(message.created_at), "expires_at": to_database_time(message.expires_at)}
    return asdict(message) | times | {"state": SmsState.DUE, "attempt": 0, "next_at": times["created_at"]}


def record_delivery_report(database: Database, provider_id: str, status: DeliveryReportStatus, ours: str = "") -> bool:
    """Store the status of a delivery report; return False if no SMS has that id.

    `provider_id`: the provider's id of the SMS. `ours`: our id, where the provider returns it. A status never goes
    back.
    """
    o = t.outgoing.c
    with database.write() as connection:
        is_this_sms = or_(o.provider_id == provider_id, o.id == ours)
        row = connection.execute(select(o.id, o.status).where(is_this_sms)).first()
        if row is None:
            return False
        if STATUS_ORDER.get(status, 0) > STATUS_ORDER.get(row.status or "", 0):
            connection.execute(update(t.outgoing).where(o.id == row.id).values(status=status))
    return True


def save_inbound(database: Database, inbound_key: bytes, caller_key: bytes, sealed: bytes) -> bool:
    """Store a sealed SMS that cannot be answered now; return whether it is new.

    The provider is answered 200 only after this.
    """
    row = {"inbound_key": inbound_key, "seen_at": database.now(), "caller_key": caller_key, "waiting": sealed}
    with database.write() as connection:
        return bool(connection.execute(database.insert_or_ignore(t.inbound).values(row)).rowcount)


def list_inbound(database: Database, at_most: int = 50, after: tuple[int, bytes] | None = None) -> Sequence[Any]:
    """Return rows (inbound_key, waiting, seen_at) of SMS that wait, oldest first.

    `after`: seen_at and inbound_key of the last row of the page before. Without paging, a page of rows that cannot be
    opened would hide all later ones.
    """
    i = t.inbound.c
    query = select(i.inbound_key, i.waiting, i.seen_at).where(i.waiting.is_not(None))
    if after is not None:
        seen_at, key = after
        query = query.where(or_(i.seen_at > seen_at, and_(i.seen_at == seen_at, i.inbound_key > key)))
    with database.read() as connection:
        return connection.execute(query.order_by(i.seen_at, i.inbound_key).limit(at_most)).all()


def mark_processed(database: Database, inbound_key: bytes) -> None:
    """Delete the text of an inbound SMS that was processed; its key remains."""
    with database.write() as connection:
        connection.execute(update(t.inbound).where(t.inbound.c.inbound_key == inbound_key).values(waiting=None))


def delete_old_inbound(database: Database, older_than: int) -> int:
    """Delete keys of inbound SMS older than `older_than` microseconds, and return how many.

    SMS that still wait to be processed remain.
    """
    i = t.inbound.c
    with database.write() as connection:
        deletion = delete(t.inbound).where(i.seen_at < database.now_sql() - older_than, i.waiting.is_(None))
        return connection.execute(deletion).rowcount


# Outgoing SMS as the worker uses them

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
    """An SMS leased by one worker. Times in microseconds, by the clock of the database."""

    id: str
    channel: str
    key_id: str
    wrap: bytes
    sealed: bytes
    mode: Mode
    attempt: int
    created_at: int
    expires_at: int
    lease_until: int

    @property
    def time_left(self) -> int:
        """Return the microseconds from the start of the lease until the SMS expires."""
        return min(self.expires_at - (self.lease_until - LEASE_TIME), SMS_LIFETIME)


def _is_leasable(now: ColumnElement[int]) -> ColumnElement[bool]:
    """Match SMS that are due, not expired, not leased, and the oldest of the replies that wait for their phone."""
    o, older = t.outgoing.c, t.outgoing.alias("older").c
    may_be_sent = and_(o.state == SmsState.DUE, is_due(o.next_at, now, SMS_ATTEMPT), o.expires_at > now, _is_free(now))
    is_before = and_(older.phone_key == o.phone_key, older.created_at < o.created_at)
    older_waits = exists(older.id).where(is_before, older.state == SmsState.DUE, older.expires_at > now)
    return and_(may_be_sent, ~older_waits)


def _is_free(now: ColumnElement[int]) -> ColumnElement[bool]:
    o = t.outgoing.c
    return or_(o.lease_until.is_(None), ~is_ahead(o.lease_until, now, LEASE_TIME))


def list_due(database: Database, at_most: int = 500, *, without: Collection[str] = ()) -> list[str]:
    """Return the ids of SMS that can be sent now, oldest first. `without`: the channels that are left out."""
    query = database.once(_due_query)
    if without:
        query = query.where(t.outgoing.c.channel.not_in(without))
    with database.read() as connection:
        return list(connection.execute(query, {"limit": at_most}).scalars())


def list_due_by_channel(database: Database, at_most: int = 500) -> dict[str, list[str]]:
    """Return channel → the ids of its SMS that can be sent now, oldest first. `at_most`: of each channel."""
    o = t.outgoing.c
    channels = select(o.channel).where(_is_leasable(database.now_sql())).distinct().order_by(o.channel)
    query = database.once(_due_query).where(o.channel == bindparam("channel"))
    with database.read() as connection:
        return {
            channel: list(connection.execute(query, {"limit": at_most, "channel": channel}).scalars())
            for channel in connection.execute(channels).scalars().all()
        }


def _due_query(database: Database) -> Select[Any]:
    o = t.outgoing.c
    return select(o.id).where(_is_leasable(database.now_sql())).order_by(o.next_at).limit(bindparam("limit"))


def load_state(database: Database, sms_id: str) -> str | None:
    """Return the state of an SMS: due, sent, failed or expired; None if it was deleted."""
    with database.read() as connection:
        return connection.execute(select(t.outgoing.c.state).where(t.outgoing.c.id == sms_id)).scalar()


def lease(database: Database, sms_id: str, holder: str, without: Collection[str] = ()) -> LeasedSms | None:
    """Lease an SMS; None if it is leased, done, expired, not due yet, or of a channel in `without`.

    None also for a reply while an older one to the same phone waits: the reporter would answer the wrong screen.
    """
    o = t.outgoing.c
    now = database.now_sql()
    leasing = update(t.outgoing).where(o.id == sms_id, _is_leasable(now), o.channel.not_in(without))
    leasing = leasing.values(lease_by=holder, lease_until=now + LEASE_TIME, attempt=o.attempt + 1)
    with database.write() as connection:
        row = connection.execute(leasing.returning(*(o[name] for name in LEASED_COLUMNS))).first()
    return LeasedSms(*row) if row else None


def mark_sent(database: Database, leased: LeasedSms, provider_id: str | None, why: str) -> None:
    """Record that the provider has accepted the SMS, even if another worker holds the lease."""
    values = {"state": "sent", "provider_id": provider_id, "last_class": why, **DONE}
    with database.write() as connection:
        connection.execute(update(t.outgoing).where(t.outgoing.c.id == leased.id).values(values))


def mark_failed(database: Database, leased: LeasedSms, why: str, delay: int | None, holder: str) -> bool:
    """Record a failed attempt; return False if another worker has the lease.

    `delay`: microseconds until the next attempt; None: there is none.
    """
    o = t.outgoing.c
    is_own_lease = and_(o.id == leased.id, o.state == SmsState.DUE, o.lease_by == holder, o.attempt == leased.attempt)
    failed = {"state": "failed", **DONE}
    values = failed if delay is None else {"next_at": database.now_sql() + delay, **UNLEASED}
    values |= {"last_class": why}
    with database.write() as connection:
        return bool(connection.execute(update(t.outgoing).where(is_own_lease).values(values)).rowcount)


class ExpiredTexts(NamedTuple):
    """The numbers of expired SMS and of expired texts by network-initiated USSD."""

    sms: int
    ussd: int


def expire_old(database: Database) -> ExpiredTexts:
    """Mark unsent texts as expired, and return how many: a delayed reply must not arrive at night."""
    o, n = t.outgoing.c, t.nudge.c
    now = database.now_sql()
    is_expired = and_(o.state == SmsState.DUE, o.expires_at <= now, _is_free(now))
    with database.write() as connection:
        values = {"state": "expired", **DONE}
        expiring = update(t.outgoing).where(is_expired).values(values).returning(o.id)
        expired = connection.execute(expiring).scalars().all()
        by_ussd = 0
        for start in range(0, len(expired), BATCH_SIZE):  # after an outage there may be many thousands
            batch = expired[start : start + BATCH_SIZE]
            counting = select(func.count()).select_from(t.nudge).where(n.ussd_id.in_(batch))
            by_ussd += connection.execute(counting).scalar_one()
    return ExpiredTexts(len(expired) - by_ussd, by_ussd)


def delete_old_outgoing(database: Database, older_than: int) -> int:
    """Delete SMS older than `older_than` microseconds that were sent, failed or expired, and return how many.

    No delivery report can come for them any more.
    """
    o = t.outgoing.c
    with database.write() as connection:
        deletion = delete(t.outgoing).where(o.state != SmsState.DUE, o.created_at < database.now_sql() - older_than)
        return connection.execute(deletion).rowcount
