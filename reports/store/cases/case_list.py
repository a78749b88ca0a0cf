"""The list of the cases of one hotline: ids, times, states and sealed heads. It reads no sealed body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)

from reports.case_state import ACTIVE, CaseOutcome, Handling, ReportState
from reports.delivery import REPORT_TYPES, DeliveryState, DeliveryType, RecipientRole
from reports.escalation import URGENT, Priority, StepName, default_times
from reports.facts import Completeness
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account
from runtime.settings import Mode

BODY_TYPES = (DeliveryType.CREATED, DeliveryType.UPDATED)  # deliveries that bring a body
ADDITION_TYPES = (DeliveryType.UPDATED, DeliveryType.MESSAGE)  # deliveries of the reporter's later additions
PAGE_SIZE = 50
MAX_COUNTED: Final = 1000  # unacknowledged reports: beyond that a tab says "999+"
STATEMENTS: Final = 256  # pages of the list whose statements are cached
MAX_OF_REFERENCE: Final = 20  # reports that one reference may list


class ListTab(StrEnum):
    """A part of the list. A report can be under several: the person's own ones may wait for their reporters, too."""

    OPEN = "open"
    UNASSIGNED = "unassigned"  # nobody has acknowledged it, or it was passed on and not accepted yet
    MINE = "mine"
    OTHERS = "others"
    WAITING = "waiting"  # the hotline wrote last
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases to list.

    `priority`: None for all. `after`: how many rows to skip.
    """

    tab: ListTab = ListTab.OPEN
    priority: Priority | None = None
    after: int = 0


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One row of the case list; times in microseconds.

    Attributes:
        kind: type of the delivery that brought the report: created or unread.
        state: state of the report over all its hotlines.
        contact: the last choice about contact that was made by My report, 0 no, 1 yes; None: the report's own choice
            holds.
        holder: name of the person who has the case; UNASSIGNED if it waits for anybody; None if nobody was named.
        handed_by: who assigned the case to the holder, until somebody confirms that they have it.
        outcome: how the case was closed.
        news: whether the reporter has added something since the hotline read the report.
        overdue_at: when the time to acknowledge the report ends.
        read_at: when somebody at the hotline last opened the report; None: nobody has.
        mailbox: public key that answers are sealed to; None if no access code was shown, empty if the reporter has
            deleted the report.
        head: sealed to the hotline; empty for an input that nobody could read.
        follow_up_at: when somebody has to look at it again; None if no date is set.
        is_hoax_marked: one person has marked it as a false report.
    """

    report_id: str
    priority: Priority
    created_at: int
    handling: Handling
    kind: DeliveryType
    role: RecipientRole
    why: str
    completeness: Completeness
    revision: int
    mode: Mode
    state: ReportState
    contact: int | None
    holder: str | None
    handed_by: str | None
    outcome: CaseOutcome | None
    news: bool
    overdue_at: int
    read_at: int | None = None
    mailbox: bytes | None = None
    key_id: str = ""
    wrap: bytes = b""
    head: bytes = b""
    follow_up_at: int | None = None
    is_hoax_marked: bool = False


@dataclass(frozen=True, slots=True)
class CaseHead:
    """The sealed head of one case with the fields needed to open it."""

    delivery_id: str
    report_id: str
    mode: Mode
    revision: int
    key_id: str
    wrap: bytes
    head: bytes


@dataclass(frozen=True, slots=True)
class UrgentCount:
    """The number of urgent reports that nobody has acknowledged.

    `unopened`: those of them that nobody at the hotline has opened since they came or since their reporter added
    something. `newest`: when the last of the unopened ones came, in microseconds; 0: there is none.
    """

    urgent: int
    unopened: int
    newest: int


# Open pages ask for counts and lists every ten seconds, and to build a statement takes longer than to execute it. So
# the person is a bind parameter, and each statement is built once.
_HOTLINE, _STAFF_ID, _NAME = (bindparam(f"my_{name}", type_=String) for name in ("hotline", "staff_id", "name"))


def visibility_values(account: Account) -> dict[str, str]:
    """Return the values of the bind parameters."""
    return {"my_hotline": account.hotline, "my_staff_id": account.staff_id, "my_name": account.name}


