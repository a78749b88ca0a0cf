"""Hand-over at the end of a shift: the reports that a person holds, given to a colleague in one act.

Each report stays "not accepted yet", and counts as not acknowledged, until the colleague accepts it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response
from werkzeug.exceptions import HTTPException

from console.auth.access_control import READERS, StaffRequest, requires
from console.form_drafts import REPORT_ID, discard_own_form, load_own_form, message_sealer
from console.presenters.case_rows import concern, place_name, reference
from console.responses import MESSAGES, message_key, page, redirect_with_message
from console.services import services
from console.views.case import require_access
from console.views.case_actions import MAX_NOTE_LENGTH, assignment, set_handling
from reports.case_state import ACTIVE, Handling
from reports.store import idempotency_keys
from reports.store.cases import case_actions, case_list, case_view, drafts
from reports.store.cases.case_list import CaseFilter, CaseRow, ListTab
from reports.store.cases.case_status import CannotHold, CaseChange, StatusConflict
from reports.store.staff import accounts

bp = Blueprint("shift", __name__)

MAX_REPORTS = 45  # held reports on the page, and passed ones; a form has two fields for each
MAX_COUNTED = 1000  # reports of one person
GIVEN_FIELD, STATUS_FIELD = "give-", "status-"  # before the id of a report
NO_REPORT = "Tick the reports that you give."
NO_COLLEAGUE = "Choose a colleague."
NOT_GIVEN = "These reports were not given: {references}. {name} may not see them, or a colleague changed them."
ACCEPTED_BY_ANOTHER = "A colleague took or closed this report meanwhile. It is not yours."


@dataclass(frozen=True, slots=True)
class HeldReport:
    """A report on the page. `status`: the key by which its form knows which status was shown."""

    row: CaseRow
    title: str
    place: str
    status: str


@bp.get("/shift")
@requires(*READERS)
def show_shift(me: StaffRequest) -> Response:
    """Show the reports passed to this person, and those they hold."""
    sentence, _ = MESSAGES.get(message_key() or "", ("", ""))
    return _shift_page(me, confirmation=sentence)


def _shift_page(me: StaffRequest, *, confirmation: str = "", error: str = "", **fields: str) -> Response:
    rows, _ = case_list.list_cases(services.database, me.account, CaseFilter(ListTab.MINE), MAX_COUNTED)
    passed = [row for row in rows if row.handed_by is not None]
    held = [row for row in rows if row.handed_by is None]
    colleagues = [
        account
        for account in accounts.list_accounts(services.database, me.account.hotline)
        if account.ended_at is None and account.role in READERS and account.staff_id != me.account.staff_id
    ]
    return page(
        "shift.html",
        400 if error else 200,
        me=me,
        confirmation=confirmation,
        error=error,
        fields=fields,
        passed=[_held_report(me, row) for row in passed[:MAX_REPORTS]],
        more_passed=len(passed[MAX_REPORTS:]),
        held=[_held_report(me, row) for row in held[:MAX_REPORTS]],
        more_held=len(held[MAX_REPORTS:]),
        colleagues=colleagues,
        draft=me.form or load_own_form(me.account, drafts.HANDOVER),
    )


def _held_report(me: StaffRequest, row: CaseRow) -> HeldReport:
    head = services.decryptor.head(row, me.account.hotline)
    status = case_view.load_status(services.database, me.account, row.report_id)
    return HeldReport(row, concern(head, services.labels), place_name(head), status.key)


@bp.post("/shift/draft")
@requires(*READERS)
def save_draft(me: StaffRequest) -> Response:
    """Answer a script that saves the note while somebody types; the access control has already saved it."""
    return Response(status=204)


@bp.post("/shift/give")
@requires(*READERS)
def give_reports(me: StaffRequest) -> Response:
    """Pass the ticked reports to a colleague, each with the same note, sealed for each report."""
    name = me.form.get("to", "")
    ids = list(_ticked_ids(me))
    if not ids:
        return _shift_page(me, error=NO_REPORT)
    if not name:
        return _shift_page(me, error=NO_COLLEAGUE)
    refused = [report_id for report_id in ids if not _give(me, report_id, name)]
    if refused:
        references = ", ".join(reference(report_id) for report_id in refused)
        return _shift_page(me, error=NOT_GIVEN, references=references, name=name)
    discard_own_form(me.account, me.form, drafts.HANDOVER)
    return redirect_with_message("/shift", "given")


def _ticked_ids(me: StaffRequest) -> Iterator[str]:
    for name in me.form:
        if name.startswith(GIVEN_FIELD) and REPORT_ID.fullmatch(name.removeprefix(GIVEN_FIELD)):
            yield name.removeprefix(GIVEN_FIELD)


def _give(me: StaffRequest, report_id: str, name: str) -> bool:
    """Pass one report on and return True; False if this person does not hold it any more, or the colleague may not.

    A report that went away meanwhile, or was hidden from this person, must not keep the others from being passed.
    """
    key = _key_for(me, report_id)
    if idempotency_keys.was_key_used(services.database, key):
        return True
    try:
        require_access(me, report_id)
    except HTTPException:  # whoever has read it is refused with a whole page, which is no NotFound
        return False
    holding = case_view.load_holding(services.database, me.account, report_id)
    if holding["holder"] != me.account.name:
        return False
    text = me.form.get("note", "").strip()[:MAX_NOTE_LENGTH]
    note = message_sealer(me.account, report_id).note("note", text) if text else None
    status = me.form.get(f"{STATUS_FIELD}{report_id}", "")[:40]
    try:
        case_view.save_change(
            services.database, me.account, report_id, assignment(me, name), key, status=status, note=note
        )
    except (CannotHold, StatusConflict, case_actions.TransitionNotAllowed):
        return False
    return True


def _key_for(me: StaffRequest, report_id: str) -> bytes | None:
    """Return the idempotency key of the form for one of its reports."""
    if me.idempotency_key is None:
        return None
    return hashlib.sha256(me.idempotency_key + report_id.encode()).digest()


@bp.post("/shift/<report_id>/accept")
@requires(*READERS)
def accept_report(me: StaffRequest, report_id: str) -> Response:
    """Accept one report that a colleague passed to this person. It is not opened, so it does not count as read."""
    require_access(me, report_id)
    if idempotency_keys.was_key_used(services.database, me.idempotency_key):
        return redirect_with_message("/shift", "before")
    holding = case_view.load_holding(services.database, me.account, report_id)
    if holding["holder"] != me.account.name:
        return _shift_page(me, error=ACCEPTED_BY_ANOTHER)
    change = CaseChange("holds", {"holder": me.account.name})
    try:
        set_handling(me, report_id, Handling.ACCEPTED, column_changes=change, unless_in=ACTIVE)
    except (CannotHold, StatusConflict, case_actions.TransitionNotAllowed):
        return _shift_page(me, error=ACCEPTED_BY_ANOTHER)
    return redirect_with_message("/shift", "accepted")
