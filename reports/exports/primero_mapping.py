"""A report as a case of Primero v2: one table, by the fields and lists that Primero ships. Pure.

Fields: primeroIMS/primero:db/configuration/forms/case/basic_identity.rb, protection_concerns.rb, field_notes.rb; lists:
db/configuration/lookups/lookups.rb; the API's own: app/services/permitted_field_service.rb. A country may change forms
and lists, so all that was said also stands in one note, and a value that a list does not take is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reports.exports.plain_text import CONTACT_LABEL, ONLY_FROM, phone_text, place_text, plain_text_report

PRIMERO_MODULE = "primeromodule-cp"
AGENCY_NAME = "Tokaut"
_NUMBER = re.compile(rf"^{CONTACT_LABEL}.*{ONLY_FROM}.*$", re.MULTILINE)
RISK_LEVELS = ("low", "medium", "high")
RISK_BY_PRIORITY: Mapping[str, str] = {"P1": "high", "P2": "high", "P3": "medium", "P4": "low"}

# What the crosswalk calls it → lookup-protection-concerns as shipped. No entry: that list has no such value.
CONCERNS: Mapping[str, str] = {
    "physical_abuse_violence": "physically_or_mentally_abused",
    "sexual_abuse_violence": "physically_or_mentally_abused",
    "emotional_or_psychological": "physically_or_mentally_abused",
    "sexual_exploitation": "sexually_exploited",
    "slavery_sale_abduction": "trafficked_smuggled",
    "child_labour": "worst_forms_of_child_labor",
    "psychosocial_distress": "mentally_distressed",
    "other": "other",
}


def case_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """What has a field of its own; what is not known is left out, so that it overwrites nothing that staff wrote."""
    found: dict[str, Any] = {
        "module_id": PRIMERO_MODULE,
        "other_agency_id": data["report_id"],
        "other_agency_name": AGENCY_NAME,
        "registration_date": data["created_at"][:10],
        "risk_level": RISK_BY_PRIORITY[data["triage"]["priority"]],
        "urgent_protection_concern": "true" if data["triage"]["priority"] == "P1" else None,
        "protection_concerns": _concerns(data["crosswalk"]["primero"]),
        "address_current": ", ".join(filter(None, (place_text(data), data["country"]))) if data["place"] else None,
        "telephone_current": phone_text(data["contact"]),
        **_mark(data),
    }
    return {name: value for name, value in found.items() if value}


def fields_for(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Beside its note, of a created or updated report, a message, or an unread input."""
    if kind == "message":
        given = data["contact"] or {"allowed": False}
        return {"telephone_current": phone_text(given)} if given["allowed"] else {}
    if kind == "unread":
        named = {"module_id": PRIMERO_MODULE, "other_agency_id": data["report_id"], "other_agency_name": AGENCY_NAME}
        return (
            named | {"registration_date": data["received_at"][:10], "risk_level": RISK_BY_PRIORITY["P2"]} | _mark(data)
        )
    return case_fields(data)


def case_changes(fields: Mapping[str, Any], there: Mapping[str, Any], *, withdrawn: bool) -> dict[str, Any]:
    """What of the fields a case that is there lacks. What staff wrote stays, but a risk only rises by us.

    `withdrawn`: the reporter took the number back; ours goes, one that staff found elsewhere is theirs. Of two of ours
    the last holds: it may be another phone, or fewer hours.
    """
    found = {name: value for name, value in fields.items() if not there.get(name) and name != "module_id"}
    ours, theirs = fields.get("risk_level"), there.get("risk_level")
    if ours in RISK_LEVELS and theirs in RISK_LEVELS and RISK_LEVELS.index(ours) > RISK_LEVELS.index(theirs):
        found["risk_level"] = ours
    if (withdrawn or "telephone_current" in fields) and ONLY_FROM in str(there.get("telephone_current") or ""):
        found["telephone_current"] = fields.get("telephone_current")
    return found


def _mark(data: Mapping[str, Any]) -> dict[str, str]:
    return {} if data["mode"] == "live" else {"name_first": "DRILL"}


def _concerns(named: list[str]) -> list[str]:
    return list(dict.fromkeys(CONCERNS[one] for one in named if one in CONCERNS))


def case_note(kind: str, at: str, data: Mapping[str, Any], key: str) -> dict[str, str]:
    """One note of the case; `key`, a UUID, is its identity: the same note again changes nothing."""
    subject, text = _said(kind, data)
    mark = "" if data["mode"] == "live" else "DRILL "
    return {"unique_id": key, "note_date": at, "note_subject": mark + subject, "note_text": text}


def _said(kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
    if kind == "message":
        return f"Said by the reporter: {data['kind']}", _words(data)
    if kind == "unread":
        text = f"Nobody could read this. {data['content_type']}, as base64:\n{data['body_base64']}"
        return "Something came that no program could read", text
    return f"Report {data['triage']['priority']}, revision {data['revision']}", plain_text_report(data)


def _words(data: Mapping[str, Any]) -> str:
    if data["kind"] == "contact_withdrawn":
        return "The reporter took the number back. Do not use it any more."
    if data["kind"] == "delete_asked":
        return (
            "The reporter deleted the report here, and asks you to delete your copy. Your law decides. "
            "The number is taken back: do not use it any more."
        )
    given = data["contact"] or {"allowed": False}
    return "\n".join(filter(None, (data["text"], CONTACT_LABEL + phone_text(given) if given["allowed"] else "")))


def redact_numbers(notes: Any) -> list[dict[str, str]]:
    """Those notes of ours that name a number, as they are once it was taken back."""
    found = []
    for one in notes if isinstance(notes, list) else ():
        text = one.get("note_text") if isinstance(one, dict) else None
        if isinstance(text, str) and (clean := _NUMBER.sub(CONTACT_LABEL + "taken back", text)) != text:
            found.append({"unique_id": one["unique_id"], "note_text": clean})
    return found
