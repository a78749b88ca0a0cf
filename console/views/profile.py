"""A person's own page: their sessions, a new password, and the language of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response
from werkzeug.exceptions import BadRequest

from console import responses
from console.auth import cookies, passwords
from console.auth.access_control import ALL_ROLES, PageRoute, PageRouter, StaffRequest
from console.auth.invitations import PASSWORDS_DIFFER
from console.auth.login import logout_response
from console.responses import page, redirect
from reports.store.staff import accounts, staff_sessions


def attach(router: PageRouter, languages: Mapping[str, object]) -> None:
    """Register a person's own page. `languages`: by tag."""
    router.add(PageRoute("/me", ALL_ROLES), partial(_page, router))
    router.add(PageRoute("/me/end", ALL_ROLES, post=True), partial(_end_session, router))
    router.add(PageRoute("/me/end-all", ALL_ROLES, post=True), partial(_end_all, router))
    router.add(PageRoute("/me/password", ALL_ROLES, post=True, fresh=True, back="/me"), partial(_password, router))
    router.add(PageRoute("/language", None, post=True), partial(_language, router, languages))


def _page(router: PageRouter, me: StaffRequest, problem: str = "") -> Response:
    sessions = [
        (session, _short_id(session.session_hash))
        for session in staff_sessions.list_sessions(router.database, me.account.staff_id)
    ]
    is_switched = responses.message_key() == "alarm"
    return page("me.html", 400 if problem else 200, me=me, sessions=sessions, wrong=problem, is_switched=is_switched)


def _short_id(session_hash: bytes) -> str:
    """Return a short id of a session for a form; it is of no use for anything else."""
    return session_hash[:8].hex()


def _end_session(router: PageRouter, me: StaffRequest) -> Response:
    for session in staff_sessions.list_sessions(router.database, me.account.staff_id):
        if _short_id(session.session_hash) == me.form.get("session"):
            staff_sessions.end(router.database, me.account, session.session_hash)
    return redirect("/me")


def _end_all(router: PageRouter, me: StaffRequest) -> Response:
    staff_sessions.end(router.database, me.account)
    return logout_response()


def _password(router: PageRouter, me: StaffRequest) -> Response:
    """Change the password and log out everywhere."""
    password = me.form.get("password", "")
    problem = passwords.rejection_reason(password, (me.account.name, me.account.hotline))
    if not problem and password != me.form.get("again"):
        problem = PASSWORDS_DIFFER
    if problem:
        return _page(router, me, problem)
    accounts.set_password(router.database, me.account, passwords.hash_password(password))
    return logout_response()


def _language(router: PageRouter, languages: Mapping[str, object], form: Mapping[str, str]) -> Response:
    tag = form.get("language", "")
    if tag not in languages:
        raise BadRequest
    response = redirect(router.known_page(form.get("then", "/")))
    cookies.set_cookie(response, cookies.LANGUAGE, tag, seconds=cookies.MAX_AGE_SECONDS)
    return response
