"""The page of the audit, for leads and auditors: who did what, as acts and ids, never words."""

from __future__ import annotations

from functools import partial

from flask import Response

from console.auth.access_control import AUDITOR, LEAD, PageRoute, PageRouter, StaffRequest
from console.responses import page
from reports.store.staff import accounts

MAX_ROWS = 500  # older ones are in `tokaut audit`


def attach(router: PageRouter) -> None:
    """Register the page of the audit."""
    router.add(PageRoute("/audit", frozenset({LEAD, AUDITOR})), partial(_page, router))


def _page(router: PageRouter, me: StaffRequest) -> Response:
    rows = accounts.list_acts(router.database, me.account.hotline, MAX_ROWS, me.account.staff_id)
    return page("audit.html", me=me, rows=rows)
