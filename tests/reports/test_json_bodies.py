"""The envelope, and bodies other than reports."""

from __future__ import annotations

import base64
import json
import uuid

import pytest

from reports.json_bodies import NO_CONTACT, envelope, message_json, unread_json, with_sound, without_contact
from reports.report import build_report, contact_details, to_json
from tests.reports.sample import MSISDN, NOW, PATH_TO_SEND, REPORT_ID, SEND, VU, given, setting
from tests.reports.schema_check import MESSAGE


def test_the_envelope_takes_the_data_in_unchanged() -> None:
    data = b'{"b":1,  "a":"\\ud83d"}'
    assert envelope("report.created", NOW, data) == (
        b'{"type":"report.created","timestamp":"2026-11-25T08:02:10Z","data":' + data + b"}"
    )


def test_a_message_from_the_reporter() -> None:
    number = str(uuid.UUID(int=7))
    ids = {"report_id": REPORT_ID, "message_id": number, "mode": "demo"}
    found = json.loads(message_json(**ids, created_at=NOW, text=" as typed\ud83d\0"))
    assert found == {
        "schema": "cop-message",
        "version": "1.0",
        "report_id": REPORT_ID,
        "message_id": number,
        "mode": "demo",
        "from": "reporter",
        "kind": "words",
        "text": " as typed\ud83d\N{REPLACEMENT CHARACTER}",
        "contact": None,
        "created_at": "2026-11-25T08:02:10Z",
    }
    asked = json.loads(message_json(**ids, created_at=NOW, kind="delete_asked", contact=NO_CONTACT))
    assert (asked["kind"], asked["text"], asked["contact"]["allowed"]) == ("delete_asked", None, False)


@pytest.mark.parametrize(
    ("kind", "text", "contact", "valid"),
    [
        ("words", "as typed", None, True),
        ("words", None, None, False),
        ("words", "as typed", NO_CONTACT, False),
        ("contact_given", None, contact_details("sms_07_21", VU, None, MSISDN), True),
        ("contact_given", None, NO_CONTACT, True),  # withdrawn before this message arrived
        ("contact_given", None, None, False),
        ("contact_withdrawn", None, NO_CONTACT, True),
        ("contact_withdrawn", None, contact_details("sms_07_21", VU, None, MSISDN), False),
        ("contact_withdrawn", None, {**NO_CONTACT, "msisdn": MSISDN}, False),
        ("delete_asked", None, NO_CONTACT, True),
        ("delete_asked", "all is well", NO_CONTACT, False),
        ("something", None, NO_CONTACT, False),
        ("recording_missing", None, None, True),
        ("recording_missing", None, NO_CONTACT, False),
        ("recording", None, None, False),  # which recording?
    ],
)
def test_a_message_is_what_its_schema_says(
    kind: str, text: str | None, contact: dict[str, object] | None, valid: bool
) -> None:
    number = str(uuid.UUID(int=7))
    ids = {"report_id": REPORT_ID, "message_id": number, "mode": "demo"}
    data = json.loads(message_json(**ids, created_at=NOW, kind=kind, text=text, contact=contact))
    assert MESSAGE.is_valid(data) is valid
    data = json.loads(message_json(**ids, created_at=NOW, kind=kind, text=text, contact=contact, without_code=True))
    assert data["without_code"] is True
    assert MESSAGE.is_valid(data) is (valid and kind == "words")


def test_no_number_without_consent() -> None:
    assert (
        contact_details("none", VU, None, MSISDN)
        == contact_details("", VU, None, MSISDN)
        == contact_details("sms_07_21", VU, None, None)
    )
    assert "msisdn" not in contact_details("none", VU, None, MSISDN)


def test_a_number_that_was_withdrawn_is_in_no_body_and_nothing_else_changes() -> None:
    for contact, wanted in (("sms_08_16", True), ("none", False)):
        rows = given(*PATH_TO_SEND, ("report.contact", contact), SEND)
        before = to_json(build_report(rows, setting(rows, msisdn=MSISDN)), "vu-pikinini")
        after = without_contact(before)
        assert (b"5550101" in before) is wanted
        assert b"5550101" not in after
        assert json.loads(after)["contact"] == NO_CONTACT
        assert json.loads(before) | {"contact": None} == json.loads(after) | {"contact": None}
    words = message_json(report_id=REPORT_ID, message_id="m", mode="demo", created_at=NOW, text="\ud83d \u202e")
    assert without_contact(words) == words


def test_an_input_that_nobody_could_read_goes_whole() -> None:
    raw = b"\xff\x00 not a form \xfe"
    found = json.loads(
        unread_json(
            report_id=REPORT_ID,
            mode="demo",
            country="VU",
            channel="africastalking",
            received_at=NOW,
            content_type="text/html",
            body=raw,
        )
    )
    assert base64.b64decode(found.pop("body_base64")) == raw
    assert found["schema"] == "cop-unread"
    assert found["received_at"] == "2026-11-25T08:02:10Z"


@pytest.mark.parametrize("kind", ["recording", "words", "recording_missing"])
def test_only_a_message_about_a_recording_has_one(kind: str) -> None:
    about = {"content_type": "audio/mpeg", "bytes": 3, "sha256": "0" * 64}
    ids = {"report_id": REPORT_ID, "message_id": str(uuid.UUID(int=7)), "mode": "demo"}
    text = "as typed" if kind == "words" else None
    data = message_json(**ids, created_at=NOW, kind=kind, text=text, recording=about)
    assert MESSAGE.is_valid(json.loads(data)) is (kind == "recording")
    if kind == "recording":
        full = json.loads(with_sound(data, b"ID3"))
        assert MESSAGE.is_valid(full)
        assert full["recording"] == {**about, "base64": "SUQz"}
