"""Invitations: a link that works once, within a day. It is shown to the person who invites, and stored as a hash.

The page behind the link sets a password and the secret of an authenticator.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from flask import Blueprint, Response, abort, request

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
OPERATOR_HOTLINE = "_operator"  # the `hotline` of the operator's own accounts


@dataclass(frozen=True, slots=True)
class InvitedAccount:
    """The name, hotline and role of the account that an invitation opens."""

    name: str
    hotline: str
    role: StaffRole


def is_valid_name(name: str) -> bool:
    """Return whether an account may have this name."""
    return 2 <= len(name) <= MAX_NAME_LENGTH and NAME_PATTERN.fullmatch(name) is not None


def hash_token(word: str) -> bytes:
    """Return the hash by which an invitation is stored."""
    return hashlib.sha256(word.encode()).digest()


def invite(database: Database, address: str, place: InvitedAccount, by: str, staff_id: str | None = None) -> str:
    """Create an invitation and return its link; empty if the name is taken.

    `address`: of the console. `by`: the actor who invites. `staff_id`: the account to restore; None for a new one.
    """
    word = secrets.token_urlsafe(32)
    expires_at = database.now() + DAY
    open_invitation = Invitation(hash_token(word), place.name, place.hotline, place.role, staff_id, by, expires_at)
    return f"{address}/join/{word}" if accounts.invite(database, open_invitation) else ""


PASSWORDS_DIFFER = "The two passwords are not the same."
WRONG_CODE = (
    "This code is not of this picture, or too old. Take the picture once more, then type the code it shows now."
)


def _find_open(word: str) -> Invitation:
    invitation = accounts.find_invitation(services.database, hash_token(word))
    if invitation is None:
        abort(404)
    return invitation


@bp.get("/join/<word>")
@public
def invitation_page(_: Form, word: str) -> Response:
    """Show the page that an invitation link opens."""
    return _render_invitation(word)


def _render_invitation(word: str, problem: str = "") -> Response:
    open_invitation = _find_open(word)
    browser = cookies.Browser.of(request)
    secret = credentials.derive_secret(services.cipher, word, browser.nonce)
    response = page(
        "join.html",
        400 if problem else 200,
        token=page_csrf_token(browser),
        invitation=open_invitation,
        picture=credentials.qr_code(secret, open_invitation.name, open_invitation.hotline),
        to_type=credentials.manual_entry_key(secret),
        wrong=problem,
    )
    browser.keep(response)
    return response


@bp.post("/join/<word>")
@public
def accept_invitation(form: Form, word: str) -> Response:
    """Open or restore the account, with the new password and authenticator."""
    open_invitation, browser = _find_open(word), cookies.Browser.of(request)
    secret, password = credentials.derive_secret(services.cipher, word, browser.nonce), form.get("password", "")
    step = credentials.matching_step(secret, form.get("code", ""), services.database.now() / 1_000_000)
    problem = credentials.rejection_reason(password, (open_invitation.name, open_invitation.hotline))
    if not problem and password != form.get("again", ""):
        problem = PASSWORDS_DIFFER
    if problem or step is None:
        return _render_invitation(word, problem or WRONG_CODE)
    staff_id = open_invitation.staff_id or accounts.new_staff_id(services.database)
    login_data = Credentials(
        credentials.hash_password(password), credentials.seal_secret(services.cipher, staff_id, secret), step
    )
    if not accounts.accept_invitation(services.database, open_invitation, staff_id, login_data):
        abort(404)
    response = page("joined.html", name=open_invitation.name)
    browser.having(services.cipher, open_invitation.name).keep(response)
    return response
