"""The kind sms_alert: a text to a duty phone says that a report waits; a reply `OK` and its word acknowledges it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from flows.pagination import alphabet
from flows.staff_replies import TOPIC_WORDS
from reports.countries.hotline import Hotline as Listed
from reports.countries.hotline import PartnerCard
from reports.crypto.key_files import SENDER_KEY, create_key_pair
from reports.store import outbox
from reports.store.cases import case_status
from reports.store.engine.database import Database
from reports.store.escalation import steps
from reports.store.operations import delivery_actions
from reports.store.schema import tables as t
from reports.store.sms import duty_phones, messages
from reports.store.sms.messages import OutgoingSms
from runtime.settings import Mode, load_settings
from tests.workers.escalation_scenario import country_with_cards
from tests.workers.sample_store import ONE, SECOND, TWO, WORDS, SampleStore
from tests.workers.scheduler_harness import SchedulerHarness
from tests.workers.test_escalation import at
from tests.workers.test_escalation_revisions import filed_later
from tests.workers.test_sms_dispatcher import FakeSmsSender
from workers.app import quiet_hours
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, Unavailable, Undeliverable
from workers.delivery.registry import DutyPhones, HotlineDependencies, HotlineSetupError
from workers.hotlines.sms_alert import Settings, build
from workers.jobs.deliver import DeliveryRunner
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.notifications.duty_phones import ALERT_PHRASES, ANSWER_TIMEOUTS, DutyPhoneNotifier, alert_text
from workers.sms.dispatcher import Accepted, DoNotRetry, RetryLater, SmsDispatcher, SmsMessage, SmsOutcome, WorkerSms

FIRST, SECOND_ONE, THIRD = NUMBERS = ("+6785550101", "+6785550102", "+6785550103")
MAIL = "desk@hotline.example"


def listed(*duty: str) -> Listed:
    card = PartnerCard(duty_officer=duty)
    return Listed(
        id=ONE, name="One", screen_name="One", kind="regional", grade="unverified", delivery="sms_alert", card=card
    )


class Phone:
    """A hotline of this kind, its provider, and the person who replies."""

    def __init__(self, store: SampleStore, mode: str = "demo") -> None:
        create_key_pair(store.keys, SENDER_KEY)
        self.store = store
        self.provider = FakeSmsSender()
        metrics = WorkerMetrics(CollectorRegistry())
        keys = KeyRing(store.keys)
        sms_dispatcher = SmsDispatcher(
            store.database, keys, {"africastalking": self.provider}, mode, "here/urgent-1/a", metrics, lambda: 0.0
        )
        self.words = iter(range(100_001, 200_000))
        self.duty_phone_notifier = DutyPhoneNotifier(
            store.database, sms_dispatcher, store.keys, mode, lambda: next(self.words)
        )
        means = HotlineDependencies(
            Mode(mode),
            listed(MAIL, *NUMBERS),
            channels=("africastalking",),
            register_phones=self.duty_phone_notifier.register_phones,
        )
        settings = load_settings(
            Settings, {"HOTLINE_X_CHANNEL": "africastalking", "HOTLINE_X_FROM": "163"}, "HOTLINE_X_"
        )
        self.delivery_runner = DeliveryRunner(
            store.database, keys, {ONE: build(settings, means)}, mode, "here/urgent-1/a", "worker", metrics, lambda: 0.0
        )

    @property
    def texts(self) -> list[SmsMessage]:
        return self.provider.texts

    @property
    def told(self) -> list[str]:
        return [text.to for text in self.texts]

    def word(self, nth: int = -1) -> str:
        return self.texts[nth].words.split()[-1]

    def deliver(self, delivery_id: str) -> Any:
        self.delivery_runner.deliver(delivery_id)
        return self.store.delivery(delivery_id)

    def wait(self, seconds: float) -> None:
        self.store.database.offset += int(seconds * SECOND)

    def say(self, word: str, *hotlines: str, answer_id: str = "a-1") -> list[tuple[str, str]]:
        duty_phones.record_reply(self.store.database, answer_id, hotlines or (ONE,), word)
        replies = duty_phones.list_replies(self.store.database)
        accepted = [(duty_phones.accept_reply(self.store.database, reply), reply.hotline) for reply in replies]
        return [(report_id, hotline) for report_id, hotline in accepted if report_id]


@pytest.fixture
def phone(store: SampleStore) -> Phone:
    return Phone(store)


def count(store: SampleStore, table: Any) -> int:
    with store.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar() or 0


@pytest.mark.rule("S-27")
def test_the_text_says_that_one_waits_and_nothing_of_it(phone: Phone) -> None:
    [delivery] = phone.store.submit()
    row = phone.deliver(delivery)
    assert (row.state, row.last_class) == ("delivered", "delivered")
    [text] = phone.texts
    end = row.report_id[-6:]
    assert (text.to, text.sender) == (FIRST, "163")
    assert text.words == f"DRILL {end}, P1, waits. Please look at your reports. You have it? Answer OK 100001"
    assert WORDS not in text.words


@pytest.mark.parametrize("kind", list(ALERT_PHRASES))
@pytest.mark.parametrize("drill", [True, False])
def test_every_text_is_one_sms(kind: str, drill: bool) -> None:
    said = alert_text(kind, "0192f3c1-7d5e-7c3a-9d53-1c2b3a7f3a2c", "P1", "000042", drill=drill)
    assert alphabet(said) == "gsm7"
    assert len(said) <= 160
    assert said.startswith("DRILL ") is drill
    assert not TOPIC_WORDS & set(re.findall(r"\w+", said.lower()))
    assert said.endswith("Answer OK 000042")


@pytest.mark.rule("S-27")
def test_no_number_and_no_word_of_a_text_stands_in_clear_in_outgoing(phone: Phone) -> None:
    phone.deliver(phone.store.submit()[0])
    with phone.store.database.read() as connection:
        rows = [*connection.execute(select(t.outgoing)), *connection.execute(select(t.page))]
    assert FIRST not in repr(rows)
    assert b"desk" not in rows[0].sealed


@pytest.mark.parametrize(
    ("outcome", "why", "then"),
    [
        pytest.param(DoNotRetry("bad_number"), "sms_failed", [FIRST, SECOND_ONE], id="it fails: the next number"),
        pytest.param(DoNotRetry("timeout"), "sms_failed", [FIRST, SECOND_ONE], id="nobody knows: the next number"),
        pytest.param(RetryLater("not_reached"), "sms_waits", [FIRST, FIRST], id="nobody is there: it waits, once"),
        pytest.param(RetryLater("credit"), "sms_waits", [FIRST, FIRST], id="no credit: another number helps nobody"),
        pytest.param(RuntimeError("planted"), "sms_failed", [FIRST, SECOND_ONE], id="a fault of ours"),
    ],
)
def test_what_no_provider_took_is_no_receipt(
    phone: Phone, outcome: SmsOutcome | Exception, why: str, then: list[str]
) -> None:
    phone.provider.outcome = outcome
    [delivery] = phone.store.submit()
    row = phone.deliver(delivery)
    assert (row.state, row.last_class) == ("due", why)
    phone.provider.outcome = Accepted("id-2")
    phone.wait(6)
    if why == "sms_waits":
        WorkerSms(phone.duty_phone_notifier.sms_dispatcher).send_next()
    assert phone.deliver(delivery).state == "delivered"
    assert phone.told == then


def test_all_fail_and_it_begins_again_with_the_first(phone: Phone) -> None:
    phone.provider.outcome = DoNotRetry("bad_number")
    [delivery] = phone.store.submit()
    for _ in range(4):
        assert phone.deliver(delivery).state == "due"
        phone.wait(70)
    assert phone.told == [*NUMBERS, FIRST]
    assert len({text.words for text in phone.texts}) == 4, "a word is for one text"


def test_two_workers_at_once_text_once(phone: Phone) -> None:
    [delivery] = phone.store.submit()
    row = phone.store.delivery(delivery)
    request = DeliveryRequest(delivery, "created", ONE, b"{}", 1, "P1", row.report_id)
    alert = phone.duty_phone_notifier.alert
    assert alert(request) == alert(request) == Delivered(is_notice=True)
    assert phone.told == [FIRST]


def test_a_key_that_is_missing(phone: Phone) -> None:
    for path in (phone.store.keys / "public" / SENDER_KEY).glob("*"):
        path.unlink()
    [delivery] = phone.store.submit()
    request = DeliveryRequest(delivery, "created", ONE, b"{}", 1, "P1", "r")
    assert phone.duty_phone_notifier.alert(request) == Undeliverable("no_key")


# Replies


def test_ok_and_the_word_is_a_person_who_has_it(phone: Phone) -> None:
    [delivery] = phone.store.submit()
    report_id = phone.deliver(delivery).report_id
    assert phone.say(phone.word()) == [(report_id, ONE)]
    assert phone.store.delivery(delivery).handling == "accepted"
    [report] = phone.store.reports()
    assert (report.state, report.desk) == ("accepted", ONE)
    assert phone.store.acts(delivery)[-1] == "accepted"
    assert count(phone.store, t.phone_answer) == 0


def test_what_was_handed_over_waits_no_more_for_that_colleague(phone: Phone) -> None:
    [delivery] = phone.store.submit()
    row, database = phone.deliver(delivery), phone.store.database
    with database.write() as connection:
        case_status.save_values(connection, database, ONE, row.report_id, {"holder": "mere", "handed_by": "nia"})
    phone.say(phone.word())
    with database.read() as connection:
        [kept] = connection.execute(select(t.holding.c.holder, t.holding.c.handed_by))
    assert tuple(kept) == (None, None), "whoever answered has it"


@pytest.mark.parametrize(
    ("word", "hotline"),
    [
        pytest.param("999999", ONE, id="a word that is none"),
        pytest.param("100001", TWO, id="the word of another hotline's text"),
        pytest.param("", ONE, id="none"),
    ],
)
def test_what_is_not_believed(phone: Phone, word: str, hotline: str) -> None:
    [delivery] = phone.store.submit()
    phone.deliver(delivery)
    assert phone.say(word, hotline) == []
    assert phone.store.delivery(delivery).handling == "none"
    assert phone.say(phone.word(), answer_id="a-2") != [], "a right one that follows is"


def test_a_number_that_two_hotlines_list(phone: Phone) -> None:
    [delivery] = phone.store.submit()
    report_id = phone.deliver(delivery).report_id
    assert phone.say(phone.word(), TWO, ONE) == [(report_id, ONE)]


def test_after_ten_wrong_words_in_an_hour_none_is_believed(phone: Phone) -> None:
    [delivery] = phone.store.submit()
    phone.deliver(delivery)
    for n in range(duty_phones.MAX_WRONG):
        phone.say("999999", answer_id=f"a-{n}")
    assert phone.say(phone.word(), answer_id="right") == []
    phone.wait(3601)
    assert phone.say(phone.word(), answer_id="later") != []


def test_the_same_sms_again_changes_nothing(phone: Phone) -> None:
    [delivery] = phone.store.submit()
    phone.deliver(delivery)
    phone.say(phone.word())
    phone.say(phone.word())
    assert phone.store.acts(delivery).count("accepted") == 1


def test_an_answer_that_comes_before_the_receipt_is_one(phone: Phone) -> None:
    """The provider's response was lost, but the text arrived."""
    phone.provider.outcome = DoNotRetry("timeout")
    [delivery] = phone.store.submit()
    phone.deliver(delivery)
    phone.say(phone.word())
    row = phone.store.delivery(delivery)
    assert (row.state, row.handling, row.lease_by) == ("delivered", "accepted", None)
    assert row.delivered_at is not None
    assert outbox.lease(phone.store.later(hours=1).database, delivery, "b") is None


