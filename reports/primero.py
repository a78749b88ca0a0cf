"""A report as a case of Primero v2: one table, by the fields and lists that Primero ships. Pure.

Fields: primeroIMS/primero:db/configuration/forms/case/basic_identity.rb, protection_concerns.rb, field_notes.rb; lists:
db/configuration/lookups/lookups.rb; the API's own: app/services/permitted_field_service.rb. A country may change forms
and lists, so all that was said also stands in one note, and a value that a list does not take is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.account import account, drill, place, reach

RISK: Mapping[str, str] = {"P1": "high", "P2": "high", "P3": "medium", "P4": "low"}

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
        "module_id": "primeromodule-cp",
        "other_agency_id": data["report_id"],
        "other_agency_name": "Tokaut",
        "registration_date": data["created_at"][:10],
        "risk_level": RISK[data["triage"]["priority"]],
        "urgent_protection_concern": "true" if data["triage"]["priority"] == "P1" else None,
        "protection_concerns": _concerns(data["crosswalk"]["primero"]),
        "address_current": ", ".join(filter(None, (place(data), data["country"]))) if data["place"] else None,
        "telephone_current": reach(data["contact"]),
        "name_first": "DRILL" if drill(data) else None,
    }
    return {name: value for name, value in found.items() if value}


def said_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a message changes beside its note: a number that was given, or taken back."""
    if data["kind"] == "contact_withdrawn":
        return {"telephone_current": None}
    given = data["contact"] or {}
    return {"telephone_current": reach(given)} if given.get("allowed") else {}


def _concerns(named: list[str]) -> list[str]:
    return list(dict.fromkeys(CONCERNS[one] for one in named if one in CONCERNS))


def note(kind: str, at: str, data: Mapping[str, Any], key: str) -> dict[str, str]:
    """One note of the case; `key`, a UUID, is its identity: the same note again changes nothing."""
    subject, text = _said(kind, data)
    mark = "" if data["mode"] == "live" else "DRILL "
    return {"unique_id": key, "note_date": at, "note_subject": mark + subject, "note_text": text}


def _said(kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
    if kind == "message":
        return f"Said by the reporter: {data['kind']}", data["text"] or ""
    if kind == "unread":
        text = f"Nobody could read this. {data['content_type']}, as base64:\n{data['body_base64']}"
        return "Something came that no program could read", text
    return f"Report {data['triage']['priority']}, revision {data['revision']}", account(data)
