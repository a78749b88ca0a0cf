"""What a browser learns of urgent reports that nobody has taken: counts and a time, and never a word of a report.

The locked page asks the same, by the session that is locked. Sound and notifications are switched on for one browser,
by a cookie that says nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response, render_template

from console import cookies
from console.answers import HEADERS, to
from console.doors import READERS, Door, Doors, Visitor
from reports.store.cases import case_list
from reports.store.staff.accounts import Account

WAYS = ("sound", "notice")
JSON = "application/json; charset=utf-8"


def attach(doors: Doors) -> None:
    doors.add(Door("/waiting", READERS, quiet=True), lambda me: _waiting(doors, me.account))
    doors.add(Door("/locked/waiting", None), partial(_waiting_locked, doors))
    doors.add(Door("/alarm", READERS, post=True), _switch)


def _waiting(doors: Doors, account: Account) -> Response:
    found = case_list.count_urgent(doors.database, account)
    words = {"found": found, "now": doors.database.now(), "hotline": account.hotline}
    return Response(render_template("waiting.json", **words), headers=HEADERS, content_type=JSON)


def _waiting_locked(doors: Doors, _: Mapping[str, str]) -> Response:
    """For a locked page; a browser whose session is over, or open again, is led away from it."""
    found = doors.locked_session()
    return _waiting(doors, found[1]) if found else to("/")


def _switch(me: Visitor) -> Response:
    response = to("/me?said=alarm#alarm-switch")
    wanted = ".".join(way for way in WAYS if me.form.get(way))
    if wanted:
        cookies.put(response, cookies.ALARM, wanted, seconds=cookies.LONG)
    else:
        cookies.drop(response, cookies.ALARM)
    return response