def count_urgent(database: Database, account: Account) -> UrgentCount:
    """Count the urgent reports that nobody has acknowledged, among those that this person may see."""
    with read_as(database, account.hotline) as connection:
        return UrgentCount(*map(int, connection.execute(_urgent_query(), visibility_values(account)).one()))


@cache
def _urgent_query() -> Select[Any]:
    d, holding = t.delivery.c, t.holding.alias("held")
    h = holding.c
    unopened = or_(h.read_at.is_(None), _has_additions())
    query = select(
        func.count(func.distinct(d.report_id)),
        func.count(func.distinct(case((unopened, d.report_id)))),
        func.coalesce(func.max(case((unopened, d.created_at))), 0),
    )
    query = query.select_from(t.delivery)
    query = query.outerjoin(holding, and_(h.report_id == d.report_id, h.hotline == d.hotline))
    return query.where(is_visible(), or_(d.handling == Handling.NONE, _is_reassigned()), d.priority.in_(URGENT))


@dataclass(frozen=True, slots=True)
class TabCounts:
    """The number of reports under each tab. `open`, `unassigned` and `closed` are at most MAX_COUNTED."""

    open: int
    unassigned: int
    mine: int
    others: int
    waiting: int
    closed: int


def count_tabs(database: Database, account: Account) -> TabCounts:
    """Count the reports under each tab that this person may see, in one statement.

    The reports that nobody has acknowledged, and the closed ones, are counted in their index up to MAX_COUNTED. Reports
    with a holder are counted one by one.
    """
    with read_as(database, account.hotline) as connection:
        row = connection.execute(_tabs_query(), visibility_values(account)).one()
    active, mine, reassigned, others, waiting, new, passed, written, closed = map(int, row)
    return TabCounts(
        min(MAX_COUNTED, active + new + written),
        min(MAX_COUNTED, new + reassigned + written),
        mine + passed,
        others,
        waiting,
        closed,
    )


@cache
def _tabs_query() -> Select[Any]:
    d, holding = t.delivery.c, t.holding.alias("held")
    h = holding.c
    # A NULL column must not make the negation NULL.
    is_mine = func.coalesce(h.holder, literal("")) == _NAME
    is_reassigned = h.handed_by.is_not(None)
    is_theirs = and_(~is_mine, h.handed_by.is_(None))
    held_counts = [
        func.count(func.distinct(case((condition, d.report_id))))
        for condition in (is_mine, is_reassigned, is_theirs, _waits_for_reporter())
    ]
    counted = [
        func.count(func.distinct(d.report_id)),
        *held_counts,
        _count_some(d.handling == Handling.NONE),
        _count_some(and_(d.handling == Handling.NONE, _is_mine())),
        _count_some(_is_closed_with_additions()),
        _count_some(d.handling.in_((Handling.CLOSED, Handling.REJECTED))),
    ]
    query: Select[Any] = select(*counted)
    query = query.select_from(t.delivery)
    query = query.outerjoin(holding, and_(h.report_id == d.report_id, h.hotline == d.hotline))
    return query.where(is_visible(), d.handling.in_(ACTIVE))


def _count_some(condition: ColumnElement[bool]) -> Any:
    """Count the reports to which the condition applies, but stop at MAX_COUNTED."""
    d = t.delivery.c
    some = select(d.report_id).where(is_visible(), condition).distinct().limit(MAX_COUNTED)
    return select(func.count()).select_from(some.subquery()).scalar_subquery()


def count_passed_to(database: Database, account: Account) -> int:
    """Count the reports that a colleague passed to this person and that they have not accepted yet."""
    with read_as(database, account.hotline) as connection:
        return int(connection.execute(_passed_query(), visibility_values(account)).scalar_one())


@cache
def _passed_query() -> Select[Any]:
    d, h = t.delivery.c, t.holding.c
    query = select(func.count(func.distinct(h.report_id))).select_from(t.holding)
    query = query.join(t.delivery, and_(d.report_id == h.report_id, d.hotline == h.hotline))
    is_passed = (h.hotline == _HOTLINE, h.holder == _NAME, h.handed_by.is_not(None))
    return query.where(*is_passed, d.handling.in_((Handling.NONE, *ACTIVE)), is_visible())


