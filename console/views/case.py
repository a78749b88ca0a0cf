"""The page of one report. It is decrypted for a reader only after the audit has recorded that they read it (S-23)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort

from console import bodies, responses
from console.auth.access_control import LEAD, READERS, StaffRequest, requires
from console.bodies import DecryptedReport, MessageCheck
from console.form_drafts import DRAFT_FIELDS, REPORT_ID
from console.presenters import closing, earlier_reports, message_notices, reachability, report, timeline
from console.presenters.case_rows import CaseListItem, list_item
from console.presenters.deadlines import deadlines
from console.presenters.follow_up import SuggestedTime, date_and_time, suggested_times
from console.presenters.reachability import NO_MESSAGE, ContactOption, emergency_contacts
from console.presenters.report import PresentedReport, present_report
from console.responses import current_query, download, page
from console.services import hotline_zone, services
from flows.catalogues import ENGLISH, ENGLISH_CATALOGUE, Catalogue
from flows.pagination import GSM7_BASIC, GSM7_EXTENDED, size
from flows.staff_replies import MAX_SEPTETS, MAX_UNITS, REPLY_TEMPLATES, room_for, split_at_edge
from reports.case_state import ACTIVE, HANDLING_TRANSITIONS, Handling
from reports.countries.country import Country
from reports.json_bodies import json_bytes
from reports.store.cases import case_actions, case_list, case_view, drafts, presence
from reports.store.cases import closing as store_closing
from reports.store.cases.case_actions import OutdatedRevision
from reports.store.cases.case_list import CaseRow
from reports.store.cases.case_status import UNASSIGNED, CaseStatus
from reports.store.cases.case_view import CaseView
from reports.store.mailboxes.correspondence import AnswerTarget
from reports.store.sms import answer_notices
from reports.store.staff import accounts, own_replies
from runtime.visible_text import safe_for_display

bp = Blueprint("case", __name__)

WROTE_MORE = "The reporter wrote more meanwhile. Look again."
# What a browser's text field can contain of the phones' alphabet: its script counts like `size`.
TYPED_ALPHABETS: Final = (GSM7_BASIC.replace("\r", ""), GSM7_EXTENDED.replace("\f", ""))
READY_SENTENCES: Final = {str(number): words for number, words in enumerate(REPLY_TEMPLATES, 1)}


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """A message that somebody is writing to the reporter, and the result of its check.

    `replaces_stored`: the page shows this text instead of the stored draft.
    """

    text: str = ""
    check: MessageCheck = field(default_factory=MessageCheck)
    replaces_stored: bool = False
    ready_sentence: str = ""  # key of the ready sentence to append; empty for none

    @property
    def counts(self) -> Mapping[str, str]:
        """Return the size of the text, its limit and by how much it is too long, in septets or UTF-16 units."""
        text_size, max_size = size(self.text), room_for(self.text)
        return {"size": str(text_size), "room": str(max_size), "over": str(max(0, text_size - max_size))}

    @property
    def fits(self) -> str:
        """Return the part of the text that fits one screen."""
        return split_at_edge(self.text)[0]

    @property
    def over(self) -> str:
        """Return the rest of the text, which is beyond the end of the screen."""
        return split_at_edge(self.text)[1]


@dataclass(frozen=True, slots=True)
class ReadySentence:
    """A ready-made reply.

    `shown`: as staff choose it, a message of the catalogues or a hotline's own words; `text`: for the reporter. `tag`:
    language of `shown`; empty: that of the page.
    """

    shown: str
    text: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class ActionResult:
    """The result of an action, for the page after it. `error`: why it was refused; `confirmation`: that it was done."""

    error: str = ""
    confirmation: str = ""
    form: str = ""  # the form beside which it is shown; empty: at the top
    fields: Mapping[str, str] = field(default_factory=dict)  # for the placeholders of `error`
    draft: MessageDraft = field(default_factory=MessageDraft)


TOOK_IT, PASSED_IT = "{who} took this report at {time}.", "{who} passed this report to {holder} at {time}."
TOOK_IT_OVER = "{who} took this report over from you at {time}. It is not yours any more."
STILL_YOURS = "{who} changed the status of this report at {time}. It is still yours."
BACK_IN_QUEUE = "{who} put this report back into the queue at {time}."
CLOSED_IT, MOVED_IT = "{who} closed this report at {time}.", "This report went to another hotline."
WAITS_AGAIN, YOU_CHANGED_IT = "This report waits for somebody to take it again.", "You changed this report elsewhere."


def _describe_change(status: CaseStatus, shown_key: str, *, was_mine: bool, me: str) -> str:
    """Return the sentence for an open page whose status, `shown_key`, is outdated; empty if it is not."""
    if status.key == shown_key:
        return ""
    if status.changed_by == me:
        return YOU_CHANGED_IT
    if status.handed_by is not None and status.handling in (Handling.NONE, *ACTIVE):
        return BACK_IN_QUEUE if status.holder == UNASSIGNED else PASSED_IT
    if status.handling in ACTIVE:
        return STILL_YOURS if status.holder == me else TOOK_IT_OVER if was_mine else TOOK_IT
    return {Handling.NONE: WAITS_AGAIN, Handling.CLOSED: CLOSED_IT}.get(status.handling, MOVED_IT)


def require_access(me: StaffRequest, report_id: str, *, by_script: bool = False) -> str:
    """Return the id if this person may see the report; else abort with 404 and record the attempt in the audit.

    A person who has read it before gets a page that it is not here for them any more; 410 if its reporter deleted it.
    `by_script`: a page asks by itself; that is no attempt if the person has opened the report before.
    """
    if not REPORT_ID.fullmatch(report_id):
        abort(404)
    if not case_list.may_see(services.database, me.account, report_id):
        _refuse(me, report_id, by_script=by_script)
    return report_id


def _refuse(me: StaffRequest, report_id: str, *, by_script: bool) -> NoReturn:
    was_read = case_view.has_read(services.database, me.account, report_id)
    if was_read and case_view.was_deleted_by_reporter(services.database, me.account, report_id):
        abort(page("deleted.html", 410, me=me, report_id=report_id))
    if not (by_script and was_read):
        accounts.record_act(services.database, me.account, "not_given", report_id)
    abort(page("fault.html", 404, kind="gone") if was_read else 404)


@bp.get("/reports/<report_id>")
@requires(*READERS)
def show_case(me: StaffRequest, report_id: str) -> Response:
    """Show the page of a report; if its reporter has deleted it, a page that says so, with status 410."""
    presence.record(services.database, me.account, require_access(me, report_id))
    sentence, at = responses.MESSAGES.get(responses.message_key() or "", ("", ""))
    return case_page(me, report_id, ActionResult(confirmation=sentence, form=at), is_read=True)


@bp.get("/reports/<report_id>/news")
@requires(*READERS, quiet=True)
def news(me: StaffRequest, report_id: str) -> Response:
    """Return to a page's script what has changed since it was made: the reporter or a colleague wrote, or the status.

    The answer also names the colleagues who have the report open. It contains no text of the reporter.
    """
    query = current_query()
    since = query.get("since", "")
    if not (since.isascii() and since.isdigit()):
        abort(400)
    require_access(me, report_id, by_script=True)
    answers = colleagues_answers(me, case_view.list_answers(services.database, me.account, report_id))
    written = answers[-1] if answers and query.get("answers", str(len(answers))) != str(len(answers)) else None
    is_any = case_view.has_additions(services.database, me.account, report_id, int(since[:18]))
    status = case_view.load_status(services.database, me.account, report_id)
    changed = _describe_change(status, query.get("status", status.key), was_mine="mine" in query, me=me.account.name)
    if "hidden" not in query:  # a tab in the background does not count as a viewer
        presence.record(services.database, me.account, report_id)
    viewers = _viewers(me, report_id)
    fields: dict[str, Any] = {"is_any": is_any, "now_is": status, "changed": changed, "written": written}
    return page("news.html", me=me, report_id=report_id, viewers=viewers, **fields)


def colleagues_answers(me: StaffRequest, notes: Iterable[Any]) -> list[Any]:
    """Return those of the notes that are a colleague's messages to the reporter."""
    return [note for note in notes if note.kind == "answer" and note.actor != me.account.actor]


