"""Staff of a hotline, who join by invitation, log in and use the pages as a browser without scripts does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import pyotp
from flask import Flask
from sqlalchemy import select

from console.auth.invitations import InvitedAccount, invite
from reports.store.engine.database import Database
from reports.store.schema import tables as t

PASSWORD = "reef canoe seven lamp"
HERE = "https://desk.example"


def close_form(outcome: str = "helped", done: str = "12345") -> dict[str, str]:
    """Return a complete form that closes a report, valid also for a report that nobody has acknowledged."""
    return {"outcome": outcome, "done": done, "told": "police", "service": "", "asked_untaken": "1"}


class Page:
    """A response of the console."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.status: int = answer.status_code
        self.html: str = answer.get_data().decode(errors="replace")  # a file is not UTF-8 text
        self.headers = answer.headers

    @property
    def text(self) -> str:
        """Return the text without markup."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())

    @property
    def leads_to(self) -> str:
        """Return the target of a redirect; "" if there is none."""
        return self.headers.get("Location", "")

    @property
    def token(self) -> str:
        """Return the CSRF token of the forms on the page; "" if there is none."""
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.html)
        return found[1] if found else ""

    @property
    def invitation(self) -> str:
        """Return the link of an invitation on the page; "" if there is none."""
        found = re.search(r'<code class="letters code">([a-z0-9-]+)</code>', self.html)
        return f"/join#{found[1]}" if found else ""

    @property
    def marks(self) -> dict[str, str]:
        """Return the hidden fields of a report's form."""
        found = re.search(r'name="once" value="([\w-]+)"', self.html)
        status = re.search(r'name="status" value="([\w.]*)"', self.html)
        return {"token": self.token, "once": found[1] if found else "", "status": status[1] if status else ""}


class Person:
    """A person in one browser. `ip`: the sender's address of their requests."""

    def __init__(self, flask: Flask, database: Database, name: str, password: str = PASSWORD) -> None:
        self.flask, self.database = flask, database
        self.name, self.password = name, password
        self.client = flask.test_client()
        self.secret = ""
        self.step = 0
        self.ip = "127.0.0.1"

    def get(self, path: str, **headers: str) -> Page:
        """Get a page."""
        return self._ask("GET", path, None, headers)

    def post(self, path: str, form: Mapping[str, str] | None = None, *, at: str = "", **headers: str) -> Page:
        """Send a form. `at`: the path of a page whose CSRF token is sent with it."""
        token = self.get(at).token if at else ""
        return self._ask("POST", path, {**({"token": token} if at else {}), **(form or {})}, headers)

    def _ask(self, method: str, path: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> Page:
        header_fields = {name.replace("_", "-"): value for name, value in headers.items()}
        environ = {"REMOTE_ADDR": self.ip}
        return Page(
            self.client.open(
                path, method=method, data=form, headers=header_fields, base_url=HERE, environ_overrides=environ
            )
        )

    def open_invitation(self, link: str, **headers: str) -> Page:
        """Open an invitation by posting the code from the fragment of its link."""
        return self.post("/join/code", {"invitation": link.partition("#")[2]}, at="/join", **headers)

    def join(self, link: str) -> Page:
        """Accept an invitation."""
        page = self.open_invitation(link)
        secret_shown = re.search(r'<code class="letters">([A-Z2-7 ]+)</code>', page.html)
        assert secret_shown, page.text
        self.secret = secret_shown[1].replace(" ", "")
        form = {"password": self.password, "again": self.password, "code": self.code(), "token": page.token}
        return self.post("/join/account", {**form, "invitation": link.partition("#")[2]})

    def code(self) -> str:
        """Return a one-time code that was never used; if necessary, move the console's clock to the next time step."""
        self.step = max(self.step + 1, self.database.now() // 30_000_000)
        while self.step > self.database.now() // 30_000_000:
            pass_time(self.database, 30)
        return pyotp.TOTP(self.secret).at(self.step * 30)

    def log_in(self, **wrong: str) -> Page:
        """Log in. `wrong`: fields that replace the right ones."""
        right = {"name": self.name, "password": self.password}
        if "code" not in wrong:
            right["code"] = self.code()
        return self.post("/login", {**right, **wrong}, at="/login")

    def another_browser(self) -> Person:
        """Return the same person in another browser."""
        other = Person(self.flask, self.database, self.name, self.password)
        other.secret, other.step = self.secret, self.step
        return other


def pass_time(database: Database, seconds: float) -> None:
    """Move the clock of this database object forward."""
    database.offset += int(seconds * 1_000_000)


def joined(flask: Flask, database: Database, name: str, role: str = "staff", hotline: str = "vu-pikinini") -> Person:
    """Return a person with a new account, not logged in."""
    person = Person(flask, database, name)
    link = invite(database, "", InvitedAccount(name, hotline, role), f"staff:{hotline}/first")
    assert person.join(link).status == 200
    return person


def staff_acts(database: Database, hotline: str) -> list[Any]:
    """Return the audit entries of a hotline's staff, oldest first."""
    a = t.audit.c
    query = select(a.at, a.actor, a.act, a.object_id).where(a.actor.startswith(f"staff:{hotline}/", autoescape=True))
    with database.read() as connection:
        return list(connection.execute(query.order_by(a.at, a.audit_id)))
