"""All tables. Times are UTC in whole microseconds; ids are UUIDs as text; reporters' words are never in plain text.

Tables of cases, operations and staff are defined beside this module and exported from here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, UniqueConstraint

from reports.case_state import Handling, ReportState
from reports.delivery import DeliveryState, DeliveryType, RecipientRole
from reports.escalation import PendingKind, Priority
from reports.facts import Completeness
from reports.recordings import RecordingState
from reports.store.schema.base import ID, MICROSECONDS, ClosedSet, metadata
from reports.store.schema.cases import callback, draft, drill, handover, holding, kept_away, note, nudge, presence
from reports.store.schema.operations import (
    call_hour,
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
    quiet_channel,
    receipt,
    screen_tally,
    step,
    synthetic_call,
    tallied,
    tally,
    tombstone,
)
from reports.store.schema.staff import (
    console_hotline,
    invitation,
    lowering,
    own_reply,
    passkey,
    raising,
    recovery,
    staff,
    staff_session,
    staff_try,
)
from runtime.settings import Mode

__all__ = ["metadata", "page", "phone_answer"]  # exported from here; tables defined below need no mention
__all__ += ["callback", "draft", "drill", "note", "nudge", "presence", "raising", "step"]
__all__ += ["handover", "holding", "invitation", "kept_away", "recovery", "staff", "staff_session", "staff_try"]
__all__ += ["host", "key_check", "lowering", "optout", "optout_key", "passkey", "tombstone"]
__all__ += ["call_hour", "console_hotline", "own_reply", "quiet_channel"]
__all__ += ["checkpoint", "figure", "hold", "purged", "receipt", "screen_tally", "synthetic_call", "tallied", "tally"]

# One row for each report. The answers are in report_body, sealed.
report = Table(
    "report",
    metadata,
    Column("report_id", ID, primary_key=True),
    # The idempotency key: a repeated Send stores nothing.
    Column("origin_key", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("country", String(2), nullable=False),
    Column("priority", ClosedSet(Priority, 2), nullable=False),  # the highest ever reached
    Column("completeness", ClosedSet(Completeness, 10), nullable=False),
    Column("revision", Integer, nullable=False),  # the highest submitted
    Column("mode", ClosedSet(Mode, 8), nullable=False),
    # The state of the whole report, derived from its deliveries.
    Column("state", ClosedSet(ReportState, 12), nullable=False),
    Column("desk", String(64)),  # the hotline that has got furthest, named in the state shown to the reporter
    Column("changed_at", MICROSECONDS),  # when its state was last derived; NULL: not since it was submitted
    Column("closed_at", MICROSECONDS),  # when it was closed; NULL: it is not closed
    Column("delete_asked_at", MICROSECONDS),  # when the reporter asked to delete it; NULL: never
    Index("ix_report_created_at", "created_at"),
    Index("ix_report_delete_asked_at", "delete_asked_at"),
)

# A revision sealed to one hotline of the route; also to fallbacks, so that a fallback needs no key but its own.
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

# The result of the routing when the reporter chose Send. It is never computed again.
route = Table(
    "route",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("hotline", String(64), primary_key=True),
    Column("role", ClosedSet(RecipientRole, 8), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("why", String(24), nullable=False),
)

# The outbox: one delivery of one report to one hotline. The queue in Redis only makes it faster.
delivery = Table(
    "delivery",
    metadata,
    Column("delivery_id", ID, primary_key=True),  # also the webhook-id and Idempotency-Key, the same for all attempts
    Column("report_id", ID, nullable=False),
    Column("hotline", String(64), nullable=False),
    Column("type", ClosedSet(DeliveryType, 8), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("role", ClosedSet(RecipientRole, 8), nullable=False),
    Column("why", String(24), nullable=False),
    Column("priority", ClosedSet(Priority, 2), nullable=False),
    Column("state", ClosedSet(DeliveryState, 9), nullable=False),
    Column("handling", ClosedSet(Handling, 11), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("next_at", MICROSECONDS, nullable=False),
    Column("lease_until", MICROSECONDS),
    Column("lease_by", String(80)),
    Column("last_class", String(24)),
    Column("last_status", Integer),
    Column("sent_sha256", LargeBinary(32)),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("delivered_at", MICROSECONDS),
    Column("told_at", MICROSECONDS),  # when a person was last alerted about it
    UniqueConstraint("report_id", "hotline", "type", "revision"),
    Index("ix_delivery_next", "state", "priority", "next_at"),
    Index("ix_delivery_held", "hotline", "lease_until"),
    Index("ix_delivery_desk", "hotline", "handling", "priority", "created_at"),
)

# A revision that the scheduler submits at due_at: a session dropped in danger, words never sent, answers after Send, a
# Send after an INCOMPLETE report, or an input that could not be read. One row for each hotline.
pending = Table(
    "pending",
    metadata,
    Column("origin_key", LargeBinary(32), primary_key=True),
    Column("recipient", String(64), primary_key=True),
    Column("report_id", ID, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("kind", ClosedSet(PendingKind, 10), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("due_at", MICROSECONDS, nullable=False),
    Column("country", String(2), nullable=False),
    Column("mode", ClosedSet(Mode, 8), nullable=False),
    Column("priority", ClosedSet(Priority, 2), nullable=False),
    Column("completeness", ClosedSet(Completeness, 10), nullable=False),
    Column("role", ClosedSet(RecipientRole, 8), nullable=False),  # or held: stored for a hotline, and not routed
    Column("rank", Integer, nullable=False),
    Column("why", String(24), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    # Only of a report that staff entered:
    Column("taker", String(80)),  # the actor who acknowledges it; NULL: nobody yet
    Column("code", LargeBinary),  # access code and PIN, sealed to web
    Index("ix_pending_due", "due_at"),
    Index("ix_pending_report_id", "report_id"),
)

# Web's public key for the codes of reports that staff enter, derived from its store key.
entry_key = Table(
    "entry_key",
    metadata,
    Column("public_key", LargeBinary(32), primary_key=True),
    Column("made_at", MICROSECONDS, nullable=False),
)

# Access code and PIN of a report that staff entered, sealed to web, until web has made the mailbox.
entry_code = Table(
    "entry_code",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("held_at", MICROSECONDS, nullable=False),
)

# Received SMS: the provider's message id, so that none counts twice, and the text while Redis is unavailable.
inbound = Table(
    "inbound",
    metadata,
    Column("inbound_key", LargeBinary(32), primary_key=True),
    Column("seen_at", MICROSECONDS, nullable=False),
    Column("caller_key", LargeBinary(32), nullable=False),
    Column("waiting", LargeBinary),  # the text, sealed with web's own key; NULL once it was processed
    Index("ix_inbound_waiting", "seen_at"),
)

# One SMS to send, sealed to the worker. It is not sent after expires_at: a delayed reply must not arrive at night.
outgoing = Table(
    "outgoing",
    metadata,
    Column("id", ID, primary_key=True),
    Column("channel", String(32), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("mode", ClosedSet(Mode, 8), nullable=False),
    Column("state", String(9), nullable=False),  # due, sent, failed, expired
    Column("attempt", Integer, nullable=False),
    Column("next_at", MICROSECONDS, nullable=False),
    Column("lease_until", MICROSECONDS),
    Column("lease_by", String(80)),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("expires_at", MICROSECONDS, nullable=False),
    Column("last_class", String(24)),
    Column("provider_id", String(80)),  # the provider's id of the message, for its delivery report
    Column("status", String(12)),  # from the delivery report: sent, delivered, failed, unknown
    Column("phone_key", LargeBinary(32)),  # keyed hash of channel and number of a reply that waits; NULL: none
    Index("ix_outgoing_due", "state", "next_at"),
    Index("ix_outgoing_phone_key", "phone_key", "created_at"),
    Index("ix_outgoing_provider_id", "provider_id"),
)

# Access code and PIN of a report, as one slow hash of both. Answers are sealed to the public key; the private key is
# sealed under code and PIN. Both keys are empty once the reporter has closed the mailbox.
mailbox = Table(
    "mailbox",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("lookup", LargeBinary(32), nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sealed_key", LargeBinary, nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
)

# Recent wrong pairs of code and PIN. A bucket is 16 bits of the code's keyed hash; one more row counts all of an hour.
code_try = Table(
    "code_try",
    metadata,
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("tries", Integer, nullable=False),
    Column("since", MICROSECONDS, nullable=False),  # when the first of these tries was made
    Column("locked_until", MICROSECONDS, nullable=False),
)

# An answer of a hotline to the reporter, sealed to the mailbox's key, so that only code and PIN open it.
answer = Table(
    "answer",
    metadata,
    Column("answer_id", ID, primary_key=True),
    Column("report_id", ID, nullable=False, index=True),
    Column("hotline", String(64), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# A message that the reporter sent through My report. One row for each hotline of the route; the scheduler makes the
# deliveries.
message = Table(
    "message",
    metadata,
    Column("message_id", ID, primary_key=True),
    Column("recipient", String(64), primary_key=True),
    Column("report_id", ID, nullable=False),
    Column("number", Integer),  # within the report; the revision of its deliveries. NULL: not handled yet
    Column("created_at", MICROSECONDS, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_message_number", "number", "report_id"),
    Index("ix_message_report_id", "report_id"),
)

# Words that a reporter was asked to speak in a call, on their way from the provider to the hotlines. The recording's
# place at the provider is sealed to the scheduler, and deleted with the recording there; until the provider names it,
# the provider's id of the call is there.
recording = Table(
    "recording",
    metadata,
    Column("recording_id", ID, primary_key=True),
    Column("report_id", ID, nullable=False),  # its own id: nobody knows any more which report it belongs to
    Column("channel", String(32), nullable=False),
    Column("mode", ClosedSet(Mode, 8), nullable=False),
    Column("state", ClosedSet(RecordingState, 8), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("next_at", MICROSECONDS, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("key_id", String(16)),  # NULL, with the next two, once it has come under its own id or was deleted there
    Column("wrap", LargeBinary),
    Column("sealed", LargeBinary),
    Column("last_class", String(24)),
    Column("told_at", MICROSECONDS),  # when the hotlines were told that it could not be fetched
    Column("stored_at", MICROSECONDS),  # when it was sealed to the hotlines
    Index("ix_recording_state", "state", "next_at"),
    Index("ix_recording_report_id", "report_id"),
)

# The sound of a recording, sealed to one hotline of the route. A message with the recording's id names it.
recording_copy = Table(
    "recording_copy",
    metadata,
    Column("recording_id", ID, primary_key=True),
    Column("recipient", String(64), primary_key=True),
    Column("report_id", ID, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_recording_copy_report_id", "report_id"),
)

# The last statement about contact made through My report. No row: the report's own answer holds.
contact = Table(
    "contact",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("allowed", Integer, nullable=False),  # 0: no body delivered from now on contains a number
    Column("changed_at", MICROSECONDS, nullable=False),
)

# The audit log: who did what. The scheduler chains the entries by hashes about a second later.
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
    Index("ix_audit_object_id", "object_id"),
)

# Leases, one holder at a time: the leading scheduler, the replay of waiting SMS.
lease = Table(
    "lease",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("until", MICROSECONDS, nullable=False),
)

# The circuit breaker of each hotline.
hotline_state = Table(
    "hotline_state",
    metadata,
    Column("hotline", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("open_until", MICROSECONDS, nullable=False),
    Column("opened_times", Integer, nullable=False),
    Column("dead_since", MICROSECONDS),  # when it answered 410; a successful test revives it
)

# The mode for which this database was made: live and training are never mixed.
made_for = Table("made_for", metadata, Column("mode", String(8), primary_key=True))
