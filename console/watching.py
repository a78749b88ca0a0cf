"""Who read what: for leads and auditors. Acts and ids, never words."""

from __future__ import annotations

from functools import partial

from flask import Response

from console.answers import page
from console.doors import AUDITOR, LEAD, Door, Doors, Visitor
from reports.store.staff import accounts

MOST = 500  # lines; older ones are in `tokaut audit`


def attach(doors: Doors) -> None:
    doors.add(Door("/audit", frozenset({LEAD, AUDITOR})), partial(_page, doors))


def _page(doors: Doors, me: Visitor) -> Response:
    rows = accounts.list_acts(doors.database, me.account.hotline, MOST, me.account.staff_id)
    return page("audit.html", me=me, rows=rows)
