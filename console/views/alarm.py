"""The alarm about urgent reports that nobody has acknowledged: counts and a time, never a word of a report.

The locked page asks for the same with its locked session. Sound and notifications are switched on per browser, by a
cookie that contains nothing else.
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


def attach(router: PageRouter) -> None:
    """Register the alarm's counts and its switch."""
    router.add(PageRoute("/waiting", READERS, quiet=True), lambda me: _waiting(router, me.account))
    router.add(PageRoute("/locked/waiting", None), partial(_waiting_locked, router))
    router.add(PageRoute("/alarm", READERS, post=True), _switch)


def _waiting(router: PageRouter, account: Account) -> Response:
    counts = case_list.count_urgent(router.database, account)
    context = {"found": counts, "now": router.database.now(), "hotline": account.hotline}
    return Response(render_template("waiting.json", **context), headers=HEADERS, content_type=JSON)


def _waiting_locked(router: PageRouter, _: Mapping[str, str]) -> Response:
    """Answer the locked page; redirect a browser whose session is over or not locked any more."""
    current = router.locked_session()
    return _waiting(router, current[1]) if current else redirect("/")


def _switch(me: StaffRequest) -> Response:
    response = redirect("/me?said=alarm#alarm-switch")
    modes = ".".join(mode for mode in ALARM_MODES if me.form.get(mode))
    if modes:
        cookies.set_cookie(response, cookies.ALARM, modes, seconds=cookies.MAX_AGE_SECONDS)
    else:
        cookies.delete_cookie(response, cookies.ALARM)
    return response
