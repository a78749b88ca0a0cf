"""The figures that are out as tables for a spreadsheet. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports import spreadsheet
from reports.statistics_sheets import Quarter
from reports.statistics_words import CELLS

NOT_SHOWN = "not shown"


def reports_csv(there: Sequence[Quarter]) -> str:
    """Every cell of every table."""
    head = ("country", "quarter", "table", "cell", "words", "reports")
    rows = [
        (one.country, one.name, sheet.name, cell, label, _number(number))
        for one in there
        for sheet in one.sheets
        for cell, (label, number) in zip(sheet.cells, sheet.rows, strict=True)
    ]
    totals = [(one.country, one.name, "total", "reports", "All reports", _number(one.total)) for one in there]
    return spreadsheet.as_csv(head, sorted([*totals, *rows], key=lambda row: (row[0], row[1])))


def payments_csv(there: Sequence[Quarter]) -> str:
    """Kinds of payment that were seen, for coalitions of banks. No card and no account is in it."""
    rows = [
        (one.country, one.name, cell, CELLS[cell], _number(number))
        for one in there
        if (sheet := one.sheet("payment"))
        for cell, (_, number) in zip(sheet.cells, sheet.rows, strict=True)
    ]
    return spreadsheet.as_csv(("country", "quarter", "payment", "words", "reports"), rows)


def _number(number: int | None) -> str:
    return NOT_SHOWN if number is None else str(number)
