"""Render a report for other bodies: a sheet for each form, plain text, and a case of Primero. Pure.

Nothing is sent automatically. A field for which the report has no matching term stays empty; a term is never forced
into another.

    cybertipline  fields: Boostport/ncmec-go:cybertipline/types.go; incident types: reports/crosswalk.toml
    cybertip_ca   types: cyberaide.ca/en/report/types; questions: www.cybertip.ca/app/en/report_general
    primero       the part "Map a report to a case of Primero v2" below
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reports import spreadsheet
from reports.delivery import DeliveryType
from reports.escalation import Priority
from reports.json_bodies import MessageKind
from reports.triage import FLAG_LABELS, REASON_LABELS
from runtime.visible_text import safe_for_display

CONTACT_LABEL, ONLY_FROM = "Contact: ", "only from "  # before a phone number that we wrote: they identify it
PRIMERO_MODULE = "primeromodule-cp"
AGENCY_NAME = "Tokaut"
_NUMBER = re.compile(rf"^{CONTACT_LABEL}.*{ONLY_FROM}.*$", re.MULTILINE)
RISK_LEVELS = ("low", "medium", "high")
RISK_BY_PRIORITY: Mapping[Priority, str] = {
    Priority.P1: "high",
    Priority.P2: "high",
    Priority.P3: "medium",
    Priority.P4: "low",
}

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
SheetRow = tuple[str, str]  # a field of the form, and the text to enter


# Render a report as plain text for a person, including everything for which other bodies' forms have no field. Pure.
#
# All functions take the report's JSON as `data`.


def plain_text_report(data: Mapping[str, Any]) -> str:
    """Return every answer, every word and everything staff must know of a cop-report."""
    return "\n".join([*_heading(data), "", *_facts(data), "", *_words(data)])


def contact_text(data: Mapping[str, Any]) -> str:
    """Return how the reporter may be reached. The phone number is included only if the reporter allowed it."""
    return phone_text(data["contact"]) or "not to be contacted"


def phone_text(given: Mapping[str, Any]) -> str:
    """Return the phone number with the hours in which the phone is safe, never without them; empty if not allowed."""
    if not given["allowed"]:
        return ""
    hours = given["safe_hours"]
    return f"{given['how']} to {given['msisdn']}, {ONLY_FROM}{hours['from']} to {hours['to']} ({hours['tz']})"


def place_text(data: Mapping[str, Any]) -> str:
    """Return the place and its group; empty if neither is known."""
    place = data["place"]
    return ", ".join(filter(None, (place["name"], place["group"]))) if place else ""


def typed_text(data: Mapping[str, Any]) -> str:
    """Return everything that was typed, later words with their time; empty if there is nothing."""
    return "\n".join(_words(data))


def drill_mark(data: Mapping[str, Any]) -> str:
    """Return the mark of a report that is not live; empty for a real one."""
    return "" if data["mode"] == "live" else "DRILL. Not a real report."


def _heading(data: Mapping[str, Any]) -> Iterator[str]:
    if mark := drill_mark(data):
        yield mark
    yield f"Report {data['report_id']}, revision {data['revision']}, came by {data['channel']}"
    yield f"Reported {data['created_at']} to {data['updated_at']}: the time of the report, not of what happened"
    triage = data["triage"]
    yield f"Priority {triage['priority']}"
    for code in (*triage["flags"], *triage["reasons"]):
        yield f"* {FLAG_LABELS.get(code) or REASON_LABELS.get(code) or code}"


def _facts(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"Danger: {data['danger']}"
    yield f"What: {data['category']}"
    yield f"About: {data['about'] or 'not said'}, reported by: {data['reporter_role']}"
    yield f"Age: {data['child']['age_band']}"
    yield f"Place: {place_text(data) or 'not said'}, country {data['country']}"
    yield f"Language: {data['language']}"
    yield CONTACT_LABEL + contact_text(data)
    for question, answer in data["extras"].items():
        yield f"{question}: {safe_for_display(answer)}"
    if data["attachments"]["count"]:
        yield f"Attachments that nobody opened: {data['attachments']['count']}"
    yield "Sent to: " + ", ".join(f"{recipient['name']} ({recipient['role']})" for recipient in data["routing"]["to"])
    if avoided := data["routing"]["avoid"]:
        yield f"Left out by the reporter, do not pass it on to: {', '.join(avoided)}"


def _words(data: Mapping[str, Any]) -> Iterator[str]:
    if data["narrative"] is not None:
        yield safe_for_display(data["narrative"])
    for entry in data["unasked"]:
        yield f"[{entry['at']}, unasked] {safe_for_display(entry['text'])}"
    for entry in data["additions"]:
        yield f"[{entry['at']}, added] {safe_for_display(entry['text'])}"


# Map a report to a case of Primero v2, with the fields and lists that Primero ships. Pure.
#
# Fields: primeroIMS/primero:db/configuration/forms/case/basic_identity.rb, protection_concerns.rb, field_notes.rb;
# lists: db/configuration/lookups/lookups.rb; fields of the API itself: app/services/permitted_field_service.rb. A
# country may change forms and lists. So one note holds the whole report too, and a value that a list does not accept
# is in the note only.


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
        "urgent_protection_concern": "true" if data["triage"]["priority"] == Priority.P1 else None,
        "protection_concerns": _concerns(data["crosswalk"]["primero"]),
        "address_current": ", ".join(filter(None, (place_text(data), data["country"]))) if data["place"] else None,
        "telephone_current": phone_text(data["contact"]),
        **_drill_fields(data),
    }
    return {name: value for name, value in result.items() if value}


def fields_for(kind: DeliveryType, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields to send beside the note, for a report created or updated, a message, or an unread input."""
    if kind == DeliveryType.MESSAGE:
        contact = data["contact"] or {"allowed": False}
        return {"telephone_current": phone_text(contact)} if contact["allowed"] else {}
    if kind == DeliveryType.UNREAD:
        values = {"module_id": PRIMERO_MODULE, "other_agency_id": data["report_id"], "other_agency_name": AGENCY_NAME}
        return (
            values
            | {"registration_date": data["received_at"][:10], "risk_level": RISK_BY_PRIORITY[Priority.P2]}
            | _drill_fields(data)
        )
    return case_fields(data)