def list_cases(
    database: Database, account: Account, case_filter: CaseFilter, at_most: int = PAGE_SIZE
) -> tuple[list[CaseRow], bool]:
    """Return a page of cases, and whether there are more.

    The most urgent come first. Within a priority, unacknowledged cases precede the others, and older cases newer ones.
    """
    with read_as(database, account.hotline) as connection:
        rows = [
            _case_row(row)
            for row in connection.execute(_list_query(case_filter, at_most + 1), visibility_values(account))
        ]
    return rows[:at_most], len(rows) > at_most


@lru_cache(STATEMENTS)
def _list_query(case_filter: CaseFilter, limit: int) -> Select[Any]:
    return _row_query(_page_query(case_filter, limit))


def list_heads(
    database: Database, account: Account, case_filter: CaseFilter, at_most: int
) -> tuple[list[CaseHead], bool]:
    """Return the sealed heads in the order of the list, and whether there are more than `at_most`.

    It reads only what has to be opened, so that very many cases can be searched. Cases without a head are left out.
    """
    d, r, b = t.delivery.c, t.report.c, t.report_body.c
    query = select(d.delivery_id, d.report_id, r.mode, b.revision, b.key_id, b.wrap, b.head)
    query = _join_page(query, _page_query(case_filter, at_most + 1))
    with read_as(database, account.hotline) as connection:
        heads = [CaseHead(*row) for row in connection.execute(query, visibility_values(account))]
    return [head for head in heads[:at_most] if head.head], len(heads) > at_most


def list_rows(database: Database, account: Account, delivery_ids: Sequence[str]) -> list[CaseRow]:
    """Return the rows of these deliveries, in the order of the list."""
    d = t.delivery.c
    with read_as(database, account.hotline) as connection:
        rank = case((d.handling == Handling.NONE, 0), else_=1).label("rank")
        page = select(d.delivery_id, rank).where(is_visible(), d.delivery_id.in_(delivery_ids))
        return [_case_row(row) for row in connection.execute(_row_query(page), visibility_values(account))]


def find_by_reference(database: Database, account: Account, digits: str) -> list[CaseRow]:
    """Return the rows of the reports whose ids end in these hexadecimal digits, at most MAX_OF_REFERENCE.

    It reads every id of the hotline, so it is for a person who asks and not for a script.
    """
    d = t.delivery.c
    query = select(d.delivery_id).where(is_visible(), func.replace(d.report_id, "-", "").like(f"%{digits}"))
    with read_as(database, account.hotline) as connection:
        newest = query.order_by(d.created_at.desc()).limit(MAX_OF_REFERENCE)
        ids = list(connection.execute(newest, visibility_values(account)).scalars())
    return list_rows(database, account, ids) if ids else []


def find_reports(database: Database, account: Account, report_ids: Sequence[str]) -> list[CaseRow]:
    """Return the rows of these reports, newest first, without those that this person may not see."""
    d = t.delivery.c
    page = select(d.delivery_id, literal(0).label("rank")).where(is_visible(), d.report_id.in_(report_ids))
    with read_as(database, account.hotline) as connection:
        rows = [_case_row(row) for row in connection.execute(_row_query(page), visibility_values(account))]
    by_report = {row.report_id: row for row in sorted(rows, key=lambda row: row.created_at)}
    return list(reversed(by_report.values()))


def find_row(database: Database, account: Account, report_id: str) -> CaseRow | None:
    """Return the row of one report; None if the hotline was not given it, or if this person is excluded from it."""
    d = t.delivery.c
    with read_as(database, account.hotline) as connection:
        page = select(d.delivery_id, literal(0).label("rank")).where(is_visible(), d.report_id == report_id)
        query = _row_query(page.order_by(d.created_at, d.delivery_id))
        rows = [_case_row(row) for row in connection.execute(query, visibility_values(account))]
    return rows[-1] if rows else None


