"""Log in, confirm one's identity and unlock with a passkey; add and remove passkeys.

Each act is two requests: a script asks for the options, and then sends the browser's answer by an ordinary form.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, abort, request
from werkzeug.exceptions import BadRequest

from console.auth import cookies, passkeys
from console.auth.access_control import Form, StaffRequest, known_page, locked_session, public, requires
from console.auth.login import (
    address_attempt,
    console_site,
    name_attempt,
    render_check,
    render_login,
    renew_session,
    session_attempt,
    start_session,
    unlock_session,
)
from console.auth.passkeys import Assertion, Ceremony, InvalidAnswer, Purpose, Site
from console.responses import HEADERS, redirect
from console.services import services
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts, login_throttle, staff_sessions
from reports.store.staff import passkeys as stored_passkeys
from reports.store.staff.accounts import Account
from reports.store.staff.passkeys import Passkey
from reports.store.staff.staff_sessions import StaffSession

bp = Blueprint("passkeys", __name__)

MAX_NAME_LENGTH = 40
PASSKEY_REFUSED = "The passkey was not accepted, or there were too many tries. Use your password, or try again later."


def _site() -> Site:
    """Return the console as browsers see it. Aborts with 400 where it has no passkeys."""
    return console_site() or abort(400)


def _options(options: dict[str, Any]) -> Response:
    return Response(json.dumps(options), headers=HEADERS, content_type="application/json")


def _ceremony(purpose: Purpose, holder: bytes | str) -> Ceremony:
    return Ceremony(_site(), services.cipher, purpose, holder, services.database.now())


def _is_right(ceremony: Ceremony, assertion: Assertion, passkey: Passkey, account: Account) -> bool:
    """Verify an assertion, its challenge and its counter. A counter that did not grow is written to the audit log."""
    try:
        ceremony.verify_assertion(assertion, passkey)
    except InvalidAnswer:
        return False
    attempt = passkeys.challenge_attempt(services.cipher, assertion.challenge)
    if login_throttle.count_attempts(services.database, attempt) != (True,):
        return False
    if not stored_passkeys.record_use(services.database, passkey.credential_id, assertion.sign_count):
        accounts.record_act(services.database, account, "passkey_counter_back", account.staff_id)
        return False
    return True


@bp.post("/login/passkey/options")
@public
def login_options(_: Form) -> Response:
    """Return a challenge for this browser. It names no account."""
    return _options(_ceremony(Purpose.LOGIN, _browser().nonce).request_options())


def _browser() -> cookies.Browser:
    return cookies.Browser.of(request)


@bp.post("/login/passkey")
@public
def login(form: Form) -> Response:
    """Start a session with a passkey alone. Attempts are counted as those with a password are."""
    database, cipher, browser = services.database, services.cipher, _browser()
    ceremony = _ceremony(Purpose.LOGIN, browser.nonce)
    try:
        one = passkeys.read_assertion(form.get("answer", ""))
    except InvalidAnswer:
        raise BadRequest from None
    passkey = stored_passkeys.find(database, one.credential_id)
    account = accounts.find_by_id(database, passkey.staff_id) if passkey else None
    is_known_browser = account is not None and browser.knows(cipher, account.name)
    attempts = [] if is_known_browser else [address_attempt(cipher, request)]
    if not all(login_throttle.count_attempts(database, *attempts)) or passkey is None or account is None:
        return render_login(form, PASSKEY_REFUSED)
    attempts.append(name_attempt(cipher, browser, account.name))
    if login_throttle.count_attempts(database, attempts[-1]) != (True,):
        return render_login(form, PASSKEY_REFUSED)
    is_active = account.ended_at is None and one.user_handle is not None
    if not is_active or not _is_right(ceremony, one, passkey, account):
        login_throttle.record_failure(database, account, attempts[-1])
        return render_login(form, PASSKEY_REFUSED)
    login_throttle.reset(database, [attempt.bucket for attempt in attempts])
    response = redirect(known_page(form.get("then", ""), account))
    if not start_session(account, response):
        return render_login(form, PASSKEY_REFUSED)
    browser.having(cipher, account.name).set_on(response)
    return response


def _own_options(purpose: Purpose, session: StaffSession, account: Account) -> Response:
    own = stored_passkeys.list_passkeys(services.database, account.staff_id)
    if not own:
        abort(400)
    return _options(_ceremony(purpose, session.session_hash).request_options(own))


def _has_own(purpose: Purpose, session: StaffSession, account: Account, form: Form) -> bool:
    """Return whether the form has the right answer of one of the account's own passkeys."""
    try:
        one = passkeys.read_assertion(form.get("answer", ""))
    except InvalidAnswer:
        return False
    passkey = stored_passkeys.find(services.database, one.credential_id)
    if passkey is None or passkey.staff_id != account.staff_id:
        return False
    return _is_right(_ceremony(purpose, session.session_hash), one, passkey, account)


