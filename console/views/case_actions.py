"""Actions of staff on a report: acknowledge, answer, assign, transfer, close, and write a note for colleagues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Any

from flask import Blueprint, Response, abort

from console import bodies
from console.auth.access_control import LEAD, READERS, StaffRequest, requires
from console.form_drafts import discard_sent, message_sealer
from console.responses import redirect_with_message
from console.services import services
from console.templating import actor_name, format_age
from console.views.case import (
    WROTE_MORE,
    ActionResult,
    MessageDraft,
    case_page,
    colleagues_answers,
    mailbox,
    report_country,
    require_access,
    require_current_revision,
)
from flows.staff_replies import Objection, Weight
from reports.case_state import ACKNOWLEDGED, ACTIVE, HANDLING_TRANSITIONS, Handling
from reports.store import idempotency_keys
from reports.store.cases import case_actions, case_view, drafts
from reports.store.cases.case_actions import (
    CaseAction,
    CaseNotFound,
    NoOtherHotline,
    OutdatedRevision,
    TransitionNotAllowed,
)
from reports.store.cases.case_status import UNASSIGNED, CannotHold, CaseChange, StatusConflict
from reports.store.staff import accounts

bp = Blueprint("case_actions", __name__)

MAX_NOTE_LENGTH = 4000  # characters
NO_WORDS = "Nothing was written."
NOT_SURE = "Tick that you understand that this cannot be undone."
NO_REASON = "Write why you decline: your colleagues will ask."
TAKE_OVER = "{who} took this report {ago} ago. Take it over?"
TAKEN_MEANWHILE = "{who} took this report {ago} ago. Nothing was done. Look at the status, then decide."
PASSED_MEANWHILE = "{who} passed this report to {holder} {ago} ago. Nothing was done."
CLOSED_MEANWHILE = "{who} closed or transferred this report {ago} ago. Nothing was done."
WRITTEN_MEANWHILE = "{who} wrote to the reporter {ago} ago. Nothing was sent. Read it, then decide."
SENT_BEFORE = "The reporter was sent these words {ago} ago."
NOT_TO_THEM = (
    "{name} cannot get this report: their account has ended, or they may not open it. Nothing was passed. Choose "
    "another colleague."
)
WITH_ANOTHER_HOTLINE = (
    "This report went to another hotline, and only that hotline writes to the reporter now. Nothing was sent."
)
NOT_A_READER = "Nothing was hidden: {name} opens no reports. A report can be hidden only from staff and leads."
NOBODY_ELSE = (
    "Nothing was hidden: another lead must be able to open this report, or a member of staff if you are the only lead. "
    "Invite one first, or ask the operator to, by tokaut staff invite; or transfer the report to another hotline."
)
NOBODY_LEFT = (
    "No other hotline can get this report: the reporter was shown no other, or all of them have it. If your law names "
    "somebody, call them yourself."
)
NOT_NOW = "That cannot follow what was done before. This is how it stands now."

Action = Callable[[StaffRequest, str], Response]


def case_action(*, conflict: str = TAKEN_MEANWHILE, keeps_words: bool = False) -> Callable[[Action], Action]:
    """Run the view as an action on a report that this person may see.

    If it is refused, show why on the page, with the current state of the report. A form that was sent twice has its
    effect once. `conflict`: the sentence if a colleague has taken the report meanwhile. `keeps_words`: then the page
    shows the message that was not sent.
    """

    def decorate(action: Action) -> Action:
        @wraps(action)
        def run(me: StaffRequest, report_id: str) -> Response:
            require_access(me, report_id)
            if idempotency_keys.was_key_used(services.database, me.idempotency_key):
                return redirect_with_message(f"/reports/{report_id}", "before")
            try:
                return action(me, report_id)
            except CaseNotFound:
                abort(404)
            except TransitionNotAllowed:
                return case_page(me, report_id, ActionResult(error=NOT_NOW))
            except OutdatedRevision:
                return case_page(me, report_id, ActionResult(error=WROTE_MORE))
            except CannotHold as error:
                return _cannot_hold(me, report_id, error.name)
            except StatusConflict as error:
                draft = MessageDraft(me.form.get("words", ""), replaces_stored=True) if keeps_words else MessageDraft()
                return case_page(me, report_id, _conflict_result(error, conflict, draft))

        return run

    return decorate


def _cannot_hold(me: StaffRequest, report_id: str, name: str) -> Response:
    """Show that a colleague cannot get the report; abort with 404 if this person cannot have it any more themselves."""
    if name == me.account.name:
        require_access(me, report_id)
        abort(404)
    return case_page(me, report_id, ActionResult(error=NOT_TO_THEM, form="pass", fields={"name": name}))


def _conflict_result(conflict: StatusConflict, problem: str, draft: MessageDraft) -> ActionResult:
    """Return the result that says who changed the report first, and how long ago; nothing was done.

    `problem`: the sentence if that person has the report now.
    """
    fields = {"who": actor_name(conflict.by), "ago": format_age(conflict.ago), "holder": conflict.receiver or ""}
    if conflict.handling not in ACTIVE:
        problem = CLOSED_MEANWHILE
    elif conflict.receiver:
        problem = PASSED_MEANWHILE
    if problem == TAKE_OVER:
        fields["asked_over"] = "1"
    return ActionResult(error=problem, fields=fields, draft=draft)


def set_handling(me: StaffRequest, report_id: str, handling: Handling, **fields: Any) -> Handling:
    """Set the handling state and return the new one, in one transaction. `fields`: of CaseAction."""
    action_data = CaseAction(
        me.account.hotline,
        report_id,
        handling,
        me.account.actor,
        idempotency_key=me.idempotency_key,
        seen_status=me.status,
        **fields,
    )
    return case_actions.perform(services.database, action_data)


def _save_change(me: StaffRequest, report_id: str, change: CaseChange, note_text: str = "") -> None:
    require_current_revision(me, report_id)
    note = message_sealer(me.account, report_id).note("note", note_text) if note_text else None
    case_view.save_change(
        services.database, me.account, report_id, change, me.idempotency_key, status=me.status, note=note
    )


def _held_by_me(me: StaffRequest, **values: object) -> CaseChange:
    return CaseChange("holds", {"holder": me.account.name, **values})


def _ask_before_taking_over(me: StaffRequest, report_id: str) -> None:
    """Raise StatusConflict if a colleague has accepted the report, unless the form says to take it over."""
    status = case_view.load_status(services.database, me.account, report_id)
    is_accepted = status.handling in ACTIVE and status.handed_by is None and status.changed_at
    if is_accepted and status.holder not in (me.account.name, UNASSIGNED) and not me.form.get("over"):
        ago = max(0, services.database.now() - status.changed_at)
        raise StatusConflict(status.holder or status.changed_by or "", status.handling, None, ago)


@bp.post("/reports/<report_id>/take")
@requires(*READERS)
@case_action(conflict=TAKE_OVER)
def acknowledge(me: StaffRequest, report_id: str) -> Response:
    """Acknowledge the report; a colleague's after a question. Not if it is transferred or closed."""
    _ask_before_taking_over(me, report_id)
    set_handling(
        me,
        report_id,
        Handling.ACCEPTED,
        column_changes=_held_by_me(me),
        seen_revision=me.seen,
        unless_in=ACTIVE,
    )
    return redirect_with_message(f"/reports/{report_id}", "taken")


