"""The envelope, and the bodies that are no report."""

from __future__ import annotations

import base64
import json
import uuid

from reports.bodies import envelope, message, unread
from tests.reports.sample import NOW, REPORT_ID


def test_the_envelope_takes_the_data_in_unchanged() -> None:
    data = b'{"b":1,  "a":"\\ud83d"}'
    assert envelope("report.created", NOW, data) == (
        b'{"type":"report.created","timestamp":"2026-11-25T08:02:10Z","data":' + data + b"}"
    )


def test_a_message_from_the_reporter() -> None:
    number = str(uuid.UUID(int=7))
    found = json.loads(message(report_id=REPORT_ID, message_id=number, created_at=NOW, text=" as typed\ud83d\0"))
    assert found == {
        "schema": "cop-message",
        "version": "1.0",
        "report_id": REPORT_ID,
        "message_id": number,
        "from": "reporter",
        "kind": "words",
        "text": " as typed\ud83d\N{REPLACEMENT CHARACTER}",
        "created_at": "2026-11-25T08:02:10Z",
    }
    asked = json.loads(message(report_id=REPORT_ID, message_id=number, created_at=NOW, kind="delete_asked"))
    assert (asked["kind"], asked["text"]) == ("delete_asked", None)


def test_an_input_that_nobody_could_read_goes_whole() -> None:
    raw = b"\xff\x00 not a form \xfe"
    found = json.loads(
        unread(
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
