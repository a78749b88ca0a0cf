"""Write CSV tables for spreadsheets. No cell is a formula, even if a reporter typed one. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # spreadsheets recognise UTF-8 by it
# Includes fullwidth forms: some spreadsheets read them like the others.
SIGNS = "=+-@＝＋－＠"
FORMULA_STARTS = (*SIGNS, "\t", "\r", "\n")
# Where the separator is a semicolon, as in French, a spreadsheet cuts a cell there and at its line breaks.
_INNER_START = re.compile(rf"([;\t\r\n][\s\"]*)(?=[{re.escape(SIGNS)}])")


def as_csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as CSV, with an apostrophe before each sign by which a cell, or its part, would be a formula."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(head)
    for row in rows:
        writer.writerow([_text(cell) for cell in row])
    return BOM + file.getvalue()


def _text(cell: str) -> str:
    inner = _INNER_START.sub(r"\1'", cell)
    return f"'{inner}" if inner.startswith(FORMULA_STARTS) else inner


def with_column(table: str, head: str, value: str) -> str:
    """Return a table of `as_csv` with one more column, which has the same value in each row."""
    first, *rows = csv.reader(io.StringIO(table.removeprefix(BOM), newline=""))
    return as_csv([*first, head], [[*row, value] for row in rows])
