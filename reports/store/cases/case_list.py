"""The list of what one hotline was given. Ids, times, states and sealed heads: what happened is in the bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, or_, select, union_all

from reports.escalation.policy import ESCALATION_TIMES, STEP_OVERDUE
from reports.escalation.priorities import URGENT
from reports.store.cases.case_status import ACTIVE
from reports.store.deliveries import REPORT_TYPES
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account

BODY_TYPES = ("created", "updated")  # what brings a body
ADDITION_TYPES = ("updated", "message")  # and what its reporter said afterwards
NEW_STATES = ("none",)
OPEN_STATES = ("none", "accepted", "in_progress")
PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What of the list is asked for. `after`: so many rows are passed over."""

    handling: tuple[str, ...] = OPEN_STATES
    priority: str = ""
    mine: bool = False
    after: int = 0


@dataclass(frozen=True, slots=True)
class CaseRow:
    """`state`: of the report at all its hotlines. `contact`: what was last said of it by My report, 0 no, 1 yes; None:
    what the report says holds. `holder`: NOBODY where it waits for whoever comes next. `handed_by`: who gave it to the
    holder, until somebody says that they have it. `overdue_at`: by when somebody should have taken it on. `news`: the
    reporter has said something since it was read. `read_at`: when somebody here opened it last; None: nobody has.
    `mailbox`: the key that answers are sealed to; None where no code was shown, empty where the reporter has deleted
    the report. `head`: sealed to the hotline; empty where nobody could read what came in."""

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
    state: str
    contact: int | None
    holder: str | None
    handed_by: str | None
    outcome: str | None
    news: bool
    overdue_at: int
    read_at: int | None = None
    mailbox: bytes | None = None
    key_id: str = ""
    wrap: bytes = b""
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class CaseHead:
    """What of a row is sealed for the list."""

    delivery_id: str
    report_id: str
    mode: str
    revision: int
    key_id: str
    wrap: bytes
    head: bytes


@dataclass(frozen=True, slots=True)
class UrgentCount:
    """Of the urgent reports that nobody has taken on: how many there are, and how many of these nobody at the hotline
    has opened since they came or since their reporter wrote more. `newest`: when the last of those came; 0: none."""

    urgent: int
    unopened: int
    newest: int


def count_urgent(database: Database, account: Account) -> UrgentCount:
    d, held = t.delivery.c, t.holding.alias("held")
    h = held.c
    unopened = or_(h.read_at.is_(None), _has_additions())
    query = select(
        func.count(func.distinct(d.report_id)),
        func.count(func.distinct(case((unopened, d.report_id)))),
        func.coalesce(func.max(case((unopened, d.created_at))), 0),
    )
    query = query.select_from(t.delivery)
    query = query.outerjoin(held, and_(h.report_id == d.report_id, h.hotline == d.hotline))
    query = query.where(_given(account), or_(d.handling == "none", _is_reassigned()), d.priority.in_(URGENT))
    with read_as(database, account.hotline) as connection:
        return UrgentCount(*map(int, connection.execute(query).one()))


def count_open(database: Database, account: Account) -> int:
    """How many reports are open, whatever a filter says."""
    d = t.delivery.c
    query = select(func.count(func.distinct(d.report_id))).where(_given(account), d.handling.in_(OPEN_STATES))
    with read_as(database, account.hotline) as connection:
        return int(connection.execute(query).scalar_one())


def count_unacknowledged(database: Database, account: Account) -> int:
    """How many nobody has taken on, or somebody had and handed over, and nobody has taken on since."""
    d = t.delivery.c
    query = select(func.count(func.distinct(d.report_id)))
    query = query.where(_given(account), or_(d.handling == "none", _is_reassigned()))
    with read_as(database, account.hotline) as connection:
        return int(connection.execute(query).scalar_one())


