"""The table of drills with a script, in training alone. All others are in reports/store/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from reports.store.columns import ID, MICROSECONDS, metadata

# What a lead asks for; web is its reporter. Deleted when it is called off, or with its report.
drill = Table(
    "drill",
    metadata,
    Column("drill_id", ID, primary_key=True),
    Column("hotline", String(64), nullable=False),
    Column("script", String(32), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("asked_at", MICROSECONDS, nullable=False),
    Column("at", MICROSECONDS, nullable=False),  # when it is to arrive
    Column("due_at", MICROSECONDS),  # when web has something to do for it; NULL: nothing any more
    Column("report_id", ID),  # NULL: it was not begun
    Index("ix_drill_hotline", "hotline", "at"),
    Index("ix_drill_due", "due_at"),
    Index("ix_drill_report_id", "report_id"),
)
