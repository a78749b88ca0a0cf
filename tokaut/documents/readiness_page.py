"""The readiness of countries as one page to print: a table of all countries, then a sheet for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
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
from tokaut.documents.html_page import html_document

CSS = Path(__file__).with_name("readiness.css")
INTRO = (
    "<p>What public pages say, read by program from the country files. <b>Nobody has dialled a number for this page, "
    "and no office was asked.</b> <i>Not known</i> never means that something is allowed, and <i>none found</i> never "
    "that there is none: tell the operator what is wrong here.</p>"
)
CountrySheet = tuple[Country, Sequence[ReadinessItem]]


def readiness_html(sheets: Sequence[CountrySheet], made_on: str) -> str:
    """Return the page. `made_on`: the line below the title that says when it was made."""
    title = f"Ready for reports? {sheets[0][0].name}" if len(sheets) == 1 else "Ready for reports?"
    body = [f"<header><h1>{escape(title)}</h1><p>{escape(made_on)}</p>{INTRO}{_legend()}</header>"]
    if len(sheets) > 1:
        body.append(_overview(sheets))
    body += [_sheet(country, items) for country, items in sheets]
    return html_document(title, CSS.read_text(encoding="utf-8"), "\n".join(["<main>", *body, "</main>"]))


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
        + "".join(f"<td>{_mark(item)} {escape(item.short)}</td>" for item in items)
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
        f'<div class="pillar"><h3>{_mark(item)} {escape(item.title)}: {escape(item.short)}</h3>'
        f"{_list('', item.found)}{_list('Missing', item.missing)}{_list('Sources', item.sources)}</div>"
    )


def _list(title: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line[:1].upper() + line[1:] if title == 'Missing' else line)}</li>" for line in lines)
    if not items:
        return ""
    head = f"<h4>{escape(title)}</h4>" if title else ""
    return f'{head}<ul class="{title.lower() or "found"}">{items}</ul>'


def overview_rows(sheets: Iterable[CountrySheet]) -> Iterator[list[str]]:
    """Yield the rows of the table as text: the country, then the status of each item."""
    for country, items in sheets:
        yield [country.name, *(f"{STATUS_MARKS[item.status]} {item.short}" for item in items)]