def test_ok_acknowledges_nothing_where_the_delivery_was_cancelled(phone: Phone) -> None:
    """The text arrived, though its provider did not say so; the hotline may not see the report any more."""
    phone.provider.outcome = DoNotRetry("timeout")
    [delivery, _] = phone.store.submit(((ONE, "primary"), (TWO, "also")))
    phone.deliver(delivery)
    delivery_actions.cancel(phone.store.database, delivery, "operator:mere", "mistake")
    phone.say(phone.word())
    assert (phone.store.delivery(delivery).state, phone.store.delivery(delivery).handling) == ("cancelled", "none")
    assert [row[0] for row in steps.list_unstarted(phone.store.database)] == [phone.store.reports()[0].report_id]


def test_the_word_of_an_earlier_text_still_holds(phone: Phone) -> None:
    [delivery] = phone.store.submit()
    phone.deliver(delivery)
    phone.wait(301)
    phone.duty_phone_notifier.text_next()
    assert phone.say(phone.word(0)) != []


# A higher priority


def revised(phone: Phone, priority: str) -> None:
    """Submit an addition with this priority, and deliver it."""
    filed_later(phone.store, phone.store.sealed(before=phone.store.reports()[0], revision=2, priority=priority))
    for row in phone.store.deliveries():
        if row.state == "due":
            phone.deliver(row.delivery_id)


