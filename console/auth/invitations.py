"""Invitations: a code that works once, within a day. It is shown to the person who invites, and stored as a hash.

The code is typed, or comes in the fragment of a link or QR code, which no browser sends to a server: no address that a
proxy could log contains it. The page behind it sets a password and the secret of an authenticator.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from flask import Blueprint, Response, request

from console.auth import cookies, credentials
from console.auth.access_control import Form, page_csrf_token, public
from console.responses import page
from console.services import services
from reports.store.engine.database import Database
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts
from reports.store.staff.accounts import Credentials, Invitation
from runtime.time_units import DAY

bp = Blueprint("invitations", __name__)

MAX_NAME_LENGTH = 24
NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(?:[.-][a-z0-9]+)*")
CODE_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # no letter or digit that looks like another one
MAX_TYPED = 64
CODE_LENGTH, CODE_GROUP = 16, 4  # 79 bits: nobody guesses one within its day


@dataclass(frozen=True, slots=True)
class InvitedAccount:
    """The name, hotline and role of the account that an invitation opens."""

    name: str
    hotline: str
    role: StaffRole


def is_valid_name(name: str) -> bool:
    """Return whether an account may have this name."""
    return 2 <= len(name) <= MAX_NAME_LENGTH and NAME_PATTERN.fullmatch(name) is not None


def _new_code() -> str:
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    return "-".join(letters[start : start + CODE_GROUP] for start in range(0, CODE_LENGTH, CODE_GROUP))


def hash_code(code: str) -> bytes:
    """Return the hash by which an invitation is stored. Capitals, blanks and hyphens do not count."""
    return hashlib.sha256(_letters_of(code).encode()).digest()


def _letters_of(code: str) -> str:
    return "".join(letter for letter in code.lower() if letter in CODE_LETTERS)


def invite(database: Database, address: str, place: InvitedAccount, by: str, staff_id: str | None = None) -> str:
    """Create an invitation and return its link, which ends with `#` and the code; empty if the name is taken.

    `address`: of the console. `by`: the actor who invites. `staff_id`: the account to restore; None for a new one.
    """
    code = _new_code()
    expires_at = database.now() + DAY
    open_invitation = Invitation(hash_code(code), place.name, place.hotline, place.role, staff_id, by, expires_at)
    return f"{address}/join#{code}" if accounts.invite(database, open_invitation) else ""


PASSWORDS_DIFFER = "The two passwords are not the same."
TAKEN = "This name is in use, or was used before. Choose another one."
INVITED_NAME_TAKEN = "This name is in use. Ask who invited you for an invitation under another name."
WRONG_CODE = "This code is wrong or too old. Scan the picture again, then type the code that it shows now."


INVALID_CODE = "This code is not valid. It works once, and for one day. Compare it with the slip, or ask for a new one."


@bp.get("/join")
@public
def code_page(_: Form) -> Response:
    """Show the page that asks for the code of an invitation; a script takes it from the fragment of the address."""
    return _render_code()


def _render_code(typed: str = "", problem: str = "") -> Response:
    browser = cookies.Browser.of(request)
    words = {"token": page_csrf_token(browser), "typed": typed, "wrong": problem}
    response = page("join_code.html", 404 if problem else 200, **words)
    browser.set_on(response)
    return response


@bp.post("/join/code")
@public
def open_invitation(form: Form) -> Response:
    """Show the page of an invitation. One that was used or revoked is answered like one that never existed."""
    code = form.get("invitation", "")[:MAX_TYPED]
    invitation = accounts.find_invitation(services.database, hash_code(code))
    return _render_invitation(invitation, code) if invitation else _render_code(code, INVALID_CODE)


def _render_invitation(invitation: Invitation, code: str, problem: str = "") -> Response:
    browser = cookies.Browser.of(request)
    secret = credentials.derive_secret(services.cipher, _letters_of(code), browser.nonce)
    response = page(
        "join.html",
        400 if problem else 200,
        token=page_csrf_token(browser),
        invitation=invitation,
        code=code,
        picture=credentials.qr_code(secret, invitation.name, invitation.hotline),
        to_type=credentials.manual_entry_key(secret),
        wrong=problem,
    )
    browser.set_on(response)
    return response


@bp.post("/join/account")
@public
def accept_invitation(form: Form) -> Response:
    """Open or restore the account, with the new password and authenticator."""
    code, browser = form.get("invitation", "")[:MAX_TYPED], cookies.Browser.of(request)
    invitation = accounts.find_invitation(services.database, hash_code(code))
    if invitation is None:
        return _render_code(code, INVALID_CODE)
    secret = credentials.derive_secret(services.cipher, _letters_of(code), browser.nonce)
    password = form.get("password", "")
    step = credentials.matching_step(secret, form.get("code", ""), services.database.now() / 1_000_000)
    problem = credentials.rejection_reason(password, (invitation.name, invitation.hotline))
    if not problem and password != form.get("again", ""):
        problem = PASSWORDS_DIFFER
    if problem or step is None:
        return _render_invitation(invitation, code, problem or WRONG_CODE)
    staff_id = invitation.staff_id or accounts.new_staff_id(services.database)
    login_data = Credentials(
        credentials.hash_password(password), credentials.seal_secret(services.cipher, staff_id, secret), step
    )
    try:
        is_accepted = accounts.accept_invitation(services.database, invitation, staff_id, login_data)
    except accounts.NameTaken:
        return _render_code(code, INVITED_NAME_TAKEN)
    if not is_accepted:
        return _render_code(code, INVALID_CODE)
    response = page("joined.html", name=invitation.name, is_reset=invitation.staff_id is not None)
    browser.having(services.cipher, invitation.name).set_on(response)
    return response
