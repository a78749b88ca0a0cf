"""What `tokaut check --country` says of one country, for whoever has to get it ready: people, in plain words."""

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
    """Lines. Numbered, so that people can speak about them on the phone."""
    found = steps(of, _spoken(of), today)
    stops = sum(step.stops for step in found)
    yield _head(of, stops, len(found) - stops)
    number = 0
    for title, several in (
        ("Before it can go live", [step for step in found if step.stops]),
        ("It can go live without these; settle them too", [step for step in found if not step.stops]),
    ):
        if several:
            yield f"\n{title}:"
        for step in several:
            number += 1
            yield from _step(number, step)
    if found:
        yield f"\nThe file is {of.file}; docs/add-a-country.md explains it. The same line by line:"


def _head(of: Country, stops: int, others: int) -> str:
    if not stops:
        return f"{of.name} can go live." + (f" {_things(others)} worth settling." if others else "")
    also = f", and {others} more {'is' if others == 1 else 'are'} worth settling" if others else ""
    return f"{of.name} cannot go live yet: {_things(stops)} to do first{also}."


def _things(count: int) -> str:
    return "1 thing is" if count == 1 else f"{count} things are"


def _step(number: int, step: ChecklistItem) -> Iterator[str]:
    yield from _wrapped(f"{number:>2}. {step.what}")
    yield from _wrapped(f"    Next: {step.do}")


def _wrapped(words: str) -> Iterable[str]:
    return textwrap.wrap(words, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _spoken(of: Country) -> list[CatalogueCoverage]:
    book, known = loader.load(), catalogues.load(locales.FOLDER)
    return [catalogue_coverage(tag, book) for tag in of.languages if tag in known and tag != ENGLISH]
