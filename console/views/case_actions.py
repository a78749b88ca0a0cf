"""Actions of staff on a report: acknowledge, answer, assign, transfer, close, and write a note for colleagues."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Response, abort

from console import bodies
from console.auth.access_control import LEAD, READERS, PageRoute, PageRouter, StaffRequest
from console.responses import redirect_with_message
from console.templating import actor_name, format_age
from console.views import handover
from console.views.case import OUTCOMES, WROTE_MORE, ActionResult, CasePage, MessageDraft
from reports.case_state import ACTIVE, HANDLING_STATES, CaseOutcome, Handling
from reports.store.cases import case_actions, case_view, drafts
from reports.store.cases.case_actions import CaseAction, CaseNotFound, OutdatedRevision, TransitionNotAllowed
from reports.store.cases.case_status import UNASSIGNED, CaseChange, StatusConflict
from reports.store.staff import accounts

MAX_NOTE_LENGTH = 4000  # characters
NO_WORDS = "Nothing was written."
NO_OUTCOME = "Choose how it came out."
NO_REASON = "Say why: whoever gets it next should know."
TAKE_OVER = "{who} took this report {ago} ago. Take it over?"
TAKEN_MEANWHILE = "{who} took this report {ago} ago. Nothing was done. Look at the status, then decide."
PASSED_MEANWHILE = "{who} passed this report to {holder} {ago} ago. Nothing was done."
CLOSED_MEANWHILE = "{who} closed or transferred this report {ago} ago. Nothing was done."
NOT_NOW = "That cannot follow what was done before. This is how it stands now."
SECOND_PERSON_NEEDED = "Noted. A second person has to say so, too; until then it stays open."
TOO_NEW = "Your account is newer than this report. Two people who were here before it have to say so."
SAME_PERSON = "You have said so already. Somebody else has to say so, too."

Action = Callable[[CasePage, StaffRequest, str], Response]


def attach(router: PageRouter, case_page: CasePage) -> None:
    """Register a route for each action."""
    actions: tuple[tuple[str, Action], ...] = (
        ("take", _acknowledge),
        ("work", _start_work),
        ("message", _send_message),
        ("pass", _assign),
        ("decline", _decline),
        ("close", _close),
        ("note", _note),
        ("hand-over", handover.hand_over),
    )
    for name, action in actions:
        router.add(
            PageRoute(f"/reports/<report_id>/{name}", READERS, post=True), partial(_run_action, case_page, action)
        )
    router.add(
        PageRoute("/reports/<report_id>/away", frozenset({LEAD}), post=True),
        partial(_run_action, case_page, _set_access),
    )


def _run_action(case_page: CasePage, action: Action, me: StaffRequest, report_id: str) -> Response:
    """Run an action. If it is refused, show why on the page, with the current state of the report.

    A form that was sent twice has its effect once.
    """
    case_page.theirs(me, report_id)
    if case_actions.was_key_used(case_page.database, me.once):
        return redirect_with_message(f"/reports/{report_id}", "before")
    try:
        return action(case_page, me, report_id)
    except CaseNotFound:
        abort(404)
    except TransitionNotAllowed:
        return case_page.page(me, report_id, ActionResult(wrong=NOT_NOW))
    except OutdatedRevision:
        return case_page.page(me, report_id, ActionResult(wrong=WROTE_MORE))
    except StatusConflict as conflict:
        return case_page.page(me, report_id, _conflict_result(me, action, conflict))


def _conflict_result(me: StaffRequest, action: Action, conflict: StatusConflict) -> ActionResult:
    """Say who changed the report first, and how long ago. Nothing was done; an unsent message is shown again."""
    fields = {"who": actor_name(conflict.by), "ago": format_age(conflict.ago), "holder": conflict.holder or ""}
    if conflict.handling not in ACTIVE:
        problem = CLOSED_MEANWHILE
    elif conflict.holder and conflict.holder != conflict.by:
        problem = PASSED_MEANWHILE
    else:
        problem = TAKE_OVER if action in (_acknowledge, _start_work) else TAKEN_MEANWHILE
    draft = MessageDraft(me.form.get("words", ""), shown=True) if action is _send_message else MessageDraft()
    return ActionResult(wrong=problem, fields=fields, draft=draft)


def _set_handling(case_page: CasePage, me: StaffRequest, report_id: str, to_: Handling, **more: Any) -> Handling:
    """Set the handling state and return the new one, in one transaction. `more`: fields of CaseAction."""
    action_data = CaseAction(
        me.account.hotline, report_id, to_, me.account.actor, once=me.once, status=me.status, **more
    )
    return case_actions.perform(case_page.database, action_data)


def _save_change(case_page: CasePage, me: StaffRequest, report_id: str, change: CaseChange) -> None:
    case_page.require_current_revision(me, report_id)
    case_view.save_change(case_page.database, me.account, report_id, change, me.once, status=me.status)


def _held_by_me(me: StaffRequest, **values: object) -> CaseChange:
    return CaseChange("holds", {"holder": me.account.name, **values})


def _acknowledge(case_page: CasePage, me: StaffRequest, report_id: str) -> Response:
    """Acknowledge the report, also a colleague's, who sees it in the history; not if it is transferred or closed."""
    _set_handling(case_page, me, report_id, Handling.ACCEPTED, kept=_held_by_me(me), seen=me.seen, stays=ACTIVE)
    return redirect_with_message(f"/reports/{report_id}", "taken")


