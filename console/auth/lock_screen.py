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


def attach(router: PageRouter) -> None:
    """Register the locked page and the repeated check."""
    router.add(PageRoute("/locked", None), partial(_locked_page, router))
    router.add(PageRoute("/locked", None, post=True), partial(_unlock, router))
    router.add(PageRoute("/lock", ALL_ROLES, post=True), partial(_lock, router))
    router.add(PageRoute("/alive", ALL_ROLES, post=True), lambda _: Response(status=204))
    router.add(PageRoute("/check", ALL_ROLES), partial(_check_page, router))
    router.add(PageRoute("/check", ALL_ROLES, post=True), partial(_check, router))


def _locked_page(router: PageRouter, form: Mapping[str, str], refused: bool = False) -> Response:
    """Show only how many urgent reports wait, and how many of them nobody has opened; nothing else of any report."""
    current = router.locked_session()
    if current is None:
        return redirect("/")
    session, account = current
    urgent_counts = case_list.count_urgent(router.database, account)
    status, next_path = 403 if refused else 200, router.known_page(form.get("then") or current_query().get("then", ""))
    words = {"waiting": urgent_counts, "hotline": account.hotline, "now": router.database.now(), "then": next_path}
    return page("locked.html", status, token=router.csrf_token(session), refused=refused, **words)


def _unlock(router: PageRouter, form: Mapping[str, str]) -> Response:
    """Unlock with the password alone, within the ten hours of a session. Too many wrong passwords end the session."""
    current = router.locked_session()
    if current is None:
        return redirect("/")
    session, account = current
    attempt = throttle.session_attempt(router.cipher, session.session_hash)
    if login_throttle.count_attempts(router.database, attempt) != (True,):
        staff_sessions.end(router.database, account, session.session_hash)
        return redirect("/login")
    with passwords.KNOWN_BROWSERS.place():
        is_right = passwords.is_correct(form.get("password", ""), account.password)
    if not is_right:
        login_throttle.record_failure(router.database, account, told=False)
        return _locked_page(router, form, refused=True)
    login_throttle.reset(router.database, [attempt.bucket])
    return _renew_session(router, session, checked=False, then=router.known_page(form.get("then", "")))


def _renew_session(router: PageRouter, session: StaffSession, *, checked: bool, then: str) -> Response:
    token, response = cookies.new_session(), redirect(then)
    staff_sessions.renew(router.database, session.session_hash, cookies.token_hash(token), checked=checked)
    cookies.set_cookie(response, cookies.SESSION, token)
    return response


def _check_page(router: PageRouter, me: StaffRequest, refused: bool = False, then: str = "") -> Response:
    then = router.known_page(then or current_query().get("then", ""))
    return page("check.html", 403 if refused else 200, me=me, then=then, refused=LOGIN_REFUSED if refused else "")


def _check(router: PageRouter, me: StaffRequest) -> Response:
    next_path = router.known_page(me.form.get("then", ""))
    attempt = throttle.session_attempt(router.cipher, me.session.session_hash)
    if login_throttle.count_attempts(router.database, attempt) != (True,):
        staff_sessions.end(router.database, me.account, me.session.session_hash)
        return redirect("/login")
    with passwords.KNOWN_BROWSERS.place():
        is_shown = credentials_match(router, me.account, me.form, may=True)
    if not is_shown:
        return _check_page(router, me, refused=True, then=next_path)
    login_throttle.reset(router.database, [attempt.bucket])
    return _renew_session(router, me.session, checked=True, then=next_path)


def _lock(router: PageRouter, me: StaffRequest) -> Response:
    """Lock the session at once, as if it had been idle. Drafts are saved; the same page opens after the password."""
    staff_sessions.lock(router.database, me.session.session_hash, IDLE_TIMEOUT)
    return redirect(router.locked(me.form.get("then", "")))
