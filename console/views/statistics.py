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

from console.auth.access_control import AUDITOR, LEAD, PageRoute, PageRouter, StaffRequest
from console.responses import HEADERS, page
from reports.countries.country import Countries, Country
from reports.countries.language_names import LANGUAGE_NAMES
from reports.statistics import svg_charts
from reports.statistics.labels import TABLE_NOTES
from reports.statistics.tables import (
    QuarterFigures,
    QuarterTable,
    chart_svg,
    group_by_quarter,
    month_rows,
    payments_csv,
    reports_csv,
)
from reports.store.operations import quarterly_figures
from reports.store.staff import accounts

VIEWERS = frozenset({LEAD, AUDITOR})
TABLES: Mapping[str, Callable[[Sequence[QuarterFigures]], str]] = {"reports": reports_csv, "payments": payments_csv}


@dataclass(frozen=True, slots=True)
class SvgChart:
    """A chart as templates put it into a page: reports.statistics.svg_charts has escaped all that it was given."""

    svg: str

    def __html__(self) -> str:
        return self.svg


def attach(doors: PageRouter, countries: Countries) -> None:
    doors.add(PageRoute("/statistics", VIEWERS), partial(_page, doors, countries))
    export = PageRoute("/statistics/export", VIEWERS, post=True, fresh=True, back="/statistics")
    doors.add(export, partial(_export, doors, countries))


def _page(doors: PageRouter, countries: Countries, me: StaffRequest) -> Response:
    theirs = _theirs(countries, me)
    there = _quarters(doors, theirs)
    several = [(one, [quarter for quarter in there if quarter.country == one.iso]) for one in theirs]
    by_month = {one.iso: month_rows(of) for one, of in several}
    drawings: dict[str, Any] = {
        "chart": _chart,
        "columns": _columns,
        "number": svg_charts.format_count,
        "notes": TABLE_NOTES,
    }
    return page("statistics.html", me=me, several=several, months=by_month, **drawings)


def _export(doors: PageRouter, countries: Countries, me: StaffRequest) -> Response:
    which = me.form.get("table", "")
    if which not in TABLES:
        abort(400)
    accounts.record_act(doors.database, me.account, "exported:statistics", "figures")
    body = TABLES[which](_quarters(doors, _theirs(countries, me)))
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="statistics-{which}.csv"'}
    return Response(body, headers=headers, content_type="text/csv; charset=utf-8")


def _theirs(countries: Countries, me: StaffRequest) -> list[Country]:
    """Of whoever works at one hotline: where that hotline is."""
    return [one for one in countries if me.account.hotline in one.hotlines]


def _quarters(doors: PageRouter, theirs: Sequence[Country]) -> list[QuarterFigures]:
    """Nothing for nobody's country: an empty list would ask for all."""
    return (
        group_by_quarter(quarterly_figures.list_published(doors.database, [one.iso for one in theirs]), LANGUAGE_NAMES)
        if theirs
        else []
    )


def _chart(sheet: QuarterTable) -> SvgChart:
    return SvgChart(chart_svg(sheet))


def _columns(name: str, title: str, rows: Sequence[svg_charts.ChartRow]) -> SvgChart:
    return SvgChart(svg_charts.column_chart(name, title, rows))
