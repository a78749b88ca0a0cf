"""The output of `tokaut check --country` for one country: plain words for the people who prepare it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from datetime import date

import locales
from flows import catalogues, loader
from flows.catalogues import ENGLISH
from reports.countries.country import Country
from tokaut.checks.live_checklist import ChecklistItem, steps
from tokaut.screens.coverage import CatalogueCoverage, catalogue_coverage

WIDTH = 100


def explain_country(of: Country, today: date) -> Iterator[str]:
    """Yield lines of text. Steps are numbered, so that people can refer to them on the phone."""
    items = steps(of, _translated(of), today)
    stops = sum(item.stops for item in items)
    yield _head(of, stops, len(items) - stops)
    number = 0
    for title, section in (
        ("Before it can go live", [item for item in items if item.stops]),
        ("It can go live without these; settle them too", [item for item in items if not item.stops]),
    ):
        if section:
            yield f"\n{title}:"
        for item in section:
            number += 1
            yield from _step(number, item)
    if items:
        yield f"\nThe file is {of.file}; docs/add-a-country.md explains it. The same findings, one per line:"


def _head(country: Country, stops: int, optional: int) -> str:
    if not stops:
        return f"{country.name} can go live." + (f" {_count_text(optional)} worth settling." if optional else "")
    more = f", and {optional} more {'is' if optional == 1 else 'are'} worth settling" if optional else ""
    return f"{country.name} cannot go live yet: {_count_text(stops)} to do first{more}."


def _count_text(count: int) -> str:
    return "1 thing is" if count == 1 else f"{count} things are"


def _step(number: int, item: ChecklistItem) -> Iterator[str]:
    yield from _wrapped(f"{number:>2}. {item.what}")
    yield from _wrapped(f"    Next: {item.do}")


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _translated(country: Country) -> list[CatalogueCoverage]:
    """Return the coverage of each language of the country that has a catalogue, except English."""
    book, catalogues_by_tag = loader.load(), catalogues.load(locales.FOLDER)
    return [catalogue_coverage(tag, book) for tag in country.languages if tag in catalogues_by_tag and tag != ENGLISH]
