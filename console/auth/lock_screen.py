"""The locked page of an idle session, and the repeated check of the login before critical actions."""

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
    """Register the locked page and the repeated check."""
    doors.add(PageRoute("/locked", None), partial(_locked_page, doors))
    doors.add(PageRoute("/locked", None, post=True), partial(_unlock, doors))
    doors.add(PageRoute("/lock", ALL_ROLES, post=True), partial(_lock, doors))
    doors.add(PageRoute("/alive", ALL_ROLES, post=True), lambda _: Response(status=204))
    doors.add(PageRoute("/check", ALL_ROLES), partial(_check_page, doors))
    doors.add(PageRoute("/check", ALL_ROLES, post=True), partial(_check, doors))


def _locked_page(doors: PageRouter, form: Mapping[str, str], refused: bool = False) -> Response:
    """Show only how many urgent reports wait, and how many of them nobody has opened; nothing else of any report."""
    locked = doors.locked_session()
    if locked is None:
        return redirect("/")
    session, account = locked
    waiting = case_list.count_urgent(doors.database, account)
    status, then = 403 if refused else 200, doors.known_page(form.get("then") or current_query().get("then", ""))
    words = {"waiting": waiting, "hotline": account.hotline, "now": doors.database.now(), "then": then}
    return page("locked.html", status, token=doors.csrf_token(session), refused=refused, **words)


def _unlock(doors: PageRouter, form: Mapping[str, str]) -> Response:
    """Unlock with the password alone, within the ten hours of a session. Too many wrong passwords end the session."""
    locked = doors.locked_session()
    if locked is None:
        return redirect("/")
    session, account = locked
    attempt = throttle.session_attempt(doors.cipher, session.session_hash)
    if login_throttle.count_attempts(doors.database, attempt) != (True,):
        staff_sessions.end(doors.database, account, session.session_hash)
        return redirect("/login")
    with passwords.KNOWN_BROWSERS.place():
        is_right = passwords.is_correct(form.get("password", ""), account.password)
    if not is_right:
        login_throttle.record_failure(doors.database, account, told=False)
        return _locked_page(doors, form, refused=True)
    login_throttle.reset(doors.database, [attempt.bucket])
    return _renew_session(doors, session, checked=False, then=doors.known_page(form.get("then", "")))


def _renew_session(doors: PageRouter, session: StaffSession, *, checked: bool, then: str) -> Response:
    token, response = cookies.new_session(), redirect(then)
    staff_sessions.renew(doors.database, session.session_hash, cookies.token_hash(token), checked=checked)
    cookies.set_cookie(response, cookies.SESSION, token)
    return response


def _check_page(doors: PageRouter, me: StaffRequest, refused: bool = False, then: str = "") -> Response:
    then = doors.known_page(then or current_query().get("then", ""))
    return page("check.html", 403 if refused else 200, me=me, then=then, refused=LOGIN_REFUSED if refused else "")


def _check(doors: PageRouter, me: StaffRequest) -> Response:
    then = doors.known_page(me.form.get("then", ""))
    attempt = throttle.session_attempt(doors.cipher, me.session.session_hash)
    if login_throttle.count_attempts(doors.database, attempt) != (True,):
        staff_sessions.end(doors.database, me.account, me.session.session_hash)
        return redirect("/login")
    with passwords.KNOWN_BROWSERS.place():
        is_shown = credentials_match(doors, me.account, me.form, may=True)
    if not is_shown:
        return _check_page(doors, me, refused=True, then=then)
    login_throttle.reset(doors.database, [attempt.bucket])
    return _renew_session(doors, me.session, checked=True, then=then)


def _lock(doors: PageRouter, me: StaffRequest) -> Response:
    """Lock the session at once, as if it had been idle. Drafts are saved; the same page opens after the password."""
    staff_sessions.lock(doors.database, me.session.session_hash, IDLE_TIMEOUT)
    return redirect(doors.locked(me.form.get("then", "")))
