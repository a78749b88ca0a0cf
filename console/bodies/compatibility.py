"""Complete decrypted bodies of earlier releases: fields that came later get a default. Pure.

A missing field means that the reporter said nothing about it. A number to call is used only if all of its terms are
there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reports.json_bodies import NO_CONTACT

# Default of each missing field; a list holds the defaults of each of its rows.
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
    """Add the fields that a report lacks. A contact that lacks a term becomes NO_CONTACT."""
    report = _with_defaults(found, REPORT_DEFAULTS)
    contact = report["contact"]
    safe_hours = contact.get("safe_hours")
    safe_hours = safe_hours if isinstance(safe_hours, Mapping) else {}
    has_terms = contact["allowed"] and contact["how"] != "none" and contact.get("msisdn")
    if not (has_terms and all(safe_hours.get(name) for name in ("from", "to", "tz"))):
        report["contact"] = NO_CONTACT
    return report


def complete_message(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the fields that a message of the reporter lacks."""
    return _with_defaults(found, MESSAGE_DEFAULTS)


def _with_defaults(fields: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {**fields, **{name: _value_or_default(fields.get(name), default) for name, default in defaults.items()}}


def _value_or_default(value: Any, default: Any) -> Any:
    if isinstance(default, Mapping):
        return _with_defaults(value if isinstance(value, Mapping) else {}, default)
    if isinstance(default, list) and default:
        return [_with_defaults(row, default[0]) for row in value or [] if isinstance(row, Mapping)]
    return default if value is None else value