def case_changes(fields: Mapping[str, Any], current: Mapping[str, Any], *, withdrawn: bool) -> dict[str, Any]:
    """Return the fields to change in an existing case, whose current fields are `current`.

    Values that staff wrote stay, except that a higher risk level replaces a lower one. `withdrawn`: the reporter
    withdrew the phone number. The number that we wrote is removed; a number that staff found elsewhere stays. Of two
    numbers that we wrote the later one holds: it may be another phone, or have fewer hours.
    """
    result = {name: value for name, value in fields.items() if not current.get(name) and name != "module_id"}
    our_level, their_level = fields.get("risk_level"), current.get("risk_level")
    if (
        our_level in RISK_LEVELS
        and their_level in RISK_LEVELS
        and RISK_LEVELS.index(our_level) > RISK_LEVELS.index(their_level)
    ):
        result["risk_level"] = our_level
    if (withdrawn or "telephone_current" in fields) and ONLY_FROM in str(current.get("telephone_current") or ""):
        result["telephone_current"] = fields.get("telephone_current")
    return result


def _drill_fields(data: Mapping[str, Any]) -> dict[str, str]:
    return {} if data["mode"] == "live" else {"name_first": "DRILL"}


def _concerns(values: list[str]) -> list[str]:
    return list(dict.fromkeys(CONCERNS[value] for value in values if value in CONCERNS))


def case_note(kind: DeliveryType, at: str, data: Mapping[str, Any], key: str) -> dict[str, str]:
    """Return one note of the case. `key`, a UUID, is its identity: sending the same note again changes nothing."""
    subject, text = _note_content(kind, data)
    prefix = "" if data["mode"] == "live" else "DRILL "
    return {"unique_id": key, "note_date": at, "note_subject": prefix + subject, "note_text": text}


def _note_content(kind: DeliveryType, data: Mapping[str, Any]) -> tuple[str, str]:
    if kind == DeliveryType.MESSAGE:
        return f"Said by the reporter: {data['kind']}", _primero_words(data)
    if kind == DeliveryType.UNREAD:
        text = f"Nobody could read this. {data['content_type']}, as base64:\n{data['body_base64']}"
        return "Something came that no program could read", text
    return f"Report {data['triage']['priority']}, revision {data['revision']}", plain_text_report(data)


WITHOUT_CODE = "Written on the same phone in a later call, without code and PIN, perhaps by another person:"


def _primero_words(data: Mapping[str, Any]) -> str:
    if data["kind"] == MessageKind.CONTACT_WITHDRAWN:
        return "The reporter took the number back. Do not use it any more."
    if data["kind"] == MessageKind.DELETE_ASKED:
        return (
            "The reporter deleted the report here, and asks you to delete your copy. Your law decides. "
            "The number is taken back: do not use it any more."
        )
    if data["kind"] == MessageKind.RECORDING:
        return "The reporter spoke. The recording is not in Primero: staff hear it in the console."
    if data["kind"] == MessageKind.RECORDING_MISSING:
        return "The reporter spoke, or was asked to, and no recording could be fetched."
    contact = data["contact"] or {"allowed": False}
    source = WITHOUT_CODE if data.get("without_code") else ""
    return "\n".join(
        filter(None, (source, data["text"], CONTACT_LABEL + phone_text(contact) if contact["allowed"] else ""))
    )


