"""Passkeys of staff accounts: public keys only. Adding and removing one is written to the audit log."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import delete, func, select, update

from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.privileges.row_security import write_as
from reports.store.schema import staff as s
from reports.store.staff.accounts import Account

MAX_PASSKEYS = 10  # passkeys of one account


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of an account; times in microseconds.

    `name`: which key it is, in its owner's words. `public_key`: as CBOR. `sign_count`: of its last use; 0: it does not
    count.
    """

    credential_id: bytes
    staff_id: str
    name: str
    public_key: bytes
    sign_count: int
    created_at: int
    used_at: int | None = None


def list_passkeys(database: Database, staff_id: str) -> tuple[Passkey, ...]:
    """Return the passkeys of an account, oldest first."""
    c = s.passkey.c
    query = select(s.passkey).where(c.staff_id == staff_id).order_by(c.created_at, c.credential_id)
    with database.read() as connection:
        return tuple(Passkey(**row._mapping) for row in connection.execute(query))


def find(database: Database, credential_id: bytes) -> Passkey | None:
    """Return a passkey; None if no account has it."""
    with database.read() as connection:
        row = connection.execute(select(s.passkey).where(s.passkey.c.credential_id == credential_id)).first()
    return Passkey(**row._mapping) if row else None


def add(database: Database, account: Account, passkey: Passkey, session_hash: bytes) -> bool:
    """Store a passkey; return False if an account has it already, or if this account has MAX_PASSKEYS.

    `session_hash`: of the session that adds it. False also if that has ended: an act that ends all sessions, such as a
    new password, removes passkeys after that, and none may come in afterwards. The update waits for such an act.
    """
    own_session = s.staff_session.c.session_hash == session_hash, s.staff_session.c.staff_id == account.staff_id
    with write_as(database, account.hotline) as connection:
        unchanged = update(s.staff_session).where(*own_session).values(seen_at=s.staff_session.c.seen_at)
        if connection.execute(unchanged).rowcount != 1:
            return False
        count = select(func.count()).select_from(s.passkey).where(s.passkey.c.staff_id == account.staff_id)
        if connection.execute(count).scalar_one() >= MAX_PASSKEYS:
            return False
        if connection.execute(database.insert_or_ignore(s.passkey).values(asdict(passkey))).rowcount != 1:
            return False
        audit_log.append(connection, account.actor, "passkey_added", account.staff_id, database.now())
    return True


def record_use(database: Database, credential_id: bytes, sign_count: int) -> bool:
    """Store the counter of a use. Return False if the counter did not grow: then the passkey may have been copied.

    A passkey that does not count always has 0.
    """
    c = s.passkey.c
    is_newer = c.sign_count < sign_count if sign_count else c.sign_count == 0
    statement = update(s.passkey).where(c.credential_id == credential_id, is_newer)
    with database.write() as connection:
        values = {"sign_count": sign_count, "used_at": database.now()}
        return connection.execute(statement.values(values)).rowcount == 1


def remove(database: Database, account: Account, credential_id: bytes) -> bool:
    """Delete a passkey of this account; return whether it had one."""
    c = s.passkey.c
    statement = delete(s.passkey).where(c.credential_id == credential_id, c.staff_id == account.staff_id)
    with write_as(database, account.hotline) as connection:
        if connection.execute(statement).rowcount != 1:
            return False
        audit_log.append(connection, account.actor, "passkey_removed", account.staff_id, database.now())
    return True