@pytest.mark.rule("S-39")
@pytest.mark.parametrize("taken", [True, False])
def test_ok_to_a_text_of_before_is_answered_with_how_urgent_it_is_now(phone: Phone, taken: bool) -> None:
    """Delayed by the network, or typed without reading: the sender knows only of a report that could wait."""
    [delivery] = phone.store.submit(priority="P3")
    report_id = phone.deliver(delivery).report_id
    if taken:
        phone.say(phone.word())
    phone.wait(600)
    revised(phone, "P1")
    assert phone.say(phone.word(0), answer_id="a-2") == []
    assert phone.store.delivery(delivery).handling == "none", "the clock of P1 goes on"
    phone.duty_phone_notifier.text_next()
    phone.duty_phone_notifier.text_next()
    assert phone.told == [FIRST, FIRST, SECOND_ONE, FIRST], "that there is more; the next one; whose text was answered"
    assert phone.texts[-1].words.split(", ", 1)[1].startswith("P1, is more urgent now. Please look at your reports.")
    assert phone.say(phone.word(), answer_id="a-3") == [(report_id, ONE)]
    assert phone.store.delivery(delivery).handling == "accepted"
    assert count(phone.store, t.phone_answer) == 0


def test_ok_of_before_to_what_a_colleague_has_by_now_changes_nothing(phone: Phone) -> None:
    [delivery] = phone.store.submit(priority="P3")
    phone.deliver(delivery)
    phone.wait(301)
    revised(phone, "P1")
    phone.say(phone.word())
    assert phone.say(phone.word(0), answer_id="a-2") == []
    phone.duty_phone_notifier.text_next()
    assert phone.told == [FIRST, FIRST] and phone.store.acts(delivery).count("accepted") == 1


