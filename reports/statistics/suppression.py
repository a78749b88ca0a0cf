"""Suppress small counts: no number under 5 is shown, nor can be computed from the others. Pure.

A table is one total and the cells that add up to it, each report in one cell. Nothing else is ever added up: no two
tables are crossed, no sum runs over countries or quarters, and a published figure of a quarter never changes. So all
published figures together give one equation for each table, and the rule below makes each of these equations useless
for finding a hidden cell.

The cell that is hidden beside the small ones is chosen by its place in the table and not by its size. Even somebody who
knows the rule is left with five or more possible values for each hidden cell: tests/reports/test_suppression.py tries
all small tables.
"""

from __future__ import annotations

from collections.abc import Mapping

MIN_COUNT = 5
MIN_SHARE_TOTAL = 10 * MIN_COUNT  # a tenth of fewer reports is under 5
VisibleCells = Mapping[str, int | None]  # None: suppressed


def visible_total(total: int) -> int | None:
    """Return the total, or None if it is under 5."""
    return total if total >= MIN_COUNT else None


def visible_cells(cells: Mapping[str, int]) -> VisibleCells:
    """Return the cells of one table, in its order, with None for the small ones and for the last of the others.

    One more cell is hidden even if two small ones hide each other: two that add up to 8 would both be 4. Further cells
    are hidden until all hidden ones add up to 10: with less, somebody who knows this rule could work them out.
    """
    if sum(cells.values()) < MIN_COUNT:
        return dict.fromkeys(cells)
    hidden = {name for name, count in cells.items() if count < MIN_COUNT}
    if hidden:
        for name in reversed([name for name in cells if name not in hidden]):
            hidden.add(name)
            if sum(cells[cell] for cell in hidden) >= 2 * MIN_COUNT:
                break
    return {name: None if name in hidden else count for name, count in cells.items()}


def rounded_share(part: int, whole: int) -> int | None:
    """Return per cent in whole tenths; None if the whole is so small that a tenth of it is under 5."""
    return round(10 * part / whole) * 10 if whole >= MIN_SHARE_TOTAL else None
