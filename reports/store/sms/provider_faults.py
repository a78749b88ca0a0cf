"""Find faults of SMS providers in the outgoing SMS of the last minutes and hours."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.sms.messages import SmsState
from reports.time_limits import SMS_LIFETIME

# `last_class` of an SMS for which the provider was not reached, or gave no clear answer.
NO_CLEAR_ANSWER = ("dns", "private_address", "not_reached", "reset", "timeout", "tls", "busy", "not_understood")
MIN_LOST_ATTEMPTS = 2  # of a provider that counts as unavailable


def list_failures(database: Database, classes: tuple[str, ...], since: int) -> list[tuple[str, str]]:
    """Return (channel, class), each once, of SMS created after `since`, in microseconds, that failed; the oldest first.

    `classes`: the classes of failure, such as those that only the operator can repair.
    """
    o = t.outgoing.c
    query = select(o.channel, o.last_class).where(o.last_class.in_(classes), o.created_at > since)
    query = query.group_by(o.channel, o.last_class).order_by(func.min(o.created_at))
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def list_silent_channels(database: Database, since: int) -> list[str]:
    """Return the channels whose provider accepted none of the SMS made after `since`, in microseconds.

    One lost attempt is no outage: of several, since the provider last accepted an SMS, the newest is after `since`. SMS
    that failed for a reason of their own, as a wrong number, do not count, nor do texts by USSD: they live shorter.
    """
    o = t.outgoing.c
    query = select(o.channel).where(o.created_at > since).group_by(o.channel).order_by(o.channel)
    query = query.having(func.sum(case((_is_lost(), 1), else_=0)) > 0)
    query = query.having(func.sum(case((_is_accepted(), 1), else_=0)) == 0)
    with database.read() as connection:
        channels = connection.execute(query).scalars().all()
        return [channel for channel in channels if _lost_attempts(connection, channel) >= MIN_LOST_ATTEMPTS]


def _lost_attempts(connection: Connection, channel: str) -> int:
    """Return the attempts of SMS that were lost since the provider last accepted one."""
    o = t.outgoing.c
    last_accepted = select(func.max(o.created_at)).where(o.channel == channel, _is_accepted()).scalar_subquery()
    query = select(func.coalesce(func.sum(o.attempt), 0)).where(o.channel == channel, _is_lost())
    return int(connection.execute(query.where(o.created_at > func.coalesce(last_accepted, 0))).scalar_one())


def _is_lost() -> ColumnElement[bool]:
    o = t.outgoing.c
    is_over = o.state.in_((SmsState.FAILED, SmsState.EXPIRED))
    return and_(is_over, o.last_class.in_(NO_CLEAR_ANSWER), o.expires_at - o.created_at > SMS_LIFETIME // 2)


def _is_accepted() -> ColumnElement[bool]:
    """Match SMS that the provider accepted, also where its answer was lost."""
    return or_(t.outgoing.c.state == SmsState.SENT, t.outgoing.c.status == "delivered")