def _viewers(me: StaffRequest, report_id: str) -> tuple[str, ...]:
    return presence.list_viewers(services.database, me.account, report_id).get(report_id, ())


def case_page(
    me: StaffRequest,
    report_id: str,
    result: ActionResult | None = None,
    *,
    is_read: bool = False,
    show_number: bool = False,
) -> Response:
    """Render the page of a report. The keyword arguments are those of `case_fields`."""
    fields = case_fields(me, report_id, is_read=is_read, show_number=show_number)
    result = _append_ready_sentence(result or ActionResult(), fields["target"], fields["ready"])
    fields["drafts"] = _load_drafts(me, report_id)
    if not result.draft.replaces_stored:
        result = replace(result, draft=replace(result.draft, text=fields["drafts"][drafts.MESSAGE]))
    return page("report.html", 400 if result.error else 200, me=me, said=result, **fields)


def case_fields(me: StaffRequest, report_id: str, *, is_read: bool, show_number: bool) -> dict[str, Any]:
    """Open a report, after the audit has recorded the reading, and return the fields of its templates.

    `is_read`: somebody asked for the page, so its new entries count as read. `show_number`: also outside the safe
    hours.
    """
    # Read before the report is opened, so that later additions count as not seen.
    revision = case_actions.latest_revision(services.database, me.account.hotline, require_access(me, report_id))
    case, decrypted = _open(me, report_id, is_read=is_read)
    target, _ = mailbox(me, report_id)
    now = services.database.now()
    colleagues = [
        colleague
        for colleague in accounts.list_accounts(services.database, me.account.hotline)
        if colleague.ended_at is None
    ]
    presented = None if decrypted.report is None else present_report(decrypted.report, services.labels)
    return {
        "report_id": report_id,
        "revision": revision,
        "before": case,
        "answers": len(colleagues_answers(me, case.notes)),
        "opened": decrypted,
        "presented": presented,
        **_timeline_fields(case, decrypted, presented),
        "may": HANDLING_TRANSITIONS.get(case.handling, ()),
        "is_in_danger": (decrypted.report or {}).get("danger") == "now",
        "transfer": case_actions.load_transfer_options(services.database, me.account, report_id),
        **_reach_fields(me.account.hotline, decrypted, target, now, show_number=show_number),
        **_row_fields(me, report_id, now),
        "viewers": _viewers(me, report_id),
        "people": colleagues,
        "excluded": case_view.list_excluded(services.database, me.account, report_id),
        **_follow_up_fields(me, decrypted, now),
        **closing_fields(me, report_id, case, decrypted, target),
        "now": now,
        **_message_fields(me, report_id, decrypted, target, now),
    }


