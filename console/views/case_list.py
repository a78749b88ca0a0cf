"""The list of reports: the most urgent first, then the oldest. No words of anybody stand on it (S-24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flask import Response, request
from werkzeug.exceptions import BadRequest

from console import responses
from console.auth.access_control import ALL_ROLES, AUDITOR, OPERATOR, READERS, PageRoute, PageRouter, StaffRequest
from console.bodies import messages
from console.bodies.decryption import ReportDecryptor
from console.parsing import InvalidForm, parse_query
from console.presenters.deadlines import Deadline, deadlines, is_overdue
from console.presenters.reachability import Reachability, reach
from console.presenters.report import ChoiceLabels
from console.responses import page, redirect
from console.views.case import OUTCOMES
from reports.escalation.priorities import PRIORITIES
from reports.json_bodies import NO_CONTACT
from reports.store.cases import case_list
from reports.store.cases.case_list import NEW_STATES, OPEN_STATES, PAGE_SIZE, CaseFilter, CaseRow
from reports.store.cases.case_status import ACTIVE
from reports.store.staff import accounts

HANDLING_BY_STATE: Mapping[str, tuple[str, ...]] = {
    "open": OPEN_STATES,
    "new": NEW_STATES,
    "taken": ACTIVE,
    "closed": ("closed", "rejected"),
}
STATES = {
    "open": "open",
    "new": "not taken yet",
    "taken": "taken",
    "closed": "closed or transferred",
}
MAX_HEADS_SEARCHED = 2000  # rows whose heads are opened to find a category or a place
MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What the form above the list says."""

    state: str = "open"
    priority: str = ""
    category: str = ""
    place: str = ""
    mine: str = ""
    page: int = 0


@dataclass(frozen=True, slots=True)
class CaseListItem:
    """One row as it is shown. `reach`: how its reporter can be reached; None for what nobody could read."""

    row: CaseRow
    title: str
    place: str
    reach: Reachability | None
    deadlines: tuple[Deadline, ...]
    is_overdue: bool


class CaseList:
    def __init__(self, doors: PageRouter, opener: ReportDecryptor, labels: ChoiceLabels) -> None:
        self._doors, self._opener, self._labels = doors, opener, labels
        doors.add(PageRoute("/", ALL_ROLES, reloads=True), self._page)
        doors.add(PageRoute("/rows", READERS, quiet=True), self._rows)
        doors.add(PageRoute("/help", ALL_ROLES), lambda me: page("help.html", me=me))
        doors.add(PageRoute("/seen", ALL_ROLES, post=True), partial(_seen, doors))

    def _page(self, me: StaffRequest) -> Response:
        if me.account.role == AUDITOR:
            return redirect("/audit")
        if me.account.role == OPERATOR:
            return redirect("/operator")
        asked = _asked()
        categories = [(code, self._labels.of("category", code)) for code in self._labels.values("category")]
        return page(
            "queue.html",
            me=me,
            asked=asked,
            categories=categories,
            outcomes=OUTCOMES,
            states=STATES,
            **self._said(me),
            **self._found(me, asked),
        )

    def _said(self, me: StaffRequest) -> dict[str, Any]:
        sentence, _ = responses.MESSAGES.get(responses.message_key() or "", ("", ""))
        return {"done": sentence, "nobody": case_list.count_unacknowledged(self._doors.database, me.account)}

    def _rows(self, me: StaffRequest) -> Response:
        asked = _asked()
        return page("rows.html", me=me, asked=asked, outcomes=OUTCOMES, **self._found(me, asked))

    def _found(self, me: StaffRequest, asked: ListFilter) -> dict[str, Any]:
        now, wanted, beyond = self._doors.database.now(), _wanted(asked), False
        if asked.category or asked.place:
            rows, more, beyond = self._by_head(me, asked, wanted)
        else:
            rows, more = case_list.list_cases(self._doors.database, me.account, wanted)
        rows.sort(key=lambda row: (row.priority, not is_overdue(row, now)))  # stable: else the order of the list
        return {
            "lines": [self._line(row, me, now) for row in rows],
            "open_count": 0 if rows else case_list.count_open(self._doors.database, me.account),
            "is_filtered": asked != ListFilter(),
            "more": more,
            "beyond": beyond,
            "query": request.query_string.decode("ascii", "replace"),
        }

    def _by_head(self, me: StaffRequest, asked: ListFilter, wanted: CaseFilter) -> tuple[list[CaseRow], bool, bool]:
        """One page of those that fit; whether there are more; and whether not all were looked through."""
        database, first = self._doors.database, wanted.after
        heads, beyond = case_list.list_heads(database, me.account, replace(wanted, after=0), MAX_HEADS_SEARCHED)
        fitting = [one.delivery_id for one in heads if _fits(self._opener.head(one, me.account.hotline), asked)]
        rows = case_list.list_rows(database, me.account, fitting[first : first + PAGE_SIZE])
        return rows, len(fitting) > first + PAGE_SIZE, beyond

    def _line(self, row: CaseRow, me: StaffRequest, now: int) -> CaseListItem:
        head = self._opener.head(row, me.account.hotline)
        place = head.get("place") or {}
        title = self._labels.of("category", head["category"]) if head.get("category") else ""
        reached = _reach(row, head, now)
        return CaseListItem(row, title, place.get("name", ""), reached, deadlines(row, now), is_overdue(row, now))


def _reach(row: CaseRow, head: Mapping[str, Any], now: int) -> Reachability | None:
    """By what may be seen from the list, which never has a number. What was said last by My report is sealed; its yes
    or no is not."""
    no_message = messages.no_mailbox_reason(row.mailbox)
    if row.contact is not None:
        return reach(None if row.contact else NO_CONTACT, no_message, now)
    return reach(head.get("contact"), no_message, now) if head else None


def _fits(head: Mapping[str, Any], asked: ListFilter) -> bool:
    if asked.category and head.get("category") != asked.category:
        return False
    return asked.place.casefold() in ((head.get("place") or {}).get("name") or "").casefold()


def _asked() -> ListFilter:
    try:
        query = parse_query(request)
    except InvalidForm:
        raise BadRequest from None

    def field(name: str) -> str:
        return query.get(name, "")[:64].strip()

    number = field("page")
    at = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
    return ListFilter(
        field("state") or "open",
        field("priority"),
        field("category"),
        field("place"),
        field("mine"),
        min(at, MAX_PAGE),
    )


def _wanted(asked: ListFilter) -> CaseFilter:
    priority = asked.priority if asked.priority in PRIORITIES else ""
    handling = HANDLING_BY_STATE.get(asked.state, OPEN_STATES)
    return CaseFilter(handling, priority, bool(asked.mine), asked.page * PAGE_SIZE)


def _seen(doors: PageRouter, me: StaffRequest) -> Response:
    """The refused logins that were shown."""
    accounts.reset_failed_logins(doors.database, me.account)
    return redirect("/")
