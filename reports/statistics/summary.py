"""Say in one sentence what a quarter's figures show, and add up the quarters of a year. Pure.

Both use published figures only, so they reveal nothing that the published figures do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reports.facts import CATEGORIES
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


def headline(quarter: QuarterFigures) -> str:
    """Return a sentence about the quarter, from those of its figures that are shown."""
    if quarter.total is None:
        return "Fewer than 5 reports."
    parts = [f"{quarter.total:,} reports", *_about(quarter, quarter.total), *_opened(quarter, quarter.total)]
    return "; ".join(parts) + "."


def _about(quarter: QuarterFigures, total: int) -> Iterator[str]:
    """Yield the most frequent category, if no category that is not shown could be as frequent."""
    numbers = sheet.numbers if (sheet := quarter.sheet("category")) else {}
    shown = {cell: number for cell, number in numbers.items() if number is not None}
    hidden = total - sum(shown.values())
    topic = max(shown, key=lambda cell: shown[cell], default="")
    if topic in TOPICS and shown[topic] > hidden:
        yield f"{_fraction(shown[topic], total)} about {TOPICS[topic]}"


def _opened(quarter: QuarterFigures, total: int) -> Iterator[str]:
    shares = sheet.shares if (sheet := quarter.sheet("answered")) else ()
    parts = [part for _, part, _ in shares if part is not None]
    if len(parts) == len(shares) and parts:
        yield f"{_fraction(sum(parts), total)} opened within the target time"


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
    for one in quarters:
        by_year.setdefault(one.year, []).append(one)
    complete = {year: sorted(parts, key=lambda part: part.name) for year, parts in by_year.items()}
    return [
        _year(year, parts) for year, parts in sorted(complete.items(), reverse=True) if len(parts) == QUARTERS_OF_YEAR
    ]


def _year(year: str, parts: Sequence[QuarterFigures]) -> QuarterFigures:
    totals = [part.total for part in parts]
    sheets = []
    for sheet in parts[0].sheets:
        others = [part.sheet(sheet.name) for part in parts]
        if sheet.name in ("month", *PERCENT_TABLES) or None in others:
            continue
        same = [one for one in others if one is not None]
        if all(one.cells == sheet.cells for one in same):
            sheets.append(_sum(sheet, same, year))
    shown = tuple(sheet for sheet in sheets if any(number is not None for _, number in sheet.rows))
    return replace(parts[0], name=year, total=_add(totals), sheets=shown)


def _sum(first: QuarterTable, tables: Sequence[QuarterTable], year: str) -> QuarterTable:
    rows = tuple(
        (label, _add([table.rows[index][1] for table in tables])) for index, (label, _) in enumerate(first.rows)
    )
    return replace(first, quarter=year, rows=rows)


def _add(numbers: Sequence[int | None]) -> int | None:
    shown = [number for number in numbers if number is not None]
    return sum(shown) if len(shown) == len(numbers) else None