def _timeline_fields(case: CaseView, decrypted: DecryptedReport, presented: PresentedReport | None) -> dict[str, Any]:
    def is_new(text: str) -> bool:
        return report.is_newer(text, case.news.revised)

    entries = timeline.timeline(
        case.created_at,
        case.done,
        messages=decrypted.said,
        notes=decrypted.notes,
        typed=presented.words if presented else (),
        new=case.news.messages,
        is_new=is_new,
    )
    return {"entries": entries, "is_new": is_new, "does_not_open": timeline.DOES_NOT_OPEN}


def _follow_up_fields(me: StaffRequest, decrypted: DecryptedReport, now: int) -> dict[str, Any]:
    """Return the fields of the form for a follow-up date."""
    zone = hotline_zone(me.account.hotline)
    times = _suggested_times(decrypted, now, zone)
    return {"suggested_times": times, "proposed": date_and_time(times[1].at, zone), "zone_name": zone.key}


def _suggested_times(decrypted: DecryptedReport, now: int, zone: ZoneInfo) -> tuple[SuggestedTime, ...]:
    return suggested_times(now, zone, decrypted.contact)


def suggested_for(me: StaffRequest, report_id: str, now: int) -> tuple[SuggestedTime, ...]:
    """Return the times suggested for a follow-up at this moment. The audit records that the report is opened."""
    _, decrypted = _open(me, report_id, is_read=False)
    return _suggested_times(decrypted, now, hotline_zone(me.account.hotline))


