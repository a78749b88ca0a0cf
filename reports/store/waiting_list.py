"""The list of what one hotline was given. Ids, times, states and sealed heads: what happened is in the bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, exists, func, or_, select

from reports.clocks import CLOCKS, OVERDUE
from reports.store import tables as t
from reports.store.accounts import Account
from reports.store.asking import looking_as
from reports.store.database import Database

REPORTS = ("created", "unread")  # kinds of deliveries that bring a report
LATER = ("updated", "message")  # and what its reporter said afterwards
OPEN = ("none", "accepted", "in_progress")
PAGE = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the list is asked for. `after`: so many rows are passed over."""

    handling: tuple[str, ...] = OPEN
    priority: str = ""
    mine: bool = False
    after: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """`overdue_at`: by when somebody should have taken it on. `news`: the reporter has said something since it was
    read. `head`: sealed to the hotline; empty where nobody could read what came in."""

    report_id: str
    priority: str
    created_at: int
    handling: str
    kind: str
    role: str
    why: str
    completeness: str
    revision: int
    mode: str
    holder: str | None
    news: bool
    overdue_at: int
    key_id: str = ""
    wrap: bytes = b""
    head: bytes = b""


def urgent(database: Database, account: Account) -> int:
    """How many that are urgent nobody has taken on."""
    d = t.delivery.c
    query = select(func.count(func.distinct(d.report_id))).where(_given(account), d.handling == "none")
    with looking_as(database, account.hotline) as connection:
        return int(connection.execute(query.where(d.priority.in_(("P1", "P2")))).scalar_one())


def listed(database: Database, account: Account, wanted: Wanted, most: int = PAGE) -> tuple[list[Row], bool]:
    """The most urgent first, then the oldest; and whether there are more."""
    d, h = t.delivery.c, t.holding.c
    wanted_now: ColumnElement[bool] = d.handling.in_(wanted.handling)
    if wanted.handling == OPEN:  # who wrote more after it was closed waits like anybody, until somebody has read it
        wanted_now = or_(wanted_now, and_(d.handling == "closed", _written_since()))
    page = select(d.delivery_id).where(_given(account), wanted_now)
    if wanted.priority:
        page = page.where(d.priority == wanted.priority)
    if wanted.mine:
        page = page.where(exists().where(h.report_id == d.report_id, h.hotline == d.hotline, h.holder == account.name))
    # First which rows, by the index alone; then all that is said of these few.
    page = page.order_by(d.priority, d.created_at, d.delivery_id).offset(wanted.after).limit(most + 1)
    query = _rows(page.subquery()).order_by(d.priority, d.created_at, d.delivery_id)
    with looking_as(database, account.hotline) as connection:
        rows = [_row(one) for one in connection.execute(query)]
    return rows[:most], len(rows) > most


def _given(account: Account) -> ColumnElement[bool]:
    """Given to the hotline, and not kept away from this person."""
    d, k = t.delivery.c, t.kept_away.c
    away = exists().where(k.report_id == d.report_id, k.staff_id == account.staff_id)
    return and_(d.hotline == account.hotline, d.type.in_(REPORTS), d.state != "cancelled", ~away)


def _written_since() -> ColumnElement[bool]:
    """The reporter has said something since this hotline read it."""
    d, h, later = t.delivery.c, t.holding.c, t.delivery.alias("since").c
    read = select(h.read_at).where(h.report_id == d.report_id, h.hotline == d.hotline).scalar_subquery()
    theirs = (later.report_id == d.report_id, later.hotline == d.hotline)
    return exists().where(*theirs, later.type.in_(LATER), later.created_at > func.coalesce(read, 0))


def _rows(page: Subquery) -> Select[Any]:
    d, r, h, b = t.delivery.c, t.report.c, t.holding.c, t.report_body.c
    last = func.max(t.step.c.due_at).filter(t.step.c.step == OVERDUE)
    due = select(last).where(t.step.c.report_id == d.report_id, t.step.c.priority == d.priority).scalar_subquery()
    query = select(
        *(d.report_id, d.priority, d.created_at, d.handling, d.type, d.role, d.why),
        *(r.completeness, r.mode, h.holder, _written_since().label("news"), due.label("due_at")),
        *(b.revision, b.key_id, b.wrap, b.head),
    )
    query = query.join_from(t.delivery, t.report, r.report_id == d.report_id)
    query = query.outerjoin(t.holding, and_(h.report_id == d.report_id, h.hotline == d.hotline))
    body = and_(b.report_id == d.report_id, b.recipient == d.hotline, b.revision == d.revision)
    return query.outerjoin(t.report_body, body).join(page, page.c.delivery_id == d.delivery_id)


def _row(one: Any) -> Row:
    overdue = one.due_at or one.created_at + CLOCKS[one.priority].acknowledged
    head = (one.key_id or "", one.wrap or b"", one.head or b"")
    who = (one.role, one.why, one.completeness, one.revision or 0, one.mode, one.holder, bool(one.news))
    return Row(one.report_id, one.priority, one.created_at, one.handling, one.type, *who, overdue, *head)


def may_see(database: Database, account: Account, report_id: str) -> bool:
    """Whether there is such a report for this person. Everybody else's is as none."""
    query = select(t.delivery.c.delivery_id).where(t.delivery.c.report_id == report_id, _given(account)).limit(1)
    with looking_as(database, account.hotline) as connection:
        return connection.execute(query).first() is not None
