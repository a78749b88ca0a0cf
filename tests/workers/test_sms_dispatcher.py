"""One SMS of `outgoing`: sealed, sent once, and in time or not at all."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import Mock

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from reports.crypto import SealContext, seal_body
from reports.crypto.key_files import SENDER_KEY, create_key_pair
from reports.store.engine.database import DatabaseUnavailable
from reports.store.schema import tables as t
from reports.store.sms import messages, opt_outs, provider_faults
from reports.store.sms.messages import OutgoingSms
from tests.workers.sample_store import SECOND, SampleStore
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.retry_policy import COMMIT_RETRIES
from workers.sms.dispatcher import (
    Accepted,
    DoNotRetry,
    RetryLater,
    SmsDispatcher,
    SmsMessage,
    SmsOutcome,
    WorkerSms,
)

CALLER = bytes(range(32))


@dataclass
class FakeSmsSender:
    """A provider that returns a given outcome."""

    outcome: SmsOutcome | Exception = field(default_factory=lambda: Accepted("id-1"))
    texts: list[SmsMessage] = field(default_factory=list)

    def send(self, text: SmsMessage) -> SmsOutcome:
        self.texts.append(text)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class OutgoingSmsHarness:
    """The SMS that web enqueues, and a worker that sends them."""

    def __init__(self, store: SampleStore) -> None:
        self.store = store
        self.key = create_key_pair(store.keys, SENDER_KEY)
        self.provider = FakeSmsSender()

    def put(
        self,
        *,
        mode: str = "demo",
        lives: float = 600,
        channel: str = "africastalking",
        phone_key: bytes | None = None,
        **body: Any,
    ) -> str:
        sms_id = str(uuid.uuid4())
        words = {"to": "+6785550101", "from": "163", "text": "hello", "link": "", "caller": CALLER.hex()} | body
        box = seal_body(self.key, SealContext(mode, sms_id, 1, SENDER_KEY), b"", json.dumps(words).encode())
        now = self.store.database.now()
        messages.enqueue_outgoing(
            self.store.database,
            OutgoingSms(
                *(sms_id, channel, mode, box.key_id, box.wrap, box.sealed, now, now + int(lives * SECOND)), phone_key
            ),
        )
        return sms_id

    def sms_dispatcher(self, holder: str = "here/urgent-1/a") -> SmsDispatcher:
        return SmsDispatcher(
            database=self.store.database,
            keys=KeyRing(self.store.keys),
            senders={"africastalking": self.provider},
            mode="demo",
            holder=holder,
            metrics=WorkerMetrics(CollectorRegistry()),
            chance=lambda: 0.0,
        )

    def row(self, sms_id: str) -> Any:
        with self.store.database.read() as connection:
            return connection.execute(select(t.outgoing).where(t.outgoing.c.id == sms_id)).one()

    def pass_time(self, seconds: float) -> None:
        self.store.database.offset += int(seconds * SECOND)


@pytest.fixture
def outgoing(store: SampleStore) -> OutgoingSmsHarness:
    return OutgoingSmsHarness(store)


def test_it_is_sent_once_and_the_providers_id_is_kept(outgoing: OutgoingSmsHarness) -> None:
    sms = outgoing.put(text="a é €", link="link-7")
    WorkerSms(outgoing.sms_dispatcher()).send(sms)
    WorkerSms(outgoing.sms_dispatcher()).send(sms)
    [text] = outgoing.provider.texts
    assert text == SmsMessage("+6785550101", "163", "a é €", "link-7", id=sms, seconds=text.seconds)
    assert 590 < text.seconds <= 600
    row = outgoing.row(sms)
    assert (row.state, row.provider_id, row.attempt, row.last_class) == ("sent", "id-1", 1, "accepted")
    assert messages.record_delivery_report(outgoing.store.database, "id-1", "delivered")


def test_the_parts_that_are_paid_for_are_counted(outgoing: OutgoingSmsHarness) -> None:
    """Segments count once for each SMS that the provider accepted, whatever the number of attempts."""
    sms_dispatcher = outgoing.sms_dispatcher()
    for text, outcome in (
        ("a" * 161, Accepted("1")),
        ("\u0101" * 71, RetryLater("busy")),
        ("\u0101" * 71, Accepted("2")),
    ):
        outgoing.provider.outcome = outcome
        sms_dispatcher.send(outgoing.put(text=text))
    assert sms_dispatcher.metrics.segments.labels("africastalking")._value.get() == 4


def test_later_is_tried_again_by_the_schedule(outgoing: OutgoingSmsHarness) -> None:
    outgoing.provider.outcome = RetryLater("not_reached")
    sms = outgoing.put()
    for wait in (0, 4, 2, 15):
        outgoing.pass_time(wait)
        outgoing.sms_dispatcher().send(sms)
    assert len(outgoing.provider.texts) == 3
    assert (outgoing.row(sms).state, outgoing.row(sms).last_class) == ("due", "not_reached")


def test_once_more_and_no_further(outgoing: OutgoingSmsHarness) -> None:
    outgoing.provider.outcome = RetryLater("busy", once=True)
    sms = outgoing.put()
    for _ in range(4):
        outgoing.sms_dispatcher().send(sms)
        outgoing.pass_time(70)
    assert len(outgoing.provider.texts) == 2
    assert outgoing.row(sms).state == "failed"


def test_over_is_over(outgoing: OutgoingSmsHarness) -> None:
    outgoing.provider.outcome = DoNotRetry("timeout")
    sms = outgoing.put()
    for _ in range(3):
        outgoing.sms_dispatcher().send(sms)
        outgoing.pass_time(70)
    assert len(outgoing.provider.texts) == 1
    assert (outgoing.row(sms).state, outgoing.row(sms).last_class) == ("failed", "timeout")


def test_an_opt_out_at_the_provider_is_recorded(outgoing: OutgoingSmsHarness) -> None:
    outgoing.provider.outcome = DoNotRetry("opt_out")
    outgoing.sms_dispatcher().send(outgoing.put())
    with outgoing.store.database.read() as connection:
        assert list(connection.execute(select(t.optout.c.caller_key)).scalars()) == [CALLER]


@pytest.mark.rule("S-09")
def test_what_nobody_asked_for_does_not_go_where_stop_came_meanwhile(outgoing: OutgoingSmsHarness) -> None:
    """It was queued before STOP, while the provider was busy. A requested text is still sent."""
    outgoing.provider.outcome = RetryLater("busy")
    nudge, reply = outgoing.put(caller="", unless=[CALLER.hex()]), outgoing.put()
    outgoing.sms_dispatcher().send(nudge)
    opt_outs.add(outgoing.store.database, CALLER)
    outgoing.pass_time(5)
    outgoing.provider.outcome = Accepted("id-1")
    for sms in (nudge, reply):
        outgoing.sms_dispatcher().send(sms)
    assert (outgoing.row(nudge).state, outgoing.row(nudge).last_class) == ("failed", "opt_out")
    assert outgoing.row(reply).state == "sent"
    assert [text.id for text in outgoing.provider.texts] == [nudge, reply]


@pytest.mark.rule("S-09")
def test_it_waits_where_nobody_can_say_whether_stop_came(
    outgoing: OutgoingSmsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    nudge = outgoing.put(caller="", unless=[CALLER.hex()])
    with monkeypatch.context() as patched:
        patched.setattr(opt_outs, "is_opted_out", Mock(side_effect=DatabaseUnavailable("away")))
        assert not outgoing.sms_dispatcher().send(nudge)
    assert (outgoing.provider.texts, outgoing.row(nudge).state) == ([], "due")
    outgoing.pass_time(61)
    assert outgoing.sms_dispatcher().send(nudge)
    assert outgoing.row(nudge).state == "sent"


@pytest.mark.rule("S-09")
def test_a_provider_that_refuses_it_for_an_opt_out_is_believed(outgoing: OutgoingSmsHarness) -> None:
    outgoing.provider.outcome = DoNotRetry("opt_out")
    outgoing.sms_dispatcher().send(outgoing.put(caller="", unless=[CALLER.hex(), bytes(32).hex()]))
    with outgoing.store.database.read() as connection:
        assert list(connection.execute(select(t.optout.c.caller_key)).scalars()) == [CALLER]


def test_what_came_too_late_is_dropped(outgoing: OutgoingSmsHarness) -> None:
    sms = outgoing.put(lives=600)
    outgoing.pass_time(601)
    assert not outgoing.sms_dispatcher().send(sms)
    assert messages.list_due(outgoing.store.database) == []
    assert messages.expire_old(outgoing.store.database) == (1, 0)
    assert outgoing.row(sms).state == "expired"
    assert outgoing.provider.texts == []


def test_two_workers_send_it_once(outgoing: OutgoingSmsHarness) -> None:
    sms = outgoing.put()
    assert messages.lease(outgoing.store.database, sms, "a") is not None
    assert not outgoing.sms_dispatcher("b").send(sms)
    outgoing.pass_time(61)
    assert outgoing.sms_dispatcher("b").send(sms), "the lease ran out"


def test_a_frozen_worker_cannot_undo_what_another_sent(outgoing: OutgoingSmsHarness) -> None:
    sms = outgoing.put()
    frozen = messages.lease(outgoing.store.database, sms, "a")
    assert frozen is not None
    outgoing.pass_time(61)
    outgoing.sms_dispatcher("b").send(sms)
    assert not messages.mark_failed(outgoing.store.database, frozen, "timeout", None, "a")
    assert outgoing.row(sms).state == "sent"


@pytest.mark.parametrize(("times", "sent"), [(1, 1), (COMMIT_RETRIES, 1), (COMMIT_RETRIES + 1, 2)])
def test_it_does_not_go_twice_because_the_database_was_away_for_a_moment(
    outgoing: OutgoingSmsHarness, monkeypatch: pytest.MonkeyPatch, times: int, sent: int
) -> None:
    """A minute later it would arrive between newer screens, and the reporter would answer it."""
    sms, mark, waited = outgoing.put(), messages.mark_sent, list[float]()

    def away_at_first(*args: Any) -> None:
        if len(waited) < times:
            raise DatabaseUnavailable("OperationalError")
        mark(*args)

    monkeypatch.setattr(messages, "mark_sent", away_at_first)
    sms_dispatcher = replace(outgoing.sms_dispatcher(), pause=waited.append)
    sms_dispatcher.send(sms)
    waited += [0] * times  # the database is back
    outgoing.pass_time(61)
    sms_dispatcher.send(sms)
    assert len(outgoing.provider.texts) == sent
    assert outgoing.row(sms).state == "sent"


@pytest.mark.rule("S-40")
def test_another_modes_sms_is_not_sent(outgoing: OutgoingSmsHarness) -> None:
    sms = outgoing.put(mode="live")
    outgoing.sms_dispatcher().send(sms)
    assert outgoing.provider.texts == []
    assert (outgoing.row(sms).state, outgoing.row(sms).last_class) == ("failed", "wrong_mode")


def test_a_channel_that_cannot_send_a_key_that_is_missing_and_a_fault_of_ours(outgoing: OutgoingSmsHarness) -> None:
    nowhere, ours, sealed = outgoing.put(channel="nowhere"), outgoing.put(), outgoing.put()
    outgoing.sms_dispatcher().send(nowhere)
    outgoing.provider.outcome = RuntimeError("+6785550101")
    outgoing.sms_dispatcher().send(ours)
    for path in (outgoing.store.keys / "private" / SENDER_KEY).glob("*.key"):
        path.unlink()
    outgoing.sms_dispatcher().send(sealed)
    found = [(outgoing.row(one).state, outgoing.row(one).last_class) for one in (nowhere, ours, sealed)]
    assert found == [("failed", "provider"), ("failed", "our_fault"), ("due", "no_key")]


def test_what_is_done_is_forgotten_after_two_days(outgoing: OutgoingSmsHarness) -> None:
    sms = outgoing.put()
    outgoing.sms_dispatcher().send(sms)
    assert messages.delete_old_outgoing(outgoing.store.database, 48 * 3600 * SECOND) == 0
    outgoing.pass_time(49 * 3600)
    assert messages.delete_old_outgoing(outgoing.store.database, 48 * 3600 * SECOND) == 1


def test_what_only_the_operator_can_mend_is_found(outgoing: OutgoingSmsHarness) -> None:
    outgoing.provider.outcome = RetryLater("credit")
    outgoing.sms_dispatcher().send(outgoing.put())
    since = outgoing.store.database.now() - 3600 * SECOND
    outgoing.sms_dispatcher().send(outgoing.put())
    assert provider_faults.list_failures(outgoing.store.database, ("credit",), since) == [("africastalking", "credit")]


def test_the_longest_waiting_goes_between_two_reports_but_not_while_the_provider_is_slow(
    outgoing: OutgoingSmsHarness,
) -> None:
    first, second, third = (outgoing.put() for _ in range(3))
    took = iter([0.0, 0.0, 0.2, 1.0, 1.0, 3.5, 4.0, 33.6, 33.6, 33.7])
    own = WorkerSms(outgoing.sms_dispatcher(), monotonic=lambda: next(took))
    own.send_next()
    assert [outgoing.row(one).state for one in (first, second, third)] == ["sent", "due", "due"]
    own.send_next()  # takes 2.5 s
    own.send_next()  # too soon after the slow one
    assert [outgoing.row(one).state for one in (first, second, third)] == ["sent", "sent", "due"]
    own.send_next()
    assert outgoing.row(third).state == "sent"


def test_a_slow_provider_pauses_its_own_channel_alone(outgoing: OutgoingSmsHarness) -> None:
    slow = [outgoing.put(channel="twilio") for _ in range(3)]
    other = outgoing.put()
    clock = [0.0]

    class HangingSender(FakeSmsSender):
        def send(self, text: SmsMessage) -> SmsOutcome:
            clock[0] += 10
            return super().send(text)

    dispatcher = outgoing.sms_dispatcher()
    dispatcher.senders["twilio"] = HangingSender(DoNotRetry("timeout"))  # type: ignore[index]  # a dict
    own = WorkerSms(dispatcher, monotonic=lambda: clock[0])
    own.send(slow[0])
    own.send(slow[1])  # a queued job of the paused channel
    own.send_next()
    assert [outgoing.row(one).state for one in (*slow, other)] == ["failed", "due", "due", "sent"]
    assert outgoing.row(slow[1]).attempt == 0 and clock == [10]
    clock[0] += 30
    own.send(slow[1])
    assert outgoing.row(slow[1]).state == "failed"


# The order of replies to one phone


def test_a_reply_waits_for_an_older_one_to_the_same_phone(outgoing: OutgoingSmsHarness) -> None:
    """The older one is retried after 60 s, the newer one was due after 5 s: the phone showed the older screen last."""
    outgoing.provider.outcome = RetryLater("not_reached")
    dispatcher = outgoing.sms_dispatcher()
    first = outgoing.put(text="first", phone_key=CALLER)
    for wait in (0, 5, 15, 30):  # a minute in which the provider fails
        outgoing.pass_time(wait)
        assert dispatcher.send(first)
    second = outgoing.put(text="second", phone_key=CALLER)
    outgoing.provider.outcome, outgoing.provider.texts = Accepted("id-1"), []
    assert not dispatcher.send(second) and outgoing.row(second).attempt == 0
    for _ in range(14):
        outgoing.pass_time(5)
        while due := dispatcher.next_due():
            dispatcher.send(due)
    assert [text.words for text in outgoing.provider.texts] == ["first", "second"]


def test_a_reply_waits_while_an_older_one_is_under_way(outgoing: OutgoingSmsHarness) -> None:
    first, second = (outgoing.put(phone_key=CALLER) for _ in range(2))
    assert messages.lease(outgoing.store.database, first, "a") is not None
    assert messages.list_due(outgoing.store.database) == [] and not outgoing.sms_dispatcher("b").send(second)
    outgoing.pass_time(61)  # that worker has died
    assert messages.list_due_by_channel(outgoing.store.database) == {"africastalking": [first]}
    assert outgoing.sms_dispatcher("b").send(first) and outgoing.sms_dispatcher("b").send(second)


@pytest.mark.parametrize("end", ["sent", "refused", "expired"])
def test_an_older_reply_that_is_done_delays_none(outgoing: OutgoingSmsHarness, end: str) -> None:
    first = outgoing.put(phone_key=CALLER, lives=60)
    if end == "expired":
        outgoing.pass_time(61)
    else:
        outgoing.provider.outcome = Accepted("id-1") if end == "sent" else DoNotRetry("bad_number")
        outgoing.sms_dispatcher().send(first)
    second = outgoing.put(phone_key=CALLER)
    assert messages.list_due(outgoing.store.database) == [second] and outgoing.sms_dispatcher().send(second)
    messages.expire_old(outgoing.store.database)
    assert [outgoing.row(one).phone_key for one in (first, second)] == [None, None], "no longer linked to each other"


@pytest.mark.parametrize("older", [None, bytes(32)])
def test_only_an_older_reply_to_the_same_phone_delays_one(outgoing: OutgoingSmsHarness, older: bytes | None) -> None:
    """Alerts, texts to duty phones and notices have no key, nor has a reply of the release before."""
    first = outgoing.put(phone_key=older)
    assert messages.lease(outgoing.store.database, first, "a") is not None
    for newer in (None, CALLER):
        assert outgoing.sms_dispatcher("b").send(outgoing.put(phone_key=newer))


def test_the_due_sms_of_each_channel_are_listed_however_many_another_has(outgoing: OutgoingSmsHarness) -> None:
    many = [outgoing.put(channel="twilio") for _ in range(3)]
    other = outgoing.put()
    assert messages.list_due_by_channel(outgoing.store.database, at_most=2) == {
        "africastalking": [other],
        "twilio": many[:2],
    }
    assert messages.list_due(outgoing.store.database, without=["twilio"]) == [other]
