"""What staff do with a report: have it, write to its reporter, hand it on, close it, note something for colleagues."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Response, abort

from console import handing_over, words
from console.done import to
from console.doors import LEAD, READERS, Door, Doors, Visitor
from console.frame import ago, who_changed
from console.report_page import OUTCOMES, WROTE_MORE, Desk, Draft, Said
from reports.case_state import HANDLING_STATES
from reports.store.cases import case_actions, case_view, drafts
from reports.store.cases.case_actions import CaseAction, CaseNotFound, OutdatedRevision, TransitionNotAllowed
from reports.store.cases.case_status import ACTIVE, UNASSIGNED, CaseChange, StatusConflict
from reports.store.staff import accounts

LONGEST_NOTE = 4000  # characters
NO_WORDS = "Nothing was written."
NO_OUTCOME = "Choose how it came out."
NO_REASON = "Say why: whoever gets it next should know."
TAKE_OVER = "{who} took this report {ago} ago. Take it over?"
TAKEN_MEANWHILE = "{who} took this report {ago} ago. Nothing was done. Look at the status, then decide."
PASSED_MEANWHILE = "{who} passed this report to {holder} {ago} ago. Nothing was done."
CLOSED_MEANWHILE = "{who} closed or transferred this report {ago} ago. Nothing was done."
NOT_NOW = "That cannot follow what was done before. This is how it stands now."
TWO = "Noted. A second person has to say so, too; until then it stays open."
TOO_NEW = "Your account is newer than this report. Two people who were here before it have to say so."
SAME = "You have said so already. Somebody else has to say so, too."

Act = Callable[[Desk, Visitor, str], Response]


def attach(doors: Doors, desk: Desk) -> None:
    acts: tuple[tuple[str, Act], ...] = (
        ("take", _take),
        ("work", _work),
        ("message", _message),
        ("pass", _pass),
        ("decline", _decline),
        ("close", _close),
        ("note", _note),
        ("hand-over", handing_over.hand_over),
    )
    for name, act in acts:
        doors.add(Door(f"/reports/<report_id>/{name}", READERS, post=True), partial(_acting, desk, act))
    doors.add(Door("/reports/<report_id>/away", frozenset({LEAD}), post=True), partial(_acting, desk, _away))


def _acting(desk: Desk, act: Act, me: Visitor, report_id: str) -> Response:
    """Raises nothing: what does not go is said on the page, as the report stands by then. What was pressed twice has
    been done, and is not done again."""
    desk.theirs(me, report_id)
    if case_actions.was_key_used(desk.database, me.once):
        return to(f"/reports/{report_id}", "before")
    try:
        return act(desk, me, report_id)
    except CaseNotFound:
        abort(404)
    except TransitionNotAllowed:
        return desk.page(me, report_id, Said(wrong=NOT_NOW))
    except OutdatedRevision:
        return desk.page(me, report_id, Said(wrong=WROTE_MORE))
    except StatusConflict as changed:
        return desk.page(me, report_id, _changed(me, act, changed))


def _changed(me: Visitor, act: Act, changed: StatusConflict) -> Said:
    """Who was faster, and how long ago. Nothing was done; the words that were to be sent stand on the page again."""
    fields = {"who": who_changed(changed.by), "ago": ago(changed.ago), "holder": changed.holder or ""}
    if changed.handling not in ACTIVE:
        wrong = CLOSED_MEANWHILE
    elif changed.holder and changed.holder != changed.by:
        wrong = PASSED_MEANWHILE
    else:
        wrong = TAKE_OVER if act in (_take, _work) else TAKEN_MEANWHILE
    draft = Draft(me.form.get("words", ""), shown=True) if act is _message else Draft()
    return Said(wrong=wrong, fields=fields, draft=draft)


def _step(desk: Desk, me: Visitor, report_id: str, to_: str, **more: Any) -> str:
    """`more`: of Step. Together or not at all; what is done with it then."""
    step = CaseAction(me.account.hotline, report_id, to_, me.account.actor, once=me.once, status=me.status, **more)
    return case_actions.perform(desk.database, step)


def _keep(desk: Desk, me: Visitor, report_id: str, kept: CaseChange) -> None:
    desk.refuse_older(me, report_id)
    case_view.save_change(desk.database, me.account, report_id, kept, me.once, status=me.status)


def _holds(me: Visitor, **also: object) -> CaseChange:
    return CaseChange("holds", {"holder": me.account.name, **also})


def _take(desk: Desk, me: Visitor, report_id: str) -> Response:
    """I have it. Also from a colleague, who sees it in the history; not what they gave away or closed."""
    _step(desk, me, report_id, "accepted", kept=_holds(me), seen=me.seen, stays=ACTIVE)
    return to(f"/reports/{report_id}", "taken")


def _work(desk: Desk, me: Visitor, report_id: str) -> Response:
    """It is being worked on; one that was closed is open again."""
    _step(desk, me, report_id, "in_progress", kept=_holds(me, outcome=None, hoax_by=None), seen=me.seen)
    return to(f"/reports/{report_id}", "working")


def _message(desk: Desk, me: Visitor, report_id: str) -> Response:
    """Looked at first, as it will stand on the phone; then sent."""
    text, (box, handling) = me.form.get("words", "").strip(), desk.box(me, report_id)
    if why := words.unreachable(box):
        return desk.page(me, report_id, Said(wrong=why, at="message"))
    if me.form.get("do") == "put":
        return desk.page(me, report_id, Said(draft=Draft(text, shown=True, ready=me.form.get("ready", ""))))
    found = words.check(text, desk.country(box.country))
    asked = () if me.form.get("anyway") else found.asked
    if me.form.get("do") != "send" or found.refused or asked:
        return desk.page(me, report_id, Said(draft=Draft(text, found.refused, found.asked, shown=True)))
    now = _leave(desk, me, report_id, text, is_free=handling == "none")
    drafts.discard(desk.database, me.account, report_id, drafts.MESSAGE)
    return to(f"/reports/{report_id}", "left_alone" if now == "none" else "left")


def _leave(desk: Desk, me: Visitor, report_id: str, text: str, *, is_free: bool) -> str:
    """Whoever writes has the report; but who had not read all of it has not: then the words alone are left, and its
    clock runs on. What is done with it then."""
    writing = desk.writing(me, report_id)
    said = {"answer": writing.answer(text), "notes": (writing.note("answer", text),), "stays": HANDLING_STATES}
    handed = case_view.load_holding(desk.database, me.account, report_id)["handed_by"] is not None
    if is_free:
        with suppress(OutdatedRevision):
            return _step(desk, me, report_id, "accepted", kept=_holds(me), seen=me.seen, **said)
    return _step(desk, me, report_id, "none", kept=_holds(me) if handed else None, **said)


def _pass(desk: Desk, me: Visitor, report_id: str) -> Response:
    """To a colleague, or back to whoever comes: the clock of who has taken it on is not set back by it."""
    name = me.form.get("to", "")
    people = {one.name for one in accounts.list_accounts(desk.database, me.account.hotline) if one.ended_at is None}
    if name and name not in people:
        abort(400)
    _keep(desk, me, report_id, CaseChange("passed_on", {"holder": name or UNASSIGNED, "handed_by": me.account.name}))
    return to(f"/reports/{report_id}", "passed")


def _decline(desk: Desk, me: Visitor, report_id: str) -> Response:
    """To the next hotline that the reporter was shown before Send; the clock runs on for it."""
    reason = me.form.get("reason", "").strip()[:LONGEST_NOTE]
    if wrong := ("" if reason else NO_REASON) or handing_over.not_sure(me):
        return desk.page(me, report_id, Said(wrong=wrong, at="decline"))
    notes = (desk.writing(me, report_id).note("reason", reason),)
    _step(desk, me, report_id, "rejected", notes=notes, seen=me.seen)
    return to("/", "declined")


def _close(desk: Desk, me: Visitor, report_id: str) -> Response:
    outcome = me.form.get("outcome", "")
    if not outcome:
        return desk.page(me, report_id, Said(wrong=NO_OUTCOME, at="close"))
    if outcome not in OUTCOMES:
        abort(400)
    if outcome == "hoax":
        if not case_view.account_predates_report(desk.database, me.account, report_id):
            return desk.page(me, report_id, Said(wrong=TOO_NEW, at="close"))
        said_by = case_view.load_holding(desk.database, me.account, report_id)["hoax_by"]
        if said_by is None:
            _keep(desk, me, report_id, CaseChange("hoax_said", {"hoax_by": me.account.staff_id}))
            return desk.page(me, report_id, Said(done=TWO, at="close"))
        if said_by == me.account.staff_id:
            return desk.page(me, report_id, Said(wrong=SAME, at="close"))
    _step(desk, me, report_id, "closed", kept=CaseChange(f"closed:{outcome}"[:24], {"outcome": outcome}), seen=me.seen)
    return to("/", "closed")


def _note(desk: Desk, me: Visitor, report_id: str) -> Response:
    text = me.form.get("note", me.form.get("words", "")).strip()[:LONGEST_NOTE]
    if not text:
        return desk.page(me, report_id, Said(wrong=NO_WORDS, at="note"))
    case_view.add_note(desk.database, me.account, desk.writing(me, report_id).note("note", text), me.once)
    drafts.discard(desk.database, me.account, report_id, drafts.NOTE)
    return to(f"/reports/{report_id}", "noted")


def _away(desk: Desk, me: Visitor, report_id: str) -> Response:
    """A lead keeps somebody out of one report: who is named in it, or knows the family (S-26)."""
    staff_id = me.form.get("who", "")
    people = {one.staff_id for one in accounts.list_accounts(desk.database, me.account.hotline)}
    if staff_id not in people or staff_id == me.account.staff_id:
        abort(400)
    away = me.form.get("do") != "back"
    case_view.set_access(desk.database, me.account, report_id, staff_id, away=away)
    return to(f"/reports/{report_id}", "away")
