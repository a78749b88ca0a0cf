"""The scheduler's alerts about waiting deliveries: who gets them, when, and when again."""

from __future__ import annotations

from concurrent.futures import wait

import pytest
from sqlalchemy import update

from reports.escalation import Priority
from reports.store import outbox
from reports.store import submissions as web
from reports.store.deliveries import update_report_state
from reports.store.mailboxes.pin_throttle import DEFAULT_LIMIT, PinGuess, verify_pair
from reports.store.outbox import DeliveryFailure
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.sms import messages
from reports.store.sms.messages import OutgoingSms, record_delivery_report
from reports.store.submissions import MailboxRecord
from tests.workers.sample_store import ONE, SECOND, TWO, SampleStore
from tests.workers.scheduler_harness import SchedulerHarness
from workers.notifications.notifier import MAIL_FIRST
from workers.notifications.texts import Alert

SLOW = 40  # seconds that this machine may need until the check


def fail(store: SampleStore, delivery_id: str, why: str, times: int = 1) -> None:
    for _ in range(times):
        leased = outbox.lease(store.database, delivery_id, "w/urgent/1")
        assert leased is not None
        assert outbox.mark_failed(store.database, leased, DeliveryFailure(why, None, 0), "w/urgent/1", "worker")


@pytest.mark.parametrize(
    ("priority", "after", "again"), [("P1", 60, 900), ("P2", 1200, 7200), ("P3", 28800, 86400), ("P4", 172800, 86400)]
)
def test_a_person_is_told_in_time_and_again_until_it_is_through(
    harness: SchedulerHarness, priority: str, after: int, again: int
) -> None:
    [delivery] = harness.store.submit(priority=priority)
    fail(harness.store, delivery, "timeout")
    harness.pass_time(after - SLOW)
    assert harness.send_alerts() == []
    harness.pass_time(SLOW + 1)
    [alert] = harness.send_alerts()
    assert (alert.subject_id, alert.reason, alert.priority, alert.deliveries) == (ONE, "timeout", priority, (delivery,))
    assert harness.store.acts(delivery) == ["told"]
    harness.pass_time(again - SLOW)
    assert harness.send_alerts() == []
    harness.pass_time(SLOW + 1)
    assert len(harness.send_alerts()) == 1


@pytest.mark.parametrize(("why", "at"), [("locked_out", 1), ("tls", 2), ("moved", 3), ("not_found", 3), ("no_key", 1)])
def test_some_failures_are_told_by_their_class(harness: SchedulerHarness, why: str, at: int) -> None:
    [delivery] = harness.store.submit(priority="P4")
    if at > 1:
        fail(harness.store, delivery, why, at - 1)
        assert harness.send_alerts() == []
    fail(harness.store, delivery, why)
    [alert] = harness.send_alerts()
    assert alert.reason == why
    assert harness.send_alerts() == [], "once, until its time"


def test_refused_parked_and_gone_are_told_though_they_were_told_before(harness: SchedulerHarness) -> None:
    [delivery] = harness.store.submit(priority="P3")
    fail(harness.store, delivery, "locked_out")
    assert len(harness.send_alerts()) == 1
    leased = outbox.lease(harness.store.database, delivery, "w/urgent/1")
    assert leased is not None
    outbox.mark_failed(
        harness.store.database, leased, DeliveryFailure("gone", 410, None, gone=True), "w/urgent/1", "worker"
    )
    [alert] = harness.send_alerts()
    assert alert.reason == "gone"
    harness.pass_time(86_401)
    assert len(harness.send_alerts()) == 1, "nobody has it: again, until somebody acts"


def test_told_is_marked_only_where_somebody_was(harness: SchedulerHarness) -> None:
    [delivery] = harness.store.submit()
    harness.notifier.ok = False
    harness.pass_time(61)
    assert len(harness.send_alerts()) == 1
    assert harness.store.delivery(delivery).told_at is None
    harness.notifier.ok = True
    assert len(harness.send_alerts()) == 1
    assert harness.store.delivery(delivery).told_at is not None


def test_after_a_failure_the_next_try_is_a_minute_later(harness: SchedulerHarness) -> None:
    harness.store.submit()
    harness.notifier.ok = False
    harness.pass_time(61)
    harness.alert_sender.send_due()
    harness.alert_sender._pool.finish()
    harness.pass_time(30)
    harness.alert_sender.send_due()
    assert len(harness.notifier.alerts) == 1