@bp.post("/check/passkey/options")
@requires(*StaffRole)
def check_options(me: StaffRequest) -> Response:
    """Return a challenge for this session, with the account's own passkeys."""
    return _own_options(Purpose.CHECK, me.session, me.account)


@bp.post("/check/passkey")
@requires(*StaffRole)
def check(me: StaffRequest) -> Response:
    """Go on to the next page if the passkey is right. Too many wrong answers end the session."""
    _site()
    next_path = known_page(me.form.get("then", ""))
    attempt = session_attempt(services.cipher, me.session.session_hash)
    if login_throttle.count_attempts(services.database, attempt) != (True,):
        staff_sessions.end(services.database, me.account, me.session.session_hash, keeps_drafts=True)
        return redirect("/login")
    if not _has_own(Purpose.CHECK, me.session, me.account, me.form):
        login_throttle.record_failure(services.database, me.account, attempt)
        return render_check(me, next_path, PASSKEY_REFUSED)
    login_throttle.reset(services.database, [attempt.bucket])
    return renew_session(me.session, checked=True, next_path=next_path)


@bp.post("/locked/passkey/options")
@public
def unlock_options(_: Form) -> Response:
    """Return a challenge for the locked session of this browser, with the account's own passkeys."""
    return _own_options(Purpose.UNLOCK, *(locked_session() or abort(400)))


@bp.post("/locked/passkey")
@public
def unlock(form: Form) -> Response:
    """Unlock with a passkey, as with the password. Too many wrong answers end the session."""
    _site()
    return unlock_session(
        form, lambda session, account: _has_own(Purpose.UNLOCK, session, account, form), PASSKEY_REFUSED
    )


# A person's own passkeys, on their own page.


@bp.post("/me/passkeys/options")
@requires(*StaffRole, fresh=True, back="/me")
def creation_options(me: StaffRequest) -> Response:
    """Return a challenge for a new passkey of this account."""
    own = stored_passkeys.list_passkeys(services.database, me.account.staff_id)
    return _options(_ceremony(Purpose.ADD, me.session.session_hash).creation_options(me.account, own))


@bp.post("/me/passkeys")
@requires(*StaffRole, fresh=True, back="/me")
def add(me: StaffRequest) -> Response:
    """Store a new passkey under the name that its owner gave it."""
    name = " ".join(me.form.get("name", "").split())[:MAX_NAME_LENGTH]
    database, now = services.database, services.database.now()
    try:
        new = _ceremony(Purpose.ADD, me.session.session_hash).verify_creation(me.form.get("answer", ""))
    except InvalidAnswer:
        return redirect("/me?said=passkey_refused#passkeys")
    attempt = passkeys.challenge_attempt(services.cipher, new.challenge)
    passkey = Passkey(new.credential_id, me.account.staff_id, name or "1", new.public_key, new.sign_count, now)
    is_first_use = login_throttle.count_attempts(database, attempt) == (True,)
    is_added = is_first_use and stored_passkeys.add(database, me.account, passkey, me.session.session_hash)
    return redirect(f"/me?said={'passkey_added' if is_added else 'passkey_refused'}#passkeys")


@bp.post("/me/passkeys/remove")
@requires(*StaffRole, fresh=True, back="/me")
def remove(me: StaffRequest) -> Response:
    """Remove one of the person's own passkeys."""
    for one in stored_passkeys.list_passkeys(services.database, me.account.staff_id):
        if one.credential_id.hex() == me.form.get("passkey"):
            stored_passkeys.remove(services.database, me.account, one.credential_id)
    return redirect("/me?said=passkey_removed#passkeys")
