"""Write CSV tables for spreadsheets. No cell is a formula, even if a reporter typed one. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # spreadsheets recognise UTF-8 by it
# Includes fullwidth forms: some spreadsheets read them like the others.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def as_csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as CSV. A cell that would begin like a formula begins with an apostrophe."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(head)
    for row in rows:
        writer.writerow(["'" + cell if cell.startswith(FORMULA_STARTS) else cell for cell in row])
    return BOM + file.getvalue()


def with_column(table: str, head: str, value: str) -> str:
    """Return a table of `as_csv` with one more column, which has the same value in each row."""
    first, *rows = csv.reader(io.StringIO(table.removeprefix(BOM), newline=""))
    return as_csv([*first, head], [[*row, value] for row in rows])
