"""The first page after the login, by role."""

from __future__ import annotations

from functools import partial

from flask import Response

from console.answers import page, to
from console.doors import AUDITOR, EVERYBODY, READERS, Door, Doors, Visitor
from reports.store import accounts


def attach(doors: Doors) -> None:
    doors.add(Door("/", EVERYBODY), partial(_first, doors))
    doors.add(Door("/help", EVERYBODY), lambda me: page("help.html", me=me))
    doors.add(Door("/seen", EVERYBODY, post=True), partial(_seen, doors))


def _first(doors: Doors, me: Visitor) -> Response:
    del doors
    if me.account.role == AUDITOR:
        return to("/audit")
    return page("first.html", me=me, reads=me.account.role in READERS)


def _seen(doors: Doors, me: Visitor) -> Response:
    """The refused logins that were shown."""
    accounts.forget_refused(doors.database, me.account)
    return to("/")
