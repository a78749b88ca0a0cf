"""A reporter's messages reach every hotline that has the report, once each.

After a withdrawal, nothing that is sent contains the number, whatever was sealed before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook as Verifier

from reports.crypto import SealContext, seal_body
from reports.crypto.key_files import create_key_pair, load_private_keys
from reports.escalation import Priority
from reports.json_bodies import NO_CONTACT, message_json
from reports.store import submissions as web
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.mailboxes import correspondence
from reports.store.mailboxes.correspondence import SealedMessage
from reports.store.operations import key_rotation
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.submissions import MailboxRecord, SealedCopy, Submission
from tests.workers.fake_http_server import Answer, FakeHttpServer
from tests.workers.sample_store import ONE, THREE, TWO, SampleStore
from tests.workers.scheduler_harness import SchedulerHarness
from tests.workers.test_deliver import SECRET, delivery_runner

pytestmark = pytest.mark.slow

NUMBER = "+6785550101"
GIVEN = {"allowed": True, "how": "sms", "safe_hours": {"from": "07:00", "to": "21:00", "tz": "UTC"}, "msisdn": NUMBER}
ROUTE = ((ONE, "primary"), (TWO, "fallback"))


@pytest.fixture
def hotline() -> Iterator[FakeHttpServer]:
    with FakeHttpServer() as it:
        yield it


def say(
    store: SampleStore,
    report_id: str,
    kind: str = "words",
    text: str | None = "more",
    contact: Mapping[str, Any] | None = None,
    *,
    to: tuple[str, ...] = (ONE, TWO),
) -> str:
    """Store a message as web does, and return its id. `contact`: a contact other than GIVEN."""
    message_id = new_id(store.database.now())
    usual = {"contact_given": GIVEN, "contact_withdrawn": NO_CONTACT, "delete_asked": NO_CONTACT}.get(kind)
    contact = contact or usual
    data = message_json(
        report_id=report_id, message_id=message_id, mode="demo", created_at=1, kind=kind, text=text, contact=contact
    )
    made = []
    for name in to:
        box = seal_body(store.public[name], SealContext.of_message("demo", report_id, message_id, name), b"", data)
        made.append(SealedMessage(name, box.key_id, box.wrap, box.sealed))
    allowed = None if contact is None else bool(contact["allowed"])
    for _ in range(2):  # a repeat of the same turn
        correspondence.save_message(
            store.database, report_id, message_id, made, kind, allowed=allowed, close=kind == "delete_asked"
        )
    return message_id


def tick(store: SampleStore) -> list[tuple[str, str]]:
    """Deliver messages as the scheduler does."""
    return [
        made
        for message_id, report_id in correspondence.list_undelivered_messages(store.database)
        for made in correspondence.deliver_message(store.database, message_id, report_id)
    ]


def sent_report(store: SampleStore, contact: dict[str, Any] | None = None, channel: str = "sms") -> tuple[str, str]:
    """Submit a report; return its id and the id of its delivery to ONE."""
    now = store.database.now()
    report_id = new_id(now)
    data = json.dumps(
        {"report_id": report_id, "channel": channel, "contact": contact or NO_CONTACT, "narrative": "\\ud83d"}
    ).encode()
    parts = []
    for name, role in ROUTE:
        box = seal_body(store.public[name], SealContext("demo", report_id, 1, name), b"{}", data)
        parts.append(SealedCopy(name, role, "CATEGORY", box.key_id, box.wrap, box.head, box.sealed))
    submission = Submission(report_id, report_id.encode()[:32], 1, now, "VU", "demo", "P2", "complete", tuple(parts))
    box_of = MailboxRecord(report_id.encode()[:32], b"public", b"sealed")
    [delivery] = web.commit(store.database, submission, box_of).deliveries
    return report_id, delivery


def messages(store: SampleStore) -> list[tuple[str, int, str]]:
    return [(row.hotline, row.revision, row.state) for row in store.deliveries() if row.type == "message"]


def test_it_arrives_once_signed_with_a_key_of_its_own(store: SampleStore, hotline: FakeHttpServer) -> None:
    report_id, delivery = sent_report(store)
    hotline.answer(Answer(), Answer(503), Answer())
    delivery_runner(store, hotline).deliver(delivery)
    said = say(store, report_id, text=" as typed")
    [(made, priority)] = tick(store)
    assert (tick(store), priority) == ([], "P2")
    assert delivery_runner(store, hotline).deliver(made)
    assert delivery_runner(store.later(minutes=10), hotline).deliver(made)
    _, failed, taken = hotline.requests
    assert failed.headers["webhook-id"] == taken.headers["webhook-id"] == made != delivery
    Verifier(SECRET).verify(taken.body, dict(taken.headers))
    assert taken.data["type"] == "report.message"
    assert taken.data["data"] == {
        "schema": "cop-message",
        "version": "1.0",
        "report_id": report_id,
        "message_id": said,
        "mode": "demo",
        "from": "reporter",
        "kind": "words",
        "text": " as typed",
        "contact": None,
        "created_at": "1970-01-01T00:00:01Z",
    }
    assert store.acts(made) == ["made", "delivered"]
    assert store.acts(report_id) == ["sent", "words"]


def test_who_gets_the_report_later_gets_what_was_said_before_and_after(store: SampleStore) -> None:
    report_id, _ = sent_report(store)
    say(store, report_id)
    tick(store)
    assert messages(store) == [(ONE, 1, "due")]
    assert fallbacks.add_fallback(store.database, report_id, TWO, "NO_RECEIPT")
    assert messages(store) == [(ONE, 1, "due"), (TWO, 1, "due")]
    say(store, report_id)
    tick(store)
    assert sorted(messages(store)) == [(ONE, 1, "due"), (ONE, 2, "due"), (TWO, 1, "due"), (TWO, 2, "due")]


def test_who_handed_the_report_back_is_told_nothing_more(store: SampleStore) -> None:
    report_id, _ = sent_report(store)
    with store.database.write() as connection:
        connection.execute(t.delivery.update().values(handling="rejected"))
    say(store, report_id)
    assert tick(store) == []


@pytest.mark.rule("S-13")
@pytest.mark.parametrize("kind", ["contact_withdrawn", "delete_asked"])
def test_who_handed_the_report_back_is_told_that_the_reporter_took_it_back(store: SampleStore, kind: str) -> None:
    report_id, given = sent_report(store, GIVEN)
    is_given = t.delivery.c.delivery_id == given
    with store.database.write() as connection:
        connection.execute(t.delivery.update().where(is_given).values(handling="rejected", state="delivered"))
    for said in ("words", "contact_given", kind):
        say(store, report_id, said)
    tick(store)
    assert messages(store) == [(ONE, 3, "due")]
    assert fallbacks.add_fallback(store.database, report_id, TWO, "DECLINED")
    assert sorted(messages(store)) == [(ONE, 3, "due"), (TWO, 1, "due"), (TWO, 2, "due"), (TWO, 3, "due")]


def test_a_hotline_that_is_no_part_of_the_route_gets_nothing(store: SampleStore) -> None:
    report_id, _ = sent_report(store)
    say(store, report_id, to=(THREE,))
    assert tick(store) == []


@pytest.mark.rule("S-13")
def test_after_a_withdrawal_no_body_holds_the_number(store: SampleStore, hotline: FakeHttpServer) -> None:
    """The sealed report has the number and was not delivered; it is sent now, and so is the message with the number."""
    report_id, delivery = sent_report(store, GIVEN)
    hotline.answer(Answer(503))
    delivery_runner(store, hotline).deliver(delivery)
    assert NUMBER.encode() in hotline.requests[0].body
    say(store, report_id, "contact_given", None)
    say(store, report_id, "contact_withdrawn", None)
    tick(store)
    fallbacks.add_fallback(store.database, report_id, TWO, "NO_RECEIPT")
    later = store.later(hours=1)
    delivery_runner(later, hotline).drain(["P2"])
    bodies = [taken.body for taken in hotline.requests[1:]]
    assert len(bodies) == 6  # the report and two messages, to each of the two hotlines
    assert not any(NUMBER.encode() in body for body in bodies)
    assert all(taken.data["data"]["contact"] == NO_CONTACT for taken in hotline.requests[1:])


@pytest.mark.rule("S-13")
def test_given_again_only_what_was_given_last_may_be_used(store: SampleStore, hotline: FakeHttpServer) -> None:
    """It may be another phone, or fewer safe hours: the report's earlier contact is not sent any more."""
    before = GIVEN | {"msisdn": "+6785550199"}
    report_id, delivery = sent_report(store, before)
    say(store, report_id, "contact_withdrawn", None)
    say(store, report_id, "contact_given", None)
    delivery_runner(store, hotline).deliver(delivery)
    for made, _ in tick(store):
        delivery_runner(store, hotline).deliver(made)
    assert [taken.data["data"]["contact"] for taken in hotline.requests] == [NO_CONTACT, NO_CONTACT, GIVEN]


