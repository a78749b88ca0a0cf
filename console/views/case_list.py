"""The list of reports, most urgent first, and its alarm. Neither shows anything that anybody wrote (S-24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import BadRequest

from console import bodies, responses
from console.auth import access_control, cookies
from console.auth.access_control import AUDITOR, OPERATOR, READERS, Form, StaffRequest, public, requires
from console.form_drafts import REPORT_ID
from console.presenters import closing
from console.presenters.deadlines import Deadline, deadlines, is_overdue
from console.presenters.reachability import Reachability, reach
from console.responses import HEADERS, InvalidForm, page, parse_query, redirect
from console.services import services
from reports.case_state import ACTIVE, Handling
from reports.escalation import PRIORITIES, Priority
from reports.json_bodies import NO_CONTACT
from reports.store.cases import case_list, follow_ups
from reports.store.cases import closing as store_closing
from reports.store.cases.case_list import NEW_STATES, OPEN_STATES, PAGE_SIZE, CaseFilter, CaseRow
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts
from reports.store.staff.accounts import Account

bp = Blueprint("case_list", __name__)

HANDLING_BY_STATE: Mapping[str, tuple[Handling, ...]] = {
    "open": OPEN_STATES,
    "new": NEW_STATES,
    "taken": ACTIVE,
    "closed": (Handling.CLOSED, Handling.REJECTED),
}
STATES = {
    "open": "open",
    "new": "not taken yet",
    "taken": "taken",
    "closed": "closed or transferred",
}
MAX_HEADS_SEARCHED = 2000  # rows whose heads are opened to find a category or a place
MAX_PAGE = 200
MAX_FOLLOW_UPS = 5  # due ones above the list; the others are counted
ALARM_MODES = ("sound", "notice")
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ListFilter:
    """The fields of the form above the list."""

    state: str = "open"
    priority: str = ""
    category: str = ""
    place: str = ""
    mine: str = ""
    page: int = 0


@dataclass(frozen=True, slots=True)
class CaseListItem:
    """One row of the list. `reach`: how the reporter can be reached; None if the report does not open."""

    row: CaseRow
    title: str
    place: str
    reach: Reachability | None
    deadlines: tuple[Deadline, ...]
    is_overdue: bool


@bp.get("/")
@requires(*StaffRole, reloads=True)
def list_page(me: StaffRequest) -> Response:
    """Show the list; auditors and operators are redirected to their own page."""
    if me.account.role == AUDITOR:
        return redirect("/audit")
    if me.account.role == OPERATOR:
        return redirect("/operator")
    list_filter = _read_filter()
    categories = [(code, services.labels.of("category", code)) for code in services.labels.values("category")]
    return page(
        "queue.html",
        me=me,
        asked=list_filter,
        categories=categories,
        closed_as=closing.CLOSED_AS,
        states=STATES,
        **_message_fields(me),
        **_list_fields(me, list_filter),
    )


def _message_fields(me: StaffRequest) -> dict[str, Any]:
    sentence, _ = responses.MESSAGES.get(responses.message_key() or "", ("", ""))
    nobody = case_list.count_unacknowledged(services.database, me.account)
    return {"done": sentence, "closed": _closed_report(me), "nobody": nobody}


def _closed_report(me: StaffRequest) -> Mapping[str, Any]:
    """Return the report that this person has just closed, and until when they may undo it; empty if there is none."""
    report_id = responses.current_query().get("closed", "")
    if not REPORT_ID.fullmatch(report_id) or not case_list.may_see(services.database, me.account, report_id):
        return {}
    return {
        "report_id": report_id,
        "undo_until": store_closing.undo_until(services.database, me.account, report_id),
    }


@bp.get("/rows")
@requires(*READERS, quiet=True)
def reload_rows(me: StaffRequest) -> Response:
    """Return the rows of the list, for its script."""
    list_filter = _read_filter()
    return page("rows.html", me=me, asked=list_filter, closed_as=closing.CLOSED_AS, **_list_fields(me, list_filter))


def _list_fields(me: StaffRequest, list_filter: ListFilter) -> dict[str, Any]:
    now, case_filter, is_cut_short = services.database.now(), _case_filter(list_filter), False
    if list_filter.category or list_filter.place:
        rows, has_more, is_cut_short = _filter_by_head(me, list_filter, case_filter)
    else:
        rows, has_more = case_list.list_cases(services.database, me.account, case_filter)
    rows.sort(key=lambda row: (row.priority, not is_overdue(row, now)))  # stable: otherwise as the query sorts
    return {
        "lines": [_list_item(row, me, now) for row in rows],
        **_follow_up_fields(me),
        "open_count": 0 if rows else case_list.count_open(services.database, me.account),
        "is_filtered": list_filter != ListFilter(),
        "more": has_more,
        "beyond": is_cut_short,
        "query": request.query_string.decode("ascii", "replace"),
    }


def _follow_up_fields(me: StaffRequest) -> dict[str, Any]:
    due = follow_ups.list_due(services.database, me.account, MAX_FOLLOW_UPS)
    is_cut_short = len(due) == MAX_FOLLOW_UPS
    count = follow_ups.count_due(services.database, me.account).count if is_cut_short else len(due)
    return {"follow_ups": due, "follow_up_count": count}


def _filter_by_head(
    me: StaffRequest, list_filter: ListFilter, case_filter: CaseFilter
) -> tuple[list[CaseRow], bool, bool]:
    """Return one page of matching rows, whether there are more, and whether the search stopped early.

    Category and place are sealed, so every head is decrypted, up to MAX_HEADS_SEARCHED.
    """
    database, offset = services.database, case_filter.after
    heads, is_cut_short = case_list.list_heads(database, me.account, replace(case_filter, after=0), MAX_HEADS_SEARCHED)
    matching = [
        case_head.delivery_id
        for case_head in heads
        if _matches(services.decryptor.head(case_head, me.account.hotline), list_filter)
    ]
    rows = case_list.list_rows(database, me.account, matching[offset : offset + PAGE_SIZE])
    return rows, len(matching) > offset + PAGE_SIZE, is_cut_short


def _list_item(row: CaseRow, me: StaffRequest, now: int) -> CaseListItem:
    head = services.decryptor.head(row, me.account.hotline)
    place = head.get("place") or {}
    title = services.labels.of("category", head["category"]) if head.get("category") else ""
    reachability = _reachability(row, head, now)
    return CaseListItem(row, title, place.get("name", ""), reachability, deadlines(row, now), is_overdue(row, now))


def _reachability(row: CaseRow, head: Mapping[str, Any], now: int) -> Reachability | None:
    """Return how the reporter can be reached, as far as the list may know it: it never has a number.

    The latest contact from My report is sealed, but whether it allows contact is in the row.
    """
    no_message = bodies.no_mailbox_reason(row.mailbox)
    if row.contact is not None:
        return reach(None if row.contact else NO_CONTACT, no_message, now)
    return reach(head.get("contact"), no_message, now) if head else None


def _matches(head: Mapping[str, Any], list_filter: ListFilter) -> bool:
    if list_filter.category and head.get("category") != list_filter.category:
        return False
    return list_filter.place.casefold() in ((head.get("place") or {}).get("name") or "").casefold()


def _read_filter() -> ListFilter:
    try:
        query = parse_query(request)
    except InvalidForm:
        raise BadRequest from None

    def field(name: str) -> str:
        return query.get(name, "")[:64].strip()

    page_text = field("page")
    page_number = int(page_text) if page_text.isascii() and page_text.isdigit() and len(page_text) < 4 else 0
    return ListFilter(
        field("state") or "open",
        field("priority"),
        field("category"),
        field("place"),
        field("mine"),
        min(page_number, MAX_PAGE),
    )


def _case_filter(list_filter: ListFilter) -> CaseFilter:
    priority = Priority(list_filter.priority) if list_filter.priority in PRIORITIES else None
    handling = HANDLING_BY_STATE.get(list_filter.state, OPEN_STATES)
    return CaseFilter(handling, priority, bool(list_filter.mine), list_filter.page * PAGE_SIZE)


@bp.get("/help")
@requires(*StaffRole)
def help_page(me: StaffRequest) -> Response:
    """Show the help page."""
    return page("help.html", me=me)


@bp.post("/seen")
@requires(*StaffRole)
def clear_failed_logins(me: StaffRequest) -> Response:
    """Clear the refused logins that the person was shown."""
    accounts.reset_failed_logins(services.database, me.account)
    return redirect("/")


# The alarm about urgent reports that nobody has acknowledged: counts and a time, never a word of a report.
#
# The locked page asks for the same with its locked session. Sound and notifications are switched on per browser, by a
# cookie that contains nothing else.


@bp.get("/waiting")
@requires(*READERS, quiet=True)
def waiting(me: StaffRequest) -> Response:
    """Return the counts for a script of an open page."""
    return _urgent_counts(me.account)


def _urgent_counts(account: Account) -> Response:
    counts = case_list.count_urgent(services.database, account)
    due = follow_ups.count_due(services.database, account)
    context = {"found": counts, "due": due, "now": services.database.now(), "hotline": account.hotline}
    return Response(render_template("waiting.json", **context), headers=HEADERS, content_type=JSON)


@bp.get("/locked/waiting")
@public
def waiting_locked(_: Form) -> Response:
    """Return the counts for the locked page; redirect a browser whose session is over or not locked any more."""
    current = access_control.locked_session()
    return _urgent_counts(current[1]) if current else redirect("/")


@bp.post("/alarm")
@requires(*READERS)
def switch_alarm(me: StaffRequest) -> Response:
    """Switch sound and notifications on or off in this browser."""
    response = redirect("/me?said=alarm#alarm-switch")
    modes = ".".join(mode for mode in ALARM_MODES if me.form.get(mode))
    if modes:
        cookies.set_cookie(response, cookies.ALARM, modes, seconds=cookies.MAX_AGE_SECONDS)
    else:
        cookies.delete_cookie(response, cookies.ALARM)
    return response
