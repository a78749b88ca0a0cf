"""Close a report, undo that, and mark a report as a false report until a second person agrees."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, abort

from console.auth.access_control import READERS, StaffRequest, requires
from console.form_drafts import discard_sent, message_sealer
from console.presenters import closing
from console.responses import redirect, redirect_with_message
from console.services import services
from console.views.case import ActionResult, case_page, mailbox, require_access, require_current_revision
from console.views.case_actions import MAX_NOTE_LENGTH, case_action, set_handling
from reports.case_state import CaseOutcome, Handling
from reports.facts import CHILD_FACTS
from reports.store.cases import case_view, drafts
from reports.store.cases import closing as store
from reports.store.cases.case_actions import SealedNote
from reports.store.cases.case_status import CaseChange

bp = Blueprint("closing", __name__)

NO_OUTCOME = "Choose an outcome. The report is not closed."
NOTHING_DONE = "Write what was done; for a false report, why you think so. The report is not closed."
NEVER_TAKEN = "Nobody has taken this report. Do you want to close it all the same? Then press Close again."
TOO_NEW = "Your account is newer than this report. Only accounts that are older may mark it as a false report."
SAME_PERSON = "You marked this as a false report yourself. A second person must agree."
UNDO_OVER = "This closing cannot be undone any more. Press Open it again."


@bp.post("/reports/<report_id>/close")
@requires(*READERS)
@case_action()
def close(me: StaffRequest, report_id: str) -> Response:
    """Close the report with an outcome and a note.

    A false report needs two people whose accounts are older than the report. One that nobody has taken is closed only
    by a second press.
    """
    outcome, text = me.form.get("outcome", ""), me.form.get("done", "").strip()[:MAX_NOTE_LENGTH]
    if outcome and outcome not in closing.OUTCOMES:
        abort(400)
    is_hoax = outcome == CaseOutcome.HOAX
    problem = ("" if outcome else NO_OUTCOME) or (_hoax_problem(me, report_id) if is_hoax else "")
    if problem := problem or ("" if text else NOTHING_DONE):
        return _refused(me, report_id, problem)
    note, child_notes = _closing_note(me, report_id, outcome, text), _child_notes(me, report_id)
    marked_by = case_view.load_holding(services.database, me.account, report_id)["hoax_by"] if is_hoax else ""
    if is_hoax and marked_by is None:
        return _mark(me, report_id, text)
    _, handling = mailbox(me, report_id)
    if handling == Handling.NONE and not is_hoax and not me.form.get("asked_untaken"):
        return _refused(me, report_id, NEVER_TAKEN, {"asked_untaken": "1"})
    change = CaseChange(f"closed:{outcome}"[:24], {"outcome": CaseOutcome(outcome)})
    notes, mark = (note, *child_notes), marked_by or None
    set_handling(
        me, report_id, Handling.CLOSED, notes=notes, column_changes=change, seen_revision=me.seen, hoax_by=mark
    )
    discard_sent(me.account, me.form, report_id, drafts.CLOSING)
    return redirect(f"/?said=closed&closed={report_id}#said")


def _hoax_problem(me: StaffRequest, report_id: str) -> str:
    if not case_view.account_predates_report(services.database, me.account, report_id):
        return TOO_NEW
    marked_by = case_view.load_holding(services.database, me.account, report_id)["hoax_by"]
    return SAME_PERSON if marked_by == me.account.staff_id else ""


def _refused(me: StaffRequest, report_id: str, problem: str, fields: Mapping[str, str] | None = None) -> Response:
    """Show why the report is not closed, with the form's texts and choices. `fields`: for the form to carry."""
    return case_page(me, report_id, ActionResult(error=problem, form="close", fields=fields or {}))


def _closing_note(me: StaffRequest, report_id: str, outcome: str, text: str) -> SealedNote:
    """Seal the note on closing, with its choices. Aborts with 400 for a choice that was not offered."""
    informed, service = me.form.get("told", ""), me.form.get("service", "")
    target, _ = mailbox(me, report_id)
    country = services.countries.get(target.country)
    # The place does not matter: it only changes the order of the services.
    names = {choice.id: choice.name for choice in closing.referral_choices(country, me.account.hotline, None)}
    if informed not in closing.TOLD or (service and service not in names):
        abort(400)
    more = {"outcome": outcome, "told": informed, "service": names.get(service, "")}
    return message_sealer(me.account, report_id).note("closing", text, **more)


def _child_notes(me: StaffRequest, report_id: str) -> tuple[SealedNote, ...]:
    """Seal the form's data on the child for the statistics, if it has any. Aborts with 400 for an unknown value."""
    recorded = {name: me.form[name] for name in closing.CHILD if me.form.get(name)}
    if any(value not in CHILD_FACTS[name] for name, value in recorded.items()):
        abort(400)
    return (message_sealer(me.account, report_id).child_note(recorded),) if recorded else ()


def _mark(me: StaffRequest, report_id: str, text: str) -> Response:
    require_current_revision(me, report_id)
    why = message_sealer(me.account, report_id).note("hoax", text)
    store.mark_as_hoax(services.database, me.account, report_id, why, me.idempotency_key, status=me.status)
    discard_sent(me.account, me.form, report_id, drafts.CLOSING)
    return redirect_with_message(f"/reports/{report_id}", "hoax_marked")


@bp.post("/reports/<report_id>/withdraw-false-report")
@requires(*READERS)
@case_action()
def withdraw_false_report(me: StaffRequest, report_id: str) -> Response:
    """Take back one's own mark of a false report."""
    store.withdraw_hoax(services.database, me.account, report_id, me.idempotency_key, status=me.status)
    return redirect_with_message(f"/reports/{report_id}", "hoax_withdrawn")


@bp.post("/reports/<report_id>/undo-close")
@requires(*READERS)
def undo_close(me: StaffRequest, report_id: str) -> Response:
    """Undo one's own closing within ten minutes."""
    try:
        store.undo_close(services.database, me.account, require_access(me, report_id), me.idempotency_key)
    except store.CannotUndo:
        return case_page(me, report_id, ActionResult(error=UNDO_OVER))
    return redirect_with_message(f"/reports/{report_id}", "close_undone")
