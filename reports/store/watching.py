"""What waits for a person, for `tokaut watch`: heads alone, and no word of a report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, exists, func, select

from reports.clocks import BEGIN, GIVES, OVERDUE
from reports.state import NOBODY_HAS_IT
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT
from reports.store.steps import TAKEN_ON


@dataclass(frozen=True, slots=True)
class Sending:
    hotline: str
    state: str
    handling: str
    why: str  # class of the last failure, or ""


@dataclass(frozen=True, slots=True)
class Watched:
    """A report that nobody has taken on. Times in microseconds; None where no clock of it has begun."""

    report_id: str
    priority: str
    complete: bool
    since: int
    taken_on_by: int | None
    step: str  # the next one, "" where none is known
    step_at: int | None
    sendings: tuple[Sending, ...]


def waiting(database: Database, at_most: int = 200) -> tuple[list[Watched], int]:
    """The most urgent first, the oldest of them first; and how many there are in all."""
    r, d = t.report.c, t.delivery.alias("taken").c
    taken = exists().where(d.report_id == r.report_id, d.type.in_(THE_REPORT), d.handling.in_(TAKEN_ON))
    waits = (r.state.in_(NOBODY_HAS_IT), ~taken)
    query = select(r.report_id, r.priority, r.completeness, r.created_at).where(*waits)
    with database.read() as connection:
        count = int(connection.execute(select(func.count()).select_from(t.report).where(*waits)).scalar_one())
        rows = connection.execute(query.order_by(r.priority, r.created_at).limit(at_most)).all()
        ids = [row.report_id for row in rows]
        steps, sendings = _steps(connection, ids), _sendings(connection, ids)
    found = []
    for row in rows:
        since, by, (step, step_at) = _clock(steps, row.report_id, row.priority, complete=row.completeness == "complete")
        begun = row.created_at if since is None else since
        complete = row.completeness == "complete"
        found.append(
            Watched(row.report_id, row.priority, complete, begun, by, step, step_at, tuple(sendings[row.report_id]))
        )
    return sorted(found, key=lambda one: (one.priority, one.since)), count


_Steps = Mapping[tuple[str, str], list[tuple[str, int, bool]]]


def _steps(connection: Connection, ids: list[str]) -> _Steps:
    """(report, priority) → (step, due, whether it is open) in the order in which they are due."""
    s = t.step.c
    found: dict[tuple[str, str], list[tuple[str, int, bool]]] = defaultdict(list)
    query = select(s.report_id, s.priority, s.step, s.due_at, s.done_at).where(s.report_id.in_(ids))
    for row in connection.execute(query.order_by(s.due_at)):
        found[row.report_id, row.priority].append((row.step, row.due_at, row.done_at is None))
    return found


def _clock(
    steps: _Steps, report_id: str, priority: str, *, complete: bool
) -> tuple[int | None, int | None, tuple[str, int | None]]:
    """(since, to be taken on by, the next step and when)."""
    mine = steps.get((report_id, priority), [])
    due = {step: at for step, at, _ in mine}
    following = _following(mine, complete=complete)
    return due.get(BEGIN), due.get(OVERDUE), next(following, ("", None))


def _following(mine: list[tuple[str, int, bool]], *, complete: bool) -> Iterator[tuple[str, int]]:
    silent = {BEGIN, OVERDUE} | (set() if complete else set(GIVES))
    return ((step, at) for step, at, is_open in mine if is_open and step not in silent)


def _sendings(connection: Connection, ids: list[str]) -> Mapping[str, list[Sending]]:
    d = t.delivery.c
    found: dict[str, list[Sending]] = defaultdict(list)
    query = select(d.report_id, d.hotline, d.state, d.handling, func.coalesce(d.last_class, ""))
    query = query.where(d.report_id.in_(ids), d.type.in_(THE_REPORT)).order_by(d.created_at, d.delivery_id)
    for row in connection.execute(query):
        found[row[0]].append(Sending(row[1], row[2], row[3], row[4].split(" ")[0]))
    return found
