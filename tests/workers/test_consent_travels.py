"""A number is sent only with the reporter's consent, and while it lasts: all combinations, for each kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from reports.countries.hotline import Hotline as Listed
from reports.json_bodies import NO_CONTACT as NO
from reports.json_bodies import envelope
from reports.report import CONTACT_CHOICES, ROWS, build_report, report_head, to_json
from reports.store.escalation import fallbacks
from reports.store.mailboxes import correspondence
from runtime.settings import Mode
from tests.reports.sample import MSISDN, REPORT_ID, SEND, given, setting
from tests.workers.sample_store import ONE, TWO, SampleStore
from tests.workers.test_reporter_messages import GIVEN, say, sent_report
from workers.delivery import registry
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest
from workers.delivery.registry import HotlineDependencies, build_mail
from workers.hotlines.primero import CaseUpdate
from workers.jobs.deliver import DeliveryRunner
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.notifications.duty_phones import alert_text

pytestmark = pytest.mark.rule("S-13")

LISTED = Listed(id=ONE, name="One", screen_name="One", kind="child_helpline", grade="unverified", delivery="webhook")
CATEGORIES = sorted({row["category"] for row in ROWS})
ANSWERS = (None, "none", *CONTACT_CHOICES)
WITH_WORDS = ("webhook", "primero")  # kinds that send the reporter's words


def sent_bytes(request: DeliveryRequest) -> dict[str, bytes]:
    """Return the bytes that each kind sends."""
    told = CaseUpdate.from_request(request)
    notice = build_mail(
        request, HotlineDependencies(Mode.TRAINING, LISTED), "tokaut@example.org", "drills@desk.example"
    ).as_bytes()
    text = alert_text(request.type, request.report_id, request.priority, "482193", drill=True).encode()
    return {
        "webhook": request.body,
        "primero": json.dumps([told.fields, told.note]).encode(),
        "email": notice,
        "console": notice + text,
        "sms_alert": text,
    }


def has_number(wire: bytes, number: str) -> bool:
    """Return whether the bytes contain the number in any of its notations."""
    bare = number.removeprefix("+")
    return any(one.encode() in wire for one in (bare, bare.removeprefix("678"), bare[::-1]))


def test_every_kind_is_looked_at() -> None:
    assert set(sent_bytes(DeliveryRequest("d", "unread", ONE, _unread(), 1, "P1", REPORT_ID))) == set(
        registry.hotline_kinds()
    )


def _unread() -> bytes:
    data = {"report_id": REPORT_ID, "mode": "demo", "received_at": "2026-11-25T08:00:00Z"}
    return envelope("report.unread", 1, json.dumps(data | {"content_type": "text/plain", "body_base64": ""}).encode())


@pytest.mark.parametrize("category", CATEGORIES)
def test_of_a_report(category: str) -> None:
    """Each contact answer, or none × Send or not × a number known or not × created or updated."""
    tried = 0
    for answer, completeness, msisdn, kind in product(
        ANSWERS, ("complete", "incomplete"), (MSISDN, None), ("created", "updated")
    ):
        rows = [("report.danger", "now"), ("report.category", category)]
        rows += [("report.contact", answer)] if answer else []
        answers = given(*rows, *([SEND] if completeness == "complete" else []))
        made = build_report(answers, setting(answers, completeness=completeness, msisdn=msisdn, revision=2))
        allowed = answer in CONTACT_CHOICES and completeness == "complete" and msisdn is not None
        request = DeliveryRequest("d", kind, ONE, envelope(f"report.{kind}", 1, to_json(made, ONE)), 1, "P1", REPORT_ID)
        for name, wire in sent_bytes(request).items():
            assert has_number(wire, MSISDN) is (allowed and name in WITH_WORDS), (answer, completeness, msisdn, name)
        assert not has_number(report_head(made), MSISDN)
        tried += 1
    assert tried == len(ANSWERS) * 8


class RecordingHotline:
    """A hotline that stores its deliveries."""

    def __init__(self) -> None:
        self.requests: list[DeliveryRequest] = []

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        self.requests.append(request)
        return Delivered(200)


class DeliveredReport:
    """A report with a late fallback. The reporter's messages in My report precede all deliveries."""

    def __init__(self, store: SampleStore, contact: Mapping[str, Any], *said: tuple[str, str]) -> None:
        report_id, _ = sent_report(store, dict(contact))
        for number, kind in said:
            given = {**GIVEN, "msisdn": number} if kind == "contact_given" else None
            say(store, report_id, kind, "more" if kind == "words" else None, given)
        for message_id, of in correspondence.list_undelivered_messages(store.database):
            correspondence.deliver_message(store.database, message_id, of)
        assert fallbacks.add_fallback(store.database, report_id, TWO, "NO_RECEIPT")
        recording = RecordingHotline()
        worker = DeliveryRunner(
            database=store.database,
            keys=KeyRing(store.keys),
            hotlines={ONE: recording, TWO: recording},
            mode="demo",
            holder="here/urgent/1",
            actor="worker",
            metrics=WorkerMetrics(CollectorRegistry()),
        )
        worker.drain(["P1", "P2", "P3", "P4"])
        self.requests = recording.requests

    def with_number(self, number: str) -> Iterator[tuple[str, str, str]]:
        """Yield (hotline, event, kind) of each delivery with this number in it."""
        for request in self.requests:
            data = json.loads(request.body)["data"]
            event = data.get("kind", request.type)
            if request.type != "message":  # test bodies are not whole reports: only the webhook sends them
                if has_number(request.body, number):
                    yield request.hotline, event, "webhook"
                continue
            yield from (
                (request.hotline, event, name) for name, wire in sent_bytes(request).items() if has_number(wire, number)
            )


