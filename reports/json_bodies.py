"""The JSON bodies that go to hotlines: strict JSON, from which a typed text is decoded as it was typed. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from runtime.settings import Mode

LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def json_bytes(value: Any) -> bytes:
    """Encode as UTF-8 JSON: keys in the order given, no NaN, escapes only where JSON or UTF-8 needs them."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def as_typed(text: str) -> str:
    """Return the text as typed, except that NUL, which no database text can hold, becomes U+FFFD."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def rfc3339(seconds: int) -> str:
    """Format Unix seconds as `2026-11-25T08:05:02Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def envelope(kind: str, timestamp: int, data: bytes) -> bytes:
    """Return the body to send.

    `kind`: its type (`report.created` …); `timestamp`: Unix seconds; `data`: JSON bytes, inserted unchanged.
    """
    start = json_bytes({"type": kind, "timestamp": rfc3339(timestamp)})
    return start[:-1] + b',"data":' + data + b"}"


NO_CONTACT: Mapping[str, Any] = {"allowed": False, "how": "none", "safe_hours": None}


class MessageKind(StrEnum):
    """The kind of a reporter's message: written under My report, or spoken in a call."""

    WORDS = "words"
    CONTACT_GIVEN = "contact_given"
    CONTACT_WITHDRAWN = "contact_withdrawn"
    DELETE_ASKED = "delete_asked"
    RECORDING = "recording"
    RECORDING_MISSING = "recording_missing"


def message_json(
    *,
    report_id: str,
    message_id: str,
    mode: Mode,
    created_at: int,
    kind: MessageKind = MessageKind.WORDS,
    text: str | None = None,
    contact: Mapping[str, Any] | None = None,
    recording: Mapping[str, Any] | None = None,
    without_code: bool = False,
) -> bytes:
    """Return the `data` of a report.message.

    `contact`: as in a report, if it was given or withdrawn. `created_at`: Unix seconds. `recording`: its content type,
    size and digest, if the words were spoken. `without_code`: from a later call of the same phone, without code and
    PIN, so that another person may have typed it.
    """
    more = {"recording": recording} if recording is not None else {}
    return json_bytes(
        {
            "schema": "cop-message",
            "version": "1.0",
            "report_id": report_id,
            "message_id": message_id,
            "mode": mode,
            "from": "reporter",
            "kind": kind,
            "text": None if text is None else as_typed(text),
            "contact": contact,
            "created_at": rfc3339(created_at),
            **more,
            **({"without_code": True} if without_code else {}),
        }
    )


def with_sound(data: bytes, sound: bytes) -> bytes:
    """Return the `data` of a message about a recording with the sound itself, in base64."""
    body = json.loads(data)
    body["recording"] = {**body["recording"], "base64": base64.b64encode(sound).decode()}
    return json_bytes(body)


def without_contact(data: bytes) -> bytes:
    """Remove the contact from the `data` of a report or message that was sealed before contact was withdrawn.

    The result is the same as if the reporter had never allowed contact.
    """
    body = json.loads(data)
    if body.get("contact"):
        body["contact"] = NO_CONTACT
    return json_bytes(body)


def unread_json(
    *, report_id: str, mode: Mode, country: str, channel: str, received_at: int, content_type: str, body: bytes
) -> bytes:
    """Return the `data` for an input that could not be read: the raw body, for a person to open."""
    return json_bytes(
        {
            "schema": "cop-unread",
            "version": "1.0",
            "report_id": report_id,
            "mode": mode,
            "country": country,
            "channel": channel,
            "received_at": rfc3339(received_at),
            "content_type": content_type,
            "body_base64": base64.b64encode(body).decode(),
        }
    )
