"""The tables of what is kept for how long, and of what proves it. All others are in reports/store/tables.py."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table

from reports.store.columns import ID, MICROSECONDS, metadata

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
