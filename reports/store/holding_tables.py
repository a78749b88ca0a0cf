"""The tables of who at a hotline has a report in hand. All others are in reports/store/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from reports.store.columns import ID, MICROSECONDS, metadata

# What the staff of one hotline keep of one report beside its handling. Without a row: nothing yet.
holding = Table(
    "holding",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("hotline", String(64), primary_key=True),
    Column("holder", String(24)),  # the name of whoever has it
    Column("outcome", String(16)),  # how it was closed
    Column("hoax_by", ID),  # who takes it for a hoax: a second person has to say so, too
    Column("read_at", MICROSECONDS),  # when anybody last opened it
)

# Somebody of the staff who sees no trace of a report: not its row, not in a count (S-26).
kept_away = Table(
    "kept_away",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("staff_id", ID, primary_key=True),
)
