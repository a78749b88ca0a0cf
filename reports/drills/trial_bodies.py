"""Invented bodies that test a hotline's connection. They say so, and are of mode training in every mode. Pure.

They are not filed: they have no row in the database, and so are in no list, no statistics and no escalation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.countries.country import Country
from reports.json_bodies import json_bytes, message_json, unread_json
from reports.report import GivenAnswer, ReportMetadata, build_report, to_json
from reports.routing import Recipient, Route

DRILL_MODE = "training"
DRILL_TEXT = "DRILL. Not a real report: a test of this door. Nobody is in danger. Nothing is to be done."


def created_body(country: Country, hotline: str, report_id: str, at: int, revision: int = 1) -> bytes:
    """Return the `data` of a report.created, or with a higher revision of a report.updated. `at`: Unix seconds."""
    rows = [
        ("danger", "no", False),
        ("category", "other", False),
        ("narrative", DRILL_TEXT, True),
        ("send", "send", False),
    ]
    screens = {"narrative": "words"}
    answers = [
        GivenAnswer(f"report.{screens.get(question, question)}", question, value, is_typed, at, counts=True)
        for question, value, is_typed in rows
    ]
    setting = ReportMetadata(
        report_id=report_id,
        revision=revision,
        mode=DRILL_MODE,
        completeness="complete",
        created_at=at,
        updated_at=at,
        sent_at=at,
        channel="simulator",
        language="en",
        country=country,
        route=Route((Recipient(hotline, "primary", "CATEGORY_FIRST"),)),
    )
    return to_json(build_report(answers, setting), hotline)


def later_version_body(data: Mapping[str, Any]) -> bytes:
    """Return the same report with additions that a later minor version may have.

    A receiver must accept it and ignore what it does not know.
    """
    triage = data["triage"] | {"reasons": [*data["triage"]["reasons"], "A_LATER_REASON"]}
    return json_bytes({**data, "version": "1.1", "triage": triage, "a_later_field": {"any": ["thing", 1, None]}})


def message_body(report_id: str, message_id: str, at: int) -> bytes:
    """Return the `data` of a report.message. `at`: Unix seconds."""
    return message_json(report_id=report_id, message_id=message_id, mode=DRILL_MODE, created_at=at, text=DRILL_TEXT)


def unread_body(country: Country, report_id: str, at: int) -> bytes:
    """Return the `data` of an input that could not be read. `at`: Unix seconds."""
    return unread_json(
        report_id=report_id,
        mode=DRILL_MODE,
        country=country.iso,
        channel="simulator",
        received_at=at,
        content_type="text/plain",
        body=DRILL_TEXT.encode() + b" \xff\xfe",
    )
