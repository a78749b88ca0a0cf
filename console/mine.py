"""A person's own page: where they are logged in, a new password, and the language of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response
from werkzeug.exceptions import BadRequest

from console import cookies, done, passwords
from console.answers import page, to
from console.doors import EVERYBODY, Door, Doors, Visitor
from console.entry import out
from console.joining import NOT_THE_SAME
from reports.store.staff import accounts, staff_sessions


def attach(doors: Doors, languages: Mapping[str, object]) -> None:
    doors.add(Door("/me", EVERYBODY), partial(_page, doors))
    doors.add(Door("/me/end", EVERYBODY, post=True), partial(_end_one, doors))
    doors.add(Door("/me/end-all", EVERYBODY, post=True), partial(_end_all, doors))
    doors.add(Door("/me/password", EVERYBODY, post=True, fresh=True, back="/me"), partial(_password, doors))
    doors.add(Door("/language", None, post=True), partial(_language, doors, languages))


def _page(doors: Doors, me: Visitor, wrong: str = "") -> Response:
    sessions = [
        (one, _name_of(one.session_hash)) for one in staff_sessions.list_sessions(doors.database, me.account.staff_id)
    ]
    is_switched = done.here() == "alarm"
    return page("me.html", 400 if wrong else 200, me=me, sessions=sessions, wrong=wrong, is_switched=is_switched)


def _name_of(session_hash: bytes) -> str:
    """For a form: enough to say which, and of no use for anything else."""
    return session_hash[:8].hex()


def _end_one(doors: Doors, me: Visitor) -> Response:
    for one in staff_sessions.list_sessions(doors.database, me.account.staff_id):
        if _name_of(one.session_hash) == me.form.get("session"):
            staff_sessions.end(doors.database, me.account, one.session_hash)
    return to("/me")


def _end_all(doors: Doors, me: Visitor) -> Response:
    staff_sessions.end(doors.database, me.account)
    return out()


def _password(doors: Doors, me: Visitor) -> Response:
    """Whoever is logged in anywhere with the old one is not any more."""
    password = me.form.get("password", "")
    wrong = passwords.fault(password, (me.account.name, me.account.hotline))
    if not wrong and password != me.form.get("again"):
        wrong = NOT_THE_SAME
    if wrong:
        return _page(doors, me, wrong)
    accounts.set_password(doors.database, me.account, passwords.hashed(password))
    return out()


def _language(doors: Doors, languages: Mapping[str, object], form: Mapping[str, str]) -> Response:
    tag = form.get("language", "")
    if tag not in languages:
        raise BadRequest
    response = to(doors.page_at(form.get("then", "/")))
    cookies.put(response, cookies.LANGUAGE, tag, seconds=cookies.LONG)
    return response