def closing_fields(
    me: StaffRequest, report_id: str, case: CaseView, decrypted: DecryptedReport, target: AnswerTarget
) -> dict[str, Any]:
    """Return the fields of the form to close a report, with the choices of a form that was just refused."""
    country = services.countries.get(target.country)
    names = account_names(me)
    return {
        "outcomes": closing.OUTCOMES,
        "closed_as": closing.CLOSED_AS,
        "told_choices": closing.TOLD,
        "child_choices": closing.CHILD,
        "referral": closing.referral_choices(country, me.account.hotline, decrypted.report),
        "referral_kinds": closing.KIND_LABELS,
        "hoax_by": names.get(case.holding["hoax_by"], ""),
        "undo_until": store_closing.undo_until(services.database, me.account, report_id),
        "chosen": {name: me.form.get(name, "") for name in ("done", "outcome", "told", "service", *closing.CHILD)},
    }


def account_names(me: StaffRequest) -> Mapping[str, str]:
    """Return account id → name of this person's hotline."""
    return {account.staff_id: account.name for account in accounts.list_accounts(services.database, me.account.hotline)}


def _reach_fields(
    hotline: str, decrypted: DecryptedReport, target: AnswerTarget, now: int, *, show_number: bool
) -> dict[str, Any]:
    """Return how the reporter can be reached and the emergency numbers; the number only if it may be shown."""
    no_message = bodies.no_mailbox_reason(target.public_key)
    result = reachability.reach(decrypted.contact, no_message, now)
    is_shown = result.way is ContactOption.NOW or show_number
    country = services.countries.get(target.country)
    return {
        "reach": result,
        "number": safe_for_display(result.number) if is_shown else "",
        "no_message": NO_MESSAGE.get(no_message, ""),
        "emergency": emergency_contacts(country, hotline) if country else None,
    }


def _row_fields(me: StaffRequest, report_id: str, now: int) -> dict[str, Any]:
    """Return the data of the report's row of the list: deadlines, and earlier reports of the same phone."""
    row = case_list.find_row(services.database, me.account, report_id)
    return {
        "deadlines": deadlines(row, now) if row else (),
        "earlier_reports": _earlier_reports(me, row, now) if row else (),
    }


def _earlier_reports(me: StaffRequest, row: CaseRow, now: int) -> tuple[CaseListItem, ...]:
    head = services.decryptor.head(row, me.account.hotline)
    ids = earlier_reports.named_ids(head, row.report_id)
    if not ids:
        return ()
    others = case_list.find_reports(services.database, me.account, ids)
    with_heads = [(other, services.decryptor.head(other, me.account.hotline)) for other in others]
    return tuple(
        list_item(other, other_head, services.labels, now)
        for other, other_head in with_heads
        if earlier_reports.may_be_linked((row, head), (other, other_head))
    )


@bp.post("/reports/<report_id>/draft")
@requires(*READERS)
def save_draft(me: StaffRequest, report_id: str) -> Response:
    """Answer a script that saves a draft while somebody types; the access control has already saved it."""
    require_access(me, report_id, by_script=True)
    return Response(status=204)


def _load_drafts(me: StaffRequest, report_id: str) -> dict[str, str]:
    """Return kind → text of this person's drafts."""
    rows = drafts.list_drafts(services.database, me.account, report_id)
    return dict.fromkeys(DRAFT_FIELDS, "") | services.decryptor.drafts(rows, report_id, me.account.hotline)


@bp.post("/reports/<report_id>/number")
@requires(*READERS)
def show_number(me: StaffRequest, report_id: str) -> Response:
    """Show the number outside the safe hours: a separate step, which the audit records first."""
    accounts.record_act(services.database, me.account, "number_shown", require_access(me, report_id))
    return case_page(me, report_id, show_number=True)


def _reply_catalogue(decrypted: DecryptedReport) -> Catalogue:
    """Return the reporter's language if a phone may show all ready sentences in it, else English."""
    catalogue = services.screen_catalogues.get(decrypted.language, ENGLISH_CATALOGUE)
    catalogue = catalogue.as_shown(services.settings.draft_languages or ())
    return ENGLISH_CATALOGUE if catalogue.lacks(REPLY_TEMPLATES) else catalogue


