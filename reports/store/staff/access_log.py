"""The access log of a hotline: the acts of its staff and its own systems, newest first, filtered and in pages.

One act may have written several audit entries: taking a report changes each delivery of it and its holder. They are one
line here. Of an operator's acts only those are listed that showed a report to the hotline's staff again. Lines about
reports that the reader is excluded from are left out, and so is their number (S-26); auditors get every line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, not_, or_, select, tuple_, union

from reports.case_state import HANDLING_STATES, Handling
from reports.delivery import REPORT_TYPES, DeliveryState
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account
from reports.store.staff.hidden_reports import hidden_from, is_shown_to_staff_of
from runtime.time_units import SECOND

PAGE_SIZE = 50
MAX_EXPORTED = 10_000
SAME_ACT_WITHIN = 2 * SECOND  # between the first and the last audit entry of one act
MAX_ENTRIES_OF_ACT = 16
HELD: Final = "holds"  # written with a new handling state, or alone if a report was taken over
CLOSE_UNDONE: Final = "close_undone"  # written with the restored handling state
CLOSED_WITH: Final = "closed:"  # written with the handling state; the outcome follows
LOOKED_FOR: Final = "looked_for"  # its object is the end of an id, even if no such report exists
NOT_LISTED: Final = ("made",)  # the delivery that a transfer creates; the transfer has an entry of its own
ID_LENGTH: Final = 36  # of a report; a slash and the id of an account follow if the act concerned a person, too
# Where a hotline's reports are found; of a purged one only a receipt is left.
_REPORT_IDS = ((t.delivery, t.delivery.c.report_id), (t.receipt, t.receipt.c.report_id))


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the log: the entry after which a page begins."""

    at: int
    audit_id: str


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """Which acts to list.

    `person`: name of an account; empty for all. `reference`: a report id, or the end of one. `acts`: names of acts; a
    name that ends with a colon or an underscore stands for all that begin with it; empty for all. `since`, `until`:
    microseconds, `until` excluded. `after`: where the page begins.
    """

    person: str = ""
    reference: str = ""
    acts: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    after: Position | None = None


@dataclass(frozen=True, slots=True)
class LoggedAct:
    """One act. `object_id`: the object of the act. `report_id`: the report it belongs to; empty if none."""

    position: Position
    actor: str
    act: str
    object_id: str
    report_id: str

    @property
    def at(self) -> int:
        """Return when it was done, in microseconds."""
        return self.position.at


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of the log. `older`: where the next page begins; None: this is the last one."""

    acts: tuple[LoggedAct, ...]
    older: Position | None


def list_acts(database: Database, reader: Account, log_filter: AccessFilter, at_most: int = PAGE_SIZE) -> LogPage:
    """Return one page of the hotline's log."""
    limit = at_most * 2 + MAX_ENTRIES_OF_ACT
    with read_as(database, reader.hotline) as connection:
        rows = connection.execute(_query(reader, log_filter, limit)).all()
    acts = [
        LoggedAct(Position(at, audit_id), actor, act, object_id, report_id or "")
        for at, audit_id, actor, act, object_id, report_id in rows
    ]
    is_complete = len(rows) < limit
    lines: list[LoggedAct] = []
    last = -1
    for index, is_own_line in enumerate(_own_lines(acts)):
        if is_own_line and len(lines) == at_most:
            break
        if is_own_line and not is_complete and index > len(acts) - MAX_ENTRIES_OF_ACT:
            break  # the rest of this act may be on the next page
        lines += [acts[index]] if is_own_line else []
        last = index
    has_older = not is_complete or last < len(acts) - 1
    return LogPage(tuple(lines), acts[last].position if has_older and last >= 0 else None)


def list_all_acts(database: Database, reader: Account, log_filter: AccessFilter) -> list[LoggedAct]:
    """Return all acts that match, at most MAX_EXPORTED, for a download."""
    return list(list_acts(database, reader, log_filter, MAX_EXPORTED).acts)


def _own_lines(acts: Sequence[LoggedAct]) -> Iterator[bool]:
    """Yield for each entry, newest first, whether it is a line of its own."""
    for index, entry in enumerate(acts):
        own = (entry.actor, entry.report_id)
        nearby = [other for other in _near(acts, index) if (other.actor, other.report_id) == own]
        yield not (entry.report_id and any(_covers(other, entry) for other in nearby))


def _near(acts: Sequence[LoggedAct], index: int) -> Iterator[LoggedAct]:
    first, last = max(0, index - MAX_ENTRIES_OF_ACT), index + MAX_ENTRIES_OF_ACT
    for position in range(first, min(last, len(acts))):
        if position != index and abs(acts[position].at - acts[index].at) <= SAME_ACT_WITHIN:
            yield acts[position]