@bp.post("/reports/<report_id>/work")
@requires(*READERS)
@case_action(conflict=TAKE_OVER)
def start_work(me: StaffRequest, report_id: str) -> Response:
    """Mark the report as in progress; this reopens a closed one, and asks before it takes over a colleague's."""
    _ask_before_taking_over(me, report_id)
    set_handling(
        me,
        report_id,
        Handling.IN_PROGRESS,
        column_changes=_held_by_me(me, outcome=None, hoax_by=None, hoax_at=None),
        seen_revision=me.seen,
    )
    return redirect_with_message(f"/reports/{report_id}", "working")


@bp.post("/reports/<report_id>/message")
@requires(*READERS)
@case_action(keeps_words=True)
def send_message(me: StaffRequest, report_id: str) -> Response:
    """Show the message first as the phone will show it; then send it."""
    text, (target, handling) = me.form.get("words", "").strip(), mailbox(me, report_id)
    problem = bodies.unreachable_reason(target) or (WITH_ANOTHER_HOTLINE if handling == Handling.REJECTED else "")
    if problem:
        draft = MessageDraft(text, replaces_stored=True)
        return case_page(me, report_id, ActionResult(error=problem, form="message", draft=draft))
    if me.form.get("ready") and me.form.get("do") in (None, "put"):
        return case_page(
            me,
            report_id,
            ActionResult(draft=MessageDraft(text, replaces_stored=True, ready_sentence=me.form.get("ready", ""))),
        )
    answers = case_view.list_answers(services.database, me.account, report_id)
    if outdated := _outdated_form(me, report_id, text, answers):
        return outdated
    check = bodies.check_message(text, report_country(target.country))
    check = replace(check, doubts=(*_sent_before(me, report_id, answers, text), *check.doubts))
    unconfirmed = () if me.form.get("anyway") else check.doubts
    if me.form.get("do") != "send" or check.refusals or unconfirmed:
        return case_page(me, report_id, ActionResult(draft=MessageDraft(text, check, replaces_stored=True)))
    new_state = _save_message(me, report_id, text, is_free=handling == Handling.NONE)
    discard_sent(me.account, me.form, report_id, drafts.MESSAGE)
    if new_state == Handling.NONE:
        return redirect_with_message(f"/reports/{report_id}", "left_alone")
    return redirect_with_message(f"/reports/{report_id}", "left", at="words")


