"""Render a report as plain text for a person, with everything that has no field in another body's form. Pure.

All functions take the report's JSON as `data`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reports.triage import FLAG_LABELS, REASON_LABELS

CONTACT_LABEL, ONLY_FROM = "Contact: ", "only from "  # by these, a phone number that we wrote is found again
CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"} | {0x7F: 0x2421}
# Characters that reorder or hide their neighbours or are drawn as nothing: controls, Default_Ignorable_Code_Point of
# Unicode and the empty Braille cell; and lone surrogates, which no page can hold.
INVISIBLE = re.compile(
    "(?:(?<![\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u27bf\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff])[\ufe0e\ufe0f]"  # allowed directly after an emoji, where they choose whether it has colours
    "|[\x80-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ud800-\udfff\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff])"
)


def safe_for_display(text: str) -> str:
    """Return the text as typed, without control and formatting characters.

    Control characters become their pictures; characters that would reorder or hide other words become a visible mark.
    """
    return INVISIBLE.sub(lambda match: f"[U+{ord(match[0]):04X}]", text.translate(CONTROL_PICTURES))


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
    yield f"Report {data['report_id']}, revision {data['revision']}, told by {data['channel']}"
    yield f"Told {data['created_at']} to {data['updated_at']}: the time of telling, not of what happened"
    triage = data["triage"]
    yield f"Priority {triage['priority']}"
    for code in (*triage["flags"], *triage["reasons"]):
        yield f"- {FLAG_LABELS.get(code) or REASON_LABELS.get(code) or code}"


def _facts(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"Danger: {data['danger']}"
    yield f"What: {data['category']}"
    yield f"About: {data['about'] or 'not said'}, told by: {data['reporter_role']}"
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
