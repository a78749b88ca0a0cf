"""Earlier reports of the same phone: which of those that a report names may be linked on its page. Pure.

Web names them in the sealed head (decision 91). Web is reachable from outside, so its list is input: the store decides
which of these reports this person may see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from reports.report import MAX_EARLIER, NO_REPORT
from reports.store.cases.case_list import CaseRow

RowAndHead = tuple[CaseRow, Mapping[str, Any]]


def named_ids(head: Mapping[str, Any], report_id: str) -> tuple[str, ...]:
    """Return the ids of earlier reports that a head names; none in a head of an earlier release."""
    named = head.get("earlier")
    if not isinstance(named, list):
        return ()
    return tuple(entry for entry in named[:MAX_EARLIER] if _is_id(entry) and entry not in (NO_REPORT, report_id))


def _is_id(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def may_be_linked(first: RowAndHead, second: RowAndHead) -> bool:
    """Return whether both reports show a number now, or both show none.

    Any other link would reveal the number of a reporter who did not give it.
    """
    shown = _shows_number(*first)
    return shown is not None and shown == _shows_number(*second)


def _shows_number(row: CaseRow, head: Mapping[str, Any]) -> bool | None:
    """Return whether a report shows a number, after the last choice by My report; None if that is not known."""
    if row.contact is not None:
        return bool(row.contact)
    contact = head.get("contact")
    return contact.get("how") != "none" if isinstance(contact, Mapping) else None