def test_a_hotline_that_is_down_is_one_message(harness: SchedulerHarness) -> None:
    ids = [harness.store.submit(priority=priority)[0] for priority in ("P2", "P1", "P1")]
    for one in ids:
        fail(harness.store, one, "timeout")
    harness.pass_time(1201)
    [alert] = harness.send_alerts()
    assert (alert.priority, len(alert.reports), len(alert.deliveries)) == ("P1", 3, 3)


def test_a_report_that_no_hotline_can_take_is_told_at_once_and_again(harness: SchedulerHarness) -> None:
    held = harness.store.sealed([(ONE, "held")], priority="P1")
    web.commit(harness.store.database, held)
    harness.alert_sender.send_due()
    harness.alert_sender.finish()
    [alert] = harness.notifier.alerts
    assert (alert.reason, alert.reports) == ("needs_person", (held.report_id,))


def decline(store: SampleStore, delivery_id: str) -> None:
    """Record that the hotline's staff declined a report that it has."""
    d = t.delivery.c
    with store.database.write() as connection:
        declined = update(t.delivery).where(d.delivery_id == delivery_id).values(state="delivered", handling="rejected")
        connection.execute(declined)
        update_report_state(connection, store.delivery(delivery_id).report_id, store.database.now())


def told_once_more(harness: SchedulerHarness) -> list[Alert]:
    """Run two rounds of the same process, which remembers what it has told; return the alerts of these rounds."""
    before = len(harness.notifier.alerts)
    for _ in range(2):
        harness.alert_sender.send_due()
        wait(harness.alert_sender._pool._busy)
    return harness.notifier.alerts[before:]


@pytest.mark.parametrize("priority", ["P1", "P2", "P3", "P4"])
def test_a_report_that_all_hotlines_declined_is_told_at_once(harness: SchedulerHarness, priority: str) -> None:
    decline(harness.store, harness.store.submit(priority=priority)[0])
    [alert] = told_once_more(harness)
    [report] = harness.store.reports()
    assert (alert.reason, alert.priority, alert.reports) == ("needs_person", priority, (report.report_id,))
    assert alert.subject() == f"Tokaut: {priority}, 1 report without a hotline"


def test_after_the_first_day_a_report_without_a_hotline_is_told_once_a_day(harness: SchedulerHarness) -> None:
    decline(harness.store, harness.store.submit(priority="P1")[0])
    counts = []
    for _ in range(3):
        before = len(harness.notifier.alerts)
        for _ in range(24):
            told_once_more(harness)
            harness.pass_time(3600)
        counts.append(len(harness.notifier.alerts) - before)
    assert counts == [24, 1, 1]


def test_a_declined_report_that_becomes_more_urgent_is_told_again_at_once(harness: SchedulerHarness) -> None:
    decline(harness.store, harness.store.submit(priority="P4")[0])
    told_once_more(harness)
    with harness.store.database.write() as connection:
        connection.execute(update(t.report).values(priority="P1"))
    assert [alert.priority for alert in told_once_more(harness)] == ["P1"]


def test_a_report_that_one_refused_and_the_other_declined_has_one_alert(harness: SchedulerHarness) -> None:
    refused, declined = harness.store.submit(((ONE, "primary"), (TWO, "also")), priority="P3")
    decline(harness.store, declined)
    leased = outbox.lease(harness.store.database, refused, "w/urgent/1")
    assert leased is not None
    outbox.mark_failed(harness.store.database, leased, DeliveryFailure("refused", 422, None), "w/urgent/1", "worker")
    assert [alert.reason for alert in told_once_more(harness)] == ["refused"]
    harness.pass_time(86_401)
    assert [alert.reason for alert in told_once_more(harness)] == ["refused"], (
        "nobody has it: again, until somebody acts"
    )


def test_a_declined_report_that_goes_to_a_fallback_is_told_to_nobody(harness: SchedulerHarness) -> None:
    decline(harness.store, harness.store.submit(((ONE, "primary"), (TWO, "fallback")))[0])
    assert harness.send_alerts() == []
    harness.jobs.fallbacks()
    assert harness.send_alerts() == []
    assert harness.store.reports()[0].state == "queued"


