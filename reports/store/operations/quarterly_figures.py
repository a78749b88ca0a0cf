"""Count reports for the statistics and publish the figures of a quarter: the scheduler's work.

Counters hold no id and no time, and no row says which report was counted where. Each report is counted once, because
the time until which all reports are counted advances in the same transaction, and only from its previous value.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, select, union_all, update

from reports.case_state import ACKNOWLEDGED, CaseOutcome, Handling
from reports.escalation import Priority
from reports.statistics.aggregation import (
    Figure,
    PublishedFigure,
    ReportOutcome,
    months_of,
    quarter_end,
    quarter_of,
    quarter_of_day,
)
from reports.store.cases.case_actions import CHILD_NOTE
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.settings import Mode

# Acts with which a report is stored.
SUBMITTERS = ("web", "clock")  # a console may write entries of its staff with any act
SUBMITTED_ACTS = ("sent", "rescued", "words_filed", "unread_filed", "entry_stored")
CLOSED_ACTS = {f"closed:{outcome}"[:24]: outcome for outcome in CaseOutcome}  # act with which staff close a report
REOPENED_ACTS = ("close_undone", Handling.IN_PROGRESS)
BATCH_SIZE = 5000  # ids in one query: each of them reads the whole audit

Counts = Mapping[tuple[str, str, str], int]  # (quarter, table, cell) → reports


@dataclass(frozen=True, slots=True)
class CountedReport:
    """A report to be counted. `at`: when it was first stored, in microseconds."""

    report_id: str
    country: str
    priority: Priority
    at: int


@dataclass(frozen=True, slots=True)
class ReportHead:
    """The head of a report's highest revision, sealed to one recipient."""

    report_id: str
    mode: Mode
    revision: int
    recipient: str
    key_id: str
    wrap: bytes
    head: bytes


@dataclass(frozen=True, slots=True)
class ChildNote:
    """The data on a child that staff recorded when they closed a report, sealed to their hotline."""

    report_id: str
    mode: Mode
    recipient: str
    note_id: str
    key_id: str
    wrap: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class CountProgress:
    """The times up to which the reports of a country and their outcomes (`settled`) are counted, in microseconds."""

    until: int = 0
    settled: int = 0


def load_progress(database: Database) -> dict[str, CountProgress]:
    """Return country → how far its reports are counted. A country that was never counted is missing."""
    with database.read() as connection:
        return {row.country: CountProgress(row.until, row.settled) for row in connection.execute(select(t.tallied))}


def list_submitted(database: Database, after: int, until: int) -> list[CountedReport]:
    """Return the reports first stored after `after` and up to `until`, in microseconds, oldest first.

    A report may have begun days before it was stored, if it waited in the spool.
    """
    a, r = t.audit.c, t.report.c
    first_at = func.min(a.at).label("at")
    query = select(r.report_id, r.country, r.priority, first_at).join_from(
        t.report, t.audit, a.object_id == r.report_id
    )
    query = query.where(a.act.in_(SUBMITTED_ACTS), a.actor.in_(SUBMITTERS))
    query = query.group_by(r.report_id, r.country, r.priority)
    with database.read() as connection:
        rows = connection.execute(query.having(first_at > after, first_at <= until).order_by(first_at, r.report_id))
        return [CountedReport(*row) for row in rows]


def load_heads(database: Database, report_ids: Sequence[str]) -> list[ReportHead]:
    """Return the heads of the highest revision of these reports, one for each recipient."""
    r, b = t.report.c, t.report_body.c
    query = select(r.report_id, r.mode, b.revision, b.recipient, b.key_id, b.wrap, b.head)
    query = query.join_from(t.report, t.report_body, b.report_id == r.report_id).where(
        b.revision
        == select(func.max(b.revision)).where(b.report_id == r.report_id).correlate(t.report).scalar_subquery()
    )
    results: list[ReportHead] = []
    with database.read() as connection:
        for ids in _batches(report_ids):
            results += [ReportHead(*row) for row in connection.execute(query.where(r.report_id.in_(ids)))]
    return results


def load_child_notes(database: Database, country: str) -> list[ChildNote]:
    """Return the notes of staff on the children of a country's reports, the latest note last."""
    r, n = t.report.c, t.note.c
    query = select(r.report_id, r.mode, n.recipient, n.note_id, n.key_id, n.wrap, n.sealed)
    query = query.join_from(t.note, t.report, n.report_id == r.report_id).where(
        n.kind == CHILD_NOTE, r.country == country
    )
    with database.read() as connection:
        return [ChildNote(*row) for row in connection.execute(query.order_by(n.created_at, n.note_id))]


