"""docs/readiness.md: the state of each country and what is missing, as `tokaut readiness` prints it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby

from reports.countries.readiness import (
    CRITERION_SENTENCES,
    READINESS_NAMES,
    READINESS_TITLES,
    STATUS_MARKS,
    ReadinessItem,
)
from tokaut.commands.readiness import country_sheets

ALIKE = ("an agreement with ", "the number of ", "the hours of ")


def table() -> str:
    heads = ["country", *(READINESS_TITLES[name] for name in READINESS_NAMES)]
    rows = [
        [of.name, *(f"{STATUS_MARKS[one.status]} {one.summary}" for one in pillars)] for of, pillars in country_sheets()
    ]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, ["---"] * len(heads), *rows))


def missing() -> str:
    """Return what every country lacks, then what single countries lack besides."""
    lacking = {of.name: list(_shown_here(pillars)) for of, pillars in country_sheets()}
    everywhere = [item for item in next(iter(lacking.values())) if all(item in items for items in lacking.values())]
    lines = [f"* **Every country**: {'; '.join(everywhere)}"]
    for name, items in lacking.items():
        lines.append(f"* **{name}**: {'; '.join(_together(items, everywhere))}")
    return "\n".join(lines) + "\n"


def _shown_here(pillars: Iterable[ReadinessItem]) -> Iterator[str]:
    """Yield what is missing and is in no table of docs/countries.md."""
    in_table = tuple(CRITERION_SENTENCES.values())
    for pillar in pillars:
        if pillar.name not in ("numbers", "languages"):
            yield from (item for item in pillar.missing if not item.endswith(in_table))


def _together(items: Iterable[str], without: Collection[str]) -> Iterator[str]:
    """Yield items with a common beginning as one, which names the beginning once."""

    def start_of(item: str) -> str:
        return next((start for start in ALIKE if item.startswith(start)), "")

    others = sorted((item for item in items if item not in without), key=start_of, reverse=True)
    for start, several in groupby(others, key=start_of):
        yield start + (", " if start else "; ").join(item.removeprefix(start) for item in several)