def _page_query(case_filter: CaseFilter, limit: int) -> Select[Any]:
    """Select the ids of one page.

    For each state it selects the first rows, in the order that the index has, and then the page among these. Within a
    priority the unacknowledged reports come first: all overdue ones are among them.
    """
    first_rows = [
        _first_of_state(case_filter, state, case_filter.after + limit, rank)
        for state, rank in _states_of(case_filter.tab)
    ]
    candidates = union_all(*(select(state_query.subquery()) for state_query in first_rows)).subquery().c
    page: Select[Any] = select(candidates.delivery_id, candidates.rank)
    page = page.order_by(candidates.priority, candidates.rank, candidates.created_at, candidates.delivery_id)
    return page.offset(case_filter.after).limit(limit)


def _states_of(tab: ListTab) -> list[tuple[ColumnElement[bool], int]]:
    """Return the conditions of a tab, each with its rank within a priority."""
    d = t.delivery.c
    new, active = d.handling == Handling.NONE, [d.handling == handling for handling in ACTIVE]
    # A closed report whose reporter has written more counts as open until somebody has read it.
    written = _is_closed_with_additions()
    if tab == ListTab.UNASSIGNED:
        return [(new, 0), (_is_reassigned(), 1), (written, 1)]
    if tab == ListTab.MINE:
        return [(and_(state, _is_mine()), 0) for state in (new, *active)]
    if tab == ListTab.OTHERS:
        return [(and_(state, ~_is_mine(), ~_is_reassigned()), 0) for state in active]
    if tab == ListTab.WAITING:
        return [(and_(state, _waits_for_reporter()), 0) for state in active]
    if tab == ListTab.CLOSED:
        return [(d.handling == Handling.CLOSED, 0), (d.handling == Handling.REJECTED, 1)]
    return [(new, 0), *((state, 1) for state in active), (written, 1)]


def _first_of_state(case_filter: CaseFilter, state: ColumnElement[bool], limit: int, rank: int) -> Select[Any]:
    d = t.delivery.c
    query = select(d.delivery_id, d.priority, d.created_at, literal(rank).label("rank")).where(is_visible(), state)
    if case_filter.priority:
        query = query.where(d.priority == case_filter.priority)
    return query.order_by(d.priority, d.created_at, d.delivery_id).limit(limit)


def is_visible() -> ColumnElement[bool]:
    """Match deliveries to this hotline, without those of reports that this person is excluded from (S-26)."""
    d, k = t.delivery.c, t.kept_away.c
    is_excluded = exists().where(k.report_id == d.report_id, k.staff_id == _STAFF_ID)
    return and_(d.hotline == _HOTLINE, d.type.in_(REPORT_TYPES), d.state != DeliveryState.CANCELLED, ~is_excluded)


def _is_reassigned() -> ColumnElement[bool]:
    """Match acknowledged reports that were passed to a colleague, or to anybody, and not confirmed since."""
    d, h = t.delivery.c, t.holding.c
    was_handed = exists().where(h.report_id == d.report_id, h.hotline == d.hotline, h.handed_by.is_not(None))
    return and_(d.handling.in_(ACTIVE), was_handed)


def _is_mine() -> ColumnElement[bool]:
    """Match reports that this person holds, or that were passed to them."""
    d, h = t.delivery.c, t.holding.c
    return exists().where(h.report_id == d.report_id, h.hotline == d.hotline, h.holder == _NAME)


def _is_closed_with_additions() -> ColumnElement[bool]:
    return and_(t.delivery.c.handling == Handling.CLOSED, _has_additions())


def _waits_for_reporter() -> ColumnElement[bool]:
    """Match reports to whose reporter the hotline has written, and who has added nothing since."""
    d, n, addition = t.delivery.c, t.note.alias("written").c, t.delivery.alias("after").c
    is_same_case = (addition.report_id == d.report_id, addition.hotline == d.hotline)
    newest = select(func.max(addition.created_at)).where(*is_same_case, addition.type.in_(ADDITION_TYPES))
    # SQLAlchemy does not correlate a subquery two levels deep by itself.
    newest_at = func.coalesce(newest.correlate(t.delivery).scalar_subquery(), 0)
    return exists().where(
        n.report_id == d.report_id, n.recipient == d.hotline, n.kind == "answer", n.created_at > newest_at
    )