def test_after_deletion_the_report_goes_on_without_the_number(store: SampleStore, hotline: FakeHttpServer) -> None:
    """A sent report is delivered nevertheless: the hotline's law governs its copy."""
    report_id, delivery = sent_report(store, GIVEN)
    say(store, report_id, "delete_asked", None)
    tick(store)
    delivery_runner(store, hotline).drain(["P2"])
    types = sorted(taken.data["type"] for taken in hotline.requests)
    assert types == ["report.created", "report.message"]
    assert not any(NUMBER.encode() in taken.body for taken in hotline.requests)
    assert store.acts(report_id) == ["sent", "delete_asked"]
    assert store.delivery(delivery).state == "delivered"


def test_a_message_opens_nowhere_but_in_its_place(store: SampleStore, hotline: FakeHttpServer) -> None:
    """An attacker with the database moves a message to another report."""
    one, _ = sent_report(store)
    two, _ = sent_report(store)
    say(store, one)
    with store.database.write() as connection:
        connection.execute(t.message.update().values(report_id=two))
    [(made, _)] = tick(store)
    delivery_runner(store, hotline).deliver(made)
    assert store.delivery(made).last_class == "not_sealed_to_us"
    assert hotline.requests == []


def test_a_rotated_key_opens_what_was_said_before(store: SampleStore, hotline: FakeHttpServer) -> None:
    report_id, _ = sent_report(store)
    say(store, report_id)
    [(made, _)] = tick(store)
    old = store.public[ONE]
    new = create_key_pair(store.keys, ONE)
    assert key_rotation.count_by_key(store.database, old.key_id) == 2
    done = key_rotation.rewrap_rows(store.database, load_private_keys(store.keys, [ONE]), ONE, new)
    assert (done.done, done.unreadable) == (2, 0)
    assert key_rotation.count_by_key(store.database, old.key_id) == 0
    delivery_runner(store, hotline).deliver(made)
    assert [taken.data["data"]["text"] for taken in hotline.requests] == ["more"]


