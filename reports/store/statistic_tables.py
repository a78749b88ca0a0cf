"""The tables of statistics: numbers only. All others, and these by their names, are in reports/store/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from reports.store.columns import MICROSECONDS, metadata

# Reports of a quarter that is not out yet, in one cell of one table. Deleted once the quarter's figures are out.
tally = Table(
    "tally",
    metadata,
    Column("quarter", String(7), primary_key=True),
    Column("country", String(2), primary_key=True),
    Column("sheet", String(12), primary_key=True),
    Column("cell", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
)

# Until when the reports of a country are counted, and until when it is counted what became of them.
tallied = Table(
    "tallied",
    metadata,
    Column("country", String(2), primary_key=True),
    Column("until", MICROSECONDS, nullable=False),
    Column("settled", MICROSECONDS, nullable=False),
)

# What web has shown on a day, whatever was answered: screens, tips, states of reports; written once, the day after.
screen_tally = Table(
    "screen_tally",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("country", String(2), primary_key=True),
    Column("what", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
)

# What may be shown of a quarter. A row is written once and never changed: two exports never differ in it.
figure = Table(
    "figure",
    metadata,
    Column("quarter", String(7), primary_key=True),
    Column("country", String(2), primary_key=True),
    Column("sheet", String(12), primary_key=True),
    Column("cell", String(64), primary_key=True),
    Column("number", Integer),  # NULL: not shown
)
