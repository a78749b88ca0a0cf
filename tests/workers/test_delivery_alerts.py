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
from reports.store.sms.messages import OutgoingSms
from reports.store.submissions import MailboxRecord
from tests.workers.filings import ONE, SECOND, TWO, Desk
from tests.workers.room import Room
from workers.notifications.texts import Alert

SLOW = 40  # seconds that this machine may need until the check


def fail(desk: Desk, delivery_id: str, why: str, times: int = 1) -> None:
    for _ in range(times):
        leased = outbox.lease(desk.database, delivery_id, "w/urgent/1")
        assert leased is not None
        assert outbox.mark_failed(desk.database, leased, DeliveryFailure(why, None, 0), "w/urgent/1", "worker")


@pytest.mark.parametrize(
    ("priority", "after", "again"), [("P1", 60, 900), ("P2", 1200, 7200), ("P3", 28800, 86400), ("P4", 172800, 86400)]
)
def test_a_person_is_told_in_time_and_again_until_it_is_through(
    room: Room, priority: str, after: int, again: int
) -> None:
    [delivery] = room.desk.file(priority=priority)
    fail(room.desk, delivery, "timeout")
    room.pass_time(after - SLOW)
    assert room.tell() == []
    room.pass_time(SLOW + 1)
    [alert] = room.tell()
    assert (alert.subject_id, alert.reason, alert.priority, alert.deliveries) == (ONE, "timeout", priority, (delivery,))
    assert room.desk.acts(delivery) == ["told"]
    room.pass_time(again - SLOW)
    assert room.tell() == []
    room.pass_time(SLOW + 1)
    assert len(room.tell()) == 1


@pytest.mark.parametrize(("why", "at"), [("locked_out", 1), ("tls", 2), ("moved", 3), ("not_found", 3), ("no_key", 1)])
def test_some_failures_are_told_by_their_class(room: Room, why: str, at: int) -> None:
    [delivery] = room.desk.file(priority="P4")
    if at > 1:
        fail(room.desk, delivery, why, at - 1)
        assert room.tell() == []
    fail(room.desk, delivery, why)
    [alert] = room.tell()
    assert alert.reason == why
    assert room.tell() == [], "once, until its time"


def test_refused_parked_and_gone_are_told_though_they_were_told_before(room: Room) -> None:
    [delivery] = room.desk.file(priority="P3")
    fail(room.desk, delivery, "locked_out")
    assert len(room.tell()) == 1
    leased = outbox.lease(room.desk.database, delivery, "w/urgent/1")
    assert leased is not None
    outbox.mark_failed(
        room.desk.database, leased, DeliveryFailure("gone", 410, None, gone=True), "w/urgent/1", "worker"
    )
    [alert] = room.tell()
    assert alert.reason == "gone"
    room.pass_time(86_401)
    assert len(room.tell()) == 1, "nobody has it: again, until somebody acts"


def test_told_is_marked_only_where_somebody_was(room: Room) -> None:
    [delivery] = room.desk.file()
    room.notifier.ok = False
    room.pass_time(61)
    assert len(room.tell()) == 1
    assert room.desk.delivery(delivery).told_at is None
    room.notifier.ok = True
    assert len(room.tell()) == 1
    assert room.desk.delivery(delivery).told_at is not None


def test_after_a_failure_the_next_try_is_a_minute_later(room: Room) -> None:
    room.desk.file()
    room.notifier.ok = False
    room.pass_time(61)
    room.alert_sender.tell()
    room.alert_sender._pool.finish()
    room.pass_time(30)
    room.alert_sender.tell()
    assert len(room.notifier.alerts) == 1


def test_a_hotline_that_is_down_is_one_message(room: Room) -> None:
    ids = [room.desk.file(priority=priority)[0] for priority in ("P2", "P1", "P1")]
    for one in ids:
        fail(room.desk, one, "timeout")
    room.pass_time(1201)
    [alert] = room.tell()
    assert (alert.priority, len(alert.reports), len(alert.deliveries)) == ("P1", 3, 3)


def test_a_report_that_no_hotline_can_take_is_told_at_once_and_again(room: Room) -> None:
    held = room.desk.sealed([(ONE, "held")], priority="P1")
    web.commit(room.desk.database, held)
    room.alert_sender.tell()
    room.alert_sender.finish()
    [alert] = room.notifier.alerts
    assert (alert.reason, alert.reports) == ("needs_person", (held.report_id,))


