"""Sheets for a person who hands a report in to another body: one row for each field of that body's form. Pure.

Nothing is sent. What the other list has no word for stays empty; it is never forced into another.

cybertipline  fields: Boostport/ncmec-go:cybertipline/types.go; incident types: reports/crosswalk.toml
cybertip_ca   types: cyberaide.ca/en/report/types; questions: www.cybertip.ca/app/en/report_general
primero       reports/primero.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reports import spreadsheet
from reports.account import account, contact, drill, place, shown, words
from reports.primero import case_fields

Row = tuple[str, str]  # a field of the form, and what to put there


def _cybertipline(data: Mapping[str, Any]) -> list[Row]:
    found = data["crosswalk"]["ncmec"] or {"type": "", "annotations": []}
    urgent = data["triage"]["priority"] == "P1"
    return [
        ("incidentSummary.incidentType", found["type"]),
        ("incidentSummary.reportAnnotations", ", ".join(found["annotations"])),
        ("incidentSummary.escalateToHighPriority", ", ".join(data["triage"]["reasons"]) if urgent else ""),
        ("incidentSummary.platform", data["extras"].get("platform", "")),
        ("incidentSummary.incidentDateTimeDescription", "Not known. The report was told at " + data["created_at"]),
        ("internetDetails.webPageIncident.url", "\n".join(data["attachments"]["links"])),
        ("internetDetails.webPageIncident.additionalInfo", data["extras"].get("where_online", "")),
        ("internetDetails.nonInternetIncident.incidentAddress.nonUsaState", place(data)),
        ("internetDetails.nonInternetIncident.incidentAddress.country", data["country"]),
        ("reporter.reportingPerson.phone", data["contact"].get("msisdn", "")),
        ("additionalInfo", account(data)),
    ]


def _cybertip_ca(data: Mapping[str, Any]) -> list[Row]:
    extras = data["extras"]
    return [
        ("Type of report", data["crosswalk"]["cybertip_ca"] or ""),
        ("What happened", words(data)),
        ("Where it happened (service)", extras.get("platform", "")),
        ("Page or account", extras.get("where_online", "")),
        ("Web addresses, written so that nothing opens them", "\n".join(data["attachments"]["links"])),
        ("Is a meeting planned?", extras.get("meeting", "")),
        ("Are threats made?", extras.get("threat", "")),
        ("Do they have a picture of the child?", extras.get("image_shared", "")),
        ("Who is in the picture?", extras.get("image_who", "")),
        ("Is the reporter the one in the picture?", {"me": "yes"}.get(extras.get("image_who", ""), "")),
        ("Age", data["child"]["age_band"]),
        ("Place", ", ".join(filter(None, (place(data), data["country"])))),
        ("How the reporter may be reached", contact(data)),
        ("Everything else", account(data)),
    ]


def _primero(data: Mapping[str, Any]) -> list[Row]:
    fields = case_fields(data)
    rows = [(name, ", ".join(value) if isinstance(value, list) else str(value)) for name, value in fields.items()]
    return [*rows, ("notes_section.note_text", account(data))]


SHEETS: Mapping[str, Callable[[Mapping[str, Any]], list[Row]]] = {
    "cybertipline": _cybertipline,
    "cybertip_ca": _cybertip_ca,
    "primero": _primero,
}


def sheet(name: str, data: Mapping[str, Any], added: str = "") -> list[Row]:
    """The rows of one body's sheet. `added`: what the reporter said by My report since, as text."""
    rows = [(field, shown(value)) for field, value in SHEETS[name](data)]
    if added:
        rows.append(("Said later by My report", shown(added)))
    return [("DRILL", drill(data)), *rows] if drill(data) else rows


def as_text(rows: list[Row]) -> str:
    """A heading for each field, what to put there beneath it; a dash where there is nothing."""
    return "\n".join(f"## {field}\n{value or '-'}\n" for field, value in rows)


def as_csv(rows: list[Row]) -> str:
    """Two columns. No cell is ever a formula: one that would begin like one begins with an apostrophe."""
    return spreadsheet.as_csv(("field", "value"), rows)
