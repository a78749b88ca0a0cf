"""Log in with name, password and one-time code; log out; lock an idle session; limit attempts."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import partial

from flask import Request, Response, request

from console.auth import cookies, credentials
from console.auth.access_control import ALL_ROLES, IDLE_TIMEOUT, PageRoute, PageRouter, StaffRequest
from console.auth.cookies import Browser
from console.responses import current_query, page, redirect
from reports.crypto import DecryptError, RecordCipher
from reports.store.cases import case_list
from reports.store.staff import accounts, login_throttle, staff_sessions
from reports.store.staff.accounts import Account
from reports.store.staff.login_throttle import LoginAttempt, LoginLimit
from reports.store.staff.staff_sessions import StaffSession
from runtime.time_units import DAY_SECONDS, HOUR, MINUTE_SECONDS

NAME_LIMIT = LoginLimit(tries=5, within=DAY_SECONDS, locked=15 * MINUTE_SECONDS, max_locked=DAY_SECONDS)
ADDRESS_LIMIT = LoginLimit(
    tries=20, within=10 * MINUTE_SECONDS, locked=10 * MINUTE_SECONDS, max_locked=60 * MINUTE_SECONDS
)
SESSION_LIFETIME = 10 * HOUR
BROWSERS = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}  # the first match counts
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")
LOGIN_REFUSED = (
    "Name, password or code is not right, or there were too many tries. If the code was used already, wait for the "
    "next one; else wait a while and try again."
)


# Limits on login attempts. Nobody can lock a colleague out.
#
# A browser that a person has logged in with has a counter of its own. Strangers who try the name lock only strangers.


def name_attempt(cipher: RecordCipher, browser: Browser, name: str) -> LoginAttempt:
    """Return the counter for a login with this name: of this browser if it knows the person, else of the name."""
    if browser.knows(cipher, name):
        return LoginAttempt(cipher.mac("tries", "browser", browser.nonce, name), NAME_LIMIT)
    return LoginAttempt(cipher.mac("tries", "name", name), NAME_LIMIT)


def address_attempt(cipher: RecordCipher, request: Request) -> LoginAttempt:
    """Return the counter for logins from the address of this request."""
    return LoginAttempt(cipher.mac("tries", "address", client_address(request)), ADDRESS_LIMIT)


def session_attempt(cipher: RecordCipher, session_hash: bytes) -> LoginAttempt:
    """Return the counter for passwords on the locked page or in a repeated check, which belong to one session."""
    return LoginAttempt(cipher.mac("tries", "session", session_hash), NAME_LIMIT)


def client_address(request: Request) -> str:
    """Return the address of the browser; the /64 network for IPv6, `unknown` if it is invalid.

    X-Forwarded-For counts only if the proxy runs on this machine.
    """
    peer = request.environ.get("REMOTE_ADDR", "")
    forwarded = request.headers.get("X-Forwarded-For", "")
    try:
        if forwarded and (not peer or ipaddress.ip_address(peer).is_loopback):
            peer = forwarded.rpartition(",")[2].strip()
        address = ipaddress.ip_address(peer)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


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
        with credentials.KNOWN_BROWSERS.place():
            return _try_login(router, form, name, credentials.KNOWN_BROWSERS)
    with credentials.UNKNOWN_BROWSERS.place(client_address(request)):
        return _try_login(router, form, name, credentials.UNKNOWN_BROWSERS)


def _try_login(router: PageRouter, form: Mapping[str, str], name: str, slots: credentials.LoginSlots) -> Response:
    database, cipher, browser = router.database, router.cipher, cookies.Browser.of(request)
    attempts = [] if slots is credentials.KNOWN_BROWSERS else [address_attempt(cipher, request)]
    if not all(login_throttle.count_attempts(database, *attempts)):
        # Above its limit an address causes no more password hashing, and no further row in the database.
        return _login_page(router, form, refused=True)
    attempts.append(name_attempt(cipher, browser, name))
    (is_name_allowed,) = login_throttle.count_attempts(database, attempts[-1])
    account = accounts.find_by_name(database, name)
    if not credentials_match(router, account, form, may=is_name_allowed, room=slots) or account is None:
        return _login_page(router, form, refused=True)
    login_throttle.reset(database, [attempt.bucket for attempt in attempts])
    if credentials.is_outdated(account.password):
        accounts.update_password_hash(database, account, credentials.rehash_password(form["password"], slots))
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
    room: credentials.LoginSlots = credentials.KNOWN_BROWSERS,
) -> bool:
    """Return whether password and code are right and the code was never used; the work is the same whatever is wrong.

    `may`: False if logins with this name are locked. `room`: where the caller holds a slot.
    """
    is_right = credentials.is_correct(form.get("password", ""), account.password if account else None, room)
    step = _totp_step(router, account, form.get("code", ""))
    is_allowed = may and is_right and account is not None and account.ended_at is None and step is not None
    if is_allowed and account and step is not None and accounts.use_totp_step(router.database, account, step):
        return True
    if may:  # a locked attempt is counted already, and would only fill the audit
        login_throttle.record_failure(router.database, account)
    return False


def _totp_step(router: PageRouter, account: Account | None, code: str) -> int | None:
    try:
        secret = b"\0" * credentials.SECRET_BYTES
        if account:
            secret = credentials.open_secret(router.cipher, account.staff_id, account.totp)
    except DecryptError:
        return None
    step = credentials.matching_step(secret, code, router.database.now() / 1_000_000)
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


# The locked page of an idle session, and the repeated check of the login before critical actions.


def attach_lock_screen(router: PageRouter) -> None:
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
    attempt = session_attempt(router.cipher, session.session_hash)
    if login_throttle.count_attempts(router.database, attempt) != (True,):
        staff_sessions.end(router.database, account, session.session_hash)
        return redirect("/login")
    with credentials.KNOWN_BROWSERS.place():
        is_right = credentials.is_correct(form.get("password", ""), account.password)
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
    attempt = session_attempt(router.cipher, me.session.session_hash)
    if login_throttle.count_attempts(router.database, attempt) != (True,):
        staff_sessions.end(router.database, me.account, me.session.session_hash)
        return redirect("/login")
    with credentials.KNOWN_BROWSERS.place():
        is_shown = credentials_match(router, me.account, me.form, may=True)
    if not is_shown:
        return _check_page(router, me, refused=True, then=next_path)
    login_throttle.reset(router.database, [attempt.bucket])
    return _renew_session(router, me.session, checked=True, then=next_path)


def _lock(router: PageRouter, me: StaffRequest) -> Response:
    """Lock the session at once, as if it had been idle. Drafts are saved; the same page opens after the password."""
    staff_sessions.lock(router.database, me.session.session_hash, IDLE_TIMEOUT)
    return redirect(router.locked(me.form.get("then", "")))
