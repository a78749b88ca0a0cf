"""How ready each country is, as one page to print: a table over all, then a sheet for each."""

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
    title = f"Ready for reports? {sheets[0][0].name}" if len(sheets) == 1 else "Ready for reports?"
    body = [f"<header><h1>{escape(title)}</h1><p>{escape(made_on)}</p>{INTRO}{_key()}</header>"]
    if len(sheets) > 1:
        body.append(_overview(sheets))
    body += [_sheet(of, pillars) for of, pillars in sheets]
    return html_document(title, CSS.read_text(encoding="utf-8"), "\n".join(["<main>", *body, "</main>"]))


def _key() -> str:
    said = " &nbsp; ".join(f"{_drawn(stand)} {escape(words)}" for stand, words in STATUS_LABELS.items())
    return f'<p class="key">{said}</p>'


def _mark(one: ReadinessItem) -> str:
    return f'{_drawn(one.status)}<span class="said">{STATUS_LABELS[one.status]}: </span>'


def _drawn(status: ReadinessStatus) -> str:
    return f'<span class="mark {status}" aria-hidden="true">{STATUS_MARKS[status]}</span>'


def _overview(sheets: Sequence[CountrySheet]) -> str:
    heads = "".join(f'<th scope="col">{escape(READINESS_TITLES[name])}</th>' for name in READINESS_NAMES)
    rows = "".join(
        f'<tr><th scope="row"><a href="#{of.iso.lower()}">{escape(of.name)}</a></th>'
        + "".join(f"<td>{_mark(one)} {escape(one.short)}</td>" for one in pillars)
        + "</tr>"
        for of, pillars in sheets
    )
    head = f'<thead><tr><th scope="col">Country</th>{heads}</tr></thead>'
    frame = '<div class="wide" role="region" aria-label="All countries" tabindex="0">'
    return f'{frame}<table class="all">{head}<tbody>{rows}</tbody></table></div>'


def _sheet(of: Country, pillars: Sequence[ReadinessItem]) -> str:
    parts = "".join(_pillar(one) for one in pillars)
    name = of.iso.lower()
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(of.name)}</h2>'
        f"<p>By {escape(of.file)} of {escape(of.as_of)}</p>{parts}</section>"
    )


def _pillar(one: ReadinessItem) -> str:
    return (
        f'<div class="pillar"><h3>{_mark(one)} {escape(one.title)}: {escape(one.short)}</h3>'
        f"{_list('', one.found)}{_list('Missing', one.missing)}{_list('Sources', one.sources)}</div>"
    )


def _list(title: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line[:1].upper() + line[1:] if title == 'Missing' else line)}</li>" for line in lines)
    if not items:
        return ""
    head = f"<h4>{escape(title)}</h4>" if title else ""
    return f'{head}<ul class="{title.lower() or "found"}">{items}</ul>'


def overview_rows(sheets: Iterable[CountrySheet]) -> Iterator[list[str]]:
    """The overview as cells of text: the country and how each pillar stands."""
    for of, pillars in sheets:
        yield [of.name, *(f"{STATUS_MARKS[one.status]} {one.short}" for one in pillars)]
