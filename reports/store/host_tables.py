"""The tables of web's hosts and of its key. All others, and these by their names, are in reports/store/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, String, Table

from reports.store.columns import MICROSECONDS, metadata

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
