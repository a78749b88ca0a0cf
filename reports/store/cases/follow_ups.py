"""Follow-up dates: when somebody has to look at an acknowledged report again, and which of them are due.

A due follow-up concerns the person who holds the report; after a grace period, or if nobody holds it, everybody at the
hotline who may see it. It stays due until the date is moved or removed, or the report is closed or transferred.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from reports.case_state import ACTIVE
from reports.delivery import REPORT_TYPES, DeliveryState
from reports.escalation import PRIORITIES, Priority
from reports.follow_up import grace
from reports.store import idempotency_keys
from reports.store.cases import case_status
from reports.store.cases.case_actions import TransitionNotAllowed
from reports.store.cases.case_list import is_visible, visibility_values
from reports.store.cases.case_status import CaseChange, CaseRef
from reports.store.deliveries import lock_report
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as, write_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account


@dataclass(frozen=True, slots=True)
class DueFollowUp:
    """A report that somebody has to look at again now. `due_at`: microseconds. `holder`: empty if nobody holds it."""

    report_id: str
    priority: Priority
    due_at: int
    holder: str


@dataclass(frozen=True, slots=True)
class DueCount:
    """The number of due follow-ups, and when the last of them became due for this person (microseconds; 0: none)."""

    count: int
    newest: int


def list_due(database: Database, account: Account, at_most: int) -> list[DueFollowUp]:
    """Return the due follow-ups that concern this person, the most urgent and oldest first."""
    d, h = t.delivery.c, t.holding.c
    query = _due(database, account, d.report_id, d.priority, h.follow_up_at, func.coalesce(h.holder, ""))
    with read_as(database, account.hotline) as connection:
        ordered = query.order_by(d.priority, h.follow_up_at, d.report_id).limit(at_most)
        rows = connection.execute(ordered, visibility_values(account))
        return [DueFollowUp(*row) for row in rows]


def count_due(database: Database, account: Account) -> DueCount:
    """Count the due follow-ups that concern this person."""
    d, h = t.delivery.c, t.holding.c
    query = _due(database, account, func.count(func.distinct(d.report_id)), func.max(h.follow_up_at))
    with read_as(database, account.hotline) as connection:
        count, newest = connection.execute(query, visibility_values(account)).one()
    return DueCount(int(count), int(newest or 0))


def _due(database: Database, account: Account, *columns: Any) -> Select[Any]:
    d, h, now = t.delivery.c, t.holding.c, database.now()
    is_own = or_(h.holder.is_(None), h.holder.in_((account.name, case_status.UNASSIGNED)))
    query: Select[Any] = select(*columns).select_from(t.holding)
    query = query.join(t.delivery, and_(d.report_id == h.report_id, d.hotline == h.hotline))
    return query.where(
        h.hotline == account.hotline,
        h.follow_up_at <= now,
        d.handling.in_(ACTIVE),
        is_visible(),
        or_(is_own, _is_past_grace(now)),
    )


def _is_past_grace(now: Any) -> ColumnElement[bool]:
    d, h = t.delivery.c, t.holding.c
    return or_(*(and_(d.priority == priority, h.follow_up_at <= now - grace(priority)) for priority in PRIORITIES))


class OutdatedDate(Exception):
    """Somebody changed the follow-up date after the page of this form was rendered."""


def set_date(
    database: Database,
    account: Account,
    report_id: str,
    at: int | None,
    key: bytes | None,
    *,
    act: str,
    shown: int | None = None,
) -> None:
    """Set the follow-up date of a report; None: remove it.

    `at`: microseconds. `act`: for the audit log. `key`: idempotency key of the form. `shown`: the date on the page of
    the form, 0 for none; None: it is not compared. Raises OutdatedDate, and TransitionNotAllowed if nobody has the
    report, or if it is closed or transferred.
    """
    h = t.holding.c
    case_ref = CaseRef(account.hotline, report_id, account.actor)
    with write_as(database, account.hotline) as connection:
        lock_report(connection, report_id)
        if not idempotency_keys.claim_key(connection, database, key):
            return
        handling = case_status.load_handling(connection, case_ref)
        if handling not in ACTIVE:
            raise TransitionNotAllowed(handling)
        stored = select(h.follow_up_at).where(h.report_id == report_id, h.hotline == account.hotline)
        if shown is not None and shown != (connection.execute(stored).scalar() or 0):
            raise OutdatedDate
        values = {"follow_up_at": at, "follow_up_by": None if at is None else account.name}
        case_status.save_change(connection, database, case_ref, CaseChange(act, values))


# For the operator: overdue follow-ups of all hotlines, as counts


def count_overdue(database: Database) -> dict[Priority, int]:
    """Return, by priority, how many follow-ups are due for longer than their grace period. The scheduler calls this."""
    d, h, now = t.delivery.c, t.holding.c, database.now_sql()
    query = select(d.priority, func.count(func.distinct(d.report_id)))
    query = query.join_from(t.holding, t.delivery, and_(d.report_id == h.report_id, d.hotline == h.hotline))
    query = query.where(d.handling.in_(ACTIVE), d.type.in_(REPORT_TYPES), d.state != DeliveryState.CANCELLED)
    with database.read() as connection:
        rows = connection.execute(query.where(_is_past_grace(now)).group_by(d.priority))
        return {row[0]: row[1] for row in rows}
