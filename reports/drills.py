"""Made-up reports: the scripts of drills, and bodies that test a hotline's connection. Pure.

A script answers questions of the flow `report` by name; any other question gets the first answer offered. No script
gives a phone number: a call to it would reach a stranger.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from reports.countries.country import Country
from reports.delivery import RecipientRole
from reports.escalation import Priority
from reports.facts import Completeness, Facts, GivenAnswer, derive_facts
from reports.json_bodies import MessageKind, json_bytes, message_json, unread_json, with_sound
from reports.recordings import MAX_BYTES
from reports.report import ReportMetadata, build_report, to_json
from reports.routing import Recipient, Route, find_route
from reports.triage import triage
from runtime.settings import Mode

DRILL_MODE = Mode.TRAINING
MODES_WITH_DRILLS = (Mode.DEMO, Mode.TRAINING)  # the modes in which a lead can plan a scripted drill
WAV_HEAD = struct.Struct("<4sI8sIHHIIHH4sI")
DRILL_TEXT = "DRILL. Not a real report: a test of this connection. Nobody is in danger. Nothing is to be done."


@dataclass(frozen=True, slots=True)
class DrillAddition:
    """Words that the reporter writes under My report. `after`: minutes after the report."""

    after: int
    words: str


@dataclass(frozen=True, slots=True)
class DrillScript:
    """The answers of one reporter. `dropped_at`: the question at which the session drops; "": the report is sent."""

    answers: Mapping[str, str]
    dropped_at: str = ""
    more: DrillAddition | None = None

    @property
    def completeness(self) -> Completeness:
        """Return the completeness of the report that results."""
        return Completeness.INCOMPLETE if self.dropped_at else Completeness.COMPLETE


SCRIPTS: Mapping[str, DrillScript] = {
    "danger_now": DrillScript(
        {
            "danger": "now",
            "category": "neglect",
            "about": "me",
            "narrative": "DRILL. I cannot go home tonight. I am outside and I am afraid. Please answer.",
        }
    ),
    "asked_for_pictures": DrillScript(
        {
            "danger": "soon",
            "category": "luring",
            "about": "me",
            "age_band": "13-15",
            "narrative": "DRILL. Somebody I do not know asks me for pictures and for money. I want it to stop.",
        }
    ),
    "missing": DrillScript(
        {
            "danger": "no",
            "category": "missing",
            "about_missing": "my_child",
            "age_band": "13-15",
            "narrative": "DRILL. My child did not come home from school. Blue shirt, small green bag.",
        }
    ),
    "cut_off": DrillScript({"danger": "now", "category": "bullying"}, dropped_at="about"),
    "no_contact": DrillScript(
        {
            "danger": "no",
            "category": "bullying",
            "about": "child_i_know",
            "age_band": "10-12",
            "narrative": "DRILL. A child in our street is called names every day. Please do not call this phone.",
        }
    ),
    "writes_more": DrillScript(
        {
            "danger": "soon",
            "category": "neglect",
            "about": "child_i_know",
            "age_band": "6-9",
            "narrative": "DRILL. A child next door has been alone since yesterday. I have brought food.",
        },
        more=DrillAddition(10, "DRILL. The child is at my house now. We wait for you to answer."),
    ),
}


def script_answers(script: DrillScript, country: Country, hotline: str) -> Mapping[str, str]:
    """Return the script's answers; if places are asked before Send, with the first place that this hotline takes."""
    places = country.groups() if country.place_before_send == "group" else ()
    if not places and country.place_before_send != "none":
        places = tuple(place.code for place in country.places)
    recipient = country.hotlines[hotline]
    covered = [place for place in places if recipient.covers_place(country.place_codes(place))]
    chosen = (*covered, *places)[:1]
    return {**script.answers, "place": chosen[0]} if chosen else script.answers


def script_recipients(
    script: DrillScript, country: Country, hotline: str, live: Collection[str]
) -> tuple[Recipient, ...]:
    """Return the hotlines that can get the report, in order, as it will be routed. `live`: the hotlines with a key."""
    facts = _facts(script, country, hotline)
    return find_route(country, facts, live=live, avoid=(), completeness=script.completeness).recipients


def script_priority(script: DrillScript, country: Country, hotline: str) -> Priority:
    """Return the priority that the report will have."""
    return triage(replace(_facts(script, country, hotline), incomplete=bool(script.dropped_at))).priority


def _facts(script: DrillScript, country: Country, hotline: str) -> Facts:
    answers = script_answers(script, country, hotline).items()
    return derive_facts(
        [GivenAnswer(f"report.{name}", name, value, typed=False, at=0, counts=True) for name, value in answers]
    )


# Invented bodies that test a hotline's connection. They say so, and are of mode training in every mode. Pure.
#
# They are not submitted: they have no row in the database, and so are in no list, no statistics and no escalation.


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
        completeness=Completeness.COMPLETE,
        created_at=at,
        updated_at=at,
        sent_at=at,
        channel="simulator",
        language="en",
        country=country,
        route=Route((Recipient(hotline, RecipientRole.PRIMARY, "CATEGORY_FIRST"),)),
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


def recording_body(report_id: str, message_id: str, at: int) -> bytes:
    """Return the `data` of a report.message with the longest recording that there can be: silence.

    It is the largest request. `at`: Unix seconds.
    """
    sound = _silence(MAX_BYTES)
    facts = {"content_type": "audio/wav", "bytes": len(sound), "sha256": hashlib.sha256(sound).hexdigest()}
    ids: dict[str, Any] = {"report_id": report_id, "message_id": message_id, "mode": DRILL_MODE, "created_at": at}
    return with_sound(message_json(**ids, kind=MessageKind.RECORDING, recording=facts), sound)


def _silence(size: int) -> bytes:
    """Return a WAV file of so many bytes, in mono with 8,000 samples of 16 bits a second."""
    samples = bytes(size - WAV_HEAD.size)
    parts = (b"RIFF", size - 8, b"WAVEfmt ", 16, 1, 1, 8000, 16_000, 2, 16, b"data", len(samples))
    return WAV_HEAD.pack(*parts) + samples


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
