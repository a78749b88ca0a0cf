"""What the clock does for the statistics: reads which reports are new, adds to counters, and brings a quarter out.

Counters hold no id and no time, and no row says which report was counted where. A report is counted once because the
time until which all are counted moves in the same transaction, and only from where it stood.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from reports.statistics.aggregation import Figure, PublishedFigure, ReportOutcome, months_of, quarter_of_day
from reports.store.engine.database import Database
from reports.store.schema import tables as t

SUBMITTED_ACTS = ("sent", "rescued", "words_filed", "unread_filed")  # acts by which a report comes to be
HANDLED_ACTS = ("accepted", "in_progress", "rejected", "closed")
BATCH_SIZE = 500  # ids in one question

Counts = Mapping[tuple[str, str, str], int]  # (quarter, table, cell) → reports


@dataclass(frozen=True, slots=True)
class CountedReport:
    report_id: str
    country: str
    priority: str
    at: int


@dataclass(frozen=True, slots=True)
class ReportHead:
    """The head of the highest revision, as one hotline may open it; each recipient has one."""

    report_id: str
    mode: str
    revision: int
    recipient: str
    key_id: str
    wrap: bytes
    head: bytes


@dataclass(frozen=True, slots=True)
class CountProgress:
    """`until` when the reports of a country are counted, and what became of them."""

    until: int = 0
    settled: int = 0


def load_progress(database: Database) -> dict[str, CountProgress]:
    with database.read() as connection:
        return {row.country: CountProgress(row.until, row.settled) for row in connection.execute(select(t.tallied))}


def list_submitted(database: Database, after: int, until: int) -> list[CountedReport]:
    """Reports by when they were first on file, which is not when they were begun: the spool may come days later."""
    a, r = t.audit.c, t.report.c
    first = func.min(a.at).label("at")
    query = select(r.report_id, r.country, r.priority, first).join_from(t.report, t.audit, a.object_id == r.report_id)
    query = query.where(a.act.in_(SUBMITTED_ACTS)).group_by(r.report_id, r.country, r.priority)
    with database.read() as connection:
        rows = connection.execute(query.having(first > after, first <= until).order_by(first, r.report_id))
        return [CountedReport(*row) for row in rows]


def load_heads(database: Database, report_ids: Sequence[str]) -> list[ReportHead]:
    r, b = t.report.c, t.report_body.c
    query = select(r.report_id, r.mode, b.revision, b.recipient, b.key_id, b.wrap, b.head)
    query = query.join_from(t.report, t.report_body, b.report_id == r.report_id).where(
        b.revision
        == select(func.max(b.revision)).where(b.report_id == r.report_id).correlate(t.report).scalar_subquery()
    )
    found: list[ReportHead] = []
    with database.read() as connection:
        for ids in _batches(report_ids):
            found += [ReportHead(*row) for row in connection.execute(query.where(r.report_id.in_(ids)))]
    return found


def add_counts(
    database: Database, country: str, what: Literal["until", "settled"], moved: tuple[int, int], counts: Counts
) -> bool:
    """Count one batch. `moved`: from when to when all are counted. False where another clock was faster."""
    cells = list(counts.items())
    random.SystemRandom().shuffle(cells)  # no order of rows that would say which cells belong together
    with database.write() as connection:
        connection.execute(database.insert_new(t.tallied).values(country=country, until=0, settled=0))
        if not _move(connection, country, what, moved):
            return False
        for (quarter, sheet, cell), count in cells:
            key = {"quarter": quarter, "country": country, "sheet": sheet, "cell": cell}
            connection.execute(database.insert_new(t.tally).values(key | {"number": 0}))
            same = and_(*(t.tally.c[name] == value for name, value in key.items()))
            connection.execute(update(t.tally).where(same).values(number=t.tally.c.number + count))
    return True


def _move(connection: Connection, country: str, what: str, moved: tuple[int, int]) -> bool:
    c = t.tallied.c
    before, until = moved
    one = update(t.tallied).where(c.country == country, c[what] == before)
    return connection.execute(one.values({what: until})).rowcount == 1


def list_open_quarters(database: Database, country: str) -> list[str]:
    """Those of which something is counted and not out yet."""
    q, s = t.tally.c, t.screen_tally.c
    with database.read() as connection:
        found = set(connection.execute(select(q.quarter).where(q.country == country).distinct()).scalars())
        days = connection.execute(select(s.day).where(s.country == country).distinct()).scalars()
        return sorted(found | {quarter_of_day(day) for day in days})


def count_screens(database: Database, country: str, quarter: str) -> dict[str, int]:
    """What web has shown, over all days of the quarter."""
    s = t.screen_tally.c
    query = select(s.what, func.sum(s.number)).where(*_of(country, quarter)).group_by(s.what)
    with database.read() as connection:
        return {what: int(number) for what, number in connection.execute(query)}


def _of(country: str, quarter: str) -> tuple[ColumnElement[bool], ...]:
    s = t.screen_tally.c
    first, last = months_of(quarter)[0], months_of(quarter)[-1]
    return s.country == country, s.day >= f"{first}-01", s.day <= f"{last}-31"


def load_counts(database: Database, country: str, quarter: str) -> dict[str, dict[str, int]]:
    q = t.tally.c
    found: dict[str, dict[str, int]] = {}
    with database.read() as connection:
        rows = connection.execute(select(t.tally).where(q.country == country, q.quarter == quarter))
        for row in rows:
            found.setdefault(row.sheet, {})[row.cell] = row.number
    return found


def load_outcomes(database: Database, reports: Sequence[CountedReport]) -> list[ReportOutcome]:
    """How long each took; the first delivery, the first act of a person, the first closing of any hotline."""
    by_id = {one.report_id: one for one in reports}
    seen: dict[str, dict[str, int]] = {}
    with database.read() as connection:
        for ids in _batches(list(by_id)):
            for what, report_id, at in _moments(connection, ids):
                seen.setdefault(report_id, {})[what] = max(0, at - by_id[report_id].at)
    return [
        ReportOutcome(one.priority, took.get("delivered"), took.get("read"), took.get("closed"))
        for one in reports
        for took in [seen.get(one.report_id, {})]
    ]


def _moments(connection: Connection, ids: Sequence[str]) -> Iterable[tuple[str, str, int]]:
    d, a = t.delivery.c, t.audit.c
    got = select(d.report_id, func.min(d.delivered_at)).where(d.report_id.in_(ids), d.delivered_at.is_not(None))
    for report_id, at in connection.execute(got.group_by(d.report_id)):
        yield "delivered", report_id, at
    for what, acts in (("read", HANDLED_ACTS), ("closed", ("closed",))):
        query = select(d.report_id, func.min(a.at)).join_from(t.delivery, t.audit, a.object_id == d.delivery_id)
        query = query.where(d.report_id.in_(ids), a.act.in_(acts)).group_by(d.report_id)
        for report_id, at in connection.execute(query):
            yield what, report_id, at


def publish(database: Database, country: str, quarter: str, shown: Collection[Figure]) -> bool:
    """Once and for all. What it was made of is deleted in the same step. False where it was out already."""
    key = {"quarter": quarter, "country": country}
    rows = [{**key, "sheet": sheet, "cell": cell, "number": count} for sheet, cell, count in shown]
    f, q = t.figure.c, t.tally.c
    with database.write() as connection:
        database.lock_until_commit(connection, f"figures {quarter} {country}")
        there = select(f.quarter).where(f.quarter == quarter, f.country == country).limit(1)
        is_out = connection.execute(there).first() is not None
        if not is_out and rows:
            connection.execute(insert(t.figure), rows)
        connection.execute(delete(t.tally).where(q.quarter == quarter, q.country == country))
        connection.execute(delete(t.screen_tally).where(*_of(country, quarter)))
        return not is_out


def _batches(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + BATCH_SIZE] for start in range(0, len(ids), BATCH_SIZE))


# The figures that are out: all of them may be shown. The only thing that statistics read.


def list_published(database: Database, countries: Collection[str] = ()) -> list[PublishedFigure]:
    """`countries`: of these alone, by ISO 3166-1; none: of all."""
    f = t.figure.c
    query = select(f.quarter, f.country, f.sheet, f.cell, f.number).order_by(f.country, f.quarter, f.sheet, f.cell)
    if countries:
        query = query.where(f.country.in_(countries))
    with database.read() as connection:
        return [PublishedFigure(*row) for row in connection.execute(query)]


# What was shown on a day, whatever was answered. Web writes it once; only the clock reads it.


def save_screen_counts(database: Database, day: str, counts: Mapping[tuple[str, str], int]) -> None:
    """(country, what) → how often. A day that was kept before stays as it is."""
    with database.write() as connection:
        for (country, what), number in counts.items():
            row = {"day": day, "country": country, "what": what, "number": number}
            connection.execute(database.insert_new(t.screen_tally).values(row))
