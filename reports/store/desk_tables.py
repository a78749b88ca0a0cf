"""The tables of what hotlines and their staff do. All others are in reports/store/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table

from reports.store.columns import ID, MICROSECONDS, metadata

# A call-back that had its effect, by SHA-256 of hotline and webhook-id, or a form of staff: it has none again.
callback = Table(
    "callback",
    metadata,
    Column("call_key", LargeBinary(32), primary_key=True),
    Column("at", MICROSECONDS, nullable=False),
)

# What a hotline writes about a report and keeps for itself: why it does not take it, its own words to the reporter.
# Sealed to that hotline.
note = Table(
    "note",
    metadata,
    Column("note_id", ID, primary_key=True),
    Column("report_id", ID, nullable=False),
    Column("recipient", String(64), nullable=False),
    Column("kind", String(8), nullable=False),  # reason, answer, note
    Column("actor", String(80), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_note_report_id", "report_id"),
)

# What somebody at a hotline is writing about a report and has not sent. Sealed to that hotline.
draft = Table(
    "draft",
    metadata,
    Column("staff_id", ID, primary_key=True),
    Column("report_id", ID, primary_key=True),
    Column("kind", String(8), primary_key=True),  # message, note
    Column("recipient", String(64), nullable=False),
    Column("note_id", ID, nullable=False),  # its seal is made for it
    Column("saved_at", MICROSECONDS, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_draft_report_id", "report_id"),
)

# The SMS that tells a reporter nothing but to dial, when a hotline has answered: one row an answer, made once.
nudge = Table(
    "nudge",
    metadata,
    Column("answer_id", ID, primary_key=True),
    Column("report_id", ID, nullable=False),
    Column("due_at", MICROSECONDS),  # NULL: none goes out for it
    Column("sent_at", MICROSECONDS),
    Index("ix_nudge_report_id", "report_id"),
    Index("ix_nudge_due", "due_at"),
)
