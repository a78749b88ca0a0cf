"""Tables of staff: accounts, sessions, invitations and approvals. Import them from schema/tables.py."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, func

from reports.store.schema.base import ID, MICROSECONDS, ClosedSet, metadata


class StaffRole(StrEnum):
    """The role of an account, which decides its rights in the console."""

    STAFF = "staff"
    LEAD = "lead"
    AUDITOR = "auditor"
    OPERATOR = "operator"


READING_ROLES: Final = (StaffRole.STAFF, StaffRole.LEAD)  # those that open reports


# An account: a person at one hotline, in one role. A person who works at two hotlines has two accounts.
staff = Table(
    "staff",
    metadata,
    Column("staff_id", ID, primary_key=True),
    Column("name", String(24), nullable=False, unique=True),
    Column("hotline", String(64), nullable=False),
    Column("role", ClosedSet(StaffRole, 8), nullable=False),
    Column("password", String(160), nullable=False),  # Argon2id, with its parameters
    Column("totp", LargeBinary, nullable=False),  # the secret of the one-time codes, sealed with the console's key
    Column("totp_step", Integer, nullable=False),  # time step of the last code used: no code is accepted twice
    Column("wrong", Integer, nullable=False),  # failed logins since the last login, shown to the account's owner
    Column("created_at", MICROSECONDS, nullable=False),
    Column("ended_at", MICROSECONDS),  # when it was ended; final after a day; the name stays taken
    Index("ix_staff_hotline", "hotline"),
)

# A passkey (WebAuthn credential) of an account: it replaces password and one-time code.
passkey = Table(
    "passkey",
    metadata,
    Column("credential_id", LargeBinary(1023), primary_key=True),
    Column("staff_id", ID, nullable=False, index=True),
    Column("name", String(40), nullable=False),  # the owner's name for the passkey
    Column("public_key", LargeBinary, nullable=False),  # COSE_Key (RFC 9052)
    Column("sign_count", BigInteger, nullable=False),  # counter of the last use; 0: this kind of passkey does not count
    Column("created_at", MICROSECONDS, nullable=False),
    Column("used_at", MICROSECONDS),
)

# A browser in which an account is logged in. Deleted when the session ends.
staff_session = Table(
    "staff_session",
    metadata,
    Column("session_hash", LargeBinary(32), primary_key=True),  # hash of the cookie
    Column("staff_id", ID, nullable=False, index=True),
    Column("browser", String(40), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    Column("seen_at", MICROSECONDS, nullable=False),  # when the person was last active
    Column("checked_at", MICROSECONDS, nullable=False),  # when password and code, or a passkey, were last checked
    Column("until", MICROSECONDS, nullable=False),
)

# A code with which one person creates an account, or recovers theirs; valid once.
invitation = Table(
    "invitation",
    metadata,
    Column("invitation_hash", LargeBinary(32), primary_key=True),
    Column("name", String(24), nullable=False),
    Column("hotline", String(64), nullable=False),
    Column("role", ClosedSet(StaffRole, 8), nullable=False),
    Column("staff_id", ID),  # account to recover; NULL: it creates one
    Column("made_by", String(80), nullable=False),
    Column("until", MICROSECONDS, nullable=False),
)

# One lead asks to recover the account of a colleague who cannot log in. Another lead has to confirm.
recovery = Table(
    "recovery",
    metadata,
    Column("staff_id", ID, primary_key=True),
    Column("asked_by", ID, nullable=False),
    Column("asked_at", MICROSECONDS, nullable=False),
)

# One lead asks to make somebody a lead. Another lead has to confirm, or one person could become two leads.
raising = Table(
    "raising",
    metadata,
    Column("hotline", String(64), primary_key=True),
    Column("about", ID, primary_key=True),  # an account id, or the name of somebody who has no account yet
    Column("asked_by", ID, nullable=False),
    Column("asked_at", MICROSECONDS, nullable=False),
)

# One lead asks to end another lead's account, or to change its role. Somebody else has to confirm.
lowering = Table(
    "lowering",
    metadata,
    Column("staff_id", ID, primary_key=True),
    Column("role", ClosedSet(StaffRole, 8), primary_key=True),  # the new role; empty: end the account
    Column("asked_by", ID, nullable=False),
    Column("asked_at", MICROSECONDS, nullable=False),
)

# A hotline's own ready-made reply, in one language. It is never changed: another wording is another reply.
own_reply = Table(
    "own_reply",
    metadata,
    Column("reply_id", ID, primary_key=True),
    Column("language", String(8), primary_key=True),
    Column("hotline", String(64), nullable=False),
    Column("text", String(600), nullable=False),
    Column("written_by", ID, nullable=False),  # account of the lead
    Column("written_at", MICROSECONDS, nullable=False),
    Column("signed_by", ID),  # account of a second lead; NULL: staff do not see it yet
    Column("signed_at", MICROSECONDS),
    Column("withdrawn_by", ID),
    Column("withdrawn_at", MICROSECONDS),  # NULL: in use, or waiting for a signature
    Index("ix_own_reply_hotline", "hotline"),
)

# Wrong passwords, counted by a keyed hash of the account name, of the browser or of the address.
staff_try = Table(
    "staff_try",
    metadata,
    Column("bucket", LargeBinary(32), primary_key=True),
    Column("console_role", String(63), primary_key=True, server_default=func.current_user()),  # whose console counts
    Column("tries", Integer, nullable=False),
    Column("since", MICROSECONDS, nullable=False),
    Column("locks", Integer, nullable=False),  # how often it was locked; each lock is twice as long
    Column("locked_until", MICROSECONDS, nullable=False),
    implicit_returning=False,  # else each INSERT would read the default back
)

# The hotlines of each console's role in PostgreSQL, and of the operators' own people. Empty: the installation has no
# operators, and one role serves all hotlines.
console_hotline = Table(
    "console_hotline",
    metadata,
    Column("hotline", String(64), primary_key=True),
    Column("role", String(63), nullable=False),
    Column("country", String(2), nullable=False),  # empty: of no country, because it is an operator's own people
)