def add_counts(
    database: Database, country: str, progress: Literal["until", "settled"], moved: tuple[int, int], counts: Counts
) -> bool:
    """Add one batch to the counters. Returns False if another scheduler has counted it.

    `progress`: which time of `CountProgress` advances. `moved`: its previous and its new value.
    """
    cells = list(counts.items())
    random.SystemRandom().shuffle(cells)  # so that the order of rows does not show which cells belong together
    with database.write() as connection:
        connection.execute(database.insert_or_ignore(t.tallied).values(country=country, until=0, settled=0))
        if not _advance(connection, country, progress, moved):
            return False
        for (quarter, sheet, cell), count in cells:
            key = {"quarter": quarter, "country": country, "sheet": sheet, "cell": cell}
            connection.execute(database.insert_or_ignore(t.tally).values(key | {"number": 0}))
            cell_row = and_(*(t.tally.c[name] == value for name, value in key.items()))
            connection.execute(update(t.tally).where(cell_row).values(number=t.tally.c.number + count))
    return True


def _advance(connection: Connection, country: str, column: str, interval: tuple[int, int]) -> bool:
    c = t.tallied.c
    old_end, new_end = interval
    statement = update(t.tallied).where(c.country == country, c[column] == old_end)
    return connection.execute(statement.values({column: new_end})).rowcount == 1


def list_due_quarters(database: Database, country: str, until: int) -> list[str]:
    """Return the quarters of a country to publish, in order: those that ended by `until` and have counters.

    After the first published quarter also those without: one that was missing would say that there was no report.
    """
    q, s, f = t.tally.c, t.screen_tally.c, t.figure.c
    with database.read() as connection:
        results = set(connection.execute(select(q.quarter).where(q.country == country).distinct()).scalars())
        days = connection.execute(select(s.day).where(s.country == country).distinct()).scalars()
        results |= {quarter_of_day(day) for day in days}
        quarter = connection.execute(select(func.max(f.quarter)).where(f.country == country)).scalar()
    while quarter and quarter_end(quarter) < until:
        quarter = quarter_of(quarter_end(quarter))
        results.add(quarter)
    return sorted(quarter for quarter in results if quarter_end(quarter) <= until)


def count_screens(database: Database, country: str, quarter: str) -> dict[str, int]:
    """Return how often web showed each screen, tip or state, over all days of the quarter."""
    s = t.screen_tally.c
    query = select(s.what, func.sum(s.number)).where(*_in_quarter(country, quarter)).group_by(s.what)
    with database.read() as connection:
        return {screen: int(number) for screen, number in connection.execute(query)}


def _in_quarter(country: str, quarter: str) -> tuple[ColumnElement[bool], ...]:
    s = t.screen_tally.c
    first_month, last_month = months_of(quarter)[0], months_of(quarter)[-1]
    return s.country == country, s.day >= f"{first_month}-01", s.day <= f"{last_month}-31"


def load_counts(database: Database, country: str, quarter: str) -> dict[str, dict[str, int]]:
    """Return table → cell → number of reports counted in a quarter that is not published yet."""
    q = t.tally.c
    results: dict[str, dict[str, int]] = {}
    with database.read() as connection:
        rows = connection.execute(select(t.tally).where(q.country == country, q.quarter == quarter))
        for row in rows:
            results.setdefault(row.sheet, {})[row.cell] = row.number
    return results


def load_outcomes(database: Database, reports: Sequence[CountedReport], within: int) -> list[ReportOutcome]:
    """Return how long each report took until a hotline first received and acknowledged it, and its outcome.

    `within`: how long after a report its outcome counts, in microseconds; a later one is none.
    """
    by_id = {report.report_id: report for report in reports}
    durations: dict[str, dict[str, int]] = {}
    outcomes: dict[str, CaseOutcome | None] = {}
    with database.read() as connection:
        for ids in _batches(list(by_id)):
            for report_id, act, at in _closing_acts(connection, ids):
                if at <= by_id[report_id].at + within:
                    outcomes[report_id] = CLOSED_ACTS.get(act)
            for milestone, report_id, first_at in _first_times(connection, ids):
                durations.setdefault(report_id, {})[milestone] = max(0, first_at - by_id[report_id].at)
    return [
        ReportOutcome(
            report.priority,
            times.get("delivered"),
            times.get("read"),
            outcomes.get(report.report_id),
        )
        for report in reports
        for times in [durations.get(report.report_id, {})]
    ]


