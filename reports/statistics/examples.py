"""Made-up figures, suppressed by the same rule as real ones: to show the page before a quarter is published. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from reports.countries.country import Country
from reports.statistics import aggregation
from reports.statistics.aggregation import PublishedFigure
from runtime.telephony import CHANNEL_KINDS

EXAMPLE = "EXAMPLE. Every number on this page is made up."
EXAMPLE_QUARTERS = ("2025-Q4", "2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4")
HELPED_PARTS = {"yes": 5, "little": 8, "no": 14}  # one answer in so many reports
SMALLEST = 150  # reports of a quarter, about
# How often each cell of a table is chosen, compared with the others; other tables fall from the first cell to the last
WEIGHTS: Mapping[str, Sequence[float]] = {
    "month": (5, 6, 5),
    "payment": (6, 2, 1, 1, 2, 30),
    "delivered": (60, 6, 2, 1, 1),
    "read": (14, 7, 10, 3, 2),
    "outcome": (9, 8, 4, 3, 3, 2, 5),
    "sex": (9, 5, 1, 6),
    "disability": (1, 6, 9),
    "answered": (9, 11, 12, 4, 1, 1, 2, 1, 1),
}


def example_figures(countries: Sequence[Country]) -> list[PublishedFigure]:
    """Return made-up figures of five quarters for each country. The same country has the same ones each time."""
    return [
        figure
        for country in countries
        for index, quarter in enumerate(EXAMPLE_QUARTERS)
        for figure in _quarter(country, quarter, round(SMALLEST * (1 + index / 8) * _factor(country.iso, quarter)))
    ]


def _quarter(country: Country, quarter: str, size: int) -> Iterator[PublishedFigure]:
    tables = aggregation.table_layout(country, quarter, ["en"], CHANNEL_KINDS)
    counts = {name: _spread(size, name, cells, f"{country.iso} {quarter}") for name, cells in tables.items()}
    figures = [*aggregation.quarter_figures(counts, tables), *aggregation.screen_figures(_screens(size))]
    for table, cell, number in figures:
        yield PublishedFigure(quarter, country.iso, table, cell, number)


def _spread(size: int, table: str, cells: Sequence[str], key: str) -> dict[str, int]:
    """Return numbers for the cells that add up to `size`."""
    falling = [1 / (1 + index) for index in range(len(cells))]
    weights = [weight * _factor(key, cell) for cell, weight in zip(cells, WEIGHTS.get(table, falling), strict=True)]
    counts = {cell: int(size * weight / sum(weights)) for cell, weight in zip(cells, weights, strict=True)}
    counts[cells[0]] += size - sum(counts.values())
    return counts


def _factor(*key: str) -> float:
    """Return a number from 0.7 to 1.3 that depends on the key only."""
    return 0.7 + 0.6 * hashlib.sha256(" ".join(key).encode()).digest()[0] / 255


def _screens(reports: int) -> dict[str, int]:
    """Return how often each step was seen: the last as often as reports were sent, each earlier step more often."""
    counts, seen = {"sent": reports}, reports
    for index, step in enumerate(reversed(aggregation.FUNNEL_STEPS)):
        counts[step + aggregation.CONTINUED_SUFFIX] = seen
        seen = round(seen * (1.05 + 0.1 * (index % 3)))
        counts[step] = seen
    used = dict(zip(aggregation.COUNTED_USES, (9, 0, 4, 3, 1, 1, 12), strict=True))
    helped = {aggregation.HELPED + answer: reports // part for answer, part in HELPED_PARTS.items()}
    return counts | helped | {name: seen * times // 3 for name, times in used.items() if times}