def _outdated_form(me: StaffRequest, report_id: str, text: str, answers: Sequence[Any]) -> Response | None:
    """Return the response to a form that was sent already, or on whose page a colleague's message is not; else None.

    `answers`: read before the key of the form, so that they contain its message only if its key was used.
    """
    if idempotency_keys.was_key_used(services.database, me.idempotency_key):
        return redirect_with_message(f"/reports/{report_id}", "before")
    of_colleagues = colleagues_answers(me, answers)
    if me.form.get("do") != "send" or me.answers is None or len(of_colleagues) <= me.answers:
        return None
    last, draft = of_colleagues[-1], MessageDraft(text, replaces_stored=True)
    fields = {"who": actor_name(last.actor.rpartition("/")[2]), "ago": _ago(last.created_at)}
    return case_page(me, report_id, ActionResult(WRITTEN_MEANWHILE, form="message", fields=fields, draft=draft))


def _sent_before(me: StaffRequest, report_id: str, answers: Sequence[Any], text: str) -> tuple[Objection, ...]:
    """Return the doubt about words that the reporter was sent before: Back puts a sent text into its field again."""
    sent = services.decryptor.notes(answers, report_id, me.account.hotline)
    times = [note["at"] for note in sent if note["text"] == text]
    return (Objection(Weight.DOUBT, SENT_BEFORE, {"ago": _ago(times[-1])}),) if times else ()


def _ago(at: int) -> str:
    return format_age(max(0, services.database.now() - at))


def _save_message(me: StaffRequest, report_id: str, text: str, *, is_free: bool) -> str:
    """Save the message and return the new handling state. Writing acknowledges a report that nobody has.

    If the author has not read the latest revision, the message is saved but does not acknowledge the report, and the
    deadline still runs.
    """
    sealer = message_sealer(me.account, report_id)
    answer = sealer.answer(text)
    message_fields = {
        "answer": answer,
        "notes": (sealer.note("answer", text, answer.answer_id),),
        "unless_in": ACKNOWLEDGED,
    }
    is_reassigned = case_view.load_holding(services.database, me.account, report_id)["handed_by"] is not None
    if is_free:
        with suppress(OutdatedRevision):
            return set_handling(
                me,
                report_id,
                Handling.ACCEPTED,
                column_changes=_held_by_me(me),
                seen_revision=me.seen,
                **message_fields,
            )
    return set_handling(
        me, report_id, Handling.NONE, column_changes=_held_by_me(me) if is_reassigned else None, **message_fields
    )


