"""A body as the page reads it: one that was sealed by an earlier version lacks what came later. Pure.

What is not there was not said. A number to call stands only where all of its terms are there, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reports.json_bodies import NO_CONTACT

# What stands for a field that is missing; of lists: for each of its rows.
REPORT_DEFAULTS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("danger", "category", "about", "reporter_role", "narrative", "repeat_of")),
    "place": {"name": None, "group": None},
    "child": {"age_band": ""},
    "language": "",
    "channel": "",
    "contact": NO_CONTACT,
    "extras": {},
    "unasked": [{"at": "", "text": ""}],
    "additions": [{"at": "", "text": ""}],
    "answers": [{"screen": "", "question": "", "value": None, "at": ""}],
    "attachments": {"count": 0, "links": []},
    "triage": {"priority": "", "flags": [], "reasons": []},
    "routing": {"avoid": []},
}
MESSAGE_DEFAULTS: Final[Mapping[str, Any]] = {"kind": "words", "text": None, "created_at": ""}


def complete_report(found: Mapping[str, Any]) -> Mapping[str, Any]:
    whole = _filled(found, REPORT_DEFAULTS)
    contact = whole["contact"]
    hours = contact.get("safe_hours")
    hours = hours if isinstance(hours, Mapping) else {}
    has_terms = contact["allowed"] and contact["how"] != "none" and contact.get("msisdn")
    if not (has_terms and all(hours.get(name) for name in ("from", "to", "tz"))):
        whole["contact"] = NO_CONTACT
    return whole


def complete_message(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return _filled(found, MESSAGE_DEFAULTS)


def _filled(found: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    return {**found, **{name: _value(found.get(name), standing) for name, standing in form.items()}}


def _value(value: Any, standing: Any) -> Any:
    if isinstance(standing, Mapping):
        return _filled(value if isinstance(value, Mapping) else {}, standing)
    if isinstance(standing, list) and standing:
        return [_filled(row, standing[0]) for row in value or [] if isinstance(row, Mapping)]
    return standing if value is None else value