def decline(desk: Desk, delivery_id: str) -> None:
    """Record that the hotline's staff declined a report that it has."""
    d = t.delivery.c
    with desk.database.write() as connection:
        declined = update(t.delivery).where(d.delivery_id == delivery_id).values(state="delivered", handling="rejected")
        connection.execute(declined)
        update_report_state(connection, desk.delivery(delivery_id).report_id, desk.database.now())


def told_once_more(room: Room) -> list[Alert]:
    """Run two rounds of the same process, which remembers what it has told; return the alerts of these rounds."""
    before = len(room.notifier.alerts)
    for _ in range(2):
        room.alert_sender.tell()
        wait(room.alert_sender._pool._busy)
    return room.notifier.alerts[before:]


@pytest.mark.parametrize("priority", ["P1", "P2", "P3", "P4"])
def test_a_report_that_all_hotlines_declined_is_told_at_once(room: Room, priority: str) -> None:
    decline(room.desk, room.desk.file(priority=priority)[0])
    [alert] = told_once_more(room)
    [report] = room.desk.reports()
    assert (alert.reason, alert.priority, alert.reports) == ("needs_person", priority, (report.report_id,))
    assert alert.subject() == f"Tokaut: {priority}, 1 report without a hotline"


def test_after_the_first_day_a_report_without_a_hotline_is_told_once_a_day(room: Room) -> None:
    decline(room.desk, room.desk.file(priority="P1")[0])
    counts = []
    for _ in range(3):
        before = len(room.notifier.alerts)
        for _ in range(24):
            told_once_more(room)
            room.pass_time(3600)
        counts.append(len(room.notifier.alerts) - before)
    assert counts == [24, 1, 1]


def test_a_declined_report_that_becomes_more_urgent_is_told_again_at_once(room: Room) -> None:
    decline(room.desk, room.desk.file(priority="P4")[0])
    told_once_more(room)
    with room.desk.database.write() as connection:
        connection.execute(update(t.report).values(priority="P1"))
    assert [alert.priority for alert in told_once_more(room)] == ["P1"]


def test_a_report_that_one_refused_and_the_other_declined_has_one_alert(room: Room) -> None:
    refused, declined = room.desk.file(((ONE, "primary"), (TWO, "also")), priority="P3")
    decline(room.desk, declined)
    leased = outbox.lease(room.desk.database, refused, "w/urgent/1")
    assert leased is not None
    outbox.mark_failed(room.desk.database, leased, DeliveryFailure("refused", 422, None), "w/urgent/1", "worker")
    assert [alert.reason for alert in told_once_more(room)] == ["refused"]
    room.pass_time(86_401)
    assert [alert.reason for alert in told_once_more(room)] == ["refused"], "nobody has it: again, until somebody acts"


def test_a_declined_report_that_goes_to_a_fallback_is_told_to_nobody(room: Room) -> None:
    decline(room.desk, room.desk.file(((ONE, "primary"), (TWO, "fallback")))[0])
    assert room.tell() == []
    room.jobs.fallbacks()
    assert room.tell() == []
    assert room.desk.reports()[0].state == "queued"


@pytest.mark.parametrize("handling", ["none", "accepted", "in_progress", "closed"])
def test_a_report_whose_hotline_left_the_country_file_is_told_until_closed(room: Room, handling: str) -> None:
    room.desk.file(priority="P3")
    room.jobs._delivery_runner.drain(("P3",))
    [report] = room.desk.reports()
    with room.desk.database.write() as connection:
        connection.execute(update(t.delivery).values(handling=handling))
        update_report_state(connection, report.report_id, room.desk.database.now())
    assert told_once_more(room) == []
    room.known.discard(ONE)
    alerts = told_once_more(room)
    expected = [] if handling == "closed" else [("needs_person", (report.report_id,))]
    assert [(alert.reason, alert.reports) for alert in alerts] == expected


