"""The tables of who wants no SMS. All others, and these by their names, are in reports/store/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, String, Table

from reports.store.columns import ID, MICROSECONDS, metadata

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
