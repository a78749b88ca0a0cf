"""Log in with name, password and one-time code; log out; lock an idle session; limit attempts."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from flask import Blueprint, Request, Response, request

from console.auth import cookies, credentials, passkeys
from console.auth.access_control import (
    IDLE_TIMEOUT,
    Form,
    StaffRequest,
    found_session,
    known_page,
    locked_address,
    locked_session,
    page_csrf_token,
    public,
    requires,
)
from console.auth.cookies import Browser
from console.responses import current_query, page, redirect
from console.services import services
from reports.crypto import DecryptError, RecordCipher
from reports.store.cases import case_list
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts, login_throttle, staff_sessions
from reports.store.staff import passkeys as stored_passkeys
from reports.store.staff.accounts import Account
from reports.store.staff.login_throttle import LoginAttempt, LoginLimit
from reports.store.staff.staff_sessions import StaffSession
from runtime.time_units import DAY_SECONDS, HOUR, MINUTE_SECONDS

bp = Blueprint("login", __name__)

NAME_LIMIT = LoginLimit(max_attempts=5, period=DAY_SECONDS, lock_time=15 * MINUTE_SECONDS, max_lock_time=DAY_SECONDS)
ADDRESS_LIMIT = LoginLimit(
    max_attempts=20, period=10 * MINUTE_SECONDS, lock_time=10 * MINUTE_SECONDS, max_lock_time=60 * MINUTE_SECONDS
)
SESSION_LIFETIME = 10 * HOUR
BROWSERS = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}  # the first match counts
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")
LOGIN_REFUSED = (
    "Name, password or code is not right, or there were too many tries. If the code was used already, wait for the "
    "next one; else wait a while and try again."
)
UNLOCK_REFUSED = "This is not your password."


# Limits on login attempts, such that nobody can lock a colleague out.
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

    An IPv4 address that was mapped to IPv6 is that IPv4 address. X-Forwarded-For counts only if the proxy runs on this
    machine.
    """
    peer = request.environ.get("REMOTE_ADDR", "")
    forwarded = request.headers.get("X-Forwarded-For", "")
    try:
        if forwarded and (not peer or _parse_address(peer).is_loopback):
            peer = forwarded.rpartition(",")[2].strip()
        address = _parse_address(peer)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def console_site() -> passkeys.Site | None:
    """Return the console as browsers see it, if passkeys can be used here; None if not."""
    return passkeys.site(services.settings.console_url)


def can_use_passkey(account: Account) -> bool:
    """Return whether this account has a passkey that can be used here."""
    return console_site() is not None and bool(stored_passkeys.list_passkeys(services.database, account.staff_id))


@bp.get("/login")
@public
def login_page(_: Form) -> Response:
    """Show the form to log in."""
    return render_login(current_query())


def render_login(form: Form, refused: str = "") -> Response:
    """Return the page with the form to log in. `refused`: the sentence after a failed login."""
    browser = cookies.Browser.of(request)
    words = {"token": page_csrf_token(browser), "refused": refused, "then": known_page(form.get("then", ""))}
    response = page("login.html", 403 if refused else 200, has_passkeys=console_site() is not None, **words)
    browser.set_on(response)
    if cookies.read(request, cookies.SESSION):
        current = found_session()
        if current is None:
            cookies.delete_cookie(response, cookies.SESSION)
        elif services.database.now() - current[0].seen_at < IDLE_TIMEOUT:
            # Not from a locked session: the next person logs in without the password of the one before.
            return redirect("/")
    return response


@bp.post("/login")
@public
def login(form: Form) -> Response:
    """Start a session if name, password and code are right."""
    name = form.get("name", "").strip().lower()[:64]
    browser = cookies.Browser.of(request)
    if browser.knows(services.cipher, name):
        with credentials.KNOWN_BROWSERS.place(browser.nonce):
            return _try_login(form, name, credentials.KNOWN_BROWSERS)
    with credentials.UNKNOWN_BROWSERS.place(client_address(request)):
        return _try_login(form, name, credentials.UNKNOWN_BROWSERS)


