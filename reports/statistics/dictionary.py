"""The data dictionary: what each column and each table of the downloaded statistics means. Pure."""

from __future__ import annotations

from reports import spreadsheet
from reports.statistics.tables import SMS_TABLE, TABLE_NOTES, TABLE_TITLES

COLUMNS = {
    "country": "The country, by its code of ISO 3166-1.",
    "quarter": "The quarter, in UTC, in which a report was stored: 2026-Q4.",
    "table": "The name of the table. Each report of a quarter is in one cell of each table.",
    "cell": "The name of the cell, the same in all releases.",
    "words": "The name of the cell in English.",
    "reports": "The number of reports; of the table use, how often; of left and sent, per cent. 'not shown' may stand "
    "for none, few or many: it is no zero.",
    "payment": "The kind of payment that a report mentions.",
    "reason_for_contact": "The main reason in the terms of Child Helpline International; 'not mapped' if it has none. "
    "Gender and Vulnerable group: a row about the child instead.",
    "kind": "The kind of this reason; of a row about the child, the term.",
    "tokaut_category": "The category of the report, or the cell about the child, that was mapped.",
    "framework": "The version of the mapping.",
}


def dictionary_csv() -> str:
    """Return a row for each column and each table."""
    columns = [("column", name, meaning) for name, meaning in COLUMNS.items()]
    tables = [
        ("table", name, f"{title}. {TABLE_NOTES.get(name, '')}".strip())
        for name, title in TABLE_TITLES.items()
        if name != SMS_TABLE
    ]
    return spreadsheet.as_csv(("of", "name", "meaning"), [*columns, *tables])
