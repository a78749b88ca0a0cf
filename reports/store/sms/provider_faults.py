"""Find faults of SMS providers in the outgoing SMS of the last minutes and hours."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.sms.messages import SmsState
from reports.time_limits import SMS_LIFETIME

# `last_class` of an SMS for which the provider was not reached, or gave no clear answer.
NO_CLEAR_ANSWER = ("dns", "private_address", "not_reached", "reset", "timeout", "tls", "busy", "not_understood")
MIN_LOST_ATTEMPTS = 2  # of a provider that counts as unavailable
MIN_UNDELIVERED = 5  # SMS of a provider that counts as one that delivers nothing
DOCS_PAGE = "docs/operating/provider-dead.md#texts-that-do-not-arrive"


class UndeliveredTexts(NamedTuple):
    """The numbers of SMS of a channel that failed, and that were delivered, by the provider's delivery reports."""

    channel: str
    failed: int
    delivered: int

    def fault(self) -> str:
        """Return a sentence with the fault and its remedy."""
        return (
            f"SMS by {self.channel} do not arrive: of the last hour {self.failed} failed by the provider's delivery "
            f"reports, and {self.delivered} arrived. Text a phone of each network, and call the provider. {DOCS_PAGE}"
        )


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
    is_over = t.outgoing.c.state.in_((SmsState.FAILED, SmsState.EXPIRED))
    return and_(is_over, t.outgoing.c.last_class.in_(NO_CLEAR_ANSWER), _is_sms())


def _is_sms() -> ColumnElement[bool]:
    """Match SMS; texts by USSD live shorter."""
    return t.outgoing.c.expires_at - t.outgoing.c.created_at > SMS_LIFETIME // 2


def list_undelivered(database: Database, since: int) -> list[UndeliveredTexts]:
    """Return the channels of whose SMS made after `since`, in microseconds, more failed than arrived.

    The provider accepted all of them. Fewer than `MIN_UNDELIVERED` may be those to one phone that is off.
    """
    o = t.outgoing.c
    failed = func.sum(case((o.status == "failed", 1), else_=0))
    delivered = func.sum(case((o.status == "delivered", 1), else_=0))
    query = select(o.channel, failed, delivered).where(o.created_at > since, _is_sms()).group_by(o.channel)
    query = query.having(failed >= MIN_UNDELIVERED, failed > delivered).order_by(o.channel)
    with database.read() as connection:
        return [UndeliveredTexts(*row) for row in connection.execute(query)]


def _is_accepted() -> ColumnElement[bool]:
    """Match SMS that the provider accepted, also where its answer was lost."""
    return or_(t.outgoing.c.state == SmsState.SENT, t.outgoing.c.status == "delivered")