def _try_login(form: Form, name: str, slots: credentials.LoginSlots) -> Response:
    database, cipher, browser = services.database, services.cipher, cookies.Browser.of(request)
    attempts = [] if slots is credentials.KNOWN_BROWSERS else [address_attempt(cipher, request)]
    if not all(login_throttle.count_attempts(database, *attempts)):
        # Above its limit an address causes no more password hashing, and no further row in the database.
        return render_login(form, LOGIN_REFUSED)
    attempts.append(name_attempt(cipher, browser, name))
    (is_name_allowed,) = login_throttle.count_attempts(database, attempts[-1])
    if slots is credentials.KNOWN_BROWSERS and not is_name_allowed:
        # Whoever has this browser knows that the name exists; hashing would only delay colleagues.
        return render_login(form, LOGIN_REFUSED)
    account = accounts.find_by_name(database, name)
    is_right = credentials_match(account, form, attempts[-1], is_name_allowed=is_name_allowed, slots=slots)
    if not is_right or account is None:
        return render_login(form, LOGIN_REFUSED)
    login_throttle.reset(database, [attempt.bucket for attempt in attempts])
    response = redirect(known_page(form.get("then", ""), account))
    if not start_session(account, response):
        return render_login(form, LOGIN_REFUSED)
    if credentials.is_outdated(account.password):
        accounts.update_password_hash(database, account, credentials.rehash_password(form["password"], slots))
    browser.having(cipher, name).set_on(response)
    return response


def credentials_match(
    account: Account | None,
    form: Form,
    attempt: LoginAttempt,
    *,
    is_name_allowed: bool,
    slots: credentials.LoginSlots = credentials.KNOWN_BROWSERS,
) -> bool:
    """Return whether password and code are right and the code was never used; the work is the same whatever is wrong.

    `attempt`: as it was counted. `is_name_allowed`: False if logins with this name are locked. `slots`: of which the
    caller holds one.
    """
    is_right = credentials.is_correct(form.get("password", ""), account.password if account else None, slots)
    step = _totp_step(account, form.get("code", ""))
    is_allowed = is_name_allowed and is_right and account is not None and account.ended_at is None and step is not None
    if is_allowed and account and step is not None and accounts.use_totp_step(services.database, account, step):
        return True
    if is_name_allowed:  # a locked attempt is counted already; a record of it would only fill the audit log
        login_throttle.record_failure(services.database, account, attempt)
    return False


def _totp_step(account: Account | None, code: str) -> int | None:
    try:
        secret = b"\0" * credentials.SECRET_BYTES
        if account:
            secret = credentials.open_secret(services.cipher, account.staff_id, account.totp)
    except DecryptError:
        return None
    step = credentials.matching_step(secret, code, services.database.now() / 1_000_000)
    return step if account else None


def start_session(account: Account, response: Response) -> bool:
    """Start a session of this account, with its cookie on the response; return False if the account has changed."""
    token, now = cookies.new_session(), services.database.now()
    if previous := found_session():  # a locked session that the next person takes over
        staff_sessions.end(services.database, previous[1], previous[0].session_hash, keeps_drafts=True)
    kind = browser_kind(request.headers.get("User-Agent", ""))
    session = StaffSession(cookies.token_hash(token), account.staff_id, kind, now, now, now, now + SESSION_LIFETIME)
    cookies.set_cookie(response, cookies.SESSION, token)
    return staff_sessions.start(services.database, account, session)


def browser_kind(user_agent: str) -> str:
    """Return browser and system of a User-Agent header, enough to tell one's own sessions apart in a list."""
    browser = next((name for mark, name in BROWSERS.items() if mark in user_agent), "browser")
    system = next((name for name in SYSTEMS if name in user_agent), "computer")
    return f"{browser}, {system}"


@bp.post("/logout")
@requires(*StaffRole)
def logout(me: StaffRequest) -> Response:
    """End the session."""
    staff_sessions.end(services.database, me.account, me.session.session_hash)
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


@bp.get("/locked")
@public
def locked_page(form: Form) -> Response:
    """Show the locked page of an idle session."""
    return render_locked(form)