def _covers(line: LoggedAct, entry: LoggedAct) -> bool:
    """Return whether `entry` is part of the act that `line` shows."""
    if entry.act == HELD:
        return line.act in (Handling.ACCEPTED, Handling.IN_PROGRESS)
    if entry.act == Handling.CLOSED and line.act.startswith(CLOSED_WITH):
        return True
    if line.act == CLOSE_UNDONE and entry.act in HANDLING_STATES:
        return entry.at == line.at
    # A report that the hotline was given twice has two deliveries; both change at the same moment.
    is_second = entry.at == line.at and entry.position.audit_id < line.position.audit_id
    return entry.act == line.act and entry.act in HANDLING_STATES and is_second


def _query(reader: Account, log_filter: AccessFilter, at_most: int) -> Select[Any]:
    """Select the newest entries, and then the report that each one is about."""
    a, d = t.audit.c, t.delivery.c
    excluded = hidden_from(reader.staff_id, reader.role)
    excluded_deliveries = select(d.delivery_id).where(d.report_id.in_(excluded), d.hotline == reader.hotline)
    newest = select(a.at, a.audit_id, a.actor, a.act, a.object_id).where(
        or_(
            a.actor.startswith(f"staff:{reader.hotline}/", autoescape=True),
            is_shown_to_staff_of(reader.hotline),
        ),
        a.act.not_in(NOT_LISTED),
        _object_id(a.object_id).not_in(excluded),
        a.object_id.not_in(excluded_deliveries),
        not_(and_(a.act == LOOKED_FOR, _ends_excluded_id(reader))),
        *_conditions(reader.hotline, log_filter),
    )
    page = newest.order_by(a.at.desc(), a.audit_id.desc()).limit(at_most).subquery("found")
    candidates = (
        select(table.c.report_id)
        .where(table.c.hotline == reader.hotline, column == _object_id(page.c.object_id))
        .limit(1)
        for table, column in ((t.delivery, t.delivery.c.delivery_id), *_REPORT_IDS)
    )
    report_id = func.coalesce(*(candidate.correlate(page).scalar_subquery() for candidate in candidates))
    return select(page, report_id.label("report_id")).order_by(page.c.at.desc(), page.c.audit_id.desc())


def _ends_excluded_id(reader: Account) -> ColumnElement[bool]:
    """Match entries whose object is the end of the id of a report that the reader is excluded from."""
    is_end = func.replace(t.kept_away.c.report_id, "-", "").endswith(t.audit.c.object_id)
    return exists(hidden_from(reader.staff_id, reader.role).where(is_end).correlate(t.audit))


def _object_id(column: ColumnElement[str]) -> ColumnElement[str]:
    """Return the id of an object without the person whom the act concerned, too."""
    return func.substr(column, 1, ID_LENGTH)


def _conditions(hotline: str, log_filter: AccessFilter) -> Iterator[ColumnElement[bool]]:
    a = t.audit.c
    if log_filter.person:
        yield a.actor == f"staff:{hotline}/{log_filter.person}"
    if log_filter.reference:
        yield _object_id(a.object_id).in_(_ids_of_report(hotline, log_filter.reference))
    if log_filter.acts:
        yield or_(
            *(a.act.startswith(act, autoescape=True) if act[-1] in ":_" else a.act == act for act in log_filter.acts)
        )
    if log_filter.since is not None:
        yield a.at >= log_filter.since
    if log_filter.until is not None:
        yield a.at < log_filter.until
    if log_filter.after:
        yield tuple_(a.at, a.audit_id) < tuple_(literal(log_filter.after.at), literal(log_filter.after.audit_id))


def _ids_of_report(hotline: str, reference: str) -> Any:
    """Select the ids of the hotline's reports that end so, also of purged ones, and of their deliveries."""
    return union(
        *(
            select(column).where(table.c.hotline == hotline, table.c.report_id.endswith(reference, autoescape=True))
            for table, column in ((t.delivery, t.delivery.c.delivery_id), *_REPORT_IDS)
        )
    )


def list_visible(database: Database, reader: Account, report_ids: Collection[str]) -> frozenset[str]:
    """Return those of the reports that this person may open, for the links of a page."""
    d = t.delivery.c
    excluded = hidden_from(reader.staff_id, reader.role)
    is_visible = and_(
        d.hotline == reader.hotline,
        d.type.in_(REPORT_TYPES),
        d.state != DeliveryState.CANCELLED,
        d.report_id.not_in(excluded),
        d.report_id.in_(sorted(report_ids)),
    )
    with read_as(database, reader.hotline) as connection:
        return frozenset(connection.execute(select(d.report_id).where(is_visible)).scalars())
