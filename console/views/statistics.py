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
from console.responses import download, page
from console.services import services
from reports.countries.country import Country
from reports.countries.language_names import LANGUAGE_NAMES
from reports.statistics import svg_charts
from reports.statistics.dictionary import dictionary_csv
from reports.statistics.examples import EXAMPLE, example_figures
from reports.statistics.helpline_framework import VERSION, framework_csv, not_mapped
from reports.statistics.summary import YEAR_NOTE, headline, years
from reports.statistics.tables import (
    TABLE_NOTES,
    QuarterFigures,
    QuarterTable,
    chart_csv,
    chart_svg,
    group_by_quarter,
    month_rows,
    payments_csv,
    reports_csv,
)
from reports.store.operations import quarterly_figures
from reports.store.staff import accounts
from runtime.settings import Mode

bp = Blueprint("statistics", __name__)

TABLES: Mapping[str, Callable[[Sequence[QuarterFigures]], str]] = {
    "reports": reports_csv,
    "payments": payments_csv,
    "child-helpline": framework_csv,
    "dictionary": lambda _: dictionary_csv(),
}
MODES_WITH_EXAMPLE = (Mode.DEMO,)  # in live, and in training, made-up figures could be taken for true ones
CSV, SVG = "text/csv; charset=utf-8", "image/svg+xml; charset=utf-8"


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
    quarters, is_example = _quarters(own_countries)
    quarters_by_country = [
        (country, [quarter for quarter in quarters if quarter.country == country.iso]) for country in own_countries
    ]
    by_month = {country.iso: month_rows(own_quarters) for country, own_quarters in quarters_by_country}
    functions: dict[str, Any] = {
        "chart": _chart,
        "columns": _columns,
        "number": svg_charts.format_count,
        "headline": headline,
        "years": years,
        "not_mapped": not_mapped,
    }
    constants: dict[str, Any] = {"notes": TABLE_NOTES, "year_note": YEAR_NOTE, "framework": VERSION}
    return page(
        "statistics.html",
        me=me,
        several=quarters_by_country,
        months=by_month,
        example=EXAMPLE if is_example else "",
        **functions,
        **constants,
    )


@bp.post("/statistics/export")
@requires(LEAD, AUDITOR, fresh=True, back="/statistics")
def export_table(me: StaffRequest) -> Response:
    """Return a table as CSV, or one chart as SVG or CSV. The audit records it first."""
    quarters, is_example = _quarters(_own_countries(me))
    name, body, content_type = _download(me.form, quarters)
    accounts.record_act(services.database, me.account, "exported:statistics", "figures")
    mode = services.settings.mode
    mark = "example-" if is_example else "" if mode is Mode.LIVE else f"{mode}-"
    return download(body, content_type, f"{mark}{name}")


def _download(form: Mapping[str, str], quarters: Sequence[QuarterFigures]) -> tuple[str, str, str]:
    """Return name, text and content type of the requested table or chart; abort with 400 if it does not exist."""
    if (table := form.get("table", "")) in TABLES:
        return f"statistics-{table}.csv", TABLES[table](quarters), CSV
    table_name, _, kind = form.get("chart", "").rpartition(".")
    sheets = (sheet for quarter in _with_years(quarters) for sheet in quarter.shown)
    sheet = next((sheet for sheet in sheets if sheet.id == table_name), None)
    if sheet is None or kind not in ("svg", "csv"):
        abort(400)
    if kind == "csv":
        return f"{sheet.id}.csv", chart_csv(sheet), CSV
    return f"{sheet.id}.svg", svg_charts.standalone(chart_svg(sheet)), SVG


def _with_years(quarters: Sequence[QuarterFigures]) -> list[QuarterFigures]:
    isos = dict.fromkeys(quarter.country for quarter in quarters)
    yearly = [year for iso in isos for year in years([quarter for quarter in quarters if quarter.country == iso])]
    return [*quarters, *yearly]


def _own_countries(me: StaffRequest) -> list[Country]:
    """Return the countries of this person's hotline."""
    return [country for country in services.countries if me.account.hotline in country.hotlines]


def _quarters(own_countries: Sequence[Country]) -> tuple[list[QuarterFigures], bool]:
    """Load the published figures of these countries, and say whether they are an example.

    None for no country, because an empty list would ask for all. In a demo in which nothing is published, made-up
    figures show what the page will be.
    """
    if not own_countries:
        return [], False
    isos = [country.iso for country in own_countries]
    figures = quarterly_figures.list_published(services.database, isos)
    if is_example := not figures and services.settings.mode in MODES_WITH_EXAMPLE:
        figures = example_figures(own_countries)
    return group_by_quarter(figures, LANGUAGE_NAMES), is_example


def _chart(quarter_table: QuarterTable) -> SvgChart:
    return SvgChart(chart_svg(quarter_table))


def _columns(name: str, title: str, rows: Sequence[svg_charts.ChartRow]) -> SvgChart:
    return SvgChart(svg_charts.column_chart(name, title, rows))
