"""Tables of cases: callbacks, notes, drafts, holders, transfers and drills. Import them from schema/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table, func

from reports.case_state import CaseOutcome, Handling
from reports.delivery import TransferOutcome
from reports.store.schema.base import ID, MICROSECONDS, ClosedSet, metadata

# A callback or a form of staff that has taken effect, by a hash that covers its content: a repeat has no effect.
callback = Table(
    "callback",
    metadata,
    Column("call_key", LargeBinary(32), primary_key=True),
    # The role of PostgreSQL that stored it; in SQLite, which has no roles, a constant.
    Column("console_role", String(63), primary_key=True, server_default=func.current_user()),
    Column("at", MICROSECONDS, nullable=False),
    implicit_returning=False,  # else each INSERT would read the default back
)

# What a hotline writes about a report, sealed to that hotline: notes, the reason of a rejection, and a copy of each
# answer to the reporter.
note = Table(
    "note",
    metadata,
    Column("note_id", ID, primary_key=True),
    Column("report_id", ID, nullable=False),
    Column("recipient", String(64), nullable=False),
    Column("kind", String(8), nullable=False),  # reason, answer, note, closing, hoax, child
    Column("actor", String(80), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_note_report_id", "report_id"),
)

# A message or note that a member of staff is writing and has not sent, sealed to their hotline.
draft = Table(
    "draft",
    metadata,
    Column("staff_id", ID, primary_key=True),
    Column("report_id", ID, primary_key=True),
    # message, note, closing, passing, referral; under the id of its writer: entry, a report that is being entered,
    # handover, the note for the next shift, and replies, a ready-made reply
    Column("kind", String(8), primary_key=True),
    Column("recipient", String(64), nullable=False),
    Column("note_id", ID, nullable=False),  # the body is sealed for this id
    Column("saved_at", MICROSECONDS, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_draft_report_id", "report_id"),
)

# Who has a report open in the console, for less than two minutes. It says nothing about the report.
presence = Table(
    "presence",
    metadata,
    Column("staff_id", ID, primary_key=True),
    Column("report_id", ID, primary_key=True),
    Column("hotline", String(64), nullable=False),
    Column("seen_at", MICROSECONDS, nullable=False),  # when their page last asked for news
    Index("ix_presence_hotline", "hotline", "seen_at"),
    Index("ix_presence_report_id", "report_id"),
)

# The text that asks a reporter to dial in because a hotline has answered; nothing else is in it. One row per answer.
nudge = Table(
    "nudge",
    metadata,
    Column("answer_id", ID, primary_key=True),
    Column("report_id", ID, nullable=False),
    Column("due_at", MICROSECONDS),  # NULL: no text is sent for this answer
    Column("sent_at", MICROSECONDS),
    Column("ussd_id", ID),  # id in `outgoing` of the USSD that was tried before an SMS; NULL: none
    Index("ix_nudge_report_id", "report_id"),
    Index("ix_nudge_due", "due_at"),
)


# What the staff of one hotline have recorded about a report beside its handling. No row: nothing yet.
holding = Table(
    "holding",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("hotline", String(64), primary_key=True),
    Column("holder", String(24)),  # name of the account that the case is assigned to
    Column("handed_by", String(24)),  # who assigned it, while the holder has not acknowledged it
    Column("outcome", ClosedSet(CaseOutcome, 16)),
    Column("hoax_by", ID),  # account that considers it a hoax; a second person has to confirm
    Column("read_at", MICROSECONDS),  # when somebody last opened it
    Column("changed_at", MICROSECONDS),  # when its status or holder was last changed at this hotline
    Column("changed_by", String(24)),  # account that changed it; NULL: no account, such as a duty phone
    Column("hoax_at", MICROSECONDS),  # when `hoax_by` marked it
    Column("closed_from", ClosedSet(Handling, 16)),  # its handling before it was closed, to undo the closing
    Column("follow_up_at", MICROSECONDS),  # when somebody has to look at it again; NULL: no date is set
    Column("follow_up_by", String(24)),  # account that set this date; NULL: the default date
    Index("ix_holding_follow_up", "hotline", "follow_up_at"),
    Index("ix_holding_holder", "hotline", "holder"),
)

# An account that sees no trace of a report: neither its row nor in a count (S-26). An auditor's row has no effect.
kept_away = Table(
    "kept_away",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("staff_id", ID, primary_key=True),
)

# A transfer to another hotline that staff have requested. The scheduler executes it: the console may not insert
# deliveries.
handover = Table(
    "handover",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("giver", String(64), primary_key=True),
    Column("taker", String(64), nullable=False),
    Column("actor", String(80), nullable=False),  # who requested it
    Column("asked_at", MICROSECONDS, nullable=False),
    Column("outcome", ClosedSet(TransferOutcome, 8)),  # NULL: not executed yet
    Index("ix_handover_outcome", "outcome", "asked_at"),
)


# A drill with a script, never in live mode. A lead plans it; web plays the reporter. The row is deleted when the
# drill is cancelled, or with its report.
drill = Table(
    "drill",
    metadata,
    Column("drill_id", ID, primary_key=True),
    Column("hotline", String(64), nullable=False),
    Column("script", String(32), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("asked_at", MICROSECONDS, nullable=False),
    Column("at", MICROSECONDS, nullable=False),  # when it is to arrive
    Column("due_at", MICROSECONDS),  # when web has to act for it next; NULL: finished
    Column("report_id", ID),  # NULL: not started
    Index("ix_drill_hotline", "hotline", "at"),
    Index("ix_drill_due", "due_at"),
    Index("ix_drill_report_id", "report_id"),
)
