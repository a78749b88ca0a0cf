"""The statistics as one self-contained page: for a web server, by mail, on paper. No script, no link to elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from reports.statistics import svg_charts
from reports.statistics.suppression import MIN_COUNT
from reports.statistics.tables import QuarterFigures, figure_html, month_rows, table_html
from tokaut.documents.html_page import html_document

CSS = Path(__file__).with_name("statistics.css")
RULES = (
    f"<p><b>No number under {MIN_COUNT} is shown, and none can be worked out.</b> Where one is small, one more "
    f"is held back "
    "beside it: <i>not shown</i> may stand for nothing, for few or for many. Do not add up rows where one is not "
    "shown.</p>"
    "<p>The figures of a quarter come out once, two weeks after it is over, and never change. No table is crossed with "
    "another, and no sum runs over countries or quarters.</p>"
)


def statistics_html(
    quarters: Sequence[QuarterFigures], countries: Mapping[str, str], *, made_on: str, mark: str
) -> str:
    """Return the page.

    `countries`: names by ISO 3166-1 code. `made_on`: a line that says when it was made. `mark`: a notice on top if the
    figures are not of real reports, else empty.
    """
    title = "Reports about children: is it working?"
    body = [*_head(title, made_on, mark)]
    for iso, of_country in groupby(quarters, key=lambda quarter: quarter.country):
        body += _country(countries.get(iso, iso), list(of_country))
    if not quarters:
        body.append("<p>No quarter is out yet.</p>")
    return html_document(title, CSS.read_text(encoding="utf-8"), "\n".join(["<main>", *body, "</main>"]))


def _head(title: str, made_on: str, mark: str) -> Iterator[str]:
    if mark:
        yield f'<p class="mark">{escape(mark)}</p>'
    yield f"<header><h1>{escape(title)}</h1><p>{escape(made_on)}</p>{RULES}</header>"


def _country(name: str, quarters: Sequence[QuarterFigures]) -> Iterator[str]:
    iso = quarters[0].country.lower()
    yield f'<section aria-labelledby="{iso}"><h2 id="{iso}">{escape(name)}</h2>'
    if rows := month_rows(quarters):
        title = f"{name}: reports by month"
        chart = svg_charts.column_chart(f"{iso}-months", title, rows)
        yield f'<figure class="wide"><figcaption>{escape(title)}</figcaption>{chart}{table_html(title, rows)}</figure>'
    for index, quarter in enumerate(quarters):
        open_attribute = "" if index else " open"
        yield f"<details{open_attribute}><summary><h3>{_title(quarter)}</h3></summary>"
        yield from _quarter(quarter)
        yield "</details>"
    yield "</section>"


def _title(quarter: QuarterFigures) -> str:
    total = f"fewer than {MIN_COUNT} reports" if quarter.total is None else f"{quarter.total:,} reports"
    return f"{quarter.ordinal} quarter of {quarter.year}: {total}"


def _quarter(quarter: QuarterFigures) -> Iterator[str]:
    yield '<div class="sheets">'
    yield from map(figure_html, quarter.shown)
    yield "</div>"
