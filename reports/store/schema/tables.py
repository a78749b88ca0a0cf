"""The tables. Times are UTC in whole microseconds; ids are UUIDs as text; nothing a person said is here in clear."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, UniqueConstraint

from reports.store.schema.base import ID, MICROSECONDS, metadata
from reports.store.schema.cases import callback, draft, drill, handover, holding, kept_away, note, nudge
from reports.store.schema.operations import (
    checkpoint,
    figure,
    hold,
    host,
    key_check,
    optout,
    optout_key,
    page,
    phone_answer,
    purged,
    receipt,
    screen_tally,
    step,
    tallied,
    tally,
)
from reports.store.schema.staff import invitation, lowering, raising, recovery, staff, staff_session, staff_try

__all__ = ["metadata", "page", "phone_answer"]  # whoever takes these from here; what is made here needs no mention
__all__ += ["callback", "draft", "drill", "note", "nudge", "raising", "step"]
__all__ += ["handover", "holding", "invitation", "kept_away", "recovery", "staff", "staff_session", "staff_try"]
__all__ += ["host", "key_check", "lowering", "optout", "optout_key"]
__all__ += ["checkpoint", "figure", "hold", "purged", "receipt", "screen_tally", "tallied", "tally"]

# One row a report. The answers are in report_body, sealed.
report = Table(
    "report",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("origin_key", LargeBinary(32), nullable=False, unique=True),  # makes a repeated Send harmless
    Column("created_at", MICROSECONDS, nullable=False),
    Column("country", String(2), nullable=False),
    Column("priority", String(2), nullable=False),  # the highest ever reached
    Column("completeness", String(10), nullable=False),  # complete, incomplete, unread
    Column("revision", Integer, nullable=False),  # the highest filed
    Column("mode", String(8), nullable=False),
    Column("state", String(12), nullable=False),  # of the report as a whole; a function of its deliveries
    Column("desk", String(64)),  # the hotline furthest along, for the reporter's state line
    Column("changed_at", MICROSECONDS),  # when its state was last worked out; NULL: not since it was filed
    Column("closed_at", MICROSECONDS),  # since when it is closed; NULL: it is not
    Column("delete_asked_at", MICROSECONDS),  # since when the reporter wants it deleted; NULL: they do not
    Index("ix_report_delete_asked_at", "delete_asked_at"),
)

# What one hotline of the route may open; fallbacks too, so that a fallback needs no key but its own.
report_body = Table(
    "report_body",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("recipient", String(64), primary_key=True),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# What the routing said when the reporter pressed Send; it is never worked out again.
route = Table(
    "route",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("hotline", String(64), primary_key=True),
    Column("role", String(8), nullable=False),  # primary, also, fallback
    Column("rank", Integer, nullable=False),
    Column("why", String(24), nullable=False),
)

# The outbox: one sending of one report to one hotline. The queue only hurries it along.
delivery = Table(
    "delivery",
    metadata,
    Column("delivery_id", ID, primary_key=True),  # = webhook-id = Idempotency-Key, the same over all attempts
    Column("report_id", ID, nullable=False),
    Column("hotline", String(64), nullable=False),
    Column("type", String(8), nullable=False),  # created, updated, message, unread
    Column("revision", Integer, nullable=False),
    Column("role", String(8), nullable=False),
    Column("why", String(24), nullable=False),
    Column("priority", String(2), nullable=False),
    Column("state", String(9), nullable=False),  # due, delivered, refused, parked, cancelled
    Column("handling", String(11), nullable=False),  # none, accepted, in_progress, rejected, closed: what people do
    Column("attempt", Integer, nullable=False),
    Column("next_at", MICROSECONDS, nullable=False),
    Column("lease_until", MICROSECONDS),
    Column("lease_by", String(80)),
    Column("last_class", String(24)),
    Column("last_status", Integer),
    Column("sent_sha256", LargeBinary(32)),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("delivered_at", MICROSECONDS),
    Column("told_at", MICROSECONDS),  # when a person was last told about it
    UniqueConstraint("report_id", "hotline", "type", "revision"),
    Index("ix_delivery_next", "state", "priority", "next_at"),
    Index("ix_delivery_held", "hotline", "lease_until"),
    Index("ix_delivery_desk", "hotline", "handling", "priority", "created_at"),
)

# A revision that files itself at due_at: danger = now and the line dropped, words never sent, answers of Add more,
# a Send after an INCOMPLETE report, an input nobody could read. One row for each hotline that gets it.
pending = Table(
    "pending",
    metadata,
    Column("origin_key", LargeBinary(32), primary_key=True),
    Column("recipient", String(64), primary_key=True),
    Column("report_id", ID, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("kind", String(10), nullable=False),  # rescue, words, update, unread
    Column("created_at", MICROSECONDS, nullable=False),
    Column("due_at", MICROSECONDS, nullable=False),
    Column("country", String(2), nullable=False),
    Column("mode", String(8), nullable=False),
    Column("priority", String(2), nullable=False),
    Column("completeness", String(10), nullable=False),
    Column("role", String(8), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("why", String(24), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_pending_due", "due_at"),
    Index("ix_pending_report_id", "report_id"),
)

# SMS taken in: the provider's id once, and the words themselves while Redis is away.
inbound = Table(
    "inbound",
    metadata,
    Column("inbound_key", LargeBinary(32), primary_key=True),
    Column("seen_at", MICROSECONDS, nullable=False),
    Column("caller_key", LargeBinary(32), nullable=False),
    Column("waiting", LargeBinary),  # sealed with web's own key; NULL once it was played
    Index("ix_inbound_waiting", "seen_at"),
)

# One SMS to send. Sealed to the worker; dead after expires_at: a reply held back must not arrive at night.
outgoing = Table(
    "outgoing",
    metadata,
    Column("id", ID, primary_key=True),
    Column("channel", String(32), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("mode", String(8), nullable=False),
    Column("state", String(9), nullable=False),  # due, sent, failed, expired
    Column("attempt", Integer, nullable=False),
    Column("next_at", MICROSECONDS, nullable=False),
    Column("lease_until", MICROSECONDS),
    Column("lease_by", String(80)),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("expires_at", MICROSECONDS, nullable=False),
    Column("last_class", String(24)),
    Column("provider_id", String(80)),  # the provider's id of the message, for its delivery report
    Column("status", String(12)),  # what the delivery report said: sent, delivered, failed, unknown
    Index("ix_outgoing_due", "state", "next_at"),
    Index("ix_outgoing_provider_id", "provider_id"),
)

# Code and PIN of a report, as one slow hash of both. The key pair is for the hotline's answer: sealed under code and
# PIN. Closed by the reporter: both keys empty.
mailbox = Table(
    "mailbox",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("lookup", LargeBinary(32), nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sealed_key", LargeBinary, nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
)

# Wrong pairs of code and PIN lately. A bucket is 16 bits of the code's keyed hash; one row more counts all of an hour.
code_try = Table(
    "code_try",
    metadata,
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("tries", Integer, nullable=False),
    Column("since", MICROSECONDS, nullable=False),  # of the first of these tries
    Column("locked_until", MICROSECONDS, nullable=False),
)

# What a hotline wrote to the reporter: sealed to the mailbox's key, so that only code and PIN open it.
answer = Table(
    "answer",
    metadata,
    Column("answer_id", ID, primary_key=True),
    Column("report_id", ID, nullable=False, index=True),
    Column("hotline", String(64), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# What the reporter said by My report. One row for each hotline of the route; the clock makes the deliveries.
message = Table(
    "message",
    metadata,
    Column("message_id", ID, primary_key=True),
    Column("recipient", String(64), primary_key=True),
    Column("report_id", ID, nullable=False),
    Column("number", Integer),  # of this report; the revision of its deliveries. NULL: the clock has not seen it
    Column("created_at", MICROSECONDS, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_message_number", "number", "report_id"),
    Index("ix_message_report_id", "report_id"),
)

# What was last said about contact by My report; without a row, what the report says holds.
contact = Table(
    "contact",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("allowed", Integer, nullable=False),  # 0: no body that goes out from now on holds a number
    Column("changed_at", MICROSECONDS, nullable=False),
)

# Who did what; chained by hashes one second later by the clock.
audit = Table(
    "audit",
    metadata,
    Column("audit_id", ID, primary_key=True),
    Column("at", MICROSECONDS, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("act", String(24), nullable=False),
    Column("object_id", String(80), nullable=False),
    Column("seq", BigInteger, unique=True),
    Column("prev_hash", LargeBinary(32)),
    Column("hash", LargeBinary(32)),
    Index("ix_audit_actor", "actor", "at"),
)

# One holder at a time: the clock, the replay of waiting SMS.
lease = Table(
    "lease",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("until", MICROSECONDS, nullable=False),
)

hotline_state = Table(
    "hotline_state",
    metadata,
    Column("hotline", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("open_until", MICROSECONDS, nullable=False),
    Column("opened_times", Integer, nullable=False),
    Column("dead_since", MICROSECONDS),  # it answered 410; a successful test revives it
)

# For which mode this database was made: live and training never meet.
made_for = Table("made_for", metadata, Column("mode", String(8), primary_key=True))
