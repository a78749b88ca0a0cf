"""The page behind an invitation: a password of one's own, and an authenticator that knows the secret. Once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response, abort, request

from console import codes, cookies, passwords
from console.answers import page
from console.doors import Door, Doors
from console.inviting import hash_of
from reports.store.staff import accounts
from reports.store.staff.accounts import Credentials, Invitation

NOT_THE_SAME = "The two passwords are not the same."
NO_CODE = "This code is not of this picture, or too old. Take the picture once more, then type the code it shows now."


def attach(doors: Doors) -> None:
    doors.add(Door("/join/<word>", None), partial(_page, doors))
    doors.add(Door("/join/<word>", None, post=True), partial(_join, doors))


def _invitation(doors: Doors, word: str) -> Invitation:
    found = accounts.find_invitation(doors.database, hash_of(word))
    if found is None:
        abort(404)
    return found


def _page(doors: Doors, _: Mapping[str, str], word: str, wrong: str = "") -> Response:
    one = _invitation(doors, word)
    browser = cookies.Browser.of(request)
    secret = codes.drawn_for(doors.cipher, word, browser.nonce)
    response = page(
        "join.html",
        400 if wrong else 200,
        token=doors.page_token(browser),
        invitation=one,
        picture=codes.picture(secret, one.name, one.hotline),
        to_type=codes.to_type(secret),
        wrong=wrong,
    )
    browser.keep(response)
    return response


def _join(doors: Doors, form: Mapping[str, str], word: str) -> Response:
    one, browser = _invitation(doors, word), cookies.Browser.of(request)
    secret, password = codes.drawn_for(doors.cipher, word, browser.nonce), form.get("password", "")
    step = codes.step_of(secret, form.get("code", ""), doors.database.now() / 1_000_000)
    wrong = passwords.fault(password, (one.name, one.hotline))
    if not wrong and password != form.get("again", ""):
        wrong = NOT_THE_SAME
    if wrong or step is None:
        return _page(doors, form, word, wrong or NO_CODE)
    staff_id = one.staff_id or accounts.new_staff_id(doors.database)
    chosen = Credentials(passwords.hashed(password), codes.sealed(doors.cipher, staff_id, secret), step)
    if not accounts.accept_invitation(doors.database, one, staff_id, chosen):
        abort(404)
    response = page("joined.html", name=one.name)
    browser.having(doors.cipher, one.name).keep(response)
    return response
