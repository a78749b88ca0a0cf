"""Logging in, by name, password and one-time code together; and out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response, request

from console import codes, cookies, guessing, passwords
from console.answers import page, to
from console.doors import EVERYBODY, IDLE, Door, Doors, Visitor
from reports.crypto import DecryptError
from reports.store.staff import accounts, login_throttle, staff_sessions
from reports.store.staff.accounts import Account
from reports.store.staff.staff_sessions import StaffSession
from runtime.time_units import HOUR

HOURS = 10 * HOUR
BROWSERS = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}  # the first that is there
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")
NOT_RIGHT = (
    "Name, password or code is not right, or there were too many tries. If the code was used already, wait for the "
    "next one; else wait a while and try again."
)


def attach(doors: Doors) -> None:
    doors.add(Door("/login", None), partial(_login_page, doors))
    doors.add(Door("/login", None, post=True), partial(_login, doors))
    doors.add(Door("/logout", EVERYBODY, post=True), partial(_logout, doors))


def _login_page(doors: Doors, _: Mapping[str, str], refused: bool = False) -> Response:
    browser = cookies.Browser.of(request)
    words = {"token": doors.page_token(browser), "refused": NOT_RIGHT if refused else ""}
    response = page("login.html", 403 if refused else 200, **words)
    browser.keep(response)
    if cookies.read(request, cookies.SESSION):
        found = doors.found()
        if found is None:
            cookies.drop(response, cookies.SESSION)
        elif doors.database.now() - found[0].seen_at < IDLE:
            return to("/")  # and not from a locked desk: whoever comes next logs in without its last one's password
    return response


def _login(doors: Doors, form: Mapping[str, str]) -> Response:
    name = form.get("name", "").strip().lower()[:64]
    if cookies.Browser.of(request).knows(doors.cipher, name):
        with passwords.KNOWN.place():
            return _let_in(doors, form, name, passwords.KNOWN)
    with passwords.STRANGERS.place(guessing.address_of(request)):
        return _let_in(doors, form, name, passwords.STRANGERS)


def _let_in(doors: Doors, form: Mapping[str, str], name: str, room: passwords.Room) -> Response:
    database, vault, browser = doors.database, doors.cipher, cookies.Browser.of(request)
    knocks = [] if room is passwords.KNOWN else [guessing.from_the_address(vault, request)]
    if not all(login_throttle.count_attempts(database, *knocks)):
        return _login_page(doors, form, refused=True)  # whoever tries so much gets no more work done, nor a row kept
    knocks.append(guessing.at_the_name(vault, browser, name))
    (may_name,) = login_throttle.count_attempts(database, knocks[-1])
    account = accounts.find_by_name(database, name)
    if not shows(doors, account, form, may=may_name, room=room) or account is None:
        return _login_page(doors, form, refused=True)
    login_throttle.reset(database, [one.bucket for one in knocks])
    if passwords.is_outdated(account.password):
        accounts.update_password_hash(database, account, passwords.hashed_again(form["password"], room))
    response = to("/")
    _begin(doors, account, response)
    browser.having(vault, name).keep(response)
    return response


def shows(
    doors: Doors,
    account: Account | None,
    form: Mapping[str, str],
    *,
    may: bool,
    room: passwords.Room = passwords.KNOWN,
) -> bool:
    """Password and code are right, and this code was never used. As much work whatever is wrong with them."""
    right = passwords.is_right(form.get("password", ""), account.password if account else None, room)
    step = _step(doors, account, form.get("code", ""))
    allowed = may and right and account is not None and account.ended_at is None and step is not None
    if allowed and account and step is not None and accounts.use_totp_step(doors.database, account, step):
        return True
    if may:  # what is locked is counted already, and would only fill the audit
        login_throttle.record_failure(doors.database, account)
    return False


def _step(doors: Doors, account: Account | None, code: str) -> int | None:
    try:
        secret = codes.opened(doors.cipher, account.staff_id, account.totp) if account else b"\0" * codes.SECRET_BYTES
    except DecryptError:
        return None
    step = codes.step_of(secret, code, doors.database.now() / 1_000_000)
    return step if account else None


def _begin(doors: Doors, account: Account, response: Response) -> None:
    token, now = cookies.new_session(), doors.database.now()
    if before := doors.found():  # a locked desk that the next one takes over
        staff_sessions.end(doors.database, before[1], before[0].session_hash)
    kind = browser_kind(request.headers.get("User-Agent", ""))
    session = StaffSession(cookies.hash_of(token), account.staff_id, kind, now, now, now, now + HOURS)
    staff_sessions.start(doors.database, account, session)
    cookies.put(response, cookies.SESSION, token)


def browser_kind(said: str) -> str:
    """Enough to tell two of one's own apart in a list."""
    browser = next((name for mark, name in BROWSERS.items() if mark in said), "browser")
    system = next((name for name in SYSTEMS if name in said), "computer")
    return f"{browser}, {system}"


def _logout(doors: Doors, me: Visitor) -> Response:
    staff_sessions.end(doors.database, me.account, me.session.session_hash)
    return out()


def out() -> Response:
    """To the login; nothing of the pages stays in this browser, but the cookie of the browser itself: by it strangers
    cannot lock this person out here."""
    response = to("/login")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    cookies.drop(response, cookies.SESSION)
    return response
