"""The table of the ladder: who is asked when nobody takes a report on. By its name it is in reports/store/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from reports.store.columns import ID, MICROSECONDS, metadata

# One step of one report's ladder. A rise in priority begins a ladder of its own; what repeats has a row for each time.
step = Table(
    "step",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("priority", String(2), primary_key=True),
    Column(
        "step", String(10), primary_key=True
    ),  # begin, closed, desk, backup, overdue, supervisor, regional, operator
    Column("round", Integer, primary_key=True),  # 0, 1, …
    Column("due_at", MICROSECONDS, nullable=False),  # of begin: when this clock started
    Column("not_before", MICROSECONDS, nullable=False),  # somebody is at it, or whoever is to be told sleeps
    Column("done_at", MICROSECONDS),
    Column("came_to", String(10)),  # told, given, nobody, not_there, passed; stopped, raised: it was not done any more
    Index("ix_step_due", "done_at", "due_at"),
)