@pytest.mark.parametrize(("before", "after"), [("P4", "P3"), ("P1", "P1"), ("P1", "P3")])
def test_the_word_holds_where_nobody_has_to_take_it_on_anew(phone: Phone, before: str, after: str) -> None:
    [delivery] = phone.store.submit(priority=before)
    report_id = phone.deliver(delivery).report_id
    phone.wait(60)
    revised(phone, after)
    assert phone.say(phone.word(0)) == [(report_id, ONE)]


# The next number


@pytest.mark.parametrize("priority", ["P1", "P2", "P3", "P4"])
def test_nobody_answers_and_each_number_is_texted_once_in_its_turn(phone: Phone, priority: str) -> None:
    [delivery] = phone.store.submit(priority=priority)
    phone.deliver(delivery)
    timeouts = ANSWER_TIMEOUTS[priority] / SECOND
    for told in (1, 2, 3, 3):
        assert len(phone.told) == told
        phone.wait(timeouts - 2)
        phone.duty_phone_notifier.text_next()
        assert len(phone.told) == told, "not before its time"
        phone.wait(3)
        phone.duty_phone_notifier.text_next()
    assert phone.told == list(NUMBERS)


@pytest.mark.parametrize("status", ["sent", "failed"])
@pytest.mark.parametrize(("priority", "at_night"), [("P1", 2), ("P2", 2), ("P3", 1), ("P4", 1)])
def test_at_night_and_while_closed_the_next_number_is_texted_about_urgent_reports_only(
    phone: Phone, priority: str, at_night: int, status: str
) -> None:
    """As all alerts, also where the first text did not arrive."""
    card = {"duty_officer": NUMBERS, "hours": "daily 09:00-23:00"}
    phone.duty_phone_notifier.is_quiet = quiet_hours([country_with_cards({ONE: card})], phone.store.database)
    at(phone.store, 15)
    [delivery] = phone.store.submit(priority=priority)
    phone.deliver(delivery)
    messages.record_delivery_report(phone.store.database, "id-1", status)
    phone.wait(ANSWER_TIMEOUTS[priority] / SECOND)
    told = []
    for hour in (3, 8, 9):
        at(phone.store, hour)
        phone.duty_phone_notifier.text_next()
        told.append(min(2, len(phone.told)))
    assert told == [at_night, at_night, 2]