def test_a_message_that_raises_stops_no_other(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.clock.jobs.MESSAGES_AT_ONCE", 1)
    broken, good = (sent_report(store)[0] for _ in range(2))
    for report_id in (broken, good):
        say(store, report_id)
    real = correspondence.deliver_message

    def fails(database: Database, message_id: str, report_id: str) -> list[tuple[str, Priority]]:
        if report_id == broken:
            raise ValueError("a row that this program cannot read")
        return list(real(database, message_id, report_id))

    monkeypatch.setattr(correspondence, "deliver_message", fails)
    harness = SchedulerHarness(store)
    while harness.jobs.messages():
        pass
    harness.jobs.finish()
    assert [report_id for _, report_id in correspondence.list_undelivered_messages(store.database)] == [broken]


def test_messages_of_a_report_are_numbered_in_their_order_after_a_fault(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a contact that was withdrawn could be given again."""
    given_report, other_report = (sent_report(store)[0] for _ in range(2))
    given = say(store, given_report, "contact_given", None)
    say(store, other_report)
    withdrawn = say(store, given_report, "contact_withdrawn", None)
    real, fails = correspondence.deliver_message, [given]

    def fails_once(database: Database, message_id: str, report_id: str) -> list[tuple[str, Priority]]:
        if message_id in fails:
            fails.remove(message_id)
            raise ValueError("a fault that passes")
        return list(real(database, message_id, report_id))

    monkeypatch.setattr(correspondence, "deliver_message", fails_once)
    for is_later in (False, True):
        harness = SchedulerHarness(store)  # the second one has just become the scheduler
        harness.jobs.messages()
        harness.jobs.finish()
        with store.database.read() as connection:
            m = t.message.c
            query = select(m.message_id, m.number).where(m.report_id == given_report).distinct()
            numbers = {row.message_id: row.number for row in connection.execute(query)}
        assert numbers == ({given: 1, withdrawn: 2} if is_later else {given: None, withdrawn: None})
