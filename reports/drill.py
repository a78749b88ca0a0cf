"""A made-up report that tries a hotline's door: of mode training, whatever mode sends it, and saying so itself. Pure.

It is filed nowhere, has no place in the database, and so is in no list, no figure and no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.bodies import json_bytes, message, unread
from reports.country import Country
from reports.report import Given, Setting, from_answers, to_json
from reports.routing import Leg, Route

MODE = "training"
WORDS = "DRILL. Not a real report: a test of this door. Nobody is in danger. Nothing is to be done."


def created(country: Country, hotline: str, report_id: str, at: int, revision: int = 1) -> bytes:
    """`data` of a report.created, or with a higher revision of a report.updated. `at` in unix seconds."""
    rows = [("danger", "no", False), ("category", "other", False), ("narrative", WORDS, True), ("send", "send", False)]
    screens = {"narrative": "words"}
    answers = [
        Given(f"report.{screens.get(question, question)}", question, value, typed, at, counts=True)
        for question, value, typed in rows
    ]
    setting = Setting(
        report_id=report_id,
        revision=revision,
        mode=MODE,
        completeness="complete",
        created_at=at,
        updated_at=at,
        sent_at=at,
        channel="simulator",
        language="en",
        country=country,
        route=Route((Leg(hotline, "primary", "CATEGORY_FIRST"),)),
    )
    return to_json(from_answers(answers, setting), hotline)


def of_a_later_version(data: Mapping[str, Any]) -> bytes:
    """The same with what a later minor version may add: a receiver takes it, and ignores what it does not know."""
    triage = data["triage"] | {"reasons": [*data["triage"]["reasons"], "A_LATER_REASON"]}
    return json_bytes({**data, "version": "1.1", "triage": triage, "a_later_field": {"any": ["thing", 1, None]}})


def said_later(report_id: str, message_id: str, at: int) -> bytes:
    return message(report_id=report_id, message_id=message_id, mode=MODE, created_at=at, text=WORDS)


def unreadable(country: Country, report_id: str, at: int) -> bytes:
    return unread(
        report_id=report_id,
        mode=MODE,
        country=country.iso,
        channel="simulator",
        received_at=at,
        content_type="text/plain",
        body=WORDS.encode() + b" \xff\xfe",
    )