def test_reports_that_wait_for_the_morning_take_no_place_of_others(phone: Phone) -> None:
    waiting, urgent = phone.store.submit(priority="P4")[0], phone.store.submit()[0]
    for delivery in (waiting, urgent):
        phone.deliver(delivery)
    phone.wait(ANSWER_TIMEOUTS["P4"] / SECOND)
    numbers = {ONE: len(NUMBERS)}
    unanswered = duty_phones.list_unanswered(phone.store.database, ANSWER_TIMEOUTS, numbers, [ONE])
    assert [one.delivery_id for one in unanswered] == [urgent]


def test_those_whose_numbers_were_all_texted_take_no_place_of_others(phone: Phone) -> None:
    """A hundred of them once stopped the second number of all others."""
    oldest, new = (phone.store.submit()[0] for _ in range(2))
    phone.deliver(oldest)
    for _ in NUMBERS:
        phone.wait(301)
        phone.duty_phone_notifier.text_next()
    phone.deliver(new)
    phone.wait(301)
    unanswered = duty_phones.list_unanswered(phone.store.database, ANSWER_TIMEOUTS, {ONE: len(NUMBERS)}, at_most=1)
    assert [one.delivery_id for one in unanswered] == [new]


@pytest.mark.parametrize(("status", "told"), [("failed", 2), ("delivered", 1), ("sent", 1), ("unknown", 1)])
def test_a_delivery_report_counts(phone: Phone, status: str, told: int) -> None:
    [delivery] = phone.store.submit()
    phone.deliver(delivery)
    messages.record_delivery_report(phone.store.database, "id-1", status)
    phone.duty_phone_notifier.text_next()
    assert phone.told == list(NUMBERS[:told])


def test_whoever_answered_is_not_followed_by_another(phone: Phone) -> None:
    [delivery] = phone.store.submit()
    phone.deliver(delivery)
    phone.say(phone.word())
    phone.wait(301)
    phone.duty_phone_notifier.text_next()
    assert phone.told == [FIRST]


def test_a_hotline_that_is_no_longer_set_up_is_passed_over(phone: Phone) -> None:
    phone.deliver(phone.store.submit()[0])
    phone.wait(301)
    phone.duty_phone_notifier.registered_phones.clear()
    phone.duty_phone_notifier.text_next()
    assert phone.told == [FIRST]


def test_what_is_old_is_forgotten(phone: Phone) -> None:
    phone.deliver(phone.store.submit()[0])
    phone.say("999999")
    duty_phones.delete_old(phone.store.database, 60 * SECOND, 60 * SECOND)
    assert (count(phone.store, t.page), count(phone.store, t.phone_answer)) == (1, 1)
    phone.wait(61)
    duty_phones.delete_old(phone.store.database, 60 * SECOND, 60 * SECOND)
    assert (count(phone.store, t.page), count(phone.store, t.phone_answer)) == (0, 0)


# Settings


@pytest.mark.parametrize(
    ("duty", "more", "lacks"),
    [
        ((), {}, "has no number with + in duty_officer of its card; add one"),
        ((MAIL,), {}, "has no number with + in duty_officer of its card; add one"),
        (NUMBERS, {"CHANNEL": ""}, "has no channel in HOTLINE_<ID>_CHANNEL; these send: africastalking"),
        (NUMBERS, {"CHANNEL": "ussd"}, "has ussd in HOTLINE_<ID>_CHANNEL; these send: africastalking"),
        (NUMBERS, {"FROM": ""}, "has no number in HOTLINE_<ID>_FROM; set it to the number that sends the texts"),
    ],
)
def test_what_it_lacks(duty: tuple[str, ...], more: dict[str, str], lacks: str) -> None:
    given = {f"X_{name}": value for name, value in ({"CHANNEL": "africastalking", "FROM": "163"} | more).items()}
    with pytest.raises(HotlineSetupError, match=f"^{re.escape(lacks)}$"):
        build(
            load_settings(Settings, given, "X_"),
            HotlineDependencies(Mode.LIVE, listed(*duty), channels=("africastalking",)),
        )


