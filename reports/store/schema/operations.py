"""The tables of what is kept for how long, and of what proves it. All others are in reports/store/schema/tables.py."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, UniqueConstraint

from reports.store.schema.base import ID, MICROSECONDS, metadata

# A report that a person keeps from being purged. It ends by itself at `until`.
hold = Table(
    "hold",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("placed_by", String(80), nullable=False),
    Column("reason", String(24), nullable=False),  # one of a closed list: nothing of what was said
    Column("reference", String(40), nullable=False),  # of the paper that asks for it; may be empty
    Column("placed_at", MICROSECONDS, nullable=False),
    Column("until", MICROSECONDS, nullable=False),
)

# The one line that a purged report leaves.
purged = Table(
    "purged",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("country", String(2), nullable=False),
    Column("filed", String(7), nullable=False),  # month: 2026-11
    Column("purged", String(7), nullable=False),  # month
    Column("rule", String(12), nullable=False),
)

# That a hotline took something of a report which is purged since: ids, times, status and hash, for a dispute.
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

# The end of the audit's chain at one moment, signed. What is before it can be shown to be as it was.
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 …: a missing one is seen
    Column("at", MICROSECONDS, nullable=False),
    Column("seq", BigInteger, nullable=False),  # of the audit
    Column("hash", LargeBinary(32), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
)


# The tables of web's hosts and of its key. All others, and these by their names, are in
# reports/store/schema/tables.py.

# What a host of web says of the spool on its own disk, which no other account or host can read.
host = Table(
    "host",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("seen_at", MICROSECONDS, nullable=False),
    Column("spool_entries", Integer, nullable=False),
    Column("spool_seconds", Integer, nullable=False),  # the age of the oldest entry
    Column("spool_bad", Integer, nullable=False),  # entries that do not open
)

# By which TOKAUT_STORE_KEY this database was written: a keyed hash of a fixed word, one row for each key.
key_check = Table("key_check", metadata, Column("value", LargeBinary(32), primary_key=True))


# The tables of statistics: numbers only. All others, and these by their names, are in reports/store/schema/tables.py.

# Reports of a quarter that is not out yet, in one cell of one table. Deleted once the quarter's figures are out.
tally = Table(
    "tally",
    metadata,
    Column("quarter", String(7), primary_key=True),
    Column("country", String(2), primary_key=True),
    Column("sheet", String(12), primary_key=True),
    Column("cell", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
)

# Until when the reports of a country are counted, and until when it is counted what became of them.
tallied = Table(
    "tallied",
    metadata,
    Column("country", String(2), primary_key=True),
    Column("until", MICROSECONDS, nullable=False),
    Column("settled", MICROSECONDS, nullable=False),
)

# What web has shown on a day, whatever was answered: screens, tips, states of reports; written once, the day after.
screen_tally = Table(
    "screen_tally",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("country", String(2), primary_key=True),
    Column("what", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
)

# What may be shown of a quarter. A row is written once and never changed: two exports never differ in it.
figure = Table(
    "figure",
    metadata,
    Column("quarter", String(7), primary_key=True),
    Column("country", String(2), primary_key=True),
    Column("sheet", String(12), primary_key=True),
    Column("cell", String(64), primary_key=True),
    Column("number", Integer),  # NULL: not shown
)


# The table of the ladder: who is asked when nobody takes a report on. By its name it is in
# reports/store/schema/tables.py.

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


# The tables of duty phones. All others, and these by their names, are in reports/store/schema/tables.py.

# A text to a duty phone of a hotline: for which delivery, the how-manieth, and the word that says "I have it".
page = Table(
    "page",
    metadata,
    Column("sms_id", ID, primary_key=True),  # of outgoing
    Column("delivery_id", ID, nullable=False),
    Column("hotline", String(64), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("word", String(6), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    UniqueConstraint("delivery_id", "rank"),
    Index("ix_page_word", "hotline", "word"),
)

# A word that came from a number that the hotline lists. web writes it and knows of no text; the clock compares.
phone_answer = Table(
    "phone_answer",
    metadata,
    Column("answer_id", ID, primary_key=True),
    Column("hotline", String(64), primary_key=True),
    Column("word", String(6), nullable=False),
    Column("at", MICROSECONDS, nullable=False),
    # 1: no text of this hotline has the word; 2: it is of a text from before its report became more urgent
    Column("wrong", Integer, nullable=False),
)


# The tables of who wants no SMS. All others, and these by their names, are in reports/store/schema/tables.py.

# Numbers (as keyed hashes) that told a carrier STOP: no SMS that they did not ask for.
optout = Table(
    "optout",
    metadata,
    Column("caller_key", LargeBinary(32), primary_key=True),
    Column("at", MICROSECONDS, nullable=False),
)

# By which key those hashes are made, sealed to whoever sends SMS: so it can tell whether a number is among them.
optout_key = Table(
    "optout_key",
    metadata,
    Column("id", ID, primary_key=True),  # drawn from the key
    Column("mode", String(8), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("at", MICROSECONDS, nullable=False),  # the newest key is what web hashes with now
)