@bp.post("/reports/<report_id>/pass")
@requires(*READERS)
@case_action()
def assign(me: StaffRequest, report_id: str) -> Response:
    """Assign the report to a colleague, or put it back into the queue, with a note. Its deadline stays the same."""
    name = me.form.get("to", "")
    note_text = me.form.get("pass_note", "").strip()[:MAX_NOTE_LENGTH]
    _save_change(me, report_id, assignment(me, name), note_text)
    discard_sent(me.account, me.form, report_id, drafts.PASSING)
    return redirect_with_message(f"/reports/{report_id}", "passed")


def assignment(me: StaffRequest, name: str) -> CaseChange:
    """Return the change that assigns a report to a colleague; without a name it goes back into the queue."""
    act = "passed_on" if name else "put_back"
    return CaseChange(act, {"holder": name or UNASSIGNED, "handed_by": me.account.name})


@bp.post("/reports/<report_id>/decline")
@requires(*READERS)
@case_action()
def decline(me: StaffRequest, report_id: str) -> Response:
    """Decline the report: another hotline has it, or the next one that the reporter was shown before Send gets it.

    Its deadline still runs.
    """
    reason = me.form.get("reason", "").strip()[:MAX_NOTE_LENGTH]
    _, handling = mailbox(me, report_id)
    if Handling.REJECTED not in HANDLING_TRANSITIONS[handling]:
        return case_page(me, report_id, ActionResult(error=NOT_NOW))
    if problem := ("" if reason else NO_REASON) or missing_confirmation(me):
        return case_page(me, report_id, ActionResult(error=problem, form="decline"))
    options = case_actions.load_transfer_options(services.database, me.account, report_id)
    notes = (message_sealer(me.account, report_id).note("reason", reason),)
    try:
        set_handling(me, report_id, Handling.REJECTED, notes=notes, seen_revision=me.seen)
    except NoOtherHotline:
        return case_page(me, report_id, ActionResult(error=NOBODY_LEFT, form="decline"))
    return redirect_with_message("/", "declined" if options.passes_on else "declined_others")


def missing_confirmation(me: StaffRequest) -> str:
    """Return an error sentence if the box that confirms a final action is not ticked; empty if it is.

    The server checks it too, because not every browser enforces a required box.
    """
    return "" if me.form.get("sure") else NOT_SURE


@bp.post("/reports/<report_id>/note")
@requires(*READERS)
@case_action()
def add_note(me: StaffRequest, report_id: str) -> Response:
    """Add a note for colleagues."""
    text = me.form.get("note", me.form.get("words", "")).strip()[:MAX_NOTE_LENGTH]
    if not text:
        return case_page(me, report_id, ActionResult(error=NO_WORDS, form="note"))
    case_view.add_note(
        services.database, me.account, message_sealer(me.account, report_id).note("note", text), me.idempotency_key
    )
    discard_sent(me.account, me.form, report_id, drafts.NOTE)
    return redirect_with_message(f"/reports/{report_id}", "noted", at="note")


@bp.post("/reports/<report_id>/away")
@requires(LEAD)
@case_action()
def set_access(me: StaffRequest, report_id: str) -> Response:
    """Exclude a colleague from a report, or let them back in: they may be named in it or know the family (S-26).

    A report that they hold goes back into the queue. Somebody else must be able to open it: another lead, or a member
    of staff if there is no other lead. Nothing is hidden from an auditor.
    """
    colleague = accounts.find_by_id(services.database, me.form.get("who", ""))
    if colleague is None or colleague.hotline != me.account.hotline or colleague.staff_id == me.account.staff_id:
        abort(400)
    is_excluded = me.form.get("do") != "back"
    if is_excluded and (colleague.ended_at is not None or colleague.role not in READERS):
        return case_page(me, report_id, ActionResult(error=NOT_A_READER, fields={"name": colleague.name}))
    try:
        is_put_back = case_view.set_access(
            services.database, me.account, report_id, colleague.staff_id, me.idempotency_key, away=is_excluded
        )
    except case_view.NobodyElse:
        return case_page(me, report_id, ActionResult(error=NOBODY_ELSE))
    return redirect_with_message(f"/reports/{report_id}", "away_put_back" if is_put_back else "away")
