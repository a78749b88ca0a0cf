"""Say in one sentence what a quarter's figures show, and add up the quarters of a year. Pure.

Both use published figures only, so they reveal nothing that the published figures do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reports.facts import CATEGORIES
from reports.statistics.aggregation import ACKNOWLEDGE_WITHIN
from reports.statistics.tables import PERCENT_TABLES, QuarterFigures, QuarterTable

QUARTERS_OF_YEAR = 4
YEAR_NOTE = "A number is the sum of four quarters. If one of them is not shown, the sum is not shown either."
# Category → how a sentence names it after "about"
TOPICS = dict(
    zip(
        CATEGORIES,
        (
            "a child who is hurt or touched",
            "a child who is asked for photos, money or secrets",
            "photos that are shared or threatened",
            "a missing child",
            "forced work, sale or exploitation",
            "bullying or threats",
            "a child who thinks of hurting themself",
            "a child without care, food or home",
        ),
        strict=False,
    )
)


def headline(figures: QuarterFigures) -> str:
    """Return a sentence about a quarter or year, from those of its figures that are shown."""
    if figures.total is None:
        return "The number of reports is not shown." if figures.is_year else "Fewer than 5 reports."
    parts = [f"{figures.total:,} reports", *_about(figures, figures.total), *_acknowledged(figures, figures.total)]
    return "; ".join(parts) + "."


def _about(figures: QuarterFigures, total: int) -> Iterator[str]:
    """Yield the most frequent category, if no category that is not shown could be as frequent."""
    numbers = sheet.numbers if (sheet := figures.sheet("category")) else {}
    shown = {cell: number for cell, number in numbers.items() if number is not None}
    hidden = total - sum(shown.values())
    topic = max(shown, key=lambda cell: shown[cell], default="")
    if topic in TOPICS and shown[topic] > hidden:
        yield f"{_fraction(shown[topic], total)} about {TOPICS[topic]}"


def _acknowledged(figures: QuarterFigures, total: int) -> Iterator[str]:
    numbers = sheet.numbers if (sheet := figures.sheet("answered")) else {}
    in_time = _add([numbers.get(f"{priority} in time") for priority in ACKNOWLEDGE_WITHIN])
    if in_time is not None:
        yield f"{_fraction(in_time, total)} acknowledged within the target time"


def _fraction(part: int, whole: int) -> str:
    """Return a share in words; it is rounded down, so it never claims too much."""
    if part == whole:
        return "all"
    tenths = 10 * part // whole
    if tenths >= 4:  # below, "1 in 3" is clearer
        return f"{tenths} of 10"
    return f"1 in {-(-whole // part)}"


def years(quarters: Sequence[QuarterFigures]) -> list[QuarterFigures]:
    """Return the years of one country of which all four quarters are published, the newest first.

    A number of a year is the sum of four published numbers. If one of them is not shown, the sum is not shown either.
    """
    by_year: dict[str, list[QuarterFigures]] = {}
    for quarter in quarters:
        by_year.setdefault(quarter.year, []).append(quarter)
    complete = {year: sorted(parts, key=lambda part: part.name) for year, parts in by_year.items()}
    return [
        _year(year, parts) for year, parts in sorted(complete.items(), reverse=True) if len(parts) == QUARTERS_OF_YEAR
    ]


def _year(year: str, parts: Sequence[QuarterFigures]) -> QuarterFigures:
    totals = [part.total for part in parts]
    sheets = []
    for sheet in parts[0].sheets:
        if sheet.name in ("month", *PERCENT_TABLES):
            continue
        tables = [table for part in parts if (table := part.sheet(sheet.name)) is not None]
        if len(tables) == len(parts) and all(table.cells == sheet.cells for table in tables):
            sheets.append(_sum(tables, year))
    shown = tuple(sheet for sheet in sheets if any(number is not None for _, number in sheet.rows))
    return replace(parts[0], name=year, total=_add(totals), sheets=shown)


def _sum(tables: Sequence[QuarterTable], year: str) -> QuarterTable:
    row_sets = zip(*(table.rows for table in tables), strict=True)
    rows = tuple((row_set[0][0], _add([number for _, number in row_set])) for row_set in row_sets)
    return replace(tables[0], quarter=year, rows=rows)


def _add(numbers: Sequence[int | None]) -> int | None:
    shown = [number for number in numbers if number is not None]
    return sum(shown) if len(shown) == len(numbers) else None
