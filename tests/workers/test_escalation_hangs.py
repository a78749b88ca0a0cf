"""Escalation while people cannot be notified: a mail server that hangs, a provider that refuses everything."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from reports.crypto.key_files import SENDER_KEY, create_key_pair
from reports.escalation import STANDARD, URGENT
from reports.store.schema import tables as t
from runtime.time_units import MINUTE
from tests.support.wait import until
from tests.workers.escalation_scenario import (
    CHAIN,
    OFFICER,
    EscalationScenario,
    RecordingNotifier,
    SynchronousPool,
    country_with_cards,
)
from tests.workers.sample_store import ONE, TWO, SampleStore
from tests.workers.test_escalation import ALL_DAY, at
from tests.workers.test_sms_dispatcher import FakeSmsSender
from workers.delivery.registry import DutyPhones
from workers.notifications.texts import Notification
from workers.sms.dispatcher import Accepted, RetryLater, WorkerSms
from workers.thread_pool import BackgroundPool

CHANNEL = "africastalking"


class BusyPool(SynchronousPool):
    """A pool whose thread is always busy, as with a mail server that never responds."""

    def do(self, what: Callable[[], Any]) -> bool:
        return False


def test_a_mail_server_that_hangs_keeps_no_report_from_the_next_hotline(store: SampleStore) -> None:
    scenario = EscalationScenario(store)
    for _ in range(51):  # one more than a query returns at once
        store.submit(CHAIN)
    scenario.escalation.pools = {URGENT: BusyPool(1), STANDARD: BusyPool(1)}
    for _ in range(3):
        scenario.until(15, 15, delivers=False)
    assert [hotline for _, hotline, _ in scenario.transfers] == [TWO] * 51


@dataclass(frozen=True, slots=True, kw_only=True)
class HangingNotifier(RecordingNotifier):
    """A notifier that hangs on notices that can wait, until the test releases it."""

    asked: threading.Event
    lets_go: threading.Event

    def _notify_contact(self, contact: str, said: Notification) -> bool:
        if said.priority in STANDARD:
            self.asked.set()
            assert self.lets_go.wait(20)
        return RecordingNotifier._notify_contact(self, contact, said)


@pytest.mark.rule("S-39")
def test_who_is_in_danger_now_waits_behind_nobody_who_can_wait(store: SampleStore) -> None:
    at(store, 20)
    for _ in range(20):
        store.submit(CHAIN, priority="P3")
    scenario = EscalationScenario(store, country_with_cards(ALL_DAY))
    scenario.until(11 * 60, 60)
    hands = {URGENT: BackgroundPool(1), STANDARD: BackgroundPool(1)}
    notifier = HangingNotifier(
        None, (), "live", scenario.metrics, scenario=scenario, asked=threading.Event(), lets_go=threading.Event()
    )
    scenario.escalation.pools, scenario.escalation.notifier = hands, notifier
    scenario.until(12 * 60, 60)
    assert notifier.asked.wait(20), "the first desk of what can wait is being told"
    store.submit(CHAIN)
    scenario.until(12 * 60 + 4, 4)
    assert scenario.notifications == []
    scenario.until(12 * 60 + 5)
    try:
        until(lambda: len(scenario.notifications) > 0, "nobody was told within a look", seconds=10)
        assert [(one.who, one.said.priority) for one in scenario.notifications] == [(OFFICER, "P1")]
    finally:
        notifier.lets_go.set()
        scenario.escalation.finish()
    assert len(scenario.notifications) == 21


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowNotifier(RecordingNotifier):
    """Each notification takes a minute."""

    def _notify_contact(self, contact: str, said: Notification) -> bool:
        self.scenario.store.database.offset += MINUTE
        return RecordingNotifier._notify_contact(self, contact, said)


@pytest.mark.rule("S-39")
def test_what_becomes_due_meanwhile_and_is_more_urgent_is_told_next(store: SampleStore) -> None:
    for _ in range(20):
        store.submit(CHAIN, priority="P2")
    scenario = EscalationScenario(store)
    scenario.until(26)
    store.submit(CHAIN)
    scenario.until(29)
    scenario.escalation.notifier = SlowNotifier(None, (), "live", scenario.metrics, scenario=scenario)
    scenario.until(30)
    assert [one.said.priority for one in scenario.notifications] == ["P2", "P1", *["P2"] * 19]


def register_duty_phone(scenario: EscalationScenario, store: SampleStore) -> FakeSmsSender:
    """Give ONE a duty phone and no mail; return the provider of its texts."""
    create_key_pair(store.keys, SENDER_KEY)
    duty_phone_notifier, provider = scenario.escalation.duty_phone_notifier, FakeSmsSender()
    duty_phone_notifier.register_phones(ONE, DutyPhones((OFFICER,), CHANNEL, "163"))
    scenario.senders[CHANNEL] = provider
    return provider


def pages(store: SampleStore) -> int:
    with store.database.read() as connection:
        return len(connection.execute(select(t.page)).all())


@pytest.mark.rule("S-39")
def test_a_desk_that_has_only_phones_is_tried_again_and_the_operator_hears_of_it(store: SampleStore) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    provider = register_duty_phone(scenario, store)
    del scenario.senders[CHANNEL]
    scenario.until(8)
    assert [(alert.subject_id, alert.reason) for alert in scenario.operator_alerts] == [(ONE, "not_told")] * 4
    scenario.senders[CHANNEL] = provider
    scenario.until(9)
    assert [text.to for text in provider.texts] == [OFFICER]
    scenario.until(14)
    assert (len(provider.texts), len(scenario.operator_alerts)) == (1, 4), "once"


@pytest.mark.rule("S-39")
def test_a_text_that_waits_for_its_provider_is_followed_by_no_other(store: SampleStore) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    provider = register_duty_phone(scenario, store)
    provider.outcome = RetryLater("not_reached")
    scenario.until(9)
    assert (pages(store), len(scenario.operator_alerts)) == (1, 5), "else all of them go out when it is back"
    provider.outcome = Accepted("id-1")
    WorkerSms(scenario.escalation.duty_phone_notifier.sms_dispatcher).send_next()
    scenario.until(10)
    assert pages(store) == 2 and len(scenario.operator_alerts) == 5
