"""The tables of those who read: accounts, sessions, invitations. All others are in reports/store/schema/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from reports.store.schema.base import ID, MICROSECONDS, metadata

# A person at one hotline, in one role. Who works at two has two accounts.
staff = Table(
    "staff",
    metadata,
    Column("staff_id", ID, primary_key=True),
    Column("name", String(24), nullable=False, unique=True),
    Column("hotline", String(64), nullable=False),
    Column("role", String(8), nullable=False),  # staff, lead, auditor, operator
    Column("password", String(160), nullable=False),  # Argon2id, with its parameters
    Column("totp", LargeBinary, nullable=False),  # the secret of the one-time codes, sealed with the console's key
    Column("totp_step", Integer, nullable=False),  # of the last code that was used: none is used twice
    Column("wrong", Integer, nullable=False),  # tries since the last login, for its owner to see
    Column("created_at", MICROSECONDS, nullable=False),
    Column("ended_at", MICROSECONDS),  # ended, and after a day for good; the name stays taken
    Index("ix_staff_hotline", "hotline"),
)

# A browser where somebody is logged in. Deleted when that ends.
staff_session = Table(
    "staff_session",
    metadata,
    Column("session_hash", LargeBinary(32), primary_key=True),  # of the cookie
    Column("staff_id", ID, nullable=False, index=True),
    Column("browser", String(40), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("seen_at", MICROSECONDS, nullable=False),  # when a person last did something
    Column("checked_at", MICROSECONDS, nullable=False),  # when password and code were last given
    Column("until", MICROSECONDS, nullable=False),
)

# A link by which one person makes an account, or gets back into theirs; once.
invitation = Table(
    "invitation",
    metadata,
    Column("invitation_hash", LargeBinary(32), primary_key=True),
    Column("name", String(24), nullable=False),
    Column("hotline", String(64), nullable=False),
    Column("role", String(8), nullable=False),
    Column("staff_id", ID),  # whose account it gives back; NULL: it makes one
    Column("made_by", String(80), nullable=False),
    Column("until", MICROSECONDS, nullable=False),
)

# One lead says that a colleague cannot get in any more. Another one has to say so too.
recovery = Table(
    "recovery",
    metadata,
    Column("staff_id", ID, primary_key=True),
    Column("asked_by", ID, nullable=False),
    Column("asked_at", MICROSECONDS, nullable=False),
)

# One lead wants somebody to be a lead. Another one has to say so too, or a lead could be two by themself.
raising = Table(
    "raising",
    metadata,
    Column("hotline", String(64), primary_key=True),
    Column("about", ID, primary_key=True),  # an account, or the name of somebody who has none yet
    Column("asked_by", ID, nullable=False),
    Column("asked_at", MICROSECONDS, nullable=False),
)

# One lead wants another lead's account ended, or another role for them. Somebody else has to say so too.
lowering = Table(
    "lowering",
    metadata,
    Column("staff_id", ID, primary_key=True),
    Column("role", String(8), primary_key=True),  # that they are to have; empty: the account is to end
    Column("asked_by", ID, nullable=False),
    Column("asked_at", MICROSECONDS, nullable=False),
)

# Wrong passwords, by a keyed hash of who is asked for, of the browser or of the address.
staff_try = Table(
    "staff_try",
    metadata,
    Column("bucket", LargeBinary(32), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("since", MICROSECONDS, nullable=False),
    Column("locks", Integer, nullable=False),  # how often it was locked: each time twice as long
    Column("locked_until", MICROSECONDS, nullable=False),
)
