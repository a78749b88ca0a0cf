"""Is it working? What may be shown of the hotline's country, for its leads and auditors: never a number of a person.

It reads the figures that are out and nothing else (docs/statistics.md). A table to take away is behind a re-check, and
a line of the audit is there before it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Response, abort

from console.answers import HEADERS, page
from console.doors import AUDITOR, LEAD, Door, Doors, Visitor
from reports import charts
from reports.country import Countries, Country
from reports.statistics_csv import payments_csv, reports_csv
from reports.statistics_sheets import Quarter, Sheet, drawn, months, quarters
from reports.statistics_words import NOTES
from reports.store.operations import quarterly_figures
from reports.store.staff import accounts
from reports.tongues import NAMES

THEY = frozenset({LEAD, AUDITOR})
TABLES: Mapping[str, Callable[[Sequence[Quarter]], str]] = {"reports": reports_csv, "payments": payments_csv}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as templates put it into a page: reports.charts has escaped all that it was given."""

    svg: str

    def __html__(self) -> str:
        return self.svg


def attach(doors: Doors, countries: Countries) -> None:
    doors.add(Door("/statistics", THEY), partial(_page, doors, countries))
    export = Door("/statistics/export", THEY, post=True, fresh=True, back="/statistics")
    doors.add(export, partial(_export, doors, countries))


def _page(doors: Doors, countries: Countries, me: Visitor) -> Response:
    theirs = _theirs(countries, me)
    there = _quarters(doors, theirs)
    several = [(one, [quarter for quarter in there if quarter.country == one.iso]) for one in theirs]
    by_month = {one.iso: months(of) for one, of in several}
    drawings: dict[str, Any] = {"chart": _chart, "columns": _columns, "number": charts.figure, "notes": NOTES}
    return page("statistics.html", me=me, several=several, months=by_month, **drawings)


def _export(doors: Doors, countries: Countries, me: Visitor) -> Response:
    which = me.form.get("table", "")
    if which not in TABLES:
        abort(400)
    accounts.record_act(doors.database, me.account, "exported:statistics", "figures")
    body = TABLES[which](_quarters(doors, _theirs(countries, me)))
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="statistics-{which}.csv"'}
    return Response(body, headers=headers, content_type="text/csv; charset=utf-8")


def _theirs(countries: Countries, me: Visitor) -> list[Country]:
    """Of whoever works at one hotline: where that hotline is."""
    return [one for one in countries if me.account.hotline in one.hotlines]


def _quarters(doors: Doors, theirs: Sequence[Country]) -> list[Quarter]:
    """Nothing for nobody's country: an empty list would ask for all."""
    return (
        quarters(quarterly_figures.list_published(doors.database, [one.iso for one in theirs]), NAMES) if theirs else []
    )


def _chart(sheet: Sheet) -> Drawing:
    return Drawing(drawn(sheet))


def _columns(name: str, title: str, rows: Sequence[charts.Row]) -> Drawing:
    return Drawing(charts.columns(name, title, rows))