def test_where_nothing_is_sent_it_says_so() -> None:
    means = HotlineDependencies(Mode.LIVE, listed(*NUMBERS), channels=("africastalking",))
    settings = load_settings(Settings, {"X_CHANNEL": "africastalking", "X_FROM": "163"}, "X_")
    assert build(settings, means).deliver(DeliveryRequest("d", "created", ONE, b"{}", 1, "P1")) == Undeliverable(
        "our_fault"
    )
    enlisted: dict[str, DutyPhones] = {}

    def enlist(hotline: str, phones: DutyPhones) -> Any:
        enlisted[hotline] = phones
        return lambda _: Unavailable("sms_waits")

    outcome: DeliveryOutcome = build(settings, replace(means, register_phones=enlist)).deliver(
        DeliveryRequest("d", "created", ONE, b"{}", 1, "P1")
    )
    assert (outcome, enlisted) == (Unavailable("sms_waits"), {ONE: DutyPhones(NUMBERS, "africastalking", "163")})


def test_who_is_on_duty_by_the_rota_is_texted_first(phone: Phone) -> None:
    phone.duty_phone_notifier.contact_order = lambda _: (NUMBERS[1], MAIL, NUMBERS[0], "+6785550199")
    [delivery] = phone.store.submit()
    phone.deliver(delivery)
    phone.wait(301)
    phone.duty_phone_notifier.text_next()
    assert phone.told == [NUMBERS[1], NUMBERS[0]], "and nobody whom the card does not name"


def test_the_ladder_texts_a_desk_once_more_and_never_right_after_a_text(phone: Phone) -> None:
    """Every number has been texted once; the next round begins with the first one."""
    [delivery] = phone.store.submit()
    report_id = phone.deliver(delivery).report_id
    assert phone.duty_phone_notifier.text_again(report_id, ONE), "a text of this minute counts"
    assert phone.told == [FIRST]
    for _ in NUMBERS[1:]:
        phone.wait(301)
        phone.duty_phone_notifier.text_next()
    phone.wait(61)
    assert phone.duty_phone_notifier.text_again(report_id, ONE)
    assert phone.told == [*NUMBERS, FIRST]
    assert phone.say(phone.word()) == [(report_id, ONE)]
    phone.wait(61)
    assert not phone.duty_phone_notifier.text_again(report_id, ONE), "a person has it"


def test_a_reply_that_raises_keeps_no_other_from_being_accepted(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.clock.jobs.REPLIES_AT_ONCE", 25)
    database = phone.store.database
    for number in range(101):
        duty_phones.record_reply(database, f"a-{number:03}", (ONE,), f"{number:06}")
    real = duty_phones.accept_reply

    def fails(database: Database, reply: duty_phones.PhoneReply) -> str | None:
        if reply.answer_id != "a-100":
            raise ValueError("a row that this program cannot read")
        return real(database, reply)

    monkeypatch.setattr(duty_phones, "accept_reply", fails)
    harness = SchedulerHarness(phone.store)
    for _ in range(5):
        harness.jobs.text_duty_phones()
    harness.jobs.finish()
    waiting = [reply.answer_id for reply in duty_phones.list_replies(database, 200)]
    assert len(waiting) == 100 and "a-100" not in waiting


def test_a_report_that_raises_keeps_no_next_number_from_another(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, good = (phone.store.submit()[0] for _ in range(2))
    for delivery in (broken, good):
        phone.deliver(delivery)
    phone.wait(10 * 60)
    real = duty_phones.add_alert

    def fails(database: Database, sms: OutgoingSms, about: duty_phones.AlertedDelivery, word: str) -> bool:
        if about.delivery_id == broken:
            raise ValueError("a row that this program cannot read")
        return real(database, sms, about, word)

    monkeypatch.setattr(duty_phones, "add_alert", fails)
    phone.duty_phone_notifier.text_next()
    assert phone.told == [FIRST, FIRST, SECOND_ONE]
