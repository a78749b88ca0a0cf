"""Map a report to a case of Primero v2, with the fields and lists that Primero ships. Pure.

Fields: primeroIMS/primero:db/configuration/forms/case/basic_identity.rb, protection_concerns.rb, field_notes.rb; lists:
db/configuration/lookups/lookups.rb; fields of the API itself: app/services/permitted_field_service.rb. A country may
change forms and lists. So one note holds the whole report too, and a value that a list does not accept is in the note
only.
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

# Crosswalk term → value of lookup-protection-concerns as shipped. A term without an entry has no value in that list.
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
    """Return the values of a report that have a field of their own in Primero.

    Unknown values are left out, so that they overwrite nothing that staff wrote.
    """
    result: dict[str, Any] = {
        "module_id": PRIMERO_MODULE,
        "other_agency_id": data["report_id"],
        "other_agency_name": AGENCY_NAME,
        "registration_date": data["created_at"][:10],
        "risk_level": RISK_BY_PRIORITY[data["triage"]["priority"]],
        "urgent_protection_concern": "true" if data["triage"]["priority"] == "P1" else None,
        "protection_concerns": _concerns(data["crosswalk"]["primero"]),
        "address_current": ", ".join(filter(None, (place_text(data), data["country"]))) if data["place"] else None,
        "telephone_current": phone_text(data["contact"]),
        **_drill_fields(data),
    }
    return {name: value for name, value in result.items() if value}


def fields_for(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields to send beside the note, for a report created or updated, a message, or an unread input."""
    if kind == "message":
        contact = data["contact"] or {"allowed": False}
        return {"telephone_current": phone_text(contact)} if contact["allowed"] else {}
    if kind == "unread":
        values = {"module_id": PRIMERO_MODULE, "other_agency_id": data["report_id"], "other_agency_name": AGENCY_NAME}
        return (
            values
            | {"registration_date": data["received_at"][:10], "risk_level": RISK_BY_PRIORITY["P2"]}
            | _drill_fields(data)
        )
    return case_fields(data)


def case_changes(fields: Mapping[str, Any], there: Mapping[str, Any], *, withdrawn: bool) -> dict[str, Any]:
    """Return the fields to change in an existing case, whose current fields are `there`.

    Values that staff wrote stay, except that a higher risk level replaces a lower one. `withdrawn`: the reporter
    withdrew the phone number. The number that we wrote is removed; a number that staff found elsewhere stays. Of two
    numbers that we wrote the later one holds: it may be another phone, or have fewer hours.
    """
    result = {name: value for name, value in fields.items() if not there.get(name) and name != "module_id"}
    our_level, their_level = fields.get("risk_level"), there.get("risk_level")
    if (
        our_level in RISK_LEVELS
        and their_level in RISK_LEVELS
        and RISK_LEVELS.index(our_level) > RISK_LEVELS.index(their_level)
    ):
        result["risk_level"] = our_level
    if (withdrawn or "telephone_current" in fields) and ONLY_FROM in str(there.get("telephone_current") or ""):
        result["telephone_current"] = fields.get("telephone_current")
    return result


def _drill_fields(data: Mapping[str, Any]) -> dict[str, str]:
    return {} if data["mode"] == "live" else {"name_first": "DRILL"}


def _concerns(values: list[str]) -> list[str]:
    return list(dict.fromkeys(CONCERNS[value] for value in values if value in CONCERNS))


def case_note(kind: str, at: str, data: Mapping[str, Any], key: str) -> dict[str, str]:
    """Return one note of the case. `key`, a UUID, is its identity: sending the same note again changes nothing."""
    subject, text = _note_content(kind, data)
    prefix = "" if data["mode"] == "live" else "DRILL "
    return {"unique_id": key, "note_date": at, "note_subject": prefix + subject, "note_text": text}


def _note_content(kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
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
    contact = data["contact"] or {"allowed": False}
    return "\n".join(filter(None, (data["text"], CONTACT_LABEL + phone_text(contact) if contact["allowed"] else "")))


def redact_numbers(notes: Any) -> list[dict[str, str]]:
    """Return our notes that contain a phone number, with the number replaced after its withdrawal."""
    result = []
    for note in notes if isinstance(notes, list) else ():
        text = note.get("note_text") if isinstance(note, dict) else None
        if isinstance(text, str) and (clean := _NUMBER.sub(CONTACT_LABEL + "taken back", text)) != text:
            result.append({"unique_id": note["unique_id"], "note_text": clean})
    return result
