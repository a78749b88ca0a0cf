"""Logging in, by name, password and one-time code together; and out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response, request

from console.auth import cookies, passwords, throttle, totp
from console.auth.access_control import ALL_ROLES, IDLE_TIMEOUT, PageRoute, PageRouter, StaffRequest
from console.responses import page, redirect
from reports.crypto import DecryptError
from reports.store.staff import accounts, login_throttle, staff_sessions
from reports.store.staff.accounts import Account
from reports.store.staff.staff_sessions import StaffSession
from runtime.time_units import HOUR

SESSION_LIFETIME = 10 * HOUR
BROWSERS = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}  # the first that is there
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")
LOGIN_REFUSED = (
    "Name, password or code is not right, or there were too many tries. If the code was used already, wait for the "
    "next one; else wait a while and try again."
)


def attach(doors: PageRouter) -> None:
    doors.add(PageRoute("/login", None), partial(_login_page, doors))
    doors.add(PageRoute("/login", None, post=True), partial(_login, doors))
    doors.add(PageRoute("/logout", ALL_ROLES, post=True), partial(_logout, doors))


def _login_page(doors: PageRouter, _: Mapping[str, str], refused: bool = False) -> Response:
    browser = cookies.Browser.of(request)
    words = {"token": doors.page_csrf_token(browser), "refused": LOGIN_REFUSED if refused else ""}
    response = page("login.html", 403 if refused else 200, **words)
    browser.keep(response)
    if cookies.read(request, cookies.SESSION):
        found = doors.found()
        if found is None:
            cookies.delete_cookie(response, cookies.SESSION)
        elif doors.database.now() - found[0].seen_at < IDLE_TIMEOUT:
            return redirect(
                "/"
            )  # and not from a locked desk: whoever comes next logs in without its last one's password
    return response


def _login(doors: PageRouter, form: Mapping[str, str]) -> Response:
    name = form.get("name", "").strip().lower()[:64]
    if cookies.Browser.of(request).knows(doors.cipher, name):
        with passwords.KNOWN_BROWSERS.place():
            return _let_in(doors, form, name, passwords.KNOWN_BROWSERS)
    with passwords.UNKNOWN_BROWSERS.place(throttle.client_address(request)):
        return _let_in(doors, form, name, passwords.UNKNOWN_BROWSERS)


def _let_in(doors: PageRouter, form: Mapping[str, str], name: str, room: passwords.LoginSlots) -> Response:
    database, vault, browser = doors.database, doors.cipher, cookies.Browser.of(request)
    knocks = [] if room is passwords.KNOWN_BROWSERS else [throttle.address_attempt(vault, request)]
    if not all(login_throttle.count_attempts(database, *knocks)):
        return _login_page(doors, form, refused=True)  # whoever tries so much gets no more work done, nor a row kept
    knocks.append(throttle.name_attempt(vault, browser, name))
    (may_name,) = login_throttle.count_attempts(database, knocks[-1])
    account = accounts.find_by_name(database, name)
    if not credentials_match(doors, account, form, may=may_name, room=room) or account is None:
        return _login_page(doors, form, refused=True)
    login_throttle.reset(database, [one.bucket for one in knocks])
    if passwords.is_outdated(account.password):
        accounts.update_password_hash(database, account, passwords.rehash_password(form["password"], room))
    response = redirect("/")
    _begin(doors, account, response)
    browser.having(vault, name).keep(response)
    return response


def credentials_match(
    doors: PageRouter,
    account: Account | None,
    form: Mapping[str, str],
    *,
    may: bool,
    room: passwords.LoginSlots = passwords.KNOWN_BROWSERS,
) -> bool:
    """Password and code are right, and this code was never used. As much work whatever is wrong with them."""
    right = passwords.is_correct(form.get("password", ""), account.password if account else None, room)
    step = _step(doors, account, form.get("code", ""))
    allowed = may and right and account is not None and account.ended_at is None and step is not None
    if allowed and account and step is not None and accounts.use_totp_step(doors.database, account, step):
        return True
    if may:  # what is locked is counted already, and would only fill the audit
        login_throttle.record_failure(doors.database, account)
    return False


def _step(doors: PageRouter, account: Account | None, code: str) -> int | None:
    try:
        secret = (
            totp.open_secret(doors.cipher, account.staff_id, account.totp) if account else b"\0" * totp.SECRET_BYTES
        )
    except DecryptError:
        return None
    step = totp.matching_step(secret, code, doors.database.now() / 1_000_000)
    return step if account else None


def _begin(doors: PageRouter, account: Account, response: Response) -> None:
    token, now = cookies.new_session(), doors.database.now()
    if before := doors.found():  # a locked desk that the next one takes over
        staff_sessions.end(doors.database, before[1], before[0].session_hash)
    kind = browser_kind(request.headers.get("User-Agent", ""))
    session = StaffSession(cookies.token_hash(token), account.staff_id, kind, now, now, now, now + SESSION_LIFETIME)
    staff_sessions.start(doors.database, account, session)
    cookies.set_cookie(response, cookies.SESSION, token)


def browser_kind(said: str) -> str:
    """Enough to tell two of one's own apart in a list."""
    browser = next((name for mark, name in BROWSERS.items() if mark in said), "browser")
    system = next((name for name in SYSTEMS if name in said), "computer")
    return f"{browser}, {system}"


def _logout(doors: PageRouter, me: StaffRequest) -> Response:
    staff_sessions.end(doors.database, me.account, me.session.session_hash)
    return logout_response()


def logout_response() -> Response:
    """To the login; nothing of the pages stays in this browser, but the cookie of the browser itself: by it strangers
    cannot lock this person out here."""
    response = redirect("/login")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    cookies.delete_cookie(response, cookies.SESSION)
    return response