def list_cases(
    database: Database, account: Account, wanted: CaseFilter, most: int = PAGE_SIZE
) -> tuple[list[CaseRow], bool]:
    """The most urgent first, then the oldest; and whether there are more."""
    with read_as(database, account.hotline) as connection:
        rows = [_row(one) for one in connection.execute(_rows(_page(account, wanted, most + 1)))]
    return rows[:most], len(rows) > most


def list_heads(database: Database, account: Account, wanted: CaseFilter, most: int) -> tuple[list[CaseHead], bool]:
    """In the same order, and no more of each than has to be opened to look through very many."""
    d, r, b = t.delivery.c, t.report.c, t.report_body.c
    query = select(d.delivery_id, d.report_id, r.mode, b.revision, b.key_id, b.wrap, b.head)
    query = _of(query, _page(account, wanted, most + 1))
    with read_as(database, account.hotline) as connection:
        found = [CaseHead(*one) for one in connection.execute(query)]
    return [one for one in found[:most] if one.head], len(found) > most


def list_rows(database: Database, account: Account, delivery_ids: Sequence[str]) -> list[CaseRow]:
    """Of the list, in its order."""
    d = t.delivery.c
    with read_as(database, account.hotline) as connection:
        rank = case((d.handling == "none", 0), else_=1).label("rank")
        page = select(d.delivery_id, rank).where(_given(account), d.delivery_id.in_(delivery_ids))
        return [_row(one) for one in connection.execute(_rows(page))]


def find_row(database: Database, account: Account, report_id: str) -> CaseRow | None:
    """One report, as it stands on the list; None where it was not given, or is kept away."""
    d = t.delivery.c
    with read_as(database, account.hotline) as connection:
        page = select(d.delivery_id, literal(0).label("rank")).where(_given(account), d.report_id == report_id)
        rows = [_row(one) for one in connection.execute(_rows(page.order_by(d.created_at, d.delivery_id)))]
    return rows[-1] if rows else None


def _page(account: Account, wanted: CaseFilter, most: int) -> Select[Any]:
    """Which rows: of each state the first ones, which the index has in this order, and then of these. Of one priority
    those that nobody has taken on come first: among them are all that are overdue."""
    d = t.delivery.c
    states = [d.handling == one for one in wanted.handling]
    if wanted.handling == NEW_STATES:
        states.append(_is_reassigned())
    if (
        wanted.handling == OPEN_STATES
    ):  # who wrote more after it was closed waits like anybody, until somebody has read it
        states.append(and_(d.handling == "closed", _has_additions()))
    first = [_first(account, wanted, one, wanted.after + most, min(1, n)) for n, one in enumerate(states)]
    every = union_all(*(select(one.subquery()) for one in first)).subquery().c
    page: Select[Any] = select(every.delivery_id, every.rank)
    page = page.order_by(every.priority, every.rank, every.created_at, every.delivery_id)
    return page.offset(wanted.after).limit(most)


def _first(account: Account, wanted: CaseFilter, state: ColumnElement[bool], most: int, rank: int) -> Select[Any]:
    d, h = t.delivery.c, t.holding.c
    query = select(d.delivery_id, d.priority, d.created_at, literal(rank).label("rank")).where(_given(account), state)
    if wanted.priority:
        query = query.where(d.priority == wanted.priority)
    if wanted.mine:
        query = query.where(
            exists().where(h.report_id == d.report_id, h.hotline == d.hotline, h.holder == account.name)
        )
    return query.order_by(d.priority, d.created_at, d.delivery_id).limit(most)


def _given(account: Account) -> ColumnElement[bool]:
    """Given to the hotline, and not kept away from this person."""
    d, k = t.delivery.c, t.kept_away.c
    away = exists().where(k.report_id == d.report_id, k.staff_id == account.staff_id)
    return and_(d.hotline == account.hotline, d.type.in_(REPORT_TYPES), d.state != "cancelled", ~away)


