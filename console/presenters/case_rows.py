"""Rows of the list as staff read them: what ranks a case at a glance, and nothing that anybody wrote (S-24). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from console import bodies
from console.presenters.deadlines import RECEIVED, TAKEN, Deadline, deadlines
from console.presenters.reachability import Reachability, reach
from console.presenters.report import ChoiceLabels
from reports.case_state import ACTIVE, Handling
from reports.json_bodies import NO_CONTACT
from reports.store.cases.case_list import MAX_COUNTED, CaseRow, ListTab
from runtime.time_units import MINUTE
from runtime.visible_text import safe_for_display

TAB_LABELS: Final[Mapping[ListTab, str]] = {
    ListTab.OPEN: "All open",
    ListTab.UNASSIGNED: "Unassigned",
    ListTab.MINE: "Mine",
    ListTab.OTHERS: "Others",
    ListTab.WAITING: "Waiting for reporter",
    ListTab.CLOSED: "Closed",
}
DANGER_LABELS: Final[Mapping[str, str]] = {
    "now": "IN DANGER NOW",
    "soon": "Expects danger soon",
    "unsure": "Danger: not sure",
}
ABOUT_LABELS: Final[Mapping[str, str]] = {
    "me": "The reporter",
    "my_child": "Reporter's child",
    "child_i_know": "Child the reporter knows",
    "other": "Another child",
}

# A reference: the last six digits of a report's id, in two groups, so that it can be said on the phone.
REFERENCE_LENGTH: Final = 6
LOOKALIKE_DIGITS: Final = str.maketrans("oOiIlL", "001111")  # letters that are mistaken for digits
TYPED: Final = re.compile(r"[0-9a-f]{6,12}|[0-9a-f]{32}")


def reference(report_id: str) -> str:
    """Return the short reference of a report: `DF0 675`."""
    digits = report_id[-REFERENCE_LENGTH:].upper()
    return f"{digits[:3]} {digits[3:]}"


def parse_reference(text: str) -> str:
    """Return the digits of a reference as somebody typed it, or of a whole id; empty if it is neither."""
    digits = re.sub(r"[\s\-–.#]", "", text).translate(LOOKALIKE_DIGITS).lower()
    return digits if TYPED.fullmatch(digits) else ""


@dataclass(frozen=True, slots=True)
class CaseListItem:
    """One row of the list.

    `title`: the concern; empty if the report does not open. `danger`, `about` and `age`: empty if not said, or if an
    earlier version stored the report. `minutes`: since it was received. `reach`: None if the report does not open.
    `deadline`: by which somebody must acknowledge it or look at it again; None if none runs. `viewers`: colleagues who
    have it open.
    """

    row: CaseRow
    title: str
    danger: str
    about: str
    age: str
    place: str
    minutes: int
    reach: Reachability | None
    deadline: Deadline | None
    viewers: tuple[str, ...]

    @property
    def reference(self) -> str:
        """Return the short reference."""
        return reference(self.row.report_id)

    @property
    def ago(self) -> str:
        """Return how long ago it was received, in its largest unit; the exact time is beside it."""
        hours = self.minutes // 60
        return f"{self.minutes} min" if hours == 0 else f"{hours} h" if hours < 48 else f"{hours // 24} d"

    @property
    def is_reassigned(self) -> bool:
        """Return whether it was passed to a colleague, or back into the queue, and nobody has accepted it since."""
        return self.row.handed_by is not None and self.row.handling in (Handling.NONE, *ACTIVE)

    @property
    def is_overdue(self) -> bool:
        """Return whether nobody has acknowledged it in time."""
        return self.deadline is not None and self.deadline.is_over and self.deadline.event == TAKEN

    @property
    def is_waiting(self) -> bool:
        """Return whether nobody has acknowledged it."""
        return self.row.handling == Handling.NONE or self.is_reassigned

    @property
    def is_unread(self) -> bool:
        """Return whether somebody should open it and nobody of the hotline ever has."""
        return self.row.read_at is None and (self.is_waiting or self.row.news)

    @property
    def has_news(self) -> bool:
        """Return whether the reporter wrote more after somebody had opened it."""
        return self.row.news and self.row.read_at is not None


def list_item(
    row: CaseRow, head: Mapping[str, Any], labels: ChoiceLabels, now: int, viewers: tuple[str, ...] = ()
) -> CaseListItem:
    """Return one row of the list. `head`: the decrypted head; empty if it does not open. `now`: microseconds."""
    age = str(head.get("age_band") or "")
    return CaseListItem(
        row,
        concern(head, labels),
        DANGER_LABELS.get(str(head.get("danger")), ""),
        ABOUT_LABELS.get(str(head.get("about")), ""),
        "" if age == "unknown" else safe_for_display(age.replace("-", "–")),
        place_name(head),
        max(0, now - row.created_at) // MINUTE,
        _reachability(row, head, now),
        next((deadline for deadline in deadlines(row, now) if deadline.event != RECEIVED), None),
        viewers,
    )


def concern(head: Mapping[str, Any], labels: ChoiceLabels) -> str:
    """Return the concern of a head; empty if it has none."""
    return safe_for_display(labels.of("category", head["category"])) if head.get("category") else ""


def place_name(head: Mapping[str, Any]) -> str:
    """Return the name of the place in a head; empty if it has none."""
    return safe_for_display((head.get("place") or {}).get("name") or "")


def _reachability(row: CaseRow, head: Mapping[str, Any], now: int) -> Reachability | None:
    """Return how the reporter can be reached, as far as the list may know it: it never has a number.

    The latest contact from My report is sealed, but whether it allows contact is in the row.
    """
    no_message = bodies.no_mailbox_reason(row.mailbox)
    if row.contact is not None:
        return reach(None if row.contact else NO_CONTACT, no_message, now)
    return reach(head.get("contact"), no_message, now) if head else None


def count_text(count: int) -> str:
    """Return a count of a tab as it is shown: the database stops counting at MAX_COUNTED."""
    return f"{MAX_COUNTED - 1}+" if count >= MAX_COUNTED else str(count)
