"""What staff do with a report: have it, write to its reporter, hand it on, close it, note something for colleagues."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Response, abort

from console.auth.access_control import LEAD, READERS, PageRoute, PageRouter, StaffRequest
from console.bodies import messages
from console.responses import redirect_with_message
from console.templating import actor_name, format_age
from console.views import handover
from console.views.case import OUTCOMES, WROTE_MORE, ActionResult, CasePage, MessageDraft
from reports.case_state import HANDLING_STATES
from reports.store.cases import case_actions, case_view, drafts
from reports.store.cases.case_actions import CaseAction, CaseNotFound, OutdatedRevision, TransitionNotAllowed
from reports.store.cases.case_status import ACTIVE, UNASSIGNED, CaseChange, StatusConflict
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


def attach(doors: PageRouter, desk: CasePage) -> None:
    acts: tuple[tuple[str, Action], ...] = (
        ("take", _take),
        ("work", _work),
        ("message", _message),
        ("pass", _pass),
        ("decline", _decline),
        ("close", _close),
        ("note", _note),
        ("hand-over", handover.hand_over),
    )
    for name, act in acts:
        doors.add(PageRoute(f"/reports/<report_id>/{name}", READERS, post=True), partial(_acting, desk, act))
    doors.add(PageRoute("/reports/<report_id>/away", frozenset({LEAD}), post=True), partial(_acting, desk, _away))


def _acting(desk: CasePage, act: Action, me: StaffRequest, report_id: str) -> Response:
    """Raises nothing: what does not go is said on the page, as the report stands by then. What was pressed twice has
    been done, and is not done again."""
    desk.theirs(me, report_id)
    if case_actions.was_key_used(desk.database, me.once):
        return redirect_with_message(f"/reports/{report_id}", "before")
    try:
        return act(desk, me, report_id)
    except CaseNotFound:
        abort(404)
    except TransitionNotAllowed:
        return desk.page(me, report_id, ActionResult(wrong=NOT_NOW))
    except OutdatedRevision:
        return desk.page(me, report_id, ActionResult(wrong=WROTE_MORE))
    except StatusConflict as changed:
        return desk.page(me, report_id, _changed(me, act, changed))


def _changed(me: StaffRequest, act: Action, changed: StatusConflict) -> ActionResult:
    """Who was faster, and how long ago. Nothing was done; the words that were to be sent stand on the page again."""
    fields = {"who": actor_name(changed.by), "ago": format_age(changed.ago), "holder": changed.holder or ""}
    if changed.handling not in ACTIVE:
        wrong = CLOSED_MEANWHILE
    elif changed.holder and changed.holder != changed.by:
        wrong = PASSED_MEANWHILE
    else:
        wrong = TAKE_OVER if act in (_take, _work) else TAKEN_MEANWHILE
    draft = MessageDraft(me.form.get("words", ""), shown=True) if act is _message else MessageDraft()
    return ActionResult(wrong=wrong, fields=fields, draft=draft)


def _step(desk: CasePage, me: StaffRequest, report_id: str, to_: str, **more: Any) -> str:
    """`more`: of Step. Together or not at all; what is done with it then."""
    step = CaseAction(me.account.hotline, report_id, to_, me.account.actor, once=me.once, status=me.status, **more)
    return case_actions.perform(desk.database, step)


def _keep(desk: CasePage, me: StaffRequest, report_id: str, kept: CaseChange) -> None:
    desk.require_current_revision(me, report_id)
    case_view.save_change(desk.database, me.account, report_id, kept, me.once, status=me.status)


def _holds(me: StaffRequest, **also: object) -> CaseChange:
    return CaseChange("holds", {"holder": me.account.name, **also})


def _take(desk: CasePage, me: StaffRequest, report_id: str) -> Response:
    """I have it. Also from a colleague, who sees it in the history; not what they gave away or closed."""
    _step(desk, me, report_id, "accepted", kept=_holds(me), seen=me.seen, stays=ACTIVE)
    return redirect_with_message(f"/reports/{report_id}", "taken")


def _work(desk: CasePage, me: StaffRequest, report_id: str) -> Response:
    """It is being worked on; one that was closed is open again."""
    _step(desk, me, report_id, "in_progress", kept=_holds(me, outcome=None, hoax_by=None), seen=me.seen)
    return redirect_with_message(f"/reports/{report_id}", "working")


def _message(desk: CasePage, me: StaffRequest, report_id: str) -> Response:
    """Looked at first, as it will stand on the phone; then sent."""
    text, (box, handling) = me.form.get("words", "").strip(), desk.box(me, report_id)
    if why := messages.unreachable_reason(box):
        return desk.page(me, report_id, ActionResult(wrong=why, at="message"))
    if me.form.get("do") == "put":
        return desk.page(
            me, report_id, ActionResult(draft=MessageDraft(text, shown=True, ready=me.form.get("ready", "")))
        )
    found = messages.check_message(text, desk.country(box.country))
    asked = () if me.form.get("anyway") else found.asked
    if me.form.get("do") != "send" or found.refused or asked:
        return desk.page(me, report_id, ActionResult(draft=MessageDraft(text, found.refused, found.asked, shown=True)))
    now = _leave(desk, me, report_id, text, is_free=handling == "none")
    drafts.discard(desk.database, me.account, report_id, drafts.MESSAGE)
    return redirect_with_message(f"/reports/{report_id}", "left_alone" if now == "none" else "left")


def _leave(desk: CasePage, me: StaffRequest, report_id: str, text: str, *, is_free: bool) -> str:
    """Whoever writes has the report; but who had not read all of it has not: then the words alone are left, and its
    clock runs on. What is done with it then."""
    writing = desk.message_sealer(me, report_id)
    said = {"answer": writing.answer(text), "notes": (writing.note("answer", text),), "stays": HANDLING_STATES}
    handed = case_view.load_holding(desk.database, me.account, report_id)["handed_by"] is not None
    if is_free:
        with suppress(OutdatedRevision):
            return _step(desk, me, report_id, "accepted", kept=_holds(me), seen=me.seen, **said)
    return _step(desk, me, report_id, "none", kept=_holds(me) if handed else None, **said)


def _pass(desk: CasePage, me: StaffRequest, report_id: str) -> Response:
    """To a colleague, or back to whoever comes: the clock of who has taken it on is not set back by it."""
    name = me.form.get("to", "")
    people = {one.name for one in accounts.list_accounts(desk.database, me.account.hotline) if one.ended_at is None}
    if name and name not in people:
        abort(400)
    _keep(desk, me, report_id, CaseChange("passed_on", {"holder": name or UNASSIGNED, "handed_by": me.account.name}))
    return redirect_with_message(f"/reports/{report_id}", "passed")


def _decline(desk: CasePage, me: StaffRequest, report_id: str) -> Response:
    """To the next hotline that the reporter was shown before Send; the clock runs on for it."""
    reason = me.form.get("reason", "").strip()[:MAX_NOTE_LENGTH]
    if wrong := ("" if reason else NO_REASON) or handover.missing_confirmation(me):
        return desk.page(me, report_id, ActionResult(wrong=wrong, at="decline"))
    notes = (desk.message_sealer(me, report_id).note("reason", reason),)
    _step(desk, me, report_id, "rejected", notes=notes, seen=me.seen)
    return redirect_with_message("/", "declined")


def _close(desk: CasePage, me: StaffRequest, report_id: str) -> Response:
    outcome = me.form.get("outcome", "")
    if not outcome:
        return desk.page(me, report_id, ActionResult(wrong=NO_OUTCOME, at="close"))
    if outcome not in OUTCOMES:
        abort(400)
    if outcome == "hoax":
        if not case_view.account_predates_report(desk.database, me.account, report_id):
            return desk.page(me, report_id, ActionResult(wrong=TOO_NEW, at="close"))
        said_by = case_view.load_holding(desk.database, me.account, report_id)["hoax_by"]
        if said_by is None:
            _keep(desk, me, report_id, CaseChange("hoax_said", {"hoax_by": me.account.staff_id}))
            return desk.page(me, report_id, ActionResult(done=SECOND_PERSON_NEEDED, at="close"))
        if said_by == me.account.staff_id:
            return desk.page(me, report_id, ActionResult(wrong=SAME_PERSON, at="close"))
    _step(desk, me, report_id, "closed", kept=CaseChange(f"closed:{outcome}"[:24], {"outcome": outcome}), seen=me.seen)
    return redirect_with_message("/", "closed")


def _note(desk: CasePage, me: StaffRequest, report_id: str) -> Response:
    text = me.form.get("note", me.form.get("words", "")).strip()[:MAX_NOTE_LENGTH]
    if not text:
        return desk.page(me, report_id, ActionResult(wrong=NO_WORDS, at="note"))
    case_view.add_note(desk.database, me.account, desk.message_sealer(me, report_id).note("note", text), me.once)
    drafts.discard(desk.database, me.account, report_id, drafts.NOTE)
    return redirect_with_message(f"/reports/{report_id}", "noted")


def _away(desk: CasePage, me: StaffRequest, report_id: str) -> Response:
    """A lead keeps somebody out of one report: who is named in it, or knows the family (S-26)."""
    staff_id = me.form.get("who", "")
    people = {one.staff_id for one in accounts.list_accounts(desk.database, me.account.hotline)}
    if staff_id not in people or staff_id == me.account.staff_id:
        abort(400)
    away = me.form.get("do") != "back"
    case_view.set_access(desk.database, me.account, report_id, staff_id, away=away)
    return redirect_with_message(f"/reports/{report_id}", "away")
