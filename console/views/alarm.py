"""What a browser learns of urgent reports that nobody has taken: counts and a time, and never a word of a report.

The locked page asks the same, by the session that is locked. Sound and notifications are switched on for one browser,
by a cookie that says nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response, render_template

from console.auth import cookies
from console.auth.access_control import READERS, PageRoute, PageRouter, StaffRequest
from console.responses import HEADERS, redirect
from reports.store.cases import case_list
from reports.store.staff.accounts import Account

ALARM_MODES = ("sound", "notice")
JSON = "application/json; charset=utf-8"


def attach(doors: PageRouter) -> None:
    doors.add(PageRoute("/waiting", READERS, quiet=True), lambda me: _waiting(doors, me.account))
    doors.add(PageRoute("/locked/waiting", None), partial(_waiting_locked, doors))
    doors.add(PageRoute("/alarm", READERS, post=True), _switch)


def _waiting(doors: PageRouter, account: Account) -> Response:
    found = case_list.count_urgent(doors.database, account)
    words = {"found": found, "now": doors.database.now(), "hotline": account.hotline}
    return Response(render_template("waiting.json", **words), headers=HEADERS, content_type=JSON)


def _waiting_locked(doors: PageRouter, _: Mapping[str, str]) -> Response:
    """For a locked page; a browser whose session is over, or open again, is led away from it."""
    found = doors.locked_session()
    return _waiting(doors, found[1]) if found else redirect("/")


def _switch(me: StaffRequest) -> Response:
    response = redirect("/me?said=alarm#alarm-switch")
    wanted = ".".join(way for way in ALARM_MODES if me.form.get(way))
    if wanted:
        cookies.set_cookie(response, cookies.ALARM, wanted, seconds=cookies.MAX_AGE_SECONDS)
    else:
        cookies.delete_cookie(response, cookies.ALARM)
    return response
