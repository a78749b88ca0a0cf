"""The list of reports, most urgent first, and its alarm. Neither shows anything that anybody wrote (S-24)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import BadRequest

from console import responses
from console.auth import access_control, cookies
from console.auth.access_control import AUDITOR, OPERATOR, READERS, Form, StaffRequest, public, requires
from console.form_drafts import REPORT_ID
from console.presenters import closing
from console.presenters.case_rows import TAB_LABELS, CaseListItem, count_text, list_item, place_name
from console.presenters.deadlines import is_overdue
from console.responses import HEADERS, InvalidForm, page, parse_query, redirect
from console.services import services
from reports.escalation import PRIORITIES, Priority
from reports.store.cases import case_list, follow_ups, presence
from reports.store.cases import closing as store_closing
from reports.store.cases.case_list import PAGE_SIZE, CaseFilter, CaseRow, ListTab
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts
from reports.store.staff.accounts import Account

bp = Blueprint("case_list", __name__)
log = structlog.get_logger()

MAX_HEADS_SEARCHED = 2000  # rows whose heads are opened to find a category or a place
MAX_PAGE = 200
MAX_FOLLOW_UPS = 5  # due ones above the list; the others are counted
ALARM_MODES = ("sound", "notice")
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ListFilter:
    """The tab, and the fields of the form above the list."""

    tab: ListTab = ListTab.OPEN
    priority: str = ""
    category: str = ""
    place: str = ""
    page: int = 0

    @property
    def is_narrowed(self) -> bool:
        """Return whether the form leaves out reports of the tab."""
        return bool(self.priority or self.category or self.place)


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
    sentence, _ = responses.MESSAGES.get(responses.message_key() or "", ("", ""))
    fields = _list_fields(me, list_filter)
    return page("queue.html", me=me, categories=categories, done=sentence, closed=_closed_report(me), **fields)


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
    """Return tabs and rows of the list, for its script."""
    return page("rows.html", me=me, **_list_fields(me, _read_filter()))


def _list_fields(me: StaffRequest, list_filter: ListFilter) -> dict[str, Any]:
    now, case_filter, is_cut_short = services.database.now(), _case_filter(list_filter), False
    if list_filter.category or list_filter.place:
        rows, has_more, is_cut_short = _filter_by_head(me, list_filter, case_filter)
    else:
        rows, has_more = case_list.list_cases(services.database, me.account, case_filter)
    rows.sort(key=lambda row: (row.priority, not is_overdue(row, now)))  # stable: otherwise as the query sorts
    counts = case_list.count_tabs(services.database, me.account)
    return {
        "asked": list_filter,
        "closed_as": closing.CLOSED_AS,
        "lines": list_items(me, rows, now),
        **_follow_up_fields(me),
        "tabs": [(tab, label, count_text(getattr(counts, tab))) for tab, label in TAB_LABELS.items()],
        "unassigned": count_text(counts.unassigned) if counts.unassigned else "",
        "open_count": counts.open,
        "more": has_more,
        "beyond": is_cut_short,
        "query": request.query_string.decode("ascii", "replace"),
    }


def list_items(me: StaffRequest, rows: Iterable[CaseRow], now: int) -> list[CaseListItem]:
    """Return the rows of the list as staff read them."""
    viewers = presence.list_viewers(services.database, me.account)
    return [_list_item(me, row, now, viewers.get(row.report_id, ())) for row in rows]


def _list_item(me: StaffRequest, row: CaseRow, now: int, viewers: tuple[str, ...]) -> CaseListItem:
    """Return one row; one that cannot be made from its head is shown as one that does not open."""
    try:
        return list_item(row, services.decryptor.head(row, me.account.hotline), services.labels, now, viewers)
    except Exception:  # the other rows must be shown, and this one with its priority and its times
        log.exception("row_failed", report_id=row.report_id, hotline=me.account.hotline)
        return list_item(row, {}, services.labels, now, viewers)


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


def _matches(head: Mapping[str, Any], list_filter: ListFilter) -> bool:
    if list_filter.category and head.get("category") != list_filter.category:
        return False
    return list_filter.place.casefold() in place_name(head).casefold()


def _read_filter() -> ListFilter:
    try:
        query = parse_query(request)
    except InvalidForm:
        raise BadRequest from None

    def field(name: str) -> str:
        return query.get(name, "")[:64].strip()

    page_text = field("page")
    page_number = int(page_text) if page_text.isascii() and page_text.isdigit() and len(page_text) < 4 else 0
    tab = ListTab(field("tab")) if field("tab") in tuple(ListTab) else ListTab.OPEN
    return ListFilter(tab, field("priority"), field("category"), field("place"), min(page_number, MAX_PAGE))


def _case_filter(list_filter: ListFilter) -> CaseFilter:
    priority = Priority(list_filter.priority) if list_filter.priority in PRIORITIES else None
    return CaseFilter(list_filter.tab, priority, list_filter.page * PAGE_SIZE)


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
    for_you = case_list.count_passed_to(services.database, account)
    return Response(render_template("waiting.json", for_you=for_you, **context), headers=HEADERS, content_type=JSON)


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


@bp.post("/keys")
@requires(*READERS)
def switch_keys(me: StaffRequest) -> Response:
    """Switch the single keys off or on in this browser, as people who speak to their computer need (WCAG 2.1.4)."""
    response = redirect(access_control.known_page(me.form.get("then", "/")))
    if me.form.get("off"):
        cookies.set_cookie(response, cookies.KEYS, "off", seconds=cookies.MAX_AGE_SECONDS)
    else:
        cookies.delete_cookie(response, cookies.KEYS)
    return response
