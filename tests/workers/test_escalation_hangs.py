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
from tests.workers.filings import ONE, TWO, Desk
from tests.workers.night import CHAIN, OFFICER, AtOnce, Heard, Night, land
from tests.workers.test_escalation import ALL_DAY, at
from tests.workers.test_sms_dispatcher import Says
from workers.delivery.registry import DutyPhones
from workers.notifications.texts import Notification
from workers.sms.dispatcher import Accepted, RetryLater, WorkerSms
from workers.thread_pool import BackgroundPool

CHANNEL = "africastalking"


class Hung(AtOnce):
    """A pool whose thread is always busy, as with a mail server that never responds."""

    def do(self, what: Callable[[], Any]) -> bool:
        return False


def test_a_mail_server_that_hangs_keeps_no_report_from_the_next_hotline(desk: Desk) -> None:
    night = Night(desk)
    for _ in range(51):  # one more than a query returns at once
        desk.file(CHAIN)
    night.escalation.pools = {URGENT: Hung(1), STANDARD: Hung(1)}
    for _ in range(3):
        night.until(15, 15, delivers=False)
    assert [hotline for _, hotline, _ in night.given] == [TWO] * 51


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangs(Heard):
    """A notifier that hangs on notices that can wait, until the test releases it."""

    asked: threading.Event
    lets_go: threading.Event

    def _notify_contact(self, contact: str, said: Notification) -> bool:
        if said.priority in STANDARD:
            self.asked.set()
            assert self.lets_go.wait(20)
        return Heard._notify_contact(self, contact, said)


@pytest.mark.rule("S-39")
def test_who_is_in_danger_now_waits_behind_nobody_who_can_wait(desk: Desk) -> None:
    at(desk, 20)
    for _ in range(20):
        desk.file(CHAIN, priority="P3")
    night = Night(desk, land(ALL_DAY))
    night.until(11 * 60, 60)
    hands = {URGENT: BackgroundPool(1), STANDARD: BackgroundPool(1)}
    notifier = Hangs(None, (), "live", night.metrics, night=night, asked=threading.Event(), lets_go=threading.Event())
    night.escalation.pools, night.escalation.notifier = hands, notifier
    night.until(12 * 60, 60)
    assert notifier.asked.wait(20), "the first desk of what can wait is being told"
    desk.file(CHAIN)
    night.until(12 * 60 + 4, 4)
    assert night.told == []
    night.until(12 * 60 + 5)
    try:
        until(lambda: len(night.told) > 0, "nobody was told within a look", seconds=10)
        assert [(one.who, one.said.priority) for one in night.told] == [(OFFICER, "P1")]
    finally:
        notifier.lets_go.set()
        night.escalation.finish()
    assert len(night.told) == 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow(Heard):
    """Each notification takes a minute."""

    def _notify_contact(self, contact: str, said: Notification) -> bool:
        self.night.desk.database.offset += MINUTE
        return Heard._notify_contact(self, contact, said)


@pytest.mark.rule("S-39")
def test_what_becomes_due_meanwhile_and_is_more_urgent_is_told_next(desk: Desk) -> None:
    for _ in range(20):
        desk.file(CHAIN, priority="P2")
    night = Night(desk)
    night.until(26)
    desk.file(CHAIN)
    night.until(29)
    night.escalation.notifier = Slow(None, (), "live", night.metrics, night=night)
    night.until(30)
    assert [one.said.priority for one in night.told] == ["P2", "P1", *["P2"] * 19]


def enlisted(night: Night, desk: Desk) -> Says:
    """Give ONE a duty phone and no mail; return the provider of its texts."""
    create_key_pair(desk.keys, SENDER_KEY)
    duty_phone_notifier, provider = night.escalation.duty_phone_notifier, Says()
    duty_phone_notifier.register_phones(ONE, DutyPhones((OFFICER,), CHANNEL, "163"))
    night.senders[CHANNEL] = provider
    return provider


def pages(desk: Desk) -> int:
    with desk.database.read() as connection:
        return len(connection.execute(select(t.page)).all())


@pytest.mark.rule("S-39")
def test_a_desk_that_has_only_phones_is_tried_again_and_the_operator_hears_of_it(desk: Desk) -> None:
    desk.file(CHAIN)
    night = Night(desk)
    provider = enlisted(night, desk)
    del night.senders[CHANNEL]
    night.until(8)
    assert [(alert.subject_id, alert.reason) for alert in night.worries] == [(ONE, "not_told")] * 4
    night.senders[CHANNEL] = provider
    night.until(9)
    assert [text.to for text in provider.texts] == [OFFICER]
    night.until(14)
    assert (len(provider.texts), len(night.worries)) == (1, 4), "once"


@pytest.mark.rule("S-39")
def test_a_text_that_waits_for_its_provider_is_followed_by_no_other(desk: Desk) -> None:
    desk.file(CHAIN)
    night = Night(desk)
    provider = enlisted(night, desk)
    provider.outcome = RetryLater("not_reached")
    night.until(9)
    assert (pages(desk), len(night.worries)) == (1, 5), "else all of them go out when it is back"
    provider.outcome = Accepted("id-1")
    WorkerSms(night.escalation.duty_phone_notifier.sms_dispatcher).send_next()
    night.until(10)
    assert pages(desk) == 2 and len(night.worries) == 5