def _closing_acts(connection: Connection, ids: Sequence[str]) -> Iterable[tuple[str, str, int]]:
    """Return report, act and time of each act that closed or reopened a report, at any of its hotlines, in order."""
    d, a = t.delivery.c, t.audit.c
    of_report = select(a.object_id.label("report_id"), a.act, a.at, a.audit_id).where(
        a.object_id.in_(ids), a.act.in_((*CLOSED_ACTS, *REOPENED_ACTS))
    )
    of_delivery = select(d.report_id, a.act, a.at, a.audit_id).join_from(
        t.delivery, t.audit, a.object_id == d.delivery_id
    )
    of_delivery = of_delivery.where(d.report_id.in_(ids), a.act.in_(REOPENED_ACTS))
    acts = union_all(of_report, of_delivery).subquery().c
    rows = connection.execute(select(acts.report_id, acts.act, acts.at).order_by(acts.at, acts.audit_id))
    return [(report_id, act, at) for report_id, act, at in rows]


def _first_times(connection: Connection, ids: Sequence[str]) -> Iterable[tuple[str, str, int]]:
    d, a = t.delivery.c, t.audit.c
    first_delivered = select(d.report_id, func.min(d.delivered_at)).where(
        d.report_id.in_(ids), d.delivered_at.is_not(None)
    )
    for report_id, first_at in connection.execute(first_delivered.group_by(d.report_id)):
        yield "delivered", report_id, first_at
    query = select(d.report_id, func.min(a.at)).join_from(t.delivery, t.audit, a.object_id == d.delivery_id)
    undone = t.audit.alias("undone").c  # a closing that was undone acknowledged nothing
    is_undone = exists().where(undone.object_id == a.object_id, undone.act == Handling.NONE, undone.at > a.at)
    query = query.where(d.report_id.in_(ids), a.act.in_(ACKNOWLEDGED), ~is_undone).group_by(d.report_id)
    for report_id, first_at in connection.execute(query):
        yield "read", report_id, first_at


def publish(
    database: Database, country: str, quarter: str, shown: Collection[Figure], counted_notes: Sequence[str] = ()
) -> bool:
    """Publish the figures of a quarter for good, and delete its counters in the same transaction.

    `counted_notes`: ids of the notes about children that were counted or came too late; they are deleted too. Returns
    False if the quarter was published before.
    """
    key = {"quarter": quarter, "country": country}
    rows = [{**key, "sheet": sheet, "cell": cell, "number": count} for sheet, cell, count in shown]
    f, q = t.figure.c, t.tally.c
    with database.write() as connection:
        database.lock_until_commit(connection, f"figures {quarter} {country}")
        existing = select(f.quarter).where(f.quarter == quarter, f.country == country).limit(1)
        is_published = connection.execute(existing).first() is not None
        if not is_published and rows:
            connection.execute(insert(t.figure), rows)
        connection.execute(delete(t.tally).where(q.quarter == quarter, q.country == country))
        connection.execute(delete(t.screen_tally).where(*_in_quarter(country, quarter)))
        for ids in _batches(counted_notes):
            connection.execute(delete(t.note).where(t.note.c.note_id.in_(ids), t.note.c.kind == CHILD_NOTE))
        return not is_published


def _batches(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + BATCH_SIZE] for start in range(0, len(ids), BATCH_SIZE))


def list_published(database: Database, countries: Collection[str] = ()) -> list[PublishedFigure]:
    """Return the published figures: all may be shown, and statistics read nothing else.

    `countries`: ISO 3166-1 codes; empty: all countries.
    """
    f = t.figure.c
    query = select(f.quarter, f.country, f.sheet, f.cell, f.number).order_by(f.country, f.quarter, f.sheet, f.cell)
    if countries:
        query = query.where(f.country.in_(countries))
    with database.read() as connection:
        return [PublishedFigure(*row) for row in connection.execute(query)]


def save_screen_counts(database: Database, day: str, counts: Mapping[tuple[str, str], int]) -> None:
    """Store how often web showed each screen on a day: (country, screen) → number. Stored numbers are not changed."""
    with database.write() as connection:
        for (country, screen), number in counts.items():
            row = {"day": day, "country": country, "what": screen, "number": number}
            connection.execute(database.insert_or_ignore(t.screen_tally).values(row))
