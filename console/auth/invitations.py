"""Invitations: a link that one person uses once, within a day. It is shown to whoever made it, and kept as a hash."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from flask import Response, abort, request

from console.auth import cookies, passwords, totp
from console.auth.access_control import PageRoute, PageRouter
from console.responses import page
from reports.store.engine.database import Database
from reports.store.staff import accounts
from reports.store.staff.accounts import Credentials, Invitation
from runtime.time_units import DAY

MAX_NAME_LENGTH = 24
NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(?:[.-][a-z0-9]+)*")
OPERATOR_HOTLINE = "_operator"  # stands for a hotline in the accounts of the operator's people


@dataclass(frozen=True, slots=True)
class InvitedAccount:
    """What an account is for."""

    name: str
    hotline: str
    role: str


def is_valid_name(name: str) -> bool:
    return 2 <= len(name) <= MAX_NAME_LENGTH and NAME_PATTERN.fullmatch(name) is not None


def hash_token(word: str) -> bytes:
    return hashlib.sha256(word.encode()).digest()


def invite(database: Database, address: str, place: InvitedAccount, by: str, staff_id: str | None = None) -> str:
    """The link; empty where the name is taken. `staff_id`: whose account it gives back."""
    word = secrets.token_urlsafe(32)
    until = database.now() + DAY
    one = Invitation(hash_token(word), place.name, place.hotline, place.role, staff_id, by, until)
    return f"{address}/join/{word}" if accounts.invite(database, one) else ""


# The page behind an invitation: a password of one's own, and an authenticator that knows the secret. Once.

PASSWORDS_DIFFER = "The two passwords are not the same."
WRONG_CODE = (
    "This code is not of this picture, or too old. Take the picture once more, then type the code it shows now."
)


def attach(doors: PageRouter) -> None:
    doors.add(PageRoute("/join/<word>", None), partial(_page, doors))
    doors.add(PageRoute("/join/<word>", None, post=True), partial(_join, doors))


def _invitation(doors: PageRouter, word: str) -> Invitation:
    found = accounts.find_invitation(doors.database, hash_token(word))
    if found is None:
        abort(404)
    return found


def _page(doors: PageRouter, _: Mapping[str, str], word: str, wrong: str = "") -> Response:
    one = _invitation(doors, word)
    browser = cookies.Browser.of(request)
    secret = totp.derive_secret(doors.cipher, word, browser.nonce)
    response = page(
        "join.html",
        400 if wrong else 200,
        token=doors.page_csrf_token(browser),
        invitation=one,
        picture=totp.qr_code(secret, one.name, one.hotline),
        to_type=totp.manual_entry_key(secret),
        wrong=wrong,
    )
    browser.keep(response)
    return response


def _join(doors: PageRouter, form: Mapping[str, str], word: str) -> Response:
    one, browser = _invitation(doors, word), cookies.Browser.of(request)
    secret, password = totp.derive_secret(doors.cipher, word, browser.nonce), form.get("password", "")
    step = totp.matching_step(secret, form.get("code", ""), doors.database.now() / 1_000_000)
    wrong = passwords.fault(password, (one.name, one.hotline))
    if not wrong and password != form.get("again", ""):
        wrong = PASSWORDS_DIFFER
    if wrong or step is None:
        return _page(doors, form, word, wrong or WRONG_CODE)
    staff_id = one.staff_id or accounts.new_staff_id(doors.database)
    chosen = Credentials(passwords.hash_password(password), totp.seal_secret(doors.cipher, staff_id, secret), step)
    if not accounts.accept_invitation(doors.database, one, staff_id, chosen):
        abort(404)
    response = page("joined.html", name=one.name)
    browser.having(doors.cipher, one.name).keep(response)
    return response