@pytest.mark.parametrize("handling", ["none", "accepted", "in_progress", "closed"])
def test_a_report_whose_hotline_left_the_country_file_is_told_until_closed(
    harness: SchedulerHarness, handling: str
) -> None:
    harness.store.submit(priority="P3")
    harness.jobs._delivery_runner.drain(("P3",))
    [report] = harness.store.reports()
    with harness.store.database.write() as connection:
        connection.execute(update(t.delivery).values(handling=handling))
        update_report_state(connection, report.report_id, harness.store.database.now())
    assert told_once_more(harness) == []
    harness.known.discard(ONE)
    alerts = told_once_more(harness)
    expected = [] if handling == "closed" else [("needs_person", (report.report_id,))]
    assert [(alert.reason, alert.reports) for alert in alerts] == expected


@pytest.mark.rule("B-58")
def test_five_wrong_pins_are_told_once_a_day_and_name_no_report(harness: SchedulerHarness) -> None:
    web.commit(harness.store.database, harness.store.sealed(), MailboxRecord(bytes(32), b"public", b"sealed"))
    for _ in range(DEFAULT_LIMIT.per_code):
        verify_pair(harness.store.database, PinGuess(7, [b"wrong"]))
    [alert] = told_in_two_rounds(harness)
    assert (alert.reason, alert.reports, alert.priority) == ("pin_guessed", (), "P3")


@pytest.mark.rule("X-07")
def test_who_is_on_call_is_told_once_an_hour_of_many_guesses(harness: SchedulerHarness) -> None:
    for n in range(DEFAULT_LIMIT.in_total):
        verify_pair(harness.store.database, PinGuess(n, [b"wrong"]))
    assert harness.send_alerts() == []
    verify_pair(harness.store.database, PinGuess(DEFAULT_LIMIT.in_total, [b"wrong"]))
    [alert] = told_in_two_rounds(harness)
    assert (alert.reason, alert.reports, alert.priority) == ("code_guessed", (), "P2")
    assert alert.subject() == "Tokaut: P2, needs a person"
    harness.pass_time(3601)
    assert harness.send_alerts() == []


def sms(
    harness: SchedulerHarness,
    state: str,
    why: str,
    channel: str = "africastalking",
    *,
    seconds: int = 600,
    tries: int = 1,
) -> str:
    """Store an SMS as a worker leaves it. `seconds`: its lifetime; a text by USSD has one minute."""
    now = harness.store.database.now()
    made = OutgoingSms(new_id(now), channel, "demo", "k", b"w", b"s", now, now + seconds * SECOND)
    messages.enqueue_outgoing(harness.store.database, made)
    with harness.store.database.write() as connection:
        row = update(t.outgoing).where(t.outgoing.c.id == made.id)
        connection.execute(row.values(state=state, last_class=why, attempt=tries))
    return made.id


@pytest.mark.parametrize(
    ("state", "why"), [("expired", "not_reached"), ("failed", "timeout"), ("failed", "not_understood")]
)
def test_a_provider_that_takes_no_text_is_told_hourly(harness: SchedulerHarness, state: str, why: str) -> None:
    sms(harness, state, why)
    sms(harness, state, why)
    [alert] = told_in_two_rounds(harness)
    assert (alert.subject_id, alert.reason, alert.priority) == ("africastalking", "not_reached", "P2")
    harness.pass_time(3601)
    assert harness.send_alerts() == []


def test_an_outage_of_sms_is_not_texted_by_sms_each_minute(harness: SchedulerHarness) -> None:
    """Each try stores one more SMS to each on-call phone, and all of them are sent when the provider is back."""
    sms(harness, "expired", "not_reached", tries=12)
    harness.notifier.ok = False
    for alerts in (*[1] * 9, 2):
        harness.alert_sender.send_due()
        wait(harness.alert_sender._pool._busy)
        assert len(harness.notifier.alerts) == alerts
        harness.pass_time(67)


def test_one_attempt_without_a_clear_answer_is_no_outage_until_a_second_follows(harness: SchedulerHarness) -> None:
    sms(harness, "failed", "timeout")
    assert harness.send_alerts() == []
    harness.pass_time(3 * 3600)
    sms(harness, "failed", "not_understood")
    [alert] = told_in_two_rounds(harness)
    assert (alert.subject_id, alert.reason) == ("africastalking", "not_reached"), "on a quiet installation too"


