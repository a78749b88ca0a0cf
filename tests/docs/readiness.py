"""docs/readiness.md: the state of each country and what is missing, as `tokaut readiness` prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from reports.countries.readiness import READINESS_NAMES, READINESS_TITLES
from tokaut.commands.readiness import country_sheets
from tokaut.documents.pages import overview_rows

ALIKE = (
    "to find out: ",
    "not in the law: ",
    "to confirm, it was so in 2014: ",
    "an agreement with ",
    "a translation into ",
)


def table() -> str:
    heads = ["country", *(READINESS_TITLES[name] for name in READINESS_NAMES)]
    return "".join(
        f"| {' | '.join(cells)} |\n" for cells in (heads, ["---"] * len(heads), *overview_rows(country_sheets()))
    )


def missing() -> str:
    """Return what each country lacks; `tokaut readiness --out` lists the single numbers."""
    lines = []
    for of, pillars in country_sheets():
        lines.append(f"**{of.name}**\n")
        for one in pillars:
            if one.missing and one.name != "numbers":
                lines.append(f"* {one.title}: {'; '.join(_together(one.missing))}")
        lines.append("")
    return "\n".join(lines)


def _together(missing: Iterable[str]) -> Iterator[str]:
    """Yield items with a common beginning as one, which names the beginning once."""
    for start, several in groupby(missing, key=lambda one: next((same for same in ALIKE if one.startswith(same)), "")):
        yield start + (", " if start else "; ").join(one.removeprefix(start) for one in several)
