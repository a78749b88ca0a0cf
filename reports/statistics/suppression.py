"""Which figures of a table may be shown, so that no number under 5 is, or can be had from the others. Pure.

A table is one total and the cells that add up to it, each report in one cell. Nothing else is ever added up: no two
tables cross, no sum runs over countries or quarters, and what was once shown of a quarter never changes. So whoever
holds everything that was ever shown holds one equation a table, and the rule below makes each of them useless to them.

Which cell is hidden beside the small ones goes by its place in the table and not by its size. Even who knows the rule
is left with five values or more for each hidden cell: tests/reports/test_small_numbers.py tries all small tables.
"""

from __future__ import annotations

from collections.abc import Mapping

MIN_COUNT = 5
MIN_SHARE_TOTAL = 10 * MIN_COUNT  # a share in tenths of fewer would say more than its whole may
VisibleCells = Mapping[str, int | None]  # None: not shown


def visible_total(total: int) -> int | None:
    return total if total >= MIN_COUNT else None


def visible_cells(cells: Mapping[str, int]) -> VisibleCells:
    """The cells of one table, in its order: without the small ones, and without the last of the others.

    One more is hidden even where two small ones hide each other: two that add up to 8 would both be 4. And more until
    all that is hidden adds up to 10: less, and who knows this rule could work them out.
    """
    if sum(cells.values()) < MIN_COUNT:
        return dict.fromkeys(cells)
    hidden = {name for name, count in cells.items() if count < MIN_COUNT}
    if hidden:
        for name in reversed([name for name in cells if name not in hidden]):
            hidden.add(name)
            if sum(cells[one] for one in hidden) >= 2 * MIN_COUNT:
                break
    return {name: None if name in hidden else count for name, count in cells.items()}


def rounded_share(part: int, whole: int) -> int | None:
    """Per cent in whole tenths; None where the whole is so small that a tenth of it is under 5."""
    return round(10 * part / whole) * 10 if whole >= MIN_SHARE_TOTAL else None