def test_a_text_that_was_accepted_ends_the_count_of_attempts(harness: SchedulerHarness) -> None:
    for state, why in (("failed", "timeout"), ("sent", "accepted"), ("failed", "timeout")):
        harness.pass_time(3 * 3600)
        sms(harness, state, why)
    assert harness.send_alerts() == []


def test_a_text_that_was_delivered_though_its_answer_was_lost_is_no_outage(harness: SchedulerHarness) -> None:
    sms(harness, "failed", "timeout")
    with harness.store.database.write() as connection:
        connection.execute(update(t.outgoing).values(status="delivered"))
    assert harness.send_alerts() == []


def test_one_text_that_was_lost_is_no_outage(harness: SchedulerHarness) -> None:
    sms(harness, "failed", "timeout")
    sms(harness, "sent", "accepted")
    sms(harness, "failed", "bad_number", "twilio")
    sms(harness, "expired", "busy", "kannel", seconds=60)
    assert harness.send_alerts() == []


def reported(harness: SchedulerHarness, **counts: int) -> None:
    """Store SMS that the provider accepted, with these numbers of delivery reports by status."""
    for status, count in counts.items():
        for _ in range(count):
            assert record_delivery_report(harness.store.database, "", status, sms(harness, "sent", "accepted"))


def test_a_provider_that_accepts_all_and_delivers_nothing_is_told_by_mail_first(harness: SchedulerHarness) -> None:
    reported(harness, failed=5, delivered=4)
    [alert] = told_in_two_rounds(harness)
    assert (alert.subject_id, alert.reason, alert.priority) == ("africastalking", "not_delivered", "P3")
    assert alert.priority in MAIL_FIRST, "an SMS would be accepted, and not arrive"
    harness.pass_time(3601)
    assert harness.send_alerts() == []


@pytest.mark.parametrize("counts", [{"failed": 4}, {"failed": 6, "delivered": 6}, {"unknown": 9, "sent": 9}])
def test_a_few_texts_that_did_not_arrive_are_told_to_nobody(harness: SchedulerHarness, counts: dict[str, int]) -> None:
    reported(harness, **counts)
    assert harness.send_alerts() == []


def told_in_two_rounds(harness: SchedulerHarness) -> list[Alert]:
    for _ in range(2):
        harness.alert_sender.send_due()
        harness.alert_sender._pool.finish()
    return harness.notifier.alerts


def test_delivered_is_not_told(harness: SchedulerHarness) -> None:
    harness.store.submit()
    harness.job_queue.away = True
    harness.jobs.urgent()
    harness.jobs.finish()
    harness.pass_time(3600)
    assert harness.send_alerts() == []


def test_a_desk_that_cannot_be_told_is_told_of_again_if_a_more_urgent_report_waits(harness: SchedulerHarness) -> None:
    told = []
    for hotline, priority in ((ONE, "P3"), (ONE, "P3"), (ONE, "P1"), (ONE, "P2"), (TWO, "P3")):
        harness.alert_sender.add_hourly(Alert(hotline, "not_told", Priority(priority), "Call them."))
        told += [(alert.subject_id, alert.priority) for alert in told_once_more(harness)]
        harness.pass_time(60)
    assert told == [(ONE, "P3"), (ONE, "P1"), (TWO, "P3")]


def test_the_most_urgent_alert_comes_first(harness: SchedulerHarness) -> None:
    harness.store.submit(priority="P1")
    harness.pass_time(120)
    harness.alert_sender.add(Alert(TWO, "not_told", Priority.P3, "Call them."))
    assert [alert.priority for alert in harness.send_alerts()] == ["P1", "P3"]


def test_an_alert_that_raises_stops_no_other(harness: SchedulerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    for reason in ("disk_full", "clock_jumped"):
        harness.alert_sender.add(Alert("", reason, Priority.P2, "Look."))
    tell = harness.notifier.notify_on_call

    def fails(alert: Alert) -> bool:
        if alert.reason == "disk_full":
            raise ValueError("an alert that this program cannot send")
        return tell(alert)

    monkeypatch.setattr(harness.notifier, "notify_on_call", fails)
    harness.alert_sender.send_due()
    harness.alert_sender.finish()
    assert [alert.reason for alert in harness.notifier.alerts] == ["clock_jumped"]