BOTH = (ONE, TWO)
FIRST, SECOND, THIRD = "+6785550101", "+6785550199", "+6785550177"
YES = GIVEN | {"msisdn": FIRST}  # the contact answer in the report itself
GIVE_SECOND, GIVE_THIRD = (SECOND, "contact_given"), (THIRD, "contact_given")
TAKE_BACK, DELETE, SAY = ("", "contact_withdrawn"), ("", "delete_asked"), ("", "words")
# contact in the report · later messages of My report → the number that may still be sent, and in which event
CONTACT_HISTORIES: dict[str, tuple[Mapping[str, Any], tuple[tuple[str, str], ...], tuple[str, str] | None]] = {
    "never": (NO, (), None),
    "allowed": (YES, (), (FIRST, "created")),
    "allowed, and words": (YES, (SAY,), (FIRST, "created")),
    "allowed, withdrawn": (YES, (TAKE_BACK,), None),
    "allowed, deleted": (YES, (DELETE,), None),
    "never, given later": (NO, (GIVE_SECOND,), GIVE_SECOND),
    "never, given later, words": (NO, (GIVE_SECOND, SAY), GIVE_SECOND),
    "never, given later, withdrawn": (NO, (GIVE_SECOND, TAKE_BACK), None),
    "allowed, another given": (YES, (GIVE_SECOND,), GIVE_SECOND),
    "allowed, withdrawn, another given": (YES, (TAKE_BACK, GIVE_SECOND), GIVE_SECOND),
    "allowed, another given, deleted": (YES, (GIVE_SECOND, DELETE), None),
    "given, another given": (NO, (GIVE_SECOND, GIVE_THIRD), GIVE_THIRD),
    "given, withdrawn, another given": (NO, (GIVE_SECOND, TAKE_BACK, GIVE_THIRD), GIVE_THIRD),
    "given, withdrawn, the same given": (NO, (GIVE_SECOND, TAKE_BACK, GIVE_SECOND), GIVE_SECOND),
}


@pytest.mark.product(parts=2)
@pytest.mark.slow
@pytest.mark.parametrize("story", CONTACT_HISTORIES)
def test_after_what_was_said_since_by_each_event_to_each_who_gets_it(store: SampleStore, story: str) -> None:
    contact, said, allowed = CONTACT_HISTORIES[story]
    told = DeliveredReport(store, contact, *said)
    assert len(told.requests) == 2 * (1 + len(said)), "created and each message, to the primary and to the fallback"
    for number in (FIRST, SECOND, THIRD):
        event = allowed[1] if allowed and allowed[0] == number else None
        kinds_of_it = {None: (), "created": ("webhook",)}.get(event, WITH_WORDS)
        assert set(told.with_number(number)) == {(hotline, event, kind) for hotline in BOTH for kind in kinds_of_it}
        assert len(list(told.with_number(number))) == 2 * len(kinds_of_it), "once to each"
