"""Transfer of a report to another hotline, which staff choose among those that the reporter was shown before Send.

Staff request it; the scheduler does it within seconds. Until then the report is still theirs, and the page says so.
"""

from __future__ import annotations

from flask import Blueprint, Response

from console.auth.access_control import READERS, StaffRequest, requires
from console.form_drafts import message_sealer
from console.responses import redirect_with_message
from console.services import services
from console.views.case import ActionResult, case_page, mailbox, require_current_revision
from console.views.case_actions import MAX_NOTE_LENGTH, case_action, missing_confirmation
from reports.case_state import HANDLING_TRANSITIONS, Handling
from reports.store.cases import case_actions

bp = Blueprint("handover", __name__)

NO_REASON = "Write why you transfer it: your colleagues will ask."
NOT_THERE = (
    "The report cannot go to this hotline: they have it already, or the reporter was not shown them before Send."
)
NOT_NOW = "This report is closed or was transferred before. Look at its status."
ALREADY_ASKED = "A transfer was requested already. Look at its status."


@bp.post("/reports/<report_id>/hand-over")
@requires(*READERS)
@case_action()
def hand_over(me: StaffRequest, report_id: str) -> Response:
    """Request the transfer of a report, or show why it cannot be requested."""
    target, reason = me.form.get("to", ""), me.form.get("reason", "").strip()[:MAX_NOTE_LENGTH]
    _, handling = mailbox(me, report_id)
    require_current_revision(me, report_id)
    problem = _find_problem(me, report_id, handling) or ("" if reason else NO_REASON) or missing_confirmation(me)
    if problem:
        return case_page(me, report_id, ActionResult(error=problem, form="hand-over"))
    note = message_sealer(me.account, report_id).note("reason", reason)
    if not case_actions.request_transfer(
        services.database, me.account, report_id, target, note, key=me.idempotency_key, status=me.status
    ):
        return case_page(me, report_id, ActionResult(error=ALREADY_ASKED, form="hand-over"))
    return redirect_with_message(f"/reports/{report_id}", "asked", "hand-over")


def _find_problem(me: StaffRequest, report_id: str, handling: Handling) -> str:
    """Return why the report cannot be transferred to the chosen hotline; empty if it can.

    The scheduler checks again and decides.
    """
    if Handling.REJECTED not in HANDLING_TRANSITIONS[handling]:
        return NOT_NOW
    targets = case_actions.load_transfer_options(services.database, me.account, report_id).available
    return "" if me.form.get("to", "") in targets else NOT_THERE
