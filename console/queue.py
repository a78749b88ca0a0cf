"""The list of reports: the most urgent first, then the oldest. No words of anybody stand on it (S-24)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flask import Response, request
from werkzeug.exceptions import BadRequest

from console import done
from console.answers import page, to
from console.doors import AUDITOR, EVERYBODY, OPERATOR, READERS, Door, Doors, Visitor
from console.forms import Unreadable, read_query
from console.opening import Opener
from console.report_page import OUTCOMES
from console.telling import Labels
from reports.clocks import CLOCKS, MINUTE, PRIORITIES
from reports.store import accounts, waiting_list
from reports.store.waiting_list import HELD, NEW, OPEN, PAGE, Row, Wanted

HANDLING: Mapping[str, tuple[str, ...]] = {
    "open": OPEN,
    "new": NEW,
    "taken": HELD,
    "closed": ("closed", "rejected"),
}
STATES = {
    "open": "open",
    "new": "nobody has it yet",
    "taken": "somebody has it",
    "closed": "closed or handed on",
}
RECEIVED, TAKEN = ("to reach a hotline,", "to be taken on,")
NOT_ALLOWED = "no contact"
ALLOWED_LATER = "contact allowed since: how and when is in it"
NOT_KNOWN = "contact: see in it"
ALLOWED = {
    "sms": "may be texted from {from} to {to} ({zone})",
    "call": "may be called from {from} to {to} ({zone})",
}
LOOKED_THROUGH = 2000  # rows whose heads are opened to find a category or a place
LAST_PAGE = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form above the list says."""

    state: str = "open"
    priority: str = ""
    category: str = ""
    place: str = ""
    mine: str = ""
    page: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One row as it is shown. `contact`: what was allowed, with what fills its braces. `clocks`: (what has to happen,
    minutes left; negative: since then) of each that runs."""

    row: Row
    title: str
    place: str
    contact: tuple[str, Mapping[str, str]]
    clocks: tuple[tuple[str, int], ...]


class Queue:
    def __init__(self, doors: Doors, opener: Opener, labels: Labels) -> None:
        self._doors, self._opener, self._labels = doors, opener, labels
        doors.add(Door("/", EVERYBODY), self._page)
        doors.add(Door("/rows", READERS, quiet=True), self._rows)
        doors.add(Door("/help", EVERYBODY), lambda me: page("help.html", me=me))
        doors.add(Door("/seen", EVERYBODY, post=True), partial(_seen, doors))

    def _page(self, me: Visitor) -> Response:
        if me.account.role == AUDITOR:
            return to("/audit")
        if me.account.role == OPERATOR:
            return to("/operator")
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

    def _said(self, me: Visitor) -> dict[str, Any]:
        sentence, _ = done.DONE.get(done.here() or "", ("", ""))
        return {"done": sentence, "nobody": waiting_list.nobody_has(self._doors.database, me.account)}

    def _rows(self, me: Visitor) -> Response:
        asked = _asked()
        return page("rows.html", me=me, asked=asked, outcomes=OUTCOMES, **self._found(me, asked))

    def _found(self, me: Visitor, asked: Asked) -> dict[str, Any]:
        now, wanted, beyond = self._doors.database.now(), _wanted(asked), False
        if asked.category or asked.place:
            rows, more, beyond = self._by_head(me, asked, wanted)
        else:
            rows, more = waiting_list.listed(self._doors.database, me.account, wanted)
        return {
            "lines": [self._line(row, me, now) for row in rows],
            "more": more,
            "beyond": beyond,
            "query": request.query_string.decode("ascii", "replace"),
        }

    def _by_head(self, me: Visitor, asked: Asked, wanted: Wanted) -> tuple[list[Row], bool, bool]:
        """One page of those that fit; whether there are more; and whether not all were looked through."""
        database, first = self._doors.database, wanted.after
        heads, beyond = waiting_list.heads(database, me.account, replace(wanted, after=0), LOOKED_THROUGH)
        fitting = [one.delivery_id for one in heads if _fits(self._opener.head(one, me.account.hotline), asked)]
        rows = waiting_list.these(database, me.account, fitting[first : first + PAGE])
        return rows, len(fitting) > first + PAGE, beyond

    def _line(self, row: Row, me: Visitor, now: int) -> Line:
        head = self._opener.head(row, me.account.hotline)
        place = head.get("place") or {}
        title = self._labels.of("category", head["category"]) if head.get("category") else ""
        clocks = tuple((what, (due - now) // MINUTE) for what, due in _clocks(row))
        return Line(row, title, place.get("name", ""), _contact(row, head), clocks)


def _clocks(row: Row) -> Iterator[tuple[str, int]]:
    """(what has to happen, by when). There is none for an answer: nobody is told that one is late."""
    if row.state == "queued":
        yield RECEIVED, row.created_at + CLOCKS[row.priority].received
    if row.handling == "none" and row.state not in HELD:
        yield TAKEN, row.overdue_at


def _contact(row: Row, head: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """What the reporter allowed, and no number. What was said last by My report is sealed; its yes or no is not."""
    if row.contact is not None:
        return (ALLOWED_LATER if row.contact else NOT_ALLOWED), {}
    said = head.get("contact")
    if said is None:
        return (NOT_KNOWN if head else ""), {}
    hours = said.get("safe_hours")
    if said.get("how") not in ALLOWED or not hours:
        return NOT_ALLOWED, {}
    return ALLOWED[said["how"]], {"from": hours["from"], "to": hours["to"], "zone": hours["tz"]}


def _fits(head: Mapping[str, Any], asked: Asked) -> bool:
    if asked.category and head.get("category") != asked.category:
        return False
    return asked.place.casefold() in ((head.get("place") or {}).get("name") or "").casefold()


def _asked() -> Asked:
    try:
        query = read_query(request)
    except Unreadable:
        raise BadRequest from None

    def field(name: str) -> str:
        return query.get(name, "")[:64].strip()

    number = field("page")
    at = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
    return Asked(
        field("state") or "open",
        field("priority"),
        field("category"),
        field("place"),
        field("mine"),
        min(at, LAST_PAGE),
    )


def _wanted(asked: Asked) -> Wanted:
    priority = asked.priority if asked.priority in PRIORITIES else ""
    handling = HANDLING.get(asked.state, OPEN)
    return Wanted(handling, priority, bool(asked.mine), asked.page * PAGE)


def _seen(doors: Doors, me: Visitor) -> Response:
    """The refused logins that were shown."""
    accounts.forget_refused(doors.database, me.account)
    return to("/")
