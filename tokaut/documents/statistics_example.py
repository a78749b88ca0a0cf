"""Made-up figures, through the same rule as true ones: for the demo, and to show what a ministry would get."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from reports.countries.country import Country
from reports.statistics import aggregation
from reports.statistics.aggregation import PublishedFigure, ReportOutcome
from runtime.time_units import DAY, SECOND

QUARTERS = ("2026-Q2", "2026-Q3", "2026-Q4")
MAX_SIZE_RATIO = 20  # how many times as many reports the largest country has as the smallest


def example_figures(countries: Sequence[Country]) -> list[PublishedFigure]:
    chance = random.SystemRandom()
    found: list[PublishedFigure] = []
    for of in countries:
        size = 15 + chance.randrange(MAX_SIZE_RATIO * 15)
        for at, quarter in enumerate(QUARTERS):
            found += _quarter(of, quarter, round(size * (1 + at / 3)), chance)
    return found


def _quarter(of: Country, quarter: str, size: int, chance: random.SystemRandom) -> Iterator[PublishedFigure]:
    tables = aggregation.table_layout(of, quarter, ["en"], ("ussd", "sms"))
    counts: dict[str, Counter[str]] = {name: Counter() for name in tables}
    for _ in range(size):
        for name in ("month", "category", "place", "age", "channel", "language", "payment"):
            counts[name][_one_of(tables[name], chance, name == "payment")] += 1
        for table, cell in aggregation.outcome_cells(_outcome(chance)):
            counts[table][cell] += 1
    figures = [*aggregation.quarter_figures(counts, tables), *aggregation.screen_figures(_screens(size, chance))]
    for table, cell, number in figures:
        yield PublishedFigure(quarter, of.iso, table, cell, number)


def _one_of(cells: Sequence[str], chance: random.SystemRandom, mostly_last: bool) -> str:
    if mostly_last and chance.random() < 0.8:
        return cells[-1]
    weights = [1 / (1 + at) for at in range(len(cells))]
    return chance.choices(cells, weights)[0]


def _outcome(chance: random.SystemRandom) -> ReportOutcome:
    priority = chance.choices(list(aggregation.ACKNOWLEDGE_WITHIN), (3, 4, 4, 1))[0]
    read = round(aggregation.ACKNOWLEDGE_WITHIN[priority] * chance.lognormvariate(-1, 1))
    closed = None if chance.random() < 0.1 else read + round(DAY * chance.lognormvariate(0.5, 1))
    return ReportOutcome(priority, round(SECOND * chance.lognormvariate(1, 2)), read, closed)


def _screens(reports: int, chance: random.SystemRandom) -> dict[str, int]:
    """As many as send, and at each step before it some who leave."""
    counts, seen = {"sent": reports}, reports
    for step in reversed(aggregation.FUNNEL_STEPS):
        counts[step + aggregation.CONTINUED_SUFFIX] = seen
        seen = round(seen * (1 + chance.random() / 3))
        counts[step] = seen
    used = dict(zip(aggregation.COUNTED_USES, (9, 0, 4, 3, 1, 1, 12), strict=True))
    return counts | {name: seen * times // 3 for name, times in used.items() if times}
