"""Set, move, finish and remove the follow-up date of a report."""

from __future__ import annotations

from flask import Blueprint, Response

from console.auth.access_control import READERS, StaffRequest, requires
from console.presenters.follow_up import CHANGED_MEANWHILE, FROM_NOW, chosen_time, time_problem
from console.responses import redirect_with_message
from console.services import hotline_zone, services
from console.views.case import ActionResult, case_page, suggested_for
from console.views.case_actions import case_action
from reports.store.cases import follow_ups

bp = Blueprint("follow_up", __name__)


@bp.post("/reports/<report_id>/follow-up")
@requires(*READERS)
@case_action()
def set_follow_up(me: StaffRequest, report_id: str) -> Response:
    """Set the follow-up date, or clear it because it is done or not needed."""
    if (do := me.form.get("do")) in ("done", "removed"):
        return _save(me, report_id, None, f"follow_up_{do}")
    now = services.database.now()
    if me.form.get("at") == FROM_NOW:
        at: int | None = suggested_for(me, report_id, now)[0].at
    else:
        at = chosen_time(me.form, now, hotline_zone(me.account.hotline))
    if problem := time_problem(at, now):
        return case_page(me, report_id, ActionResult(error=problem, form="follow-up"))
    return _save(me, report_id, at, "follow_up_set")


def _save(me: StaffRequest, report_id: str, at: int | None, act: str) -> Response:
    try:
        follow_ups.set_date(
            services.database, me.account, report_id, at, me.idempotency_key, act=act, shown=_shown_date(me)
        )
    except follow_ups.OutdatedDate:
        return case_page(me, report_id, ActionResult(error=CHANGED_MEANWHILE, form="follow-up"))
    return redirect_with_message(f"/reports/{report_id}", act)


def _shown_date(me: StaffRequest) -> int | None:
    """Return the date that was on the page of this form, 0 for none; None if the form carries none."""
    text = me.form.get("shown_date", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None
