"""Made-up figures, suppressed by the same rule as real ones: for the demo, and to show what a ministry would get."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from reports.countries.country import Country
from reports.statistics import aggregation
from reports.statistics.aggregation import PublishedFigure, ReportOutcome
from runtime.time_units import DAY, SECOND

QUARTERS = ("2026-Q2", "2026-Q3", "2026-Q4")
MAX_SIZE_RATIO = 20  # at most this many times the reports of the smallest country


def example_figures(countries: Sequence[Country]) -> list[PublishedFigure]:
    """Return random figures of three quarters for each country."""
    random_source = random.SystemRandom()
    figures: list[PublishedFigure] = []
    for country in countries:
        size = 15 + random_source.randrange(MAX_SIZE_RATIO * 15)
        for index, quarter in enumerate(QUARTERS):
            figures += _quarter(country, quarter, round(size * (1 + index / 3)), random_source)
    return figures


def _quarter(
    country: Country, quarter: str, size: int, random_source: random.SystemRandom
) -> Iterator[PublishedFigure]:
    tables = aggregation.table_layout(country, quarter, ["en"], ("ussd", "sms"))
    counts: dict[str, Counter[str]] = {name: Counter() for name in tables}
    for _ in range(size):
        for name in ("month", "category", "place", "age", "channel", "language", "payment"):
            counts[name][_random_cell(tables[name], random_source, name == "payment")] += 1
        for table, cell in aggregation.outcome_cells(_outcome(random_source)):
            counts[table][cell] += 1
    figures = [*aggregation.quarter_figures(counts, tables), *aggregation.screen_figures(_screens(size, random_source))]
    for table, cell, number in figures:
        yield PublishedFigure(quarter, country.iso, table, cell, number)


def _random_cell(cells: Sequence[str], random_source: random.SystemRandom, mostly_last: bool) -> str:
    if mostly_last and random_source.random() < 0.8:
        return cells[-1]
    weights = [1 / (1 + index) for index in range(len(cells))]
    return random_source.choices(cells, weights)[0]


def _outcome(random_source: random.SystemRandom) -> ReportOutcome:
    priority = random_source.choices(list(aggregation.ACKNOWLEDGE_WITHIN), (3, 4, 4, 1))[0]
    acknowledged = round(aggregation.ACKNOWLEDGE_WITHIN[priority] * random_source.lognormvariate(-1, 1))
    closed = None if random_source.random() < 0.1 else acknowledged + round(DAY * random_source.lognormvariate(0.5, 1))
    return ReportOutcome(priority, round(SECOND * random_source.lognormvariate(1, 2)), acknowledged, closed)


def _screens(reports: int, random_source: random.SystemRandom) -> dict[str, int]:
    """Return how often each step was seen: the last as often as reports were sent, each earlier step more often."""
    counts, seen = {"sent": reports}, reports
    for step in reversed(aggregation.FUNNEL_STEPS):
        counts[step + aggregation.CONTINUED_SUFFIX] = seen
        seen = round(seen * (1 + random_source.random() / 3))
        counts[step] = seen
    used = dict(zip(aggregation.COUNTED_USES, (9, 0, 4, 3, 1, 1, 12), strict=True))
    return counts | {name: seen * times // 3 for name, times in used.items() if times}
