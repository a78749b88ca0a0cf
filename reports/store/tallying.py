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

from reports.statistics import Figure, Outcome, months_of, quarter_of_day
from reports.store import tables as t
from reports.store.database import Database

FILED = ("sent", "rescued", "words_filed", "unread_filed")  # acts by which a report comes to be
BY_A_PERSON = ("accepted", "in_progress", "rejected", "closed")
MANY = 500  # ids in one question

Counts = Mapping[tuple[str, str, str], int]  # (quarter, table, cell) → reports


@dataclass(frozen=True, slots=True)
class Filed:
    report_id: str
    country: str
    priority: str
    at: int


@dataclass(frozen=True, slots=True)
class Head:
    """The head of the highest revision, as one hotline may open it; each recipient has one."""

    report_id: str
    mode: str
    revision: int
    recipient: str
    key_id: str
    wrap: bytes
    head: bytes


@dataclass(frozen=True, slots=True)
class Reached:
    """`until` when the reports of a country are counted, and what became of them."""

    until: int = 0
    settled: int = 0


def reached(database: Database) -> dict[str, Reached]:
    with database.read() as connection:
        return {row.country: Reached(row.until, row.settled) for row in connection.execute(select(t.tallied))}


def filed(database: Database, after: int, until: int) -> list[Filed]:
    """Reports by when they were first on file, which is not when they were begun: the spool may come days later."""
    a, r = t.audit.c, t.report.c
    first = func.min(a.at).label("at")
    query = select(r.report_id, r.country, r.priority, first).join_from(t.report, t.audit, a.object_id == r.report_id)
    query = query.where(a.act.in_(FILED)).group_by(r.report_id, r.country, r.priority)
    with database.read() as connection:
        rows = connection.execute(query.having(first > after, first <= until).order_by(first, r.report_id))
        return [Filed(*row) for row in rows]


def heads(database: Database, report_ids: Sequence[str]) -> list[Head]:
    r, b = t.report.c, t.report_body.c
    query = select(r.report_id, r.mode, b.revision, b.recipient, b.key_id, b.wrap, b.head)
    query = query.join_from(t.report, t.report_body, b.report_id == r.report_id).where(
        b.revision
        == select(func.max(b.revision)).where(b.report_id == r.report_id).correlate(t.report).scalar_subquery()
    )
    found: list[Head] = []
    with database.read() as connection:
        for ids in _pieces(report_ids):
            found += [Head(*row) for row in connection.execute(query.where(r.report_id.in_(ids)))]
    return found


def add(
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


def quarters(database: Database, country: str) -> list[str]:
    """Those of which something is counted and not out yet."""
    q, s = t.tally.c, t.screen_tally.c
    with database.read() as connection:
        found = set(connection.execute(select(q.quarter).where(q.country == country).distinct()).scalars())
        days = connection.execute(select(s.day).where(s.country == country).distinct()).scalars()
        return sorted(found | {quarter_of_day(day) for day in days})


def screens(database: Database, country: str, quarter: str) -> dict[str, int]:
    """What web has shown, over all days of the quarter."""
    s = t.screen_tally.c
    query = select(s.what, func.sum(s.number)).where(*_of(country, quarter)).group_by(s.what)
    with database.read() as connection:
        return {what: int(number) for what, number in connection.execute(query)}


def _of(country: str, quarter: str) -> tuple[ColumnElement[bool], ...]:
    s = t.screen_tally.c
    first, last = months_of(quarter)[0], months_of(quarter)[-1]
    return s.country == country, s.day >= f"{first}-01", s.day <= f"{last}-31"


def counted(database: Database, country: str, quarter: str) -> dict[str, dict[str, int]]:
    q = t.tally.c
    found: dict[str, dict[str, int]] = {}
    with database.read() as connection:
        rows = connection.execute(select(t.tally).where(q.country == country, q.quarter == quarter))
        for row in rows:
            found.setdefault(row.sheet, {})[row.cell] = row.number
    return found


def outcomes(database: Database, reports: Sequence[Filed]) -> list[Outcome]:
    """How long each took; the first delivery, the first act of a person, the first closing of any hotline."""
    by_id = {one.report_id: one for one in reports}
    seen: dict[str, dict[str, int]] = {}
    with database.read() as connection:
        for ids in _pieces(list(by_id)):
            for what, report_id, at in _moments(connection, ids):
                seen.setdefault(report_id, {})[what] = max(0, at - by_id[report_id].at)
    return [
        Outcome(one.priority, took.get("delivered"), took.get("read"), took.get("closed"))
        for one in reports
        for took in [seen.get(one.report_id, {})]
    ]


def _moments(connection: Connection, ids: Sequence[str]) -> Iterable[tuple[str, str, int]]:
    d, a = t.delivery.c, t.audit.c
    got = select(d.report_id, func.min(d.delivered_at)).where(d.report_id.in_(ids), d.delivered_at.is_not(None))
    for report_id, at in connection.execute(got.group_by(d.report_id)):
        yield "delivered", report_id, at
    for what, acts in (("read", BY_A_PERSON), ("closed", ("closed",))):
        query = select(d.report_id, func.min(a.at)).join_from(t.delivery, t.audit, a.object_id == d.delivery_id)
        query = query.where(d.report_id.in_(ids), a.act.in_(acts)).group_by(d.report_id)
        for report_id, at in connection.execute(query):
            yield what, report_id, at


def bring_out(database: Database, country: str, quarter: str, shown: Collection[Figure]) -> bool:
    """Once and for all. What it was made of is deleted in the same step. False where it was out already."""
    key = {"quarter": quarter, "country": country}
    rows = [{**key, "sheet": sheet, "cell": cell, "number": count} for sheet, cell, count in shown]
    f, q = t.figure.c, t.tally.c
    with database.write() as connection:
        database.take_turns(connection, f"figures {quarter} {country}")
        there = select(f.quarter).where(f.quarter == quarter, f.country == country).limit(1)
        is_out = connection.execute(there).first() is not None
        if not is_out and rows:
            connection.execute(insert(t.figure), rows)
        connection.execute(delete(t.tally).where(q.quarter == quarter, q.country == country))
        connection.execute(delete(t.screen_tally).where(*_of(country, quarter)))
        return not is_out


def _pieces(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + MANY] for start in range(0, len(ids), MANY))
