"""The kit's samples and vectors, made by the production code: `python -m tests.kit.samples` writes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook as Signer

from reports.json_bodies import envelope, json_bytes, message_json, unread_json
from reports.report import build_report, to_json
from tests.reports.sample import MSISDN, NOW, given, setting
from workers.hotlines.webhook import signed_headers

KIT = Path(__file__).parents[2] / "docs" / "hotline-kit"
IDS = [f"01a211b9-f7d0-7c31-9d5e-0000000000{n:02}" for n in range(10)]
HOTLINE = "vu-pikinini"
CALLS: tuple[tuple[str, dict[str, str]], ...] = (
    ("a person has it", {"state": "accepted"}),
    ("and writes", {"state": "in_progress", "message": "We have read it. You can write to us here each day."}),
    ("others are to take it", {"state": "rejected", "reason": "Another island’s."}),
    ("done", {"state": "closed"}),
)


def complete() -> bytes:
    """Return the second revision of a report whose reporter may be contacted and added words after Send."""
    walk = [
        ("report.danger", "no"),
        ("report.category", "bullying"),
        ("report.about", "me"),
        ("report.age_me", "13-15"),
        ("report.place_me", "VU-SEE"),
        ("report.words", "They write to me each evening. I want it to stop."),
        ("report.contact", "sms_08_16"),
        ("report.send", "send"),
        ("more.platform", "whatsapp"),
        ("more.told", "nobody"),
        ("more.words", "It began in May – the café closed then."),
    ]
    rows = given(*walk)
    made = setting(rows, report_id=IDS[0], revision=2, mode="training", language="en", msisdn=MSISDN)
    return envelope("report.updated", NOW + 120, to_json(build_report(rows, made), HOTLINE))


def incomplete() -> bytes:
    """Return an incomplete report: danger now, and the call dropped before Send. It never has a number."""
    rows = given(("report.danger", "now"), ("report.category", "harm"), ("report.place", "VU-TOB"))
    made = setting(rows, report_id=IDS[1], completeness="incomplete", mode="training")
    return envelope("report.created", NOW + 180, to_json(build_report(rows, made), HOTLINE))


def missing() -> bytes:
    """Return a report of a missing child, which goes to the police too; the reporter is not to be contacted."""
    rows = given(
        ("report.danger", "unsure"),
        ("report.category", "missing"),
        ("report.about_missing", "child_i_know"),
        ("report.age", "10-12"),
        ("report.place", "VU-SAM"),
        ("report.words", "Last seen at the market on Tuesday, a green shirt."),
        ("report.contact", "none"),
        ("report.send", "send"),
        ("more.last_seen", "week"),
        ("more.with_whom", "unsure"),
    )
    made = setting(rows, report_id=IDS[2], mode="training", channel="sms", repeat_of=1)
    return envelope("report.created", NOW + 60, to_json(build_report(rows, made), HOTLINE))


def said_later() -> bytes:
    data = message_json(report_id=IDS[0], message_id=IDS[3], mode="training", created_at=NOW + 900, text="Thank you.")
    return envelope("report.message", NOW + 900, data)


def not_readable() -> bytes:
    kind = "application/x-www-form-urlencoded"
    data = unread_json(
        report_id=IDS[4], mode="training", country="VU", channel="sms", received_at=NOW, content_type=kind, body=b"\xff"
    )
    return envelope("report.unread", NOW, data)


SAMPLES = {
    "report-complete.json": complete,
    "report-incomplete.json": incomplete,
    "report-missing.json": missing,
    "message.json": said_later,
    "unread.json": not_readable,
}

OURS = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLDER = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()
BODY = '{"type":"report.created","timestamp":"2026-11-25T08:02:10Z","data":{"mode":"training","narrative":"café"}}'


def vectors() -> Iterator[dict[str, Any]]:
    """Yield vectors. `secret` is the hotline's; `now` its clock. If `valid` is false, it must respond 401."""

    def vector(name: str, valid: bool, headers: dict[str, str], now: int = NOW, body: str = BODY) -> dict[str, Any]:
        kept = {key: value for key, value in headers.items() if key.startswith("webhook-")}
        return {"name": name, "valid": valid, "secret": OURS, "now": now, "headers": kept, "body": body}

    right = signed_headers([Signer(OURS)], IDS[5], BODY.encode(), NOW)
    theirs = signed_headers([Signer(OLDER)], IDS[5], BODY.encode(), NOW)
    both = f"{theirs['webhook-signature']} {right['webhook-signature']}"
    other_version = right["webhook-signature"].replace("v1,", "v2,")
    yield vector("right", True, right)
    yield vector("right, five minutes late", True, right, now=NOW + 300)
    yield vector("two signatures, the second is by this secret", True, right | {"webhook-signature": both})
    yield vector("by another secret", False, theirs)
    yield vector("six minutes old", False, right, now=NOW + 360)
    yield vector("six minutes ahead", False, right, now=NOW - 360)
    yield vector("another body", False, right, body=BODY.replace("created", "updated"))
    yield vector("another id", False, right | {"webhook-id": IDS[6]})
    yield vector("another time", False, right | {"webhook-timestamp": str(NOW + 1)})
    yield vector("a version that is not v1", False, right | {"webhook-signature": other_version})
    yield vector("no comma", False, right | {"webhook-signature": "v1"})
    yield vector("a time that is no number", False, right | {"webhook-timestamp": "soon"})
    yield vector("no signature", False, {key: right[key] for key in ("webhook-id", "webhook-timestamp")})


def pretty(body: bytes) -> str:
    return json.dumps(json.loads(body), ensure_ascii=False, indent=1) + "\n"


def calls() -> Iterator[dict[str, Any]]:
    """Yield signed callbacks of a hotline that the console accepts."""
    for number, (name, said) in enumerate(CALLS):
        body = json_bytes({"report_id": IDS[0], **said}).decode()
        headers = signed_headers([Signer(OURS)], IDS[number], body.encode(), NOW)
        kept = {one: headers[one] for one in ("webhook-id", "webhook-timestamp", "webhook-signature")}
        yield {"name": name, "secret": OURS, "headers": kept, "body": body}


def files() -> dict[Path, str]:
    made = {KIT / "samples" / name: pretty(make()) for name, make in SAMPLES.items()}
    vectors_of = {"signatures.json": vectors(), "call_backs.json": calls()}
    return made | {KIT / name: pretty(json_bytes(list(found))) for name, found in vectors_of.items()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