@pytest.mark.rule("B-58")
def test_five_wrong_pins_are_told_once_a_day_and_name_no_report(room: Room) -> None:
    web.commit(room.desk.database, room.desk.sealed(), MailboxRecord(bytes(32), b"public", b"sealed"))
    for _ in range(DEFAULT_LIMIT.per_code):
        verify_pair(room.desk.database, PinGuess(7, [b"wrong"]))
    [alert] = told_in_two_rounds(room)
    assert (alert.reason, alert.reports, alert.priority) == ("pin_guessed", (), "P3")


@pytest.mark.rule("X-07")
def test_who_is_on_call_is_told_once_an_hour_of_many_guesses(room: Room) -> None:
    for n in range(DEFAULT_LIMIT.in_total):
        verify_pair(room.desk.database, PinGuess(n, [b"wrong"]))
    assert room.tell() == []
    verify_pair(room.desk.database, PinGuess(DEFAULT_LIMIT.in_total, [b"wrong"]))
    [alert] = told_in_two_rounds(room)
    assert (alert.reason, alert.reports, alert.priority) == ("code_guessed", (), "P2")
    assert alert.subject() == "Tokaut: P2, needs a person"
    room.pass_time(3601)
    assert room.tell() == []


def sms(room: Room, state: str, why: str, channel: str = "africastalking", seconds: int = 600) -> None:
    """Store an SMS as a worker leaves it. `seconds`: its lifetime; a text by USSD has one minute."""
    now = room.desk.database.now()
    made = OutgoingSms(new_id(now), channel, "demo", "k", b"w", b"s", now, now + seconds * SECOND)
    messages.enqueue_outgoing(room.desk.database, made)
    with room.desk.database.write() as connection:
        row = update(t.outgoing).where(t.outgoing.c.id == made.id)
        connection.execute(row.values(state=state, last_class=why))


@pytest.mark.parametrize(
    ("state", "why"), [("expired", "not_reached"), ("failed", "timeout"), ("failed", "not_understood")]
)
def test_a_provider_that_takes_no_text_is_told_hourly(room: Room, state: str, why: str) -> None:
    sms(room, state, why)
    sms(room, state, why)
    [alert] = told_in_two_rounds(room)
    assert (alert.subject_id, alert.reason, alert.priority) == ("africastalking", "not_reached", "P2")
    room.pass_time(3601)
    assert room.tell() == []


def test_an_outage_of_sms_is_not_texted_by_sms_each_minute(room: Room) -> None:
    """Each try stores one more SMS to each on-call phone, and all of them are sent when the provider is back."""
    sms(room, "expired", "not_reached")
    room.notifier.ok = False
    for alerts in (*[1] * 9, 2):
        room.alert_sender.tell()
        wait(room.alert_sender._pool._busy)
        assert len(room.notifier.alerts) == alerts
        room.pass_time(67)


def test_a_text_that_was_delivered_though_its_answer_was_lost_is_no_outage(room: Room) -> None:
    sms(room, "failed", "timeout")
    with room.desk.database.write() as connection:
        connection.execute(update(t.outgoing).values(status="delivered"))
    assert room.tell() == []


def test_one_text_that_was_lost_is_no_outage(room: Room) -> None:
    sms(room, "failed", "timeout")
    sms(room, "sent", "accepted")
    sms(room, "failed", "bad_number", "twilio")
    sms(room, "expired", "busy", "kannel", seconds=60)
    assert room.tell() == []


def told_in_two_rounds(room: Room) -> list[Alert]:
    for _ in range(2):
        room.alert_sender.tell()
        room.alert_sender._pool.finish()
    return room.notifier.alerts


def test_delivered_is_not_told(room: Room) -> None:
    room.desk.file()
    room.job_queue.away = True
    room.jobs.urgent()
    room.jobs.finish()
    room.pass_time(3600)
    assert room.tell() == []


def test_an_alert_that_raises_stops_no_other(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    for reason in ("disk_full", "clock_jumped"):
        room.alert_sender.add(Alert("", reason, Priority.P2, "Look."))
    tell = room.notifier.tell

    def fails(alert: Alert) -> bool:
        if alert.reason == "disk_full":
            raise ValueError("an alert that this program cannot send")
        return tell(alert)

    monkeypatch.setattr(room.notifier, "tell", fails)
    room.alert_sender.tell()
    room.alert_sender.finish()
    assert [alert.reason for alert in room.notifier.alerts] == ["clock_jumped"]