def _start_work(case_page: CasePage, me: StaffRequest, report_id: str) -> Response:
    """Mark the report as in progress; this reopens a closed one."""
    _set_handling(
        case_page, me, report_id, Handling.IN_PROGRESS, kept=_held_by_me(me, outcome=None, hoax_by=None), seen=me.seen
    )
    return redirect_with_message(f"/reports/{report_id}", "working")


def _send_message(case_page: CasePage, me: StaffRequest, report_id: str) -> Response:
    """Show the message first as the phone will show it; then send it."""
    text, (target, handling) = me.form.get("words", "").strip(), case_page.box(me, report_id)
    if reason := bodies.unreachable_reason(target):
        return case_page.page(me, report_id, ActionResult(wrong=reason, at="message"))
    if me.form.get("do") == "put":
        return case_page.page(
            me, report_id, ActionResult(draft=MessageDraft(text, shown=True, ready=me.form.get("ready", "")))
        )
    check = bodies.check_message(text, case_page.country(target.country))
    unconfirmed = () if me.form.get("anyway") else check.asked
    if me.form.get("do") != "send" or check.refused or unconfirmed:
        return case_page.page(
            me, report_id, ActionResult(draft=MessageDraft(text, check.refused, check.asked, shown=True))
        )
    new_state = _save_message(case_page, me, report_id, text, is_free=handling == Handling.NONE)
    drafts.discard(case_page.database, me.account, report_id, drafts.MESSAGE)
    return redirect_with_message(f"/reports/{report_id}", "left_alone" if new_state == Handling.NONE else "left")


def _save_message(case_page: CasePage, me: StaffRequest, report_id: str, text: str, *, is_free: bool) -> str:
    """Save the message and return the new handling state. Writing acknowledges a report that nobody has.

    If the author has not read the latest revision, the message is saved without that, and the deadline still runs.
    """
    sealer = case_page.message_sealer(me, report_id)
    message_fields = {"answer": sealer.answer(text), "notes": (sealer.note("answer", text),), "stays": HANDLING_STATES}
    is_reassigned = case_view.load_holding(case_page.database, me.account, report_id)["handed_by"] is not None
    if is_free:
        with suppress(OutdatedRevision):
            return _set_handling(
                case_page, me, report_id, Handling.ACCEPTED, kept=_held_by_me(me), seen=me.seen, **message_fields
            )
    return _set_handling(
        case_page, me, report_id, Handling.NONE, kept=_held_by_me(me) if is_reassigned else None, **message_fields
    )


