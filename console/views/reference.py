"""Go to a report by its short reference. There is no search by words: they are sealed."""

from __future__ import annotations

from flask import Blueprint, Response

from console.auth.access_control import READERS, StaffRequest, requires
from console.presenters import closing
from console.presenters.case_rows import parse_reference, reference
from console.responses import page, redirect
from console.services import services
from console.views.case_list import list_items
from reports.store.cases import case_list
from reports.store.staff import accounts

bp = Blueprint("reference", __name__)


@bp.post("/reference")
@requires(*READERS, back="/")
def go_to_report(me: StaffRequest) -> Response:
    """Redirect to the report with this reference, or list the reports that share it.

    The audit first records each use, with the reference and without its results. A report that this person
    may not see is answered as one that does not exist.
    """
    digits = parse_reference(me.form.get("reference", ""))
    accounts.record_act(services.database, me.account, "looked_for", digits or me.account.staff_id)
    rows = case_list.find_by_reference(services.database, me.account, digits) if digits else []
    if len(rows) == 1:
        return redirect(f"/reports/{rows[0].report_id}")
    lines = list_items(me, rows, services.database.now())
    shown = reference(digits) if digits else ""
    status = 200 if rows else 404 if digits else 400
    return page("found.html", status, me=me, lines=lines, reference=shown, closed_as=closing.CLOSED_AS)