def render_locked(form: Form, refused: str = "") -> Response:
    """Show only counts: urgent reports that wait, and those that were passed to this person; nothing of any report."""
    current, next_path = locked_session(), known_page(form.get("then") or current_query().get("then", ""))
    if current is None:  # unlocked in another tab, or another person has logged in, who may not see that page
        unlocked = found_session()
        return redirect(known_page(next_path, unlocked[1] if unlocked else None))
    _, account = current
    urgent_counts = case_list.count_urgent(services.database, account)
    status = 403 if refused else 200
    words = {"waiting": urgent_counts, "hotline": account.hotline, "now": services.database.now(), "then": next_path}
    words["for_you"] = case_list.count_passed_to(services.database, account)
    has_passkey, token = can_use_passkey(account), page_csrf_token(cookies.Browser.of(request))
    return page("locked.html", status, token=token, refused=refused, has_passkey=has_passkey, **words)


@bp.post("/locked")
@public
def unlock(form: Form) -> Response:
    """Unlock with the password alone, within the ten hours of a session. Too many wrong passwords end the session."""

    def is_right(_: StaffSession, account: Account) -> bool:
        with credentials.KNOWN_BROWSERS.place():
            return credentials.is_correct(form.get("password", ""), account.password)

    return unlock_session(form, is_right, UNLOCK_REFUSED)


def unlock_session(form: Form, is_right: Callable[[StaffSession, Account], bool], refused: str) -> Response:
    """Unlock this browser's locked session if `is_right` says so; else show the locked page with `refused`.

    Too many wrong answers end the session, whether they were passwords or passkeys.
    """
    current = locked_session()
    if current is None:
        return redirect("/")
    session, account = current
    attempt = session_attempt(services.cipher, session.session_hash)
    if login_throttle.count_attempts(services.database, attempt) != (True,):
        staff_sessions.end(services.database, account, session.session_hash, keeps_drafts=True)
        return redirect("/login")
    if not is_right(session, account):
        login_throttle.record_failure(services.database, account, attempt, is_shown=False)
        return render_locked(form, refused)
    login_throttle.reset(services.database, [attempt.bucket])
    return renew_session(session, checked=False, next_path=known_page(form.get("then", "")))


def renew_session(session: StaffSession, *, checked: bool, next_path: str) -> Response:
    """Give the session a new id, and go on to `next_path`. `checked`: the person has given password and code again."""
    token, response = cookies.new_session(), redirect(next_path)
    staff_sessions.renew(services.database, session.session_hash, cookies.token_hash(token), checked=checked)
    cookies.set_cookie(response, cookies.SESSION, token)
    return response


@bp.get("/check")
@requires(*StaffRole)
def check_page(me: StaffRequest) -> Response:
    """Show the form that asks for password and code again."""
    return render_check(me, known_page(current_query().get("then", "")))


def render_check(me: StaffRequest, next_path: str, refused: str = "") -> Response:
    """Return the page that asks a logged-in person to prove again who they are."""
    words = {"then": next_path, "refused": refused, "has_passkey": can_use_passkey(me.account)}
    return page("check.html", 403 if refused else 200, me=me, **words)


@bp.post("/check")
@requires(*StaffRole)
def check(me: StaffRequest) -> Response:
    """Go on to the next page if password and code are right."""
    next_path = known_page(me.form.get("then", ""))
    attempt = session_attempt(services.cipher, me.session.session_hash)
    if login_throttle.count_attempts(services.database, attempt) != (True,):
        staff_sessions.end(services.database, me.account, me.session.session_hash, keeps_drafts=True)
        return redirect("/login")
    with credentials.KNOWN_BROWSERS.place():
        is_shown = credentials_match(me.account, me.form, attempt, is_name_allowed=True)
    if not is_shown:
        return render_check(me, next_path, LOGIN_REFUSED)
    login_throttle.reset(services.database, [attempt.bucket])
    return renew_session(me.session, checked=True, next_path=next_path)


@bp.post("/alive")
@requires(*StaffRole)
def report_activity(_: StaffRequest) -> Response:
    """Answer a script that reports activity; the access control has already recorded it."""
    return Response(status=204)


@bp.post("/lock")
@requires(*StaffRole)
def lock(me: StaffRequest) -> Response:
    """Lock the session at once, as if it had been idle. Drafts are saved; the same page opens after the password."""
    staff_sessions.lock(services.database, me.session.session_hash, IDLE_TIMEOUT)
    return redirect(locked_address(me.form.get("then", "")))
