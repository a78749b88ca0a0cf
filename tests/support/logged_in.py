"""Insert accounts with an open session into the console's tables, without password and code."""

from __future__ import annotations

from sqlalchemy import insert

from console.auth import cookies
from console.auth.login import SESSION_LIFETIME
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id


def logged_in(database: Database, name: str, role: str = "staff", hotline: str = "vu-pikinini") -> str:
    """Insert an account with a freshly checked session; return the session cookie. Nobody can log in to the account."""
    now, token = database.now(), cookies.new_session()
    account = {"staff_id": new_id(now), "name": name, "hotline": hotline, "role": role, "created_at": now}
    unused = {"password": "", "totp": b"", "totp_step": 0, "wrong": 0}
    times = {"created_at": now, "seen_at": now, "checked_at": now, "until": now + SESSION_LIFETIME}
    session = {"session_hash": cookies.token_hash(token), "staff_id": account["staff_id"], "browser": "Chrome, Linux"}
    with database.write() as connection:
        connection.execute(insert(t.staff), account | unused)
        connection.execute(insert(t.staff_session), session | times)
    return token
