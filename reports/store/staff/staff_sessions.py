"""Who is logged in where. The cookie's hash finds the session; what is deleted here has ended at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select, update

from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.privileges.row_security import write_as
from reports.store.schema import staff as s
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account, account_from_row

MAX_SESSIONS = 2  # at once; the oldest ends


@dataclass(frozen=True, slots=True)
class StaffSession:
    """Times in microseconds. `checked_at`: when password and code were last given."""

    session_hash: bytes
    staff_id: str
    browser: str
    created_at: int
    seen_at: int
    checked_at: int
    until: int


def start(database: Database, account: Account, one: StaffSession) -> None:
    """After a login: it is in the audit, and what has run out is swept away."""
    c, now = s.staff_session.c, database.now()
    newest = (
        select(c.session_hash)
        .where(c.staff_id == account.staff_id)
        .order_by(c.created_at.desc())
        .limit(MAX_SESSIONS - 1)
    )
    with write_as(database, account.hotline) as connection:
        kept = list(connection.execute(newest).scalars())
        surplus = (c.staff_id == account.staff_id) & c.session_hash.not_in(kept)
        connection.execute(delete(s.staff_session).where(surplus | (c.until <= now)))
        connection.execute(delete(s.invitation).where(s.invitation.c.until <= now))
        connection.execute(insert(s.staff_session), asdict(one))
        audit_log.append(connection, account.actor, "logged_in", account.staff_id, now)


def find(database: Database, session_hash: bytes) -> tuple[StaffSession, Account] | None:
    """None where it is over, or its account."""
    c = s.staff_session.c
    query = select(s.staff_session, *(column.label(f"of_{column.name}") for column in s.staff.c))
    query = query.join(s.staff, s.staff.c.staff_id == c.staff_id)
    query = query.where(c.session_hash == session_hash, c.until > database.now(), s.staff.c.ended_at.is_(None))
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    found = row._mapping
    account = account_from_row({name.removeprefix("of_"): found[name] for name in found if name.startswith("of_")})
    return StaffSession(**{column.name: found[column.name] for column in c}), account


def touch(database: Database, session_hash: bytes, idle: int) -> None:
    """Its person has done something. What was locked since it was looked at stays locked: Esc twice is itself a touch,
    and the script's word of it may come last."""
    c, now = s.staff_session.c, database.now()
    open_ = update(s.staff_session).where(c.session_hash == session_hash, c.seen_at > now - idle)
    with database.write() as connection:
        connection.execute(open_.values(seen_at=now))


def lock(database: Database, session_hash: bytes, idle: int) -> None:
    """As if nobody had done anything for `idle` microseconds."""
    _change(database, session_hash, {"seen_at": database.now() - idle})


def renew(database: Database, session_hash: bytes, new_hash: bytes, *, checked: bool) -> None:
    """The same session under a new id, from now on in use; `checked`: code and password were given anew."""
    now = database.now()
    values: dict[str, object] = {"session_hash": new_hash, "seen_at": now}
    _change(database, session_hash, values | ({"checked_at": now} if checked else {}))


def list_sessions(database: Database, staff_id: str) -> tuple[StaffSession, ...]:
    c = s.staff_session.c
    query = select(s.staff_session).where(c.staff_id == staff_id, c.until > database.now()).order_by(c.created_at)
    with database.read() as connection:
        return tuple(StaffSession(**row._mapping) for row in connection.execute(query))


def end(database: Database, account: Account, session_hash: bytes | None = None) -> None:
    """One, or all of them. What the person had not sent is deleted with it."""
    c = s.staff_session.c
    which = delete(s.staff_session).where(c.staff_id == account.staff_id)
    if session_hash is not None:
        which = which.where(c.session_hash == session_hash)
    with write_as(database, account.hotline) as connection:
        connection.execute(which)
        connection.execute(delete(t.draft).where(t.draft.c.staff_id == account.staff_id))
        act = "logged_out" if session_hash else "logged_out_everywhere"
        audit_log.append(connection, account.actor, act, account.staff_id, database.now())


def _change(database: Database, session_hash: bytes, values: dict[str, object]) -> None:
    with database.write() as connection:
        connection.execute(update(s.staff_session).where(s.staff_session.c.session_hash == session_hash).values(values))
