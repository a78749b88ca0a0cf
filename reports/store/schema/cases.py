"""The tables of what hotlines and their staff do. All others are in reports/store/schema/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table

from reports.store.schema.base import ID, MICROSECONDS, metadata

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


# The tables of who at a hotline has a report in hand, or wants it elsewhere. All others:
# reports/store/schema/tables.py.

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


# The table of drills with a script, in training alone. All others are in reports/store/schema/tables.py.

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
