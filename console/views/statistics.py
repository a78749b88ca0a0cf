"""Statistics of the hotline's country, for its leads and auditors: never a figure about one person.

Only published figures are read (docs/statistics.md). A table can be downloaded after a repeated check of the login; the
audit records it first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort

from console.auth.access_control import AUDITOR, LEAD, StaffRequest, requires
from console.responses import HEADERS, page
from console.services import services
from reports.countries.country import Country
from reports.countries.language_names import LANGUAGE_NAMES
from reports.statistics import svg_charts
from reports.statistics.tables import (
    TABLE_NOTES,
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

bp = Blueprint("statistics", __name__)

TABLES: Mapping[str, Callable[[Sequence[QuarterFigures]], str]] = {"reports": reports_csv, "payments": payments_csv}


@dataclass(frozen=True, slots=True)
class SvgChart:
    """A chart that templates insert without escaping: reports.statistics.svg_charts has escaped its values."""

    svg: str

    def __html__(self) -> str:
        return self.svg


@bp.get("/statistics")
@requires(LEAD, AUDITOR)
def show_statistics(me: StaffRequest) -> Response:
    """Show the published figures as charts and tables."""
    own_countries = _own_countries(me)
    quarters = _quarters(own_countries)
    quarters_by_country = [
        (country, [quarter for quarter in quarters if quarter.country == country.iso]) for country in own_countries
    ]
    by_month = {country.iso: month_rows(own_quarters) for country, own_quarters in quarters_by_country}
    chart_functions: dict[str, Any] = {
        "chart": _chart,
        "columns": _columns,
        "number": svg_charts.format_count,
        "notes": TABLE_NOTES,
    }
    return page("statistics.html", me=me, several=quarters_by_country, months=by_month, **chart_functions)


@bp.post("/statistics/export")
@requires(LEAD, AUDITOR, fresh=True, back="/statistics")
def export_table(me: StaffRequest) -> Response:
    """Return a table as CSV. The audit records it first."""
    table = me.form.get("table", "")
    if table not in TABLES:
        abort(400)
    accounts.record_act(services.database, me.account, "exported:statistics", "figures")
    body = TABLES[table](_quarters(_own_countries(me)))
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="statistics-{table}.csv"'}
    return Response(body, headers=headers, content_type="text/csv; charset=utf-8")


def _own_countries(me: StaffRequest) -> list[Country]:
    """Return the countries of this person's hotline."""
    return [country for country in services.countries if me.account.hotline in country.hotlines]


def _quarters(own_countries: Sequence[Country]) -> list[QuarterFigures]:
    """Load the published figures of these countries; none for no country, because an empty list would ask for all."""
    return (
        group_by_quarter(
            quarterly_figures.list_published(services.database, [country.iso for country in own_countries]),
            LANGUAGE_NAMES,
        )
        if own_countries
        else []
    )


def _chart(quarter_table: QuarterTable) -> SvgChart:
    return SvgChart(chart_svg(quarter_table))


def _columns(name: str, title: str, rows: Sequence[svg_charts.ChartRow]) -> SvgChart:
    return SvgChart(svg_charts.column_chart(name, title, rows))