def _assign(case_page: CasePage, me: StaffRequest, report_id: str) -> Response:
    """Assign the report to a colleague, or put it back into the queue. Its deadline stays the same."""
    name = me.form.get("to", "")
    colleague_names = {
        account.name
        for account in accounts.list_accounts(case_page.database, me.account.hotline)
        if account.ended_at is None
    }
    if name and name not in colleague_names:
        abort(400)
    _save_change(
        case_page, me, report_id, CaseChange("passed_on", {"holder": name or UNASSIGNED, "handed_by": me.account.name})
    )
    return redirect_with_message(f"/reports/{report_id}", "passed")


def _decline(case_page: CasePage, me: StaffRequest, report_id: str) -> Response:
    """Transfer the report to the next hotline that the reporter was shown before Send; its deadline still runs."""
    reason = me.form.get("reason", "").strip()[:MAX_NOTE_LENGTH]
    if problem := ("" if reason else NO_REASON) or handover.missing_confirmation(me):
        return case_page.page(me, report_id, ActionResult(wrong=problem, at="decline"))
    notes = (case_page.message_sealer(me, report_id).note("reason", reason),)
    _set_handling(case_page, me, report_id, Handling.REJECTED, notes=notes, seen=me.seen)
    return redirect_with_message("/", "declined")


def _close(case_page: CasePage, me: StaffRequest, report_id: str) -> Response:
    """Close the report with an outcome; as a hoax only if two people say so whose accounts are older than it."""
    outcome = me.form.get("outcome", "")
    if not outcome:
        return case_page.page(me, report_id, ActionResult(wrong=NO_OUTCOME, at="close"))
    if outcome not in OUTCOMES:
        abort(400)
    if outcome == CaseOutcome.HOAX:
        if not case_view.account_predates_report(case_page.database, me.account, report_id):
            return case_page.page(me, report_id, ActionResult(wrong=TOO_NEW, at="close"))
        first_person = case_view.load_holding(case_page.database, me.account, report_id)["hoax_by"]
        if first_person is None:
            _save_change(case_page, me, report_id, CaseChange("hoax_said", {"hoax_by": me.account.staff_id}))
            return case_page.page(me, report_id, ActionResult(done=SECOND_PERSON_NEEDED, at="close"))
        if first_person == me.account.staff_id:
            return case_page.page(me, report_id, ActionResult(wrong=SAME_PERSON, at="close"))
    _set_handling(
        case_page,
        me,
        report_id,
        Handling.CLOSED,
        kept=CaseChange(f"closed:{outcome}"[:24], {"outcome": outcome}),
        seen=me.seen,
    )
    return redirect_with_message("/", "closed")


def _note(case_page: CasePage, me: StaffRequest, report_id: str) -> Response:
    text = me.form.get("note", me.form.get("words", "")).strip()[:MAX_NOTE_LENGTH]
    if not text:
        return case_page.page(me, report_id, ActionResult(wrong=NO_WORDS, at="note"))
    case_view.add_note(
        case_page.database, me.account, case_page.message_sealer(me, report_id).note("note", text), me.once
    )
    drafts.discard(case_page.database, me.account, report_id, drafts.NOTE)
    return redirect_with_message(f"/reports/{report_id}", "noted")


def _set_access(case_page: CasePage, me: StaffRequest, report_id: str) -> Response:
    """Exclude a colleague from a report, or let them back in: they may be named in it or know the family (S-26)."""
    staff_id = me.form.get("who", "")
    staff_ids = {account.staff_id for account in accounts.list_accounts(case_page.database, me.account.hotline)}
    if staff_id not in staff_ids or staff_id == me.account.staff_id:
        abort(400)
    is_excluded = me.form.get("do") != "back"
    case_view.set_access(case_page.database, me.account, report_id, staff_id, away=is_excluded)
    return redirect_with_message(f"/reports/{report_id}", "away")
