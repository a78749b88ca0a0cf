"""People at a hotline: they join by an invitation, log in, and go through the pages as a browser without script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import pyotp
from flask import Flask

from console.auth.invitations import InvitedAccount, invite
from reports.store.engine.database import Database

PASSWORD = "reef canoe seven lamp"
HERE = "https://desk.example"


class Page:
    """One answer, as its reader has it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.status: int = answer.status_code
        self.html: str = answer.get_data(as_text=True)
        self.headers = answer.headers

    @property
    def text(self) -> str:
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())

    @property
    def leads_to(self) -> str:
        return self.headers.get("Location", "")

    @property
    def token(self) -> str:
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.html)
        return found[1] if found else ""

    @property
    def marks(self) -> dict[str, str]:
        """What a form of a report carries beside what somebody fills in."""
        found = re.search(r'name="once" value="([\w-]+)"', self.html)
        status = re.search(r'name="status" value="([\w.]*)"', self.html)
        return {"token": self.token, "once": found[1] if found else "", "status": status[1] if status else ""}


class Person:
    """`ip`: where their requests come from."""

    def __init__(self, flask: Flask, database: Database, name: str, password: str = PASSWORD) -> None:
        self.flask, self.database = flask, database
        self.name, self.password = name, password
        self.client = flask.test_client()
        self.secret = ""
        self.step = 0
        self.ip = "127.0.0.1"

    def get(self, path: str, **headers: str) -> Page:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, form: Mapping[str, str] | None = None, *, at: str = "", **headers: str) -> Page:
        """With the token of the page `at`, where there is one."""
        token = self.get(at).token if at else ""
        return self._ask("POST", path, {**({"token": token} if at else {}), **(form or {})}, headers)

    def _ask(self, method: str, path: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> Page:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        around = {"REMOTE_ADDR": self.ip}
        return Page(
            self.client.open(path, method=method, data=form, headers=named, base_url=HERE, environ_overrides=around)
        )

    def join(self, link: str) -> Page:
        page = self.get(link)
        letters = re.search(r'<code class="letters">([A-Z2-7 ]+)</code>', page.html)
        assert letters, page.text
        self.secret = letters[1].replace(" ", "")
        form = {"password": self.password, "again": self.password, "code": self.code(), "token": page.token}
        return self.post(link, form)

    def code(self) -> str:
        """One that was not used before: where tests move faster than codes, the console's clock goes on."""
        self.step = max(self.step + 1, self.database.now() // 30_000_000)
        while self.step > self.database.now() // 30_000_000:
            pass_time(self.database, 30)
        return pyotp.TOTP(self.secret).at(self.step * 30)

    def log_in(self, **wrong: str) -> Page:
        right = {"name": self.name, "password": self.password}
        if "code" not in wrong:
            right["code"] = self.code()
        return self.post("/login", {**right, **wrong}, at="/login")

    def another_browser(self) -> Person:
        """The same person, elsewhere."""
        other = Person(self.flask, self.database, self.name, self.password)
        other.secret, other.step = self.secret, self.step
        return other


def pass_time(database: Database, seconds: float) -> None:
    """For the process that has this database."""
    database.offset += int(seconds * 1_000_000)


def joined(flask: Flask, database: Database, name: str, role: str = "staff", hotline: str = "vu-pikinini") -> Person:
    """Somebody with an account; not logged in."""
    person = Person(flask, database, name)
    link = invite(database, "", InvitedAccount(name, hotline, role), f"staff:{hotline}/first")
    assert person.join(link).status == 200
    return person
