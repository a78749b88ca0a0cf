"""A report on paper: hotline, CONFIDENTIAL and reference stand on each page, and the audit records each print."""

from __future__ import annotations

from flask import Blueprint, Response

from console.auth.access_control import READERS, StaffRequest, requires
from console.responses import page
from console.services import services
from console.views.case import case_fields, require_access
from reports.store.staff import accounts

bp = Blueprint("printing", __name__)


@bp.post("/reports/<report_id>/print")
@requires(*READERS)
def print_case(me: StaffRequest, report_id: str) -> Response:
    """Show the report as it is printed; the reporter's number only if it was asked for."""
    with_number = bool(me.form.get("number"))
    act = "printed:number" if with_number else "printed"
    accounts.record_act(services.database, me.account, act, require_access(me, report_id))
    fields = case_fields(me, report_id, is_read=False, show_number=with_number)
    if not with_number:
        fields["number"] = ""
    return page("print.html", me=me, **fields)
