"""Sessions of logged-in staff, found by the hash of their cookie.

A session ends at once when its row is deleted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import delete, exists, insert, select, update

from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.privileges.row_security import write_as
from reports.store.schema import staff as s
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account
from runtime.time_units import DAY

MAX_SESSIONS = 2  # sessions of one account at once; a further login ends the oldest


@dataclass(frozen=True, slots=True)
class StaffSession:
    """A browser in which somebody is logged in; times in microseconds.

    `seen_at`: when the person last did something. `checked_at`: when they last gave password and one-time code.
    `until`: when the session ends.
    """

    session_hash: bytes
    staff_id: str
    browser: str
    created_at: int
    seen_at: int
    checked_at: int
    until: int


def start(database: Database, account: Account, session: StaffSession) -> bool:
    """Store the session of a login, with an audit entry.

    `account`: as the login read it. Return False if it has ended or got another password since: that ended all its
    sessions, and none may begin afterwards.

    Sessions beyond MAX_SESSIONS end. Expired sessions and invitations are deleted, and so are the passkeys of accounts
    whose end is final.
    """
    c, now = s.staff_session.c, database.now()
    newest_query = (
        select(c.session_hash)
        .where(c.staff_id == account.staff_id)
        .order_by(c.created_at.desc())
        .limit(MAX_SESSIONS - 1)
    )
    a = s.staff.c
    unchanged = select(a.staff_id).where(
        a.staff_id == account.staff_id, a.password == account.password, a.ended_at.is_(None)
    )
    with write_as(database, account.hotline) as connection:
        if connection.execute(unchanged.with_for_update()).first() is None:
            return False
        remaining = list(connection.execute(newest_query).scalars())
        surplus = (c.staff_id == account.staff_id) & c.session_hash.not_in(remaining)
        connection.execute(delete(s.staff_session).where(surplus | (c.until <= now)))
        connection.execute(delete(s.invitation).where(s.invitation.c.until <= now))
        ended = select(s.staff.c.staff_id).where(s.staff.c.ended_at <= now - DAY)
        connection.execute(delete(s.passkey).where(s.passkey.c.staff_id.in_(ended)))
        connection.execute(insert(s.staff_session), asdict(session))
        audit_log.append(connection, account.actor, "logged_in", account.staff_id, now)
    return True


def find(database: Database, session_hash: bytes, *, ended_within: int = 0) -> tuple[StaffSession, Account] | None:
    """Return the session and its account; None if either has ended.

    `ended_within`: a session is also returned if its time was over less than so many microseconds ago and no login has
    deleted it since.
    """
    c = s.staff_session.c
    query = select(s.staff_session, *(column.label(f"of_{column.name}") for column in s.staff.c))
    query = query.join(s.staff, s.staff.c.staff_id == c.staff_id)
    query = query.where(
        c.session_hash == session_hash, c.until > database.now() - ended_within, s.staff.c.ended_at.is_(None)
    )
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    fields = row._mapping
    account = Account(**{column.name: fields[f"of_{column.name}"] for column in s.staff.c})
    return StaffSession(**{column.name: fields[column.name] for column in c}), account


def touch(database: Database, session_hash: bytes, idle: int) -> None:
    """Record that the person did something; `idle`: microseconds after which a session locks.

    A session that was locked since the request was checked stays locked. Esc pressed twice locks it, but each
    key press is also an action, which the browser's script may report after the lock.
    """
    c, now = s.staff_session.c, database.now()
    unlocked = update(s.staff_session).where(c.session_hash == session_hash, c.seen_at > now - idle)
    with database.write() as connection:
        connection.execute(unlocked.values(seen_at=now))


def lock(database: Database, session_hash: bytes, idle: int) -> None:
    """Lock a session: record that nobody has done anything for `idle` microseconds."""
    _change(database, session_hash, {"seen_at": database.now() - idle})


def renew(database: Database, session_hash: bytes, new_hash: bytes, *, checked: bool) -> None:
    """Give a session a new id, in use from now on. `checked`: password and one-time code were given again."""
    now = database.now()
    values: dict[str, object] = {"session_hash": new_hash, "seen_at": now}
    _change(database, session_hash, values | ({"checked_at": now} if checked else {}))


def list_sessions(database: Database, staff_id: str) -> tuple[StaffSession, ...]:
    """Return the sessions of an account that have not expired, oldest first."""
    c = s.staff_session.c
    query = select(s.staff_session).where(c.staff_id == staff_id, c.until > database.now()).order_by(c.created_at)
    with database.read() as connection:
        return tuple(StaffSession(**row._mapping) for row in connection.execute(query))


def end(database: Database, account: Account, session_hash: bytes | None = None, *, keeps_drafts: bool = False) -> None:
    """End one session or, without `session_hash`, all sessions of an account.

    Colleagues do not see the account at any report any more. Its drafts are deleted if it has no other session.
    `keeps_drafts`: not then either, because the person did not log out.
    """
    c = s.staff_session.c
    deletion = delete(s.staff_session).where(c.staff_id == account.staff_id)
    if session_hash is not None:
        deletion = deletion.where(c.session_hash == session_hash)
    with write_as(database, account.hotline) as connection:
        connection.execute(deletion)
        has_other_session = exists().where(c.staff_id == account.staff_id, c.until > database.now())
        if not keeps_drafts:
            connection.execute(delete(t.draft).where(t.draft.c.staff_id == account.staff_id, ~has_other_session))
        connection.execute(delete(t.presence).where(t.presence.c.staff_id == account.staff_id))
        act = "logged_out" if session_hash else "logged_out_everywhere"
        audit_log.append(connection, account.actor, act, account.staff_id, database.now())


def _change(database: Database, session_hash: bytes, values: dict[str, object]) -> None:
    with database.write() as connection:
        connection.execute(update(s.staff_session).where(s.staff_session.c.session_hash == session_hash).values(values))
