"""Write the published figures in the terms of Child Helpline International's data framework. Pure.

The mapping is helpline_framework.toml. A category without a term there is never forced into one: its reports are
counted as not mapped.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reports import spreadsheet
from reports.statistics.tables import QuarterFigures, csv_number

_DATA = tomllib.loads(Path(__file__).with_name("helpline_framework.toml").read_text(encoding="utf-8"))
VERSION: str = _DATA["version"]
REASONS: Mapping[str, tuple[str, str]] = {category: tuple(names) for category, names in _DATA["reasons"].items()}
NOT_MAPPED = "not mapped"
CHILD_TERMS: Mapping[str, tuple[str, Mapping[str, str]]] = {  # table → name in the framework, cell → term
    "sex": ("Gender", _DATA["gender"]),
    "disability": ("Vulnerable group", _DATA["vulnerable_group"]),
}
CSV_HEAD = ("country", "quarter", "reason_for_contact", "kind", "tokaut_category", "words", "reports", "framework")


def framework_csv(quarters: Sequence[QuarterFigures]) -> str:
    """Return one row for each category of each quarter, and for each fact of the child that the framework asks for.

    Categories of the same reason are not added up.
    """
    return spreadsheet.as_csv(CSV_HEAD, [row for figures in quarters for row in _rows(figures)])


def not_mapped(figures: QuarterFigures) -> int | None:
    """Return how many reports of a quarter have no term in the framework; None if that is not shown."""
    sheet = figures.sheet("category")
    numbers = [number for cell, number in sheet.numbers.items() if cell not in REASONS] if sheet else []
    shown = [number for number in numbers if number is not None]
    return sum(shown) if numbers and len(shown) == len(numbers) else None


def _rows(figures: QuarterFigures) -> Iterator[tuple[str, ...]]:
    if sheet := figures.sheet("category"):
        for cell, (label, number) in zip(sheet.cells, sheet.rows, strict=True):
            reason, kind = REASONS.get(cell, (NOT_MAPPED, ""))
            yield figures.country, figures.name, reason, kind, cell, label, csv_number(number), VERSION
    for table, (name, terms) in CHILD_TERMS.items():
        if sheet := figures.sheet(table):
            for cell, (label, number) in zip(sheet.cells, sheet.rows, strict=True):
                if term := terms.get(cell):
                    yield figures.country, figures.name, name, term, cell, label, csv_number(number), VERSION
