"""Sheets for a person who reports to another body: one row for each field of that body's form. Pure.

Nothing is sent automatically. A field for which the report has no matching term stays empty; a term is never forced
into another.

    cybertipline  fields: Boostport/ncmec-go:cybertipline/types.go; incident types: reports/crosswalk.toml
    cybertip_ca   types: cyberaide.ca/en/report/types; questions: www.cybertip.ca/app/en/report_general
    primero       reports/exports/primero_mapping.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reports import spreadsheet
from reports.exports.plain_text import (
    contact_text,
    drill_mark,
    place_text,
    plain_text_report,
    safe_for_display,
    typed_text,
)
from reports.exports.primero_mapping import case_fields

SheetRow = tuple[str, str]  # a field of the form, and the text to enter


def _cybertipline(data: Mapping[str, Any]) -> list[SheetRow]:
    incident = data["crosswalk"]["ncmec"] or {"type": "", "annotations": []}
    urgent = data["triage"]["priority"] == "P1"
    return [
        ("incidentSummary.incidentType", incident["type"]),
        ("incidentSummary.reportAnnotations", ", ".join(incident["annotations"])),
        ("incidentSummary.escalateToHighPriority", ", ".join(data["triage"]["reasons"]) if urgent else ""),
        ("incidentSummary.platform", data["extras"].get("platform", "")),
        ("incidentSummary.incidentDateTimeDescription", "Not known. The report was told at " + data["created_at"]),
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
    """Return the sheet as CSV with two columns. No cell can become a formula: such a cell begins with an apostrophe."""
    return spreadsheet.as_csv(("field", "value"), rows)