def _message_fields(
    me: StaffRequest, report_id: str, decrypted: DecryptedReport, target: AnswerTarget, now: int
) -> dict[str, Any]:
    """Return the fields of the form for a message: ready sentences, limits, and the notice to expect."""
    catalogue = _reply_catalogue(decrypted)
    facts = answer_notices.list_notices(services.database, me.account.hotline, report_id)
    country = services.countries.get(target.country)
    has_code = country is not None and any(code.channel == "ussd" for code in country.codes)
    return {
        "target": target,
        "ready": {
            **{
                key: ReadySentence(sentence, catalogue.translate(sentence)) for key, sentence in READY_SENTENCES.items()
            },
            **_own_replies(me.account.hotline, decrypted.language),
        },
        "reply_language": catalogue,
        "limits": (MAX_SEPTETS, MAX_UNITS),
        "alphabets": TYPED_ALPHABETS,
        "notice": message_notices.expected_notice(decrypted.contact, facts, now, has_code=has_code),
        "notices": {row.answer_id: message_notices.present_notice(row, now) for row in facts.rows},
    }


def _own_replies(hotline: str, language: str) -> dict[str, ReadySentence]:
    """Return the hotline's own replies, each in the reporter's language, else in English, else in the first it has."""
    replies = {}
    for reply in own_replies.list_signed(services.database, hotline):
        tag = next((tag for tag in (language, ENGLISH) if tag in reply.texts), min(reply.texts))
        replies[f"own-{reply.reply_id}"] = ReadySentence(reply.texts[tag], reply.texts[tag], tag)
    return replies


def _append_ready_sentence(
    result: ActionResult, target: AnswerTarget, sentences: Mapping[str, ReadySentence]
) -> ActionResult:
    if result.draft.ready_sentence not in sentences:
        return result
    text = "\n".join(filter(None, (result.draft.text, sentences[result.draft.ready_sentence].text)))
    check = bodies.check_message(text, report_country(target.country))
    return replace(result, draft=replace(result.draft, text=text, check=check))


def require_current_revision(me: StaffRequest, report_id: str) -> None:
    """Raise OutdatedRevision if the reporter wrote more after the page of this form was made."""
    if me.seen is not None and me.seen < case_actions.latest_revision(services.database, me.account.hotline, report_id):
        raise OutdatedRevision


def report_country(iso: str) -> Country:
    """Return the country of a report. Aborts with 400 if it is not served here any more."""
    return services.countries.get(iso) or abort(400)


def _open(me: StaffRequest, report_id: str, *, is_read: bool) -> tuple[CaseView, DecryptedReport]:
    case = case_view.open_case(services.database, me.account, report_id, is_read=is_read)
    return case, services.decryptor.all(case, report_id, me.account.hotline)


def mailbox(me: StaffRequest, report_id: str) -> tuple[AnswerTarget, Handling]:
    """Return the mailbox for an answer, and the handling state of the report. Raises CaseNotFound."""
    target, handling, _ = case_actions.look_up(services.database, me.account.hotline, report_id, b"")
    return target, handling


@bp.get("/reports/<report_id>/export")
@requires(LEAD, fresh=True)
def export(me: StaffRequest, report_id: str) -> Response:
    """Return the report as JSON, without the number outside the safe hours. The audit records the export."""
    require_access(me, report_id)
    return _export_response(me, report_id, show_number=False)


@bp.post("/reports/<report_id>/export")
@requires(LEAD, fresh=True, back="/reports/{report_id}")
def export_with_number(me: StaffRequest, report_id: str) -> Response:
    """Return the report as JSON, always with the number. The audit also records that the number was shown."""
    accounts.record_act(services.database, me.account, "number_shown", require_access(me, report_id))
    return _export_response(me, report_id, show_number=True)


def _export_response(me: StaffRequest, report_id: str, *, show_number: bool) -> Response:
    accounts.record_act(services.database, me.account, "exported:json", report_id)
    _, decrypted = _open(me, report_id, is_read=False)
    if decrypted.report is None:
        abort(404)
    target, _ = mailbox(me, report_id)
    reach_fields = _reach_fields(
        me.account.hotline, decrypted, target, services.database.now(), show_number=show_number
    )
    export = {"report": decrypted.report, "said": [{"from": "reporter", **message} for message in decrypted.said]}
    if not reach_fields["number"]:
        export = reachability.withhold_numbers(export)
    body = json_bytes({**export, "notes": list(decrypted.notes)})
    policy = "default-src 'none'; frame-ancestors 'none'"
    return download(body + b"\n", "application/json; charset=utf-8", f"report-{report_id}.json", policy)