def _has_additions() -> ColumnElement[bool]:
    """Match reports whose reporter has added something since this hotline read them."""
    d, h, addition = t.delivery.c, t.holding.c, t.delivery.alias("since").c
    read_query = select(h.read_at).where(h.report_id == d.report_id, h.hotline == d.hotline)
    # SQLAlchemy does not correlate a subquery two levels deep by itself.
    read_at = read_query.correlate(t.delivery).scalar_subquery()
    is_same_case = (addition.report_id == d.report_id, addition.hotline == d.hotline)
    return exists().where(
        *is_same_case, addition.type.in_(ADDITION_TYPES), addition.created_at > func.coalesce(read_at, 0)
    )


def _row_query(page: Select[Any]) -> Select[Any]:
    d, r, h, b, c = t.delivery.c, t.report.c, t.holding.c, t.report_body.c, t.contact.c
    latest_due = func.max(t.step.c.due_at).filter(t.step.c.step == StepName.OVERDUE)
    overdue_at = (
        select(latest_due).where(t.step.c.report_id == d.report_id, t.step.c.priority == d.priority).scalar_subquery()
    )
    query = select(
        *(d.report_id, d.priority, d.created_at, d.handling, d.type, d.role, d.why),
        *(r.completeness, r.mode, r.state, c.allowed, h.holder, h.handed_by, h.outcome),
        *(_has_additions().label("news"), overdue_at.label("due_at")),
        *(b.revision, b.key_id, b.wrap, b.head),
        *(h.read_at, t.mailbox.c.public_key),
        *(h.follow_up_at, h.hoax_by),
    )
    is_same_case = and_(h.report_id == d.report_id, h.hotline == d.hotline)
    rows: Select[Any] = (
        _join_page(query, page).outerjoin(t.holding, is_same_case).outerjoin(t.contact, c.report_id == d.report_id)
    )
    return rows.outerjoin(t.mailbox, t.mailbox.c.report_id == d.report_id)


def _join_page(query: Select[Any], page: Select[Any]) -> Select[Any]:
    """Join the deliveries of this page with their reports and the body that is sealed to the hotline.

    Of several revisions it joins the newest that the hotline was given: it may hold another contact.
    """
    d, b, page_rows, bodies = t.delivery.c, t.report_body.c, page.subquery(), t.delivery.alias("given").c
    is_same_case = (bodies.report_id == d.report_id, bodies.hotline == d.hotline, bodies.type.in_(BODY_TYPES))
    newest_revision = select(func.max(bodies.revision)).where(*is_same_case).scalar_subquery()
    query = query.join_from(t.delivery, page_rows, page_rows.c.delivery_id == d.delivery_id)
    query = query.join(t.report, t.report.c.report_id == d.report_id)
    body = and_(b.report_id == d.report_id, b.recipient == d.hotline, b.revision == newest_revision)
    return query.outerjoin(t.report_body, body).order_by(d.priority, page_rows.c.rank, d.created_at, d.delivery_id)


def _case_row(row: Any) -> CaseRow:
    overdue = row.due_at or row.created_at + default_times(row.priority).acknowledged
    head = (row.key_id or "", row.wrap or b"", row.head or b"")
    delivery_fields = (row.report_id, row.priority, row.created_at, row.handling, row.type, row.role, row.why)
    holding_fields = (row.holder, row.handed_by, row.outcome, bool(row.news))
    other_fields = (*holding_fields, overdue, row.read_at, row.public_key)
    return CaseRow(
        *delivery_fields,
        row.completeness,
        row.revision or 0,
        row.mode,
        row.state,
        row.allowed,
        *other_fields,
        *head,
        row.follow_up_at,
        row.hoax_by is not None,
    )


def may_see(database: Database, account: Account, report_id: str) -> bool:
    """Return whether this person may see the report.

    A report of another hotline, or one that the person is excluded from, looks like one that does not exist.
    """
    query = select(t.delivery.c.delivery_id).where(t.delivery.c.report_id == report_id, is_visible()).limit(1)
    with read_as(database, account.hotline) as connection:
        return connection.execute(query, visibility_values(account)).first() is not None
