"""The locked page of an idle desk, and showing again who it is before what must not go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response

from console import cookies, guessing, passwords
from console.answers import page, to
from console.doors import EVERYBODY, IDLE, Door, Doors, Visitor
from console.entry import NOT_RIGHT, shows
from console.forms import query
from reports.store.cases import case_list
from reports.store.staff import login_throttle, staff_sessions
from reports.store.staff.staff_sessions import StaffSession


def attach(doors: Doors) -> None:
    doors.add(Door("/locked", None), partial(_locked_page, doors))
    doors.add(Door("/locked", None, post=True), partial(_unlock, doors))
    doors.add(Door("/lock", EVERYBODY, post=True), partial(_lock, doors))
    doors.add(Door("/alive", EVERYBODY, post=True), lambda _: Response(status=204))
    doors.add(Door("/check", EVERYBODY), partial(_check_page, doors))
    doors.add(Door("/check", EVERYBODY, post=True), partial(_check, doors))


def _locked_page(doors: Doors, form: Mapping[str, str], refused: bool = False) -> Response:
    """Nothing of any report but how many urgent ones wait, and how many of those nobody has opened."""
    found = doors.locked_session()
    if found is None:
        return to("/")
    session, account = found
    waiting = case_list.count_urgent(doors.database, account)
    status, then = 403 if refused else 200, doors.page_at(form.get("then") or query().get("then", ""))
    words = {"waiting": waiting, "hotline": account.hotline, "now": doors.database.now(), "then": then}
    return page("locked.html", status, token=doors.token_of(session), refused=refused, **words)


def _unlock(doors: Doors, form: Mapping[str, str]) -> Response:
    """The password alone, in this browser and within the ten hours. Too many wrong ones end the session."""
    found = doors.locked_session()
    if found is None:
        return to("/")
    session, account = found
    knock = guessing.within(doors.cipher, session.session_hash)
    if login_throttle.count_attempts(doors.database, knock) != (True,):
        staff_sessions.end(doors.database, account, session.session_hash)
        return to("/login")
    with passwords.KNOWN.place():
        right = passwords.is_right(form.get("password", ""), account.password)
    if not right:
        login_throttle.record_failure(doors.database, account, told=False)
        return _locked_page(doors, form, refused=True)
    login_throttle.reset(doors.database, [knock.bucket])
    return _renewed(doors, session, checked=False, then=doors.page_at(form.get("then", "")))


def _renewed(doors: Doors, session: StaffSession, *, checked: bool, then: str) -> Response:
    token, response = cookies.new_session(), to(then)
    staff_sessions.renew(doors.database, session.session_hash, cookies.hash_of(token), checked=checked)
    cookies.put(response, cookies.SESSION, token)
    return response


def _check_page(doors: Doors, me: Visitor, refused: bool = False, then: str = "") -> Response:
    then = doors.page_at(then or query().get("then", ""))
    return page("check.html", 403 if refused else 200, me=me, then=then, refused=NOT_RIGHT if refused else "")


def _check(doors: Doors, me: Visitor) -> Response:
    then = doors.page_at(me.form.get("then", ""))
    knock = guessing.within(doors.cipher, me.session.session_hash)
    if login_throttle.count_attempts(doors.database, knock) != (True,):
        staff_sessions.end(doors.database, me.account, me.session.session_hash)
        return to("/login")
    with passwords.KNOWN.place():
        is_shown = shows(doors, me.account, me.form, may=True)
    if not is_shown:
        return _check_page(doors, me, refused=True, then=then)
    login_throttle.reset(doors.database, [knock.bucket])
    return _renewed(doors, me.session, checked=True, then=then)


def _lock(doors: Doors, me: Visitor) -> Response:
    """At once, as if it had been idle. What was half typed is kept; the page is found again."""
    staff_sessions.lock(doors.database, me.session.session_hash, IDLE)
    return to(doors.locked(me.form.get("then", "")))
