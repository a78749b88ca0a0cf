"""Insert accounts with an open session into the console's tables, without password and one-time code."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from console.auth import cookies
from console.auth.login import SESSION_LIFETIME
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id


def logged_in(database: Database, name: str, role: str = "staff", hotline: str = "vu-pikinini") -> str:
    """Insert an account and a session that has just been checked; return the session cookie.

    The account has no password, so nobody can log in to it.
    """
    now, token = database.now(), cookies.new_session()
    account = {"staff_id": new_id(now), "name": name, "hotline": hotline, "role": role, "created_at": now}
    unused = {"password": "", "totp": b"", "totp_step": 0, "wrong": 0}
    times = {"created_at": now, "seen_at": now, "checked_at": now, "until": now + SESSION_LIFETIME}
    session = {"session_hash": cookies.token_hash(token), "staff_id": account["staff_id"], "browser": "Chrome, Linux"}
    with database.write() as connection:
        connection.execute(insert(t.staff), account | unused)
        connection.execute(insert(t.staff_session), session | times)
    return token


def put_cookie(context: Any, address: str, token: str) -> None:
    """Set a browser's session cookie by a response of the console, as a login does: drivers cannot add it."""
    cookie = f"__Host-tokaut={token}; Path=/; Secure; HttpOnly; SameSite=Strict"
    page = context.new_page()
    page.route("**/logged-in", lambda route: route.fulfill(headers={"Set-Cookie": cookie}, body=""))
    page.goto(f"{address}/logged-in")
    page.close()
