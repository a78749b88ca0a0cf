"""Log in with name, password and one-time code together, and log out."""

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
BROWSERS = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}  # the first match counts
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")
LOGIN_REFUSED = (
    "Name, password or code is not right, or there were too many tries. If the code was used already, wait for the "
    "next one; else wait a while and try again."
)


def attach(router: PageRouter) -> None:
    """Register the login page and logout."""
    router.add(PageRoute("/login", None), partial(_login_page, router))
    router.add(PageRoute("/login", None, post=True), partial(_login, router))
    router.add(PageRoute("/logout", ALL_ROLES, post=True), partial(_logout, router))


def _login_page(router: PageRouter, _: Mapping[str, str], refused: bool = False) -> Response:
    browser = cookies.Browser.of(request)
    words = {"token": router.page_csrf_token(browser), "refused": LOGIN_REFUSED if refused else ""}
    response = page("login.html", 403 if refused else 200, **words)
    browser.keep(response)
    if cookies.read(request, cookies.SESSION):
        current = router.found()
        if current is None:
            cookies.delete_cookie(response, cookies.SESSION)
        elif router.database.now() - current[0].seen_at < IDLE_TIMEOUT:
            # Not from a locked session: the next person logs in without the password of the one before.
            return redirect("/")
    return response


def _login(router: PageRouter, form: Mapping[str, str]) -> Response:
    name = form.get("name", "").strip().lower()[:64]
    if cookies.Browser.of(request).knows(router.cipher, name):
        with passwords.KNOWN_BROWSERS.place():
            return _try_login(router, form, name, passwords.KNOWN_BROWSERS)
    with passwords.UNKNOWN_BROWSERS.place(throttle.client_address(request)):
        return _try_login(router, form, name, passwords.UNKNOWN_BROWSERS)


def _try_login(router: PageRouter, form: Mapping[str, str], name: str, slots: passwords.LoginSlots) -> Response:
    database, cipher, browser = router.database, router.cipher, cookies.Browser.of(request)
    attempts = [] if slots is passwords.KNOWN_BROWSERS else [throttle.address_attempt(cipher, request)]
    if not all(login_throttle.count_attempts(database, *attempts)):
        # Above its limit an address causes no more password hashing, and no further row in the database.
        return _login_page(router, form, refused=True)
    attempts.append(throttle.name_attempt(cipher, browser, name))
    (is_name_allowed,) = login_throttle.count_attempts(database, attempts[-1])
    account = accounts.find_by_name(database, name)
    if not credentials_match(router, account, form, may=is_name_allowed, room=slots) or account is None:
        return _login_page(router, form, refused=True)
    login_throttle.reset(database, [attempt.bucket for attempt in attempts])
    if passwords.is_outdated(account.password):
        accounts.update_password_hash(database, account, passwords.rehash_password(form["password"], slots))
    response = redirect("/")
    _start_session(router, account, response)
    browser.having(cipher, name).keep(response)
    return response


def credentials_match(
    router: PageRouter,
    account: Account | None,
    form: Mapping[str, str],
    *,
    may: bool,
    room: passwords.LoginSlots = passwords.KNOWN_BROWSERS,
) -> bool:
    """Return whether password and code are right and the code was never used; the work is the same whatever is wrong.

    `may`: False if logins with this name are locked. `room`: where the caller holds a slot.
    """
    is_right = passwords.is_correct(form.get("password", ""), account.password if account else None, room)
    step = _totp_step(router, account, form.get("code", ""))
    is_allowed = may and is_right and account is not None and account.ended_at is None and step is not None
    if is_allowed and account and step is not None and accounts.use_totp_step(router.database, account, step):
        return True
    if may:  # a locked attempt is counted already, and would only fill the audit
        login_throttle.record_failure(router.database, account)
    return False


def _totp_step(router: PageRouter, account: Account | None, code: str) -> int | None:
    try:
        secret = (
            totp.open_secret(router.cipher, account.staff_id, account.totp) if account else b"\0" * totp.SECRET_BYTES
        )
    except DecryptError:
        return None
    step = totp.matching_step(secret, code, router.database.now() / 1_000_000)
    return step if account else None


def _start_session(router: PageRouter, account: Account, response: Response) -> None:
    token, now = cookies.new_session(), router.database.now()
    if previous := router.found():  # a locked session that the next person takes over
        staff_sessions.end(router.database, previous[1], previous[0].session_hash)
    kind = browser_kind(request.headers.get("User-Agent", ""))
    session = StaffSession(cookies.token_hash(token), account.staff_id, kind, now, now, now, now + SESSION_LIFETIME)
    staff_sessions.start(router.database, account, session)
    cookies.set_cookie(response, cookies.SESSION, token)


def browser_kind(said: str) -> str:
    """Return browser and system of a User-Agent header, enough to tell one's own sessions apart in a list."""
    browser = next((name for mark, name in BROWSERS.items() if mark in said), "browser")
    system = next((name for name in SYSTEMS if name in said), "computer")
    return f"{browser}, {system}"


def _logout(router: PageRouter, me: StaffRequest) -> Response:
    staff_sessions.end(router.database, me.account, me.session.session_hash)
    return logout_response()


def logout_response() -> Response:
    """Redirect to the login page, and delete the pages and the session from this browser.

    The browser cookie stays: because of it, strangers cannot lock this person out here.
    """
    response = redirect("/login")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    cookies.delete_cookie(response, cookies.SESSION)
    return response
