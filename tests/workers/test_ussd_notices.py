"""Answer notices go as network-initiated USSD, which stays in no inbox, where the network shows it; else by SMS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update
from structlog.testing import capture_logs

from flows.catalogues import ENGLISH_CATALOGUE, Catalogue
from gateway.channels.kannel import Channel, Settings
from gateway.messaging.model import Fields, ProviderEvent
from reports.answer_notices import NOT_SENT, NoticeWay
from reports.countries.country import Countries, load_country
from reports.crypto.key_files import SENDER_KEY, create_key_pair
from reports.store.schema import tables as t
from reports.store.sms import answer_notices, messages
from runtime.settings import load_settings
from tests.reports.sample import VU
from tests.reports.sample_countries import text_of
from tests.workers.sample_store import ONE, SECOND, SampleStore
from tests.workers.test_answer_notices import ALWAYS, answer, delivered, web, withdrawn
from tests.workers.test_escalation import at
from tests.workers.test_reporter_messages import NUMBER, sent_report, tick
from tests.workers.test_sms_dispatcher import FakeSmsSender
from workers.jobs.answer_notices import AnswerNotices
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.sms.dispatcher import Accepted, DoNotRetry, RetryLater, SmsDispatcher, SmsMessage, SmsOutcome

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-03")]

TEXT = "Hello. Please dial *111*163# when you have time."
TOKEN = "kX3v9QmT-b_27LwZp0RfYc"
CODE = 'channel = "ussd"\ncode = "*111*163#"\n'
OTHER = f'{CODE}\n[[code]]\nchannel = "ussd"\ncode = "*222*163#"\nnetwork_initiated = true\n'


@dataclass
class FakeUssdSender(FakeSmsSender):
    """A Kannel for SMS and USSD. `shown`: its USSD texts."""

    can_notify: bool = True
    ussd: SmsOutcome = field(default_factory=lambda: Accepted("u-1"))
    shown: list[SmsMessage] = field(default_factory=list)

    def notify(self, text: SmsMessage) -> SmsOutcome:
        self.shown.append(text)
        return replace(self.ussd, provider_id=text.id) if isinstance(self.ussd, Accepted) else self.ussd


class Notices:
    """The scheduler's job, a hotline's answer, and a phone that reported by USSD."""

    def __init__(self, store: SampleStore) -> None:
        self.store = store
        at(store, 12, zone=0)
        create_key_pair(store.keys, SENDER_KEY)
        web(store).share_keys()
        self.kannel: FakeSmsSender = FakeUssdSender()
        self.file = text_of(VU).replace(CODE, f"{CODE}network_initiated = true\n")
        self.catalogue: Catalogue = ENGLISH_CATALOGUE
        self.report_id = ""

    def report(self, channel: str = "ussd", contact: dict[str, Any] = ALWAYS) -> str:
        self.report_id, _ = sent_report(self.store, contact, channel)
        return answer(self.store, self.report_id)

    def job(self, channel: str = "kannel") -> AnswerNotices:
        keys, metrics = KeyRing(self.store.keys), WorkerMetrics(CollectorRegistry())
        sends = SmsDispatcher(self.store.database, keys, {channel: self.kannel}, "demo", "h", metrics, lambda: 0.0)
        countries = Countries((load_country("vu", self.file, "demo"),))
        return AnswerNotices(self.store.database, keys, self.store.keys, countries, {"": self.catalogue}, sends)

    def process_due(self, seconds: float = 0, channel: str = "kannel") -> None:
        """Run the job twice, as the scheduler repeats it."""
        self.store.database.offset += int(seconds * SECOND)
        messages.expire_old(self.store.database)
        for _ in range(2):
            self.job(channel).process_due()

    def happened(self) -> tuple[int, int]:
        """Return the numbers of USSD texts and of SMS."""
        return len(getattr(self.kannel, "shown", ())), len(self.kannel.texts)

    def told(self, status: Any) -> None:
        """Record a DLR of the last USSD text, as Kannel sends it and web stores it."""
        assert isinstance(self.kannel, FakeUssdSender)
        bits = {"delivered": "1", "failed": "2", "sent": "8", "unknown": "32"}
        fields = Fields({"id": (self.kannel.shown[-1].id,), "type": (bits[status],)})
        event = Channel(load_settings(Settings, {"KANNEL_TOKEN": TOKEN})).receive("dlr", fields)
        assert isinstance(event, ProviderEvent)
        assert event.status == status
        assert messages.record_delivery_report(self.store.database, event.id, event.status, event.ours)

    def acts(self) -> list[str]:
        return [act for act in self.store.acts(self.report_id) if act.startswith("nudged")]

    def way(self) -> tuple[NoticeWay | None, bool]:
        """Return how the notice was sent, according to the console, and whether one is still due."""
        [row] = answer_notices.list_notices(self.store.database, ONE, self.report_id).rows
        return row.way, row.due_at is not None and row.sent_at is None


@pytest.fixture
def notices(store: SampleStore) -> Notices:
    return Notices(store)


def test_it_is_shown_by_ussd_and_no_sms_goes(notices: Notices) -> None:
    answer_id = notices.report()
    notices.process_due()
    assert isinstance(notices.kannel, FakeUssdSender)
    [shown] = notices.kannel.shown
    assert (shown.to, shown.sender, shown.words) == (NUMBER, "*111*163#", TEXT)
    assert shown.seconds <= 60
    assert shown.id != answer_id
    notices.told("sent")
    notices.told("delivered")
    for seconds in (60, 180, 3600, 86_400):
        notices.process_due(seconds)
    assert notices.happened() == (1, 0)
    assert notices.acts() == ["nudged:ussd"]
    assert notices.way() == (NoticeWay.USSD, False)


def test_the_console_says_how_it_went(notices: Notices) -> None:
    notices.report(contact=ALWAYS | {"safe_hours": {"from": "08:00", "to": "12:11", "tz": "UTC"}})
    delivered(notices.store)
    assert answer_notices.list_notices(notices.store.database, ONE, notices.report_id).rows == ()
    notices.process_due()
    notices.told("failed")
    notices.process_due(200)  # the safe hours have ended
    assert notices.way() == (NoticeWay.USSD, True)
    notices.process_due(20 * 3600)
    assert notices.way() == (NoticeWay.SMS_AFTER_USSD, False)
    assert notices.acts() == ["nudged:ussd", "nudged:sms"]


def test_an_sms_alone_is_no_text_by_ussd(notices: Notices) -> None:
    notices.report("sms")
    notices.process_due()
    assert (notices.acts(), notices.way()) == (["nudged"], (NoticeWay.SMS, False))


def test_it_costs_no_part_of_an_sms(notices: Notices) -> None:
    notices.report()
    job = notices.job()
    job.process_due()
    metrics = job.sms_dispatcher.metrics
    assert metrics.sms.labels("kannel", "accepted", "ussd")._value.get() == 1
    assert metrics.segments.labels("kannel")._value.get() == 0


def test_log_and_metrics_tell_ussd_from_sms(notices: Notices) -> None:
    notices.kannel = FakeUssdSender(ussd=DoNotRetry("bad_number"))
    notices.report()
    job = notices.job()
    with capture_logs() as lines:
        for _ in range(2):
            job.process_due()
    assert [(line["event"], line["by"]) for line in lines if "by" in line] == [
        ("sms_failed", "ussd"),
        ("sms_sent", "sms"),
    ]
    counted = {
        (sample.labels["class"], sample.labels["by"]): sample.value
        for metric in job.sms_dispatcher.metrics.sms.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert counted == {("bad_number", "ussd"): 1, ("accepted", "sms"): 1}


def test_a_ussd_that_expired_is_counted_apart(notices: Notices) -> None:
    notices.kannel = FakeUssdSender(ussd=RetryLater("busy"))
    notices.report()
    notices.job().process_due()
    notices.store.database.offset += 61 * SECOND
    assert messages.expire_old(notices.store.database) == (0, 1)
    assert messages.expire_old(notices.store.database) == (0, 0)


@pytest.mark.parametrize(
    ("status", "seconds", "sms"),
    [
        ("failed", 0, 1),
        (None, 170, 0),
        (None, 190, 1),
        ("sent", 190, 1),
        ("unknown", 190, 1),
        ("delivered", 190, 0),
    ],
)
def test_where_it_was_not_shown_the_sms_goes_once(notices: Notices, status: str | None, seconds: int, sms: int) -> None:
    notices.report()
    notices.process_due()
    if status:
        notices.told(status)
    notices.process_due(seconds)
    assert notices.happened() == (1, sms)
    if sms:
        [text] = notices.kannel.texts
        assert (text.to, text.sender, text.words) == (NUMBER, "163", TEXT)
        for late in ("failed", "delivered"):
            notices.told(late)
        for later in (0, 200, 3600, 86_400):
            notices.process_due(later)
        assert notices.happened() == (1, 1)


@pytest.mark.parametrize("outcome", [DoNotRetry("bad_number"), RetryLater("not_reached"), DoNotRetry("timeout")])
def test_what_kannel_does_not_take_goes_by_sms(notices: Notices, outcome: SmsOutcome) -> None:
    notices.kannel = FakeUssdSender(ussd=outcome)
    notices.report()
    notices.process_due()
    notices.process_due(61)
    notices.process_due(200)
    assert notices.happened() == (1, 1)


@pytest.mark.parametrize(("status", "sms"), [("delivered", 0), (None, 1)])
def test_a_request_that_broke_off_may_have_been_shown(notices: Notices, status: str | None, sms: int) -> None:
    notices.kannel = FakeUssdSender(ussd=DoNotRetry("timeout"))
    notices.report()
    notices.process_due()
    assert notices.happened() == (1, 0)
    if status:
        notices.told(status)
    notices.process_due(200)
    assert notices.happened() == (1, sms)


def test_a_ussd_that_no_sms_may_follow_still_counts(notices: Notices) -> None:
    """It may have been shown, so the console and the limits count it."""
    answer_id = notices.report()
    notices.process_due()
    asked_at = notices.store.database.now()
    withdrawn(notices.store, notices.report_id, "My report")
    notices.process_due(200)
    with notices.store.database.read() as connection:
        [row] = connection.execute(select(t.nudge).where(t.nudge.c.answer_id == answer_id)).all()
    assert notices.happened() == (1, 0)
    assert row.due_at is None
    assert asked_at - 60 * SECOND < row.sent_at <= asked_at, "when it was shown, not when the SMS was left out"
    assert notices.way() == (NoticeWay.USSD, False)
    assert answer_notices.reopen_failed_ussd(notices.store.database) == 0


def test_after_an_sms_that_was_refused_the_ussd_still_counts(notices: Notices) -> None:
    notices.kannel = FakeUssdSender(DoNotRetry("bad_number"))
    notices.report()
    delivered(notices.store)
    notices.process_due()
    for seconds in (200, 3600, 86_400):
        notices.process_due(seconds)
    assert notices.happened() == (1, 1)
    assert notices.way() == (NoticeWay.USSD, False)
    assert notices.acts() == ["nudged:ussd", "nudged:sms", NOT_SENT]


def test_an_sms_after_a_ussd_is_tried_again_too(notices: Notices) -> None:
    notices.kannel = FakeUssdSender(RetryLater("not_reached"))
    notices.report()
    delivered(notices.store)
    notices.process_due()
    notices.process_due(200)
    notices.process_due(601)
    assert notices.way() == (NoticeWay.USSD, True)
    notices.kannel.outcome, tried = Accepted("id-1"), len(notices.kannel.texts)
    for seconds in (3 * 3600, 3600, 86_400):
        notices.process_due(seconds)
    assert notices.happened() == (1, tried + 1)
    assert notices.way() == (NoticeWay.SMS_AFTER_USSD, False)


def test_both_count_as_one_text_of_the_report(notices: Notices) -> None:
    notices.report()
    for _ in range(5):
        notices.process_due()
        notices.told("failed")
        notices.process_due()
        answer(notices.store, notices.report_id)
        notices.process_due()
        notices.process_due(86_401)
    assert notices.happened() == (3, 3)


def test_an_answer_meanwhile_adds_no_text(notices: Notices) -> None:
    """The failure is known only when the next text is due: the SMS announces both answers."""
    notices.report()
    notices.process_due()
    answer(notices.store, notices.report_id)
    notices.job().process_due()
    notices.store.database.offset += 86_401 * SECOND
    notices.process_due()
    assert notices.happened() == (1, 1)
    notices.process_due(86_401)
    assert notices.happened() == (1, 1)


def test_a_failed_ussd_is_not_the_last_text_of_a_report(notices: Notices) -> None:
    """Only an SMS that a provider refused ends the texts."""
    notices.report()
    notices.process_due()
    notices.told("failed")
    notices.process_due()
    answer(notices.store, notices.report_id)
    notices.process_due(1)
    notices.process_due(86_400)
    assert notices.happened() == (2, 1)


def no_flag(notices: Notices) -> None:
    notices.file = text_of(VU)


def no_setting(notices: Notices) -> None:
    notices.kannel = FakeUssdSender(can_notify=False)


def another_sender(notices: Notices) -> None:
    notices.kannel = FakeSmsSender()


def too_long(notices: Notices) -> None:
    notices.catalogue = Catalogue(
        "en", "English", {"Hello. Please dial {ussd} when you have time.": "{ussd} " + "a" * 160}
    )


@pytest.mark.parametrize("because", [no_flag, no_setting, another_sender, too_long])
def test_where_it_cannot_be_shown_the_sms_goes_at_once(notices: Notices, because: Callable[[Notices], None]) -> None:
    because(notices)
    notices.report()
    notices.job().process_due()
    assert notices.happened() == (0, 1)


@pytest.mark.parametrize("channel", ["sms", "voice"])
def test_who_did_not_dial_gets_the_sms(notices: Notices, channel: str) -> None:
    notices.report(channel)
    notices.process_due()
    assert notices.happened() == (0, 1)


def test_another_provider_shows_nothing(notices: Notices) -> None:
    notices.report()
    notices.process_due(channel="twilio")
    assert notices.happened() == (0, 1)


def test_the_code_of_the_network_that_can_is_named_and_then_those_of_all(notices: Notices) -> None:
    notices.file = text_of(VU).replace(CODE, OTHER)
    notices.report()
    notices.process_due()
    notices.told("failed")
    notices.process_due()
    assert isinstance(notices.kannel, FakeUssdSender)
    assert [(text.sender, text.words) for text in notices.kannel.shown] == [
        ("*222*163#", TEXT.replace("*111*163#", "*222*163#"))
    ]
    both = TEXT.replace("*111*163#", "*111*163# / *222*163#")
    assert [(text.sender, text.words) for text in notices.kannel.texts] == [("163", both)]


@pytest.mark.parametrize(
    "contact", [ALWAYS | {"how": "call"}, ALWAYS | {"allowed": False}, ALWAYS | {"msisdn": ""}], ids=str
)
def test_without_a_yes_to_texts_neither_goes(notices: Notices, contact: dict[str, Any]) -> None:
    notices.report(contact=contact)
    notices.process_due()
    notices.process_due(200)
    assert notices.happened() == (0, 0)


@pytest.mark.parametrize("how", ["My report", "Add more", "closed", "STOP"])
def test_a_no_after_the_ussd_counts_for_the_sms(notices: Notices, how: str) -> None:
    notices.report()
    delivered(notices.store)
    notices.process_due()
    notices.told("failed")
    if how == "STOP":
        web(notices.store).add(NUMBER)
    else:
        withdrawn(notices.store, notices.report_id, how)
    tick(notices.store)
    for seconds in (0, 200, 86_400):
        notices.process_due(seconds)
    assert notices.happened() == (1, 0)


def test_a_no_counts_while_the_ussd_waits(notices: Notices) -> None:
    notices.kannel = FakeUssdSender(ussd=RetryLater("busy"))
    notices.report()
    notices.process_due()
    web(notices.store).add(NUMBER)
    with notices.store.database.read() as connection:
        [ussd] = connection.execute(select(t.outgoing.c.id)).scalars()
    notices.store.database.offset += 30 * SECOND
    assert notices.job().sms_dispatcher.send(ussd)
    notices.process_due(200)
    assert notices.happened() == (1, 0)


def test_a_worker_that_cannot_show_it_sends_nothing_in_its_place(notices: Notices) -> None:
    """Its settings may differ from those of the scheduler, which decides about the SMS."""
    notices.kannel = FakeUssdSender(ussd=RetryLater("busy"))
    notices.report()
    notices.job().process_due()
    with notices.store.database.read() as connection:
        [ussd] = connection.execute(select(t.outgoing.c.id)).scalars()
    notices.kannel.can_notify = False
    notices.store.database.offset += 30 * SECOND
    assert notices.job().sms_dispatcher.send(ussd)
    assert notices.happened() == (1, 0)


def test_the_sms_keeps_to_the_safe_hours(notices: Notices) -> None:
    """They end ten minutes after the USSD text, and an SMS may take so long to arrive."""
    notices.report(contact=ALWAYS | {"safe_hours": {"from": "08:00", "to": "12:11", "tz": "UTC"}})
    notices.process_due()
    notices.process_due(200)
    assert notices.happened() == (1, 0)
    notices.process_due(12 * 3600)
    assert notices.happened() == (1, 0)
    notices.process_due(8.5 * 3600)
    assert notices.happened() == (1, 1)


def test_a_clock_that_was_set_back_loses_no_notice(notices: Notices) -> None:
    notices.report()
    notices.process_due()
    with notices.store.database.write() as connection:
        connection.execute(update(t.nudge).values(sent_at=t.nudge.c.sent_at + 86_400 * SECOND))
    notices.process_due()
    assert notices.happened() == (1, 1)


def test_two_clocks_show_it_once_and_fall_back_once(notices: Notices) -> None:
    answer_id = notices.report()
    answer_notices.schedule(notices.store.database, answer_id, notices.report_id, 1)
    stale = notices.job()
    due = stale._notice(notices.report_id, stale._optout_keys())
    assert due is not None
    notices.process_due()
    stale._send(answer_id, notices.report_id, due)
    assert notices.happened() == (1, 0)
    notices.told("failed")
    assert answer_notices.reopen_failed_ussd(notices.store.database) == 1
    assert answer_notices.reopen_failed_ussd(notices.store.database) == 0
    stale._send(answer_id, notices.report_id, due)
    assert notices.happened() == (1, 0), "by USSD it is tried once"
    notices.process_due()
    assert notices.happened() == (1, 1)