def redact_numbers(notes: Any) -> list[dict[str, str]]:
    """Return our notes that contain a phone number, with the number replaced after its withdrawal."""
    result = []
    for note in notes if isinstance(notes, list) else ():
        text = note.get("note_text") if isinstance(note, dict) else None
        if isinstance(text, str) and (clean := _NUMBER.sub(CONTACT_LABEL + "taken back", text)) != text:
            result.append({"unique_id": note["unique_id"], "note_text": clean})
    return result


def _cybertipline(data: Mapping[str, Any]) -> list[SheetRow]:
    incident = data["crosswalk"]["ncmec"] or {"type": "", "annotations": []}
    urgent = data["triage"]["priority"] == Priority.P1
    return [
        ("incidentSummary.incidentType", incident["type"]),
        ("incidentSummary.reportAnnotations", ", ".join(incident["annotations"])),
        ("incidentSummary.escalateToHighPriority", ", ".join(data["triage"]["reasons"]) if urgent else ""),
        ("incidentSummary.platform", data["extras"].get("platform", "")),
        ("incidentSummary.incidentDateTimeDescription", "Not known. The report was made at " + data["created_at"]),
        ("internetDetails.webPageIncident.url", "\n".join(data["attachments"]["links"])),
        ("internetDetails.webPageIncident.additionalInfo", data["extras"].get("where_online", "")),
        ("internetDetails.nonInternetIncident.incidentAddress.nonUsaState", place_text(data)),
        ("internetDetails.nonInternetIncident.incidentAddress.country", data["country"]),
        ("reporter.reportingPerson.phone", data["contact"].get("msisdn", "")),
        ("additionalInfo", plain_text_report(data)),
    ]


def _cybertip_ca(data: Mapping[str, Any]) -> list[SheetRow]:
    extras = data["extras"]
    return [
        ("Type of report", data["crosswalk"]["cybertip_ca"] or ""),
        ("What happened", typed_text(data)),
        ("Where it happened (service)", extras.get("platform", "")),
        ("Page or account", extras.get("where_online", "")),
        ("Web addresses, written so that nothing opens them", "\n".join(data["attachments"]["links"])),
        ("Is a meeting planned?", extras.get("meeting", "")),
        ("Are threats made?", extras.get("threat", "")),
        ("Do they have a picture of the child?", extras.get("image_shared", "")),
        ("Who is in the picture?", extras.get("image_who", "")),
        ("Is the reporter the one in the picture?", {"me": "yes"}.get(extras.get("image_who", ""), "")),
        ("Age", data["child"]["age_band"]),
        ("Place", ", ".join(filter(None, (place_text(data), data["country"])))),
        ("How the reporter may be reached", contact_text(data)),
        ("Everything else", plain_text_report(data)),
    ]


def _primero(data: Mapping[str, Any]) -> list[SheetRow]:
    fields = case_fields(data)
    rows = [(name, ", ".join(value) if isinstance(value, list) else str(value)) for name, value in fields.items()]
    return [*rows, ("notes_section.note_text", plain_text_report(data))]


SHEETS: Mapping[str, Callable[[Mapping[str, Any]], list[SheetRow]]] = {
    "cybertipline": _cybertipline,
    "cybertip_ca": _cybertip_ca,
    "primero": _primero,
}


def referral_sheet(name: str, data: Mapping[str, Any], added: str = "") -> list[SheetRow]:
    """Return the rows of one body's sheet. `added`: what the reporter wrote later under My report, as text."""
    rows = [(field, safe_for_display(value)) for field, value in SHEETS[name](data)]
    if added:
        rows.append(("Said later by My report", safe_for_display(added)))
    return [("DRILL", drill_mark(data)), *rows] if drill_mark(data) else rows


def sheet_text(rows: list[SheetRow]) -> str:
    """Return the sheet as text: a heading for each field, and the text to enter below it; a dash if there is none."""
    return "\n".join(f"## {field}\n{value or '-'}\n" for field, value in rows)


def sheet_csv(rows: list[SheetRow]) -> str:
    """Return the sheet as CSV with two columns. No cell, and no part of one, can become a formula."""
    return spreadsheet.as_csv(("field", "value"), rows)
