"""Pages to publish or print as one file: readiness of countries and statistics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from reports.countries.country import Country
from reports.countries.readiness import (
    READINESS_NAMES,
    READINESS_TITLES,
    STATUS_LABELS,
    STATUS_MARKS,
    ReadinessItem,
    ReadinessStatus,
)
from reports.statistics import svg_charts
from reports.statistics.aggregation import MIN_COUNT
from reports.statistics.summary import YEAR_NOTE, headline, years
from reports.statistics.tables import QuarterFigures, figure_html, month_rows, table_html

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer"><title>{title}</title>
<style>
{style}
</style></head>
<body>
{body}
</body></html>
"""
READINESS_CSS = Path(__file__).with_name("readiness.css")
INTRO = (
    "<p>What public pages say, read by program from the country files. <b>Nobody has dialled a number for this page, "
    "and no office was asked.</b> <i>Not known</i> never means that something is allowed, and <i>none found</i> never "
    "that there is none: tell the operator what is wrong here.</p>"
)
CountrySheet = tuple[Country, Sequence[ReadinessItem]]
STATISTICS_CSS = Path(__file__).with_name("statistics.css")
RULES = (
    f"<p><b>No number under {MIN_COUNT} is shown, and none can be worked out.</b> Where one is small, one more "
    f"is held back "
    "beside it: <i>not shown</i> may stand for nothing, for few or for many. Do not add up rows where one is not "
    "shown.</p>"
    "<p>The figures of a quarter come out once, two weeks after it is over, and never change. No table is crossed with "
    "another, and no sum runs over countries. A year is the sum of four numbers that are shown, or it is not shown.</p>"
)


def html_document(title: str, style: str, body: str) -> str:
    """Return an HTML page. `title` is plain text and is escaped. `style` (CSS) and `body` (HTML) must be our own."""
    return _PAGE.format(title=escape(title), style=style, body=body)


# The readiness of countries as one page to print: a table of all countries, then a sheet for each.


def readiness_html(sheets: Sequence[CountrySheet], made_on: str) -> str:
    """Return the readiness page as HTML. `made_on`: the line below the title with the date."""
    title = f"Country readiness: {sheets[0][0].name}" if len(sheets) == 1 else "Country readiness"
    body = [f"<header><h1>{escape(title)}</h1><p>{escape(made_on)}</p>{INTRO}{_legend()}</header>"]
    if len(sheets) > 1:
        body.append(_overview(sheets))
    body += [_sheet(country, items) for country, items in sheets]
    return html_document(title, READINESS_CSS.read_text(encoding="utf-8"), "\n".join(["<main>", *body, "</main>"]))


def _legend() -> str:
    entries = " &nbsp; ".join(f"{_icon(status)} {escape(label)}" for status, label in STATUS_LABELS.items())
    return f'<p class="key">{entries}</p>'


def _mark(item: ReadinessItem) -> str:
    return f'{_icon(item.status)}<span class="said">{STATUS_LABELS[item.status]}: </span>'


def _icon(status: ReadinessStatus) -> str:
    return f'<span class="mark {status}" aria-hidden="true">{STATUS_MARKS[status]}</span>'


def _overview(sheets: Sequence[CountrySheet]) -> str:
    heads = "".join(f'<th scope="col">{escape(READINESS_TITLES[name])}</th>' for name in READINESS_NAMES)
    rows = "".join(
        f'<tr><th scope="row"><a href="#{country.iso.lower()}">{escape(country.name)}</a></th>'
        + "".join(f"<td>{_mark(item)} {escape(item.summary)}</td>" for item in items)
        + "</tr>"
        for country, items in sheets
    )
    head = f'<thead><tr><th scope="col">Country</th>{heads}</tr></thead>'
    frame = '<div class="wide" role="region" aria-label="All countries" tabindex="0">'
    return f'{frame}<table class="all">{head}<tbody>{rows}</tbody></table></div>'


def _sheet(country: Country, items: Sequence[ReadinessItem]) -> str:
    parts = "".join(_item_section(item) for item in items)
    name = country.iso.lower()
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(country.name)}</h2>'
        f"<p>By {escape(country.file)} of {escape(country.as_of)}</p>{parts}</section>"
    )


def _item_section(item: ReadinessItem) -> str:
    return (
        f'<div class="pillar"><h3>{_mark(item)} {escape(item.title)}: {escape(item.summary)}</h3>'
        f"{_list('', item.found)}{_list('Missing', item.missing)}{_list('Sources', item.sources)}</div>"
    )


def _list(title: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line[:1].upper() + line[1:] if title == 'Missing' else line)}</li>" for line in lines)
    if not items:
        return ""
    head = f"<h4>{escape(title)}</h4>" if title else ""
    return f'{head}<ul class="{title.lower() or "found"}">{items}</ul>'


# The statistics as one self-contained page: for a web server, by mail, on paper. No script, no link to elsewhere.


def statistics_html(
    quarters: Sequence[QuarterFigures], countries: Mapping[str, str], *, made_on: str, mark: str
) -> str:
    """Return the statistics page as HTML.

    `countries`: names by ISO 3166-1 code. `made_on`: a line with the date. `mark`: a notice on top if the
    figures are not of real reports, else empty.
    """
    title = "Reports about children: statistics"
    body = [*_head(title, made_on, mark)]
    for iso, of_country in groupby(quarters, key=lambda quarter: quarter.country):
        body += _country(countries.get(iso, iso), list(of_country))
    if not quarters:
        body.append("<p>No quarter is out yet.</p>")
    return html_document(title, STATISTICS_CSS.read_text(encoding="utf-8"), "\n".join(["<main>", *body, "</main>"]))


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
        yield f"<figure><figcaption>{escape(title)}</figcaption>{chart}{table_html(title, rows)}</figure>"
    for index, quarter in enumerate(quarters):
        open_attribute = "" if index else " open"
        yield f"<details{open_attribute}><summary><h3>{_title(quarter)}</h3></summary>"
        yield f'<p class="headline">{escape(headline(quarter))}</p>'
        yield from _quarter_section(quarter)
        yield "</details>"
    for year in years(quarters):
        yield f"<details><summary><h3>The year {year.name}</h3></summary>"
        yield f'<p class="headline">{escape(headline(year))}</p><p>{escape(YEAR_NOTE)}</p>'
        yield from _quarter_section(year)
        yield "</details>"
    yield "</section>"


def _title(quarter: QuarterFigures) -> str:
    total = f"fewer than {MIN_COUNT} reports" if quarter.total is None else f"{quarter.total:,} reports"
    return f"{quarter.ordinal} quarter of {quarter.year}: {total}"


def _quarter_section(quarter: QuarterFigures) -> Iterator[str]:
    yield '<div class="sheets">'
    yield from map(figure_html, quarter.shown)
    yield "</div>"
