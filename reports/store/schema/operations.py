"""Tables of retention, hosts, statistics, escalation, duty phones and opt-outs. Import them from schema/tables.py."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, UniqueConstraint

from reports.escalation import Priority, StepName, StepOutcome
from reports.store.schema.base import ID, MICROSECONDS, ClosedSet, metadata

# A legal hold: a report that must not be purged. The hold ends by itself at `until`.
hold = Table(
    "hold",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("placed_by", String(80), nullable=False),
    Column("reason", String(24), nullable=False),  # from a closed list, nothing of the report's content
    Column("reference", String(40), nullable=False),  # number of the document that requires the hold; may be empty
    Column("placed_at", MICROSECONDS, nullable=False),
    Column("until", MICROSECONDS, nullable=False),
)

# The only row that remains of a purged report.
purged = Table(
    "purged",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("country", String(2), nullable=False),
    Column("filed", String(7), nullable=False),  # month: 2026-11
    Column("purged", String(7), nullable=False),  # month
    Column("rule", String(12), nullable=False),
)

# Proof that a hotline accepted a delivery of a report that has been purged since, in case of a dispute.
receipt = Table(
    "receipt",
    metadata,
    Column("delivery_id", ID, primary_key=True),
    Column("report_id", ID, nullable=False),
    Column("hotline", String(64), nullable=False),
    Column("type", String(8), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("delivered_at", MICROSECONDS, nullable=False, index=True),
    Column("last_status", Integer),
    Column("sent_sha256", LargeBinary(32)),
)

# The signed end of the audit chain at one moment. It proves that the entries before it were not changed.
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 …: a gap shows a missing one
    Column("at", MICROSECONDS, nullable=False),
    Column("seq", BigInteger, nullable=False),  # `seq` of the last audit entry
    Column("hash", LargeBinary(32), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
)


# The state of a web host's spool. The spool is on the host's own disk, which no other account or host can read.
host = Table(
    "host",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("seen_at", MICROSECONDS, nullable=False),
    Column("spool_entries", Integer, nullable=False),
    Column("spool_seconds", Integer, nullable=False),  # the age of the oldest entry
    Column("spool_bad", Integer, nullable=False),  # entries that do not open
    Column("redis_down", Integer, nullable=False, server_default="0"),  # 1 if web could not use Redis
)

# What a reporter has deleted, so that the spool of a host that was unavailable does not bring it back.
tombstone = Table(
    "tombstone",
    metadata,
    Column("report_id", ID, primary_key=True),
    # Origin key of the session; empty if it is not known.
    Column("origin_key", LargeBinary(32), nullable=False, index=True),
    Column("up_to", Integer, nullable=False),  # the highest revision that was deleted
    Column("with_sends", Integer, nullable=False),  # 1: also a Send that the reporter saw as NOT SENT
    Column("at", MICROSECONDS, nullable=False),
)

# The scheduler's synthetic calls to one network: the last one, and how long they have failed.
synthetic_call = Table(
    "synthetic_call",
    metadata,
    Column("channel", String(32), primary_key=True),  # channel of the called address
    Column("code", String(32), primary_key=True),  # the dialled service code
    Column("called_at", MICROSECONDS, nullable=False),
    Column("reached_at", MICROSECONDS),  # when a call last reached Send; NULL: none did
    Column("failing_since", MICROSECONDS),  # NULL: the last call reached Send
    Column("reason", String(24)),  # reason of the last failure; NULL: the last call reached Send
)

# How many calls began in an hour, to see whether unusually few come in. Kept for some weeks, and in no statistics.
call_hour = Table(
    "call_hour",
    metadata,
    Column("country", String(2), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("hour_at", MICROSECONDS, primary_key=True, index=True),  # the beginning of the hour
    Column("number", Integer, nullable=False),
)

# A channel on which unusually few calls came in, in the newest hours that were judged. No row: all is as usual.
quiet_channel = Table(
    "quiet_channel",
    metadata,
    Column("country", String(2), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("until", MICROSECONDS, nullable=False),  # the end of these hours
    Column("hours", Integer, nullable=False),  # how many they are
    Column("calls", Integer, nullable=False),
    Column("usual", Integer, nullable=False),  # calls in the same hours of earlier weeks
)

# Check values of the TOKAUT_STORE_KEY of this database: a keyed hash of a fixed word, one row for each key.
key_check = Table("key_check", metadata, Column("value", LargeBinary(32), primary_key=True))


# Statistics: the reports counted in one cell of one sheet, of a quarter that is not published yet. Deleted when the
# quarter's figures are published.
tally = Table(
    "tally",
    metadata,
    Column("quarter", String(7), primary_key=True),
    Column("country", String(2), primary_key=True),
    Column("sheet", String(12), primary_key=True),
    Column("cell", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
)

# The time until which the reports of a country are counted, and the time until which their outcomes are (`settled`).
tallied = Table(
    "tallied",
    metadata,
    Column("country", String(2), primary_key=True),
    Column("until", MICROSECONDS, nullable=False),
    Column("settled", MICROSECONDS, nullable=False),
)

# How often web showed a screen, a tip or a state of a report on a day. Written once, on the next day.
screen_tally = Table(
    "screen_tally",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("country", String(2), primary_key=True),
    Column("what", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
)

# A published figure of a quarter. A row is written once and never changed, so two exports never differ.
figure = Table(
    "figure",
    metadata,
    Column("quarter", String(7), primary_key=True),
    Column("country", String(2), primary_key=True),
    Column("sheet", String(12), primary_key=True),
    Column("cell", String(64), primary_key=True),
    Column("number", Integer),  # NULL: suppressed
)


# One step of a report's escalation. A rise in priority begins another escalation; a repeated step has a row for each
# round.
step = Table(
    "step",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("priority", ClosedSet(Priority, 2), primary_key=True),
    Column("step", ClosedSet(StepName, 10), primary_key=True),
    Column("round", Integer, primary_key=True),  # 0, 1, …
    Column("due_at", MICROSECONDS, nullable=False),  # of the step `begin`: when this escalation started
    Column("not_before", MICROSECONDS, nullable=False),  # a process has claimed the step, or it waits for the morning
    Column("done_at", MICROSECONDS),
    Column("came_to", ClosedSet(StepOutcome, 10)),
    Index("ix_step_due", "done_at", "due_at"),
)


# An SMS to a duty phone of a hotline: the delivery, its rank among the SMS of that delivery, and the word that
# acknowledges the report.
page = Table(
    "page",
    metadata,
    Column("sms_id", ID, primary_key=True),  # id in `outgoing`
    Column("delivery_id", ID, nullable=False),
    Column("hotline", String(64), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("word", String(6), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    UniqueConstraint("delivery_id", "rank"),
    Index("ix_page_word", "hotline", "word"),
)

# A word that came from a duty phone of the hotline. web stores it without knowing the SMS; the scheduler compares.
phone_answer = Table(
    "phone_answer",
    metadata,
    Column("answer_id", ID, primary_key=True),
    Column("hotline", String(64), primary_key=True),
    Column("word", String(6), nullable=False),
    Column("at", MICROSECONDS, nullable=False),
    # 1: no SMS of this hotline has the word; 2: it belongs to an SMS from before the report became more urgent
    Column("wrong", Integer, nullable=False),
)


# Opt-outs: numbers, as keyed hashes, that sent STOP to a carrier. They get no SMS that they did not ask for.
optout = Table(
    "optout",
    metadata,
    Column("caller_key", LargeBinary(32), primary_key=True),
    Column("at", MICROSECONDS, nullable=False),
)

# The key of those hashes, sealed to the worker that sends SMS, so that it can check whether a number has opted out.
optout_key = Table(
    "optout_key",
    metadata,
    Column("id", ID, primary_key=True),  # derived from the key
    Column("mode", String(8), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("at", MICROSECONDS, nullable=False),  # web hashes with the newest key
)