def _is_reassigned() -> ColumnElement[bool]:
    """Taken on once, and handed to somebody, or to whoever comes next, who has not said yet that they have it."""
    d, h = t.delivery.c, t.holding.c
    handed = exists().where(h.report_id == d.report_id, h.hotline == d.hotline, h.handed_by.is_not(None))
    return and_(d.handling.in_(ACTIVE), handed)


def _has_additions() -> ColumnElement[bool]:
    """The reporter has said something since this hotline read it."""
    d, h, later = t.delivery.c, t.holding.c, t.delivery.alias("since").c
    read = select(h.read_at).where(h.report_id == d.report_id, h.hotline == d.hotline)
    read_at = read.correlate(t.delivery).scalar_subquery()  # of this one: two levels deep, nobody sees to it but us
    theirs = (later.report_id == d.report_id, later.hotline == d.hotline)
    return exists().where(*theirs, later.type.in_(ADDITION_TYPES), later.created_at > func.coalesce(read_at, 0))


def _rows(page: Select[Any]) -> Select[Any]:
    d, r, h, b, c = t.delivery.c, t.report.c, t.holding.c, t.report_body.c, t.contact.c
    last = func.max(t.step.c.due_at).filter(t.step.c.step == STEP_OVERDUE)
    due = select(last).where(t.step.c.report_id == d.report_id, t.step.c.priority == d.priority).scalar_subquery()
    query = select(
        *(d.report_id, d.priority, d.created_at, d.handling, d.type, d.role, d.why),
        *(r.completeness, r.mode, r.state, c.allowed, h.holder, h.handed_by, h.outcome),
        *(_has_additions().label("news"), due.label("due_at")),
        *(b.revision, b.key_id, b.wrap, b.head),
        *(h.read_at, t.mailbox.c.public_key),
    )
    held = and_(h.report_id == d.report_id, h.hotline == d.hotline)
    rows: Select[Any] = _of(query, page).outerjoin(t.holding, held).outerjoin(t.contact, c.report_id == d.report_id)
    return rows.outerjoin(t.mailbox, t.mailbox.c.report_id == d.report_id)


def _of(query: Select[Any], page: Select[Any]) -> Select[Any]:
    """Of the deliveries on this page, with their reports and what is sealed to their hotline; in the list's order. Of
    several revisions it is the newest that the hotline was given: another contact may stand there."""
    d, b, those, given = t.delivery.c, t.report_body.c, page.subquery(), t.delivery.alias("given").c
    theirs = (given.report_id == d.report_id, given.hotline == d.hotline, given.type.in_(BODY_TYPES))
    newest = select(func.max(given.revision)).where(*theirs).scalar_subquery()
    query = query.join_from(t.delivery, those, those.c.delivery_id == d.delivery_id)
    query = query.join(t.report, t.report.c.report_id == d.report_id)
    body = and_(b.report_id == d.report_id, b.recipient == d.hotline, b.revision == newest)
    return query.outerjoin(t.report_body, body).order_by(d.priority, those.c.rank, d.created_at, d.delivery_id)


def _row(one: Any) -> CaseRow:
    overdue = one.due_at or one.created_at + ESCALATION_TIMES[one.priority].acknowledged
    head = (one.key_id or "", one.wrap or b"", one.head or b"")
    what = (one.report_id, one.priority, one.created_at, one.handling, one.type, one.role, one.why)
    held = (one.holder, one.handed_by, one.outcome, bool(one.news))
    rest = (*held, overdue, one.read_at, one.public_key)
    return CaseRow(*what, one.completeness, one.revision or 0, one.mode, one.state, one.allowed, *rest, *head)


def may_see(database: Database, account: Account, report_id: str) -> bool:
    """Whether there is such a report for this person. Everybody else's is as none."""
    query = select(t.delivery.c.delivery_id).where(t.delivery.c.report_id == report_id, _given(account)).limit(1)
    with read_as(database, account.hotline) as connection:
        return connection.execute(query).first() is not None
