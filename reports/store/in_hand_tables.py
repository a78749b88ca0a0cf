"""The tables of who at a hotline has a report in hand, or wants it elsewhere. All others: reports/store/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from reports.store.columns import ID, MICROSECONDS, metadata

# What the staff of one hotline keep of one report beside its handling. Without a row: nothing yet.
holding = Table(
    "holding",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("hotline", String(64), primary_key=True),
    Column("holder", String(24)),  # the name of whoever has it
    Column("handed_by", String(24)),  # who gave it to the holder, since when nobody has said that they have it
    Column("outcome", String(16)),  # how it was closed
    Column("hoax_by", ID),  # who takes it for a hoax: a second person has to say so, too
    Column("read_at", MICROSECONDS),  # when anybody last opened it
    Column("changed_at", MICROSECONDS),  # when its status or its holder was last changed here
    Column("changed_by", String(24)),  # who changed it; NULL: nobody who is named, such as a duty phone
)

# Somebody of the staff who sees no trace of a report: not its row, not in a count (S-26).
kept_away = Table(
    "kept_away",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("staff_id", ID, primary_key=True),
)

# What staff ask of the clock, since they can make no delivery: that another hotline gets a report instead of theirs.
handover = Table(
    "handover",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("giver", String(64), primary_key=True),
    Column("taker", String(64), nullable=False),
    Column("actor", String(80), nullable=False),  # who asked
    Column("asked_at", MICROSECONDS, nullable=False),
    Column("outcome", String(8)),  # NULL: the clock has still to do it; done, refused
    Index("ix_handover_outcome", "outcome", "asked_at"),
)
