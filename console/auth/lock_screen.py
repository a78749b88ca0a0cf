"""The locked page of an idle desk, and showing again who it is before what must not go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response

from console.auth import cookies, passwords, throttle
from console.auth.access_control import ALL_ROLES, IDLE_TIMEOUT, PageRoute, PageRouter, StaffRequest
from console.auth.login import LOGIN_REFUSED, credentials_match
from console.parsing import current_query
from console.responses import page, redirect
from reports.store.cases import case_list
from reports.store.staff import login_throttle, staff_sessions
from reports.store.staff.staff_sessions import StaffSession


def attach(doors: PageRouter) -> None:
    doors.add(PageRoute("/locked", None), partial(_locked_page, doors))
    doors.add(PageRoute("/locked", None, post=True), partial(_unlock, doors))
    doors.add(PageRoute("/lock", ALL_ROLES, post=True), partial(_lock, doors))
    doors.add(PageRoute("/alive", ALL_ROLES, post=True), lambda _: Response(status=204))
    doors.add(PageRoute("/check", ALL_ROLES), partial(_check_page, doors))
    doors.add(PageRoute("/check", ALL_ROLES, post=True), partial(_check, doors))


def _locked_page(doors: PageRouter, form: Mapping[str, str], refused: bool = False) -> Response:
    """Nothing of any report but how many urgent ones wait, and how many of those nobody has opened."""
    found = doors.locked_session()
    if found is None:
        return redirect("/")
    session, account = found
    waiting = case_list.count_urgent(doors.database, account)
    status, then = 403 if refused else 200, doors.known_page(form.get("then") or current_query().get("then", ""))
    words = {"waiting": waiting, "hotline": account.hotline, "now": doors.database.now(), "then": then}
    return page("locked.html", status, token=doors.csrf_token(session), refused=refused, **words)


def _unlock(doors: PageRouter, form: Mapping[str, str]) -> Response:
    """The password alone, in this browser and within the ten hours. Too many wrong ones end the session."""
    found = doors.locked_session()
    if found is None:
        return redirect("/")
    session, account = found
    knock = throttle.session_attempt(doors.cipher, session.session_hash)
    if login_throttle.count_attempts(doors.database, knock) != (True,):
        staff_sessions.end(doors.database, account, session.session_hash)
        return redirect("/login")
    with passwords.KNOWN_BROWSERS.place():
        right = passwords.is_correct(form.get("password", ""), account.password)
    if not right:
        login_throttle.record_failure(doors.database, account, told=False)
        return _locked_page(doors, form, refused=True)
    login_throttle.reset(doors.database, [knock.bucket])
    return _renewed(doors, session, checked=False, then=doors.known_page(form.get("then", "")))


def _renewed(doors: PageRouter, session: StaffSession, *, checked: bool, then: str) -> Response:
    token, response = cookies.new_session(), redirect(then)
    staff_sessions.renew(doors.database, session.session_hash, cookies.token_hash(token), checked=checked)
    cookies.set_cookie(response, cookies.SESSION, token)
    return response


def _check_page(doors: PageRouter, me: StaffRequest, refused: bool = False, then: str = "") -> Response:
    then = doors.known_page(then or current_query().get("then", ""))
    return page("check.html", 403 if refused else 200, me=me, then=then, refused=LOGIN_REFUSED if refused else "")


def _check(doors: PageRouter, me: StaffRequest) -> Response:
    then = doors.known_page(me.form.get("then", ""))
    knock = throttle.session_attempt(doors.cipher, me.session.session_hash)
    if login_throttle.count_attempts(doors.database, knock) != (True,):
        staff_sessions.end(doors.database, me.account, me.session.session_hash)
        return redirect("/login")
    with passwords.KNOWN_BROWSERS.place():
        is_shown = credentials_match(doors, me.account, me.form, may=True)
    if not is_shown:
        return _check_page(doors, me, refused=True, then=then)
    login_throttle.reset(doors.database, [knock.bucket])
    return _renewed(doors, me.session, checked=True, then=then)


def _lock(doors: PageRouter, me: StaffRequest) -> Response:
    """At once, as if it had been idle. What was half typed is kept; the page is found again."""
    staff_sessions.lock(doors.database, me.session.session_hash, IDLE_TIMEOUT)
    return redirect(doors.locked(me.form.get("then", "")))
