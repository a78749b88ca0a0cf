"""A clock that was ahead and was set back: nothing waits for longer than its own period.

Times are written by one clock and read by another, as when a host's time is corrected between a stop and a start.
"""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from reports import time_limits
from reports.store import circuit_breakers, outbox, pending_submissions
from reports.store.engine import leases
from reports.store.mailboxes.pin_throttle import PinGuess, verify_pair
from reports.store.schema import tables as t
from reports.store.sms import answer_notices, duty_phones, messages
from reports.store.sms.messages import OutgoingSms
from runtime.time_units import DAY, HOUR, MINUTE
from tests.workers.filings import ONE, SECOND, Desk
from tests.workers.room import Room
from workers import retry_policy

AHEAD = 11 * HOUR  # Vanuatu's offset, if the hardware clock holds local time


def test_a_lease_that_was_given_up_in_the_future_is_free(desk: Desk) -> None:
    ahead = desk.later(seconds=AHEAD / SECOND)
    assert leases.acquire(ahead.database, "clock", "one", 15)
    leases.release(ahead.database, "clock", "one")
    assert leases.acquire(desk.database, "clock", "two", 15)
    assert not leases.acquire(desk.database, "clock", "three", 15), "one that holds is not free"


@pytest.mark.parametrize("ahead", [2 * HOUR, AHEAD, 15 * DAY])
def test_the_clock_leads_within_its_first_tick(desk: Desk, ahead: int) -> None:
    Room(desk.later(seconds=ahead / SECOND)).clock.tick()
    now = Room(desk, "here/clock-1/b")
    now.clock.tick()
    assert now.clock.leads
    assert now.metrics.jumps._value.get() == 1, "and somebody is told"
    now.jobs.finish()


@pytest.mark.parametrize("kind", time_limits.PENDING_REVISION)
def test_what_files_itself_is_due_where_it_lies_beyond_its_period(desk: Desk, kind: str) -> None:
    database = desk.database
    longest = time_limits.PENDING_REVISION[kind]
    pending_submissions.schedule_pending(
        database, desk.sealed(completeness="incomplete"), kind, database.now() + longest
    )
    assert (pending_submissions.list_due(database) == []) == (longest > 0), "within its period it waits"
    far = desk.sealed(completeness="incomplete")
    pending_submissions.schedule_pending(database, far, kind, database.now() + longest + 5 * SECOND)
    assert far.origin_key in pending_submissions.list_due(database)
    assert pending_submissions.submit_due(database, far.origin_key)


@pytest.mark.parametrize("priority", time_limits.DELIVERY_ATTEMPT)
def test_an_attempt_is_due_where_it_lies_beyond_its_period(desk: Desk, priority: str) -> None:
    """P1 waits a minute at most, although P4 may wait for hours."""
    [waits], [far] = desk.file(priority=priority), desk.file(priority=priority)
    longest = time_limits.DELIVERY_ATTEMPT[priority]
    for one, wait in ((waits, longest), (far, longest + 5 * SECOND)):
        put(desk, one, next_at=desk.database.now() + wait)
    assert [one for one, _ in outbox.list_due(desk.database, (priority,))] == [far]
    leased = outbox.lease_next(desk.database, (priority,), "here/urgent/1")
    assert leased is not None
    assert leased.delivery_id == far


@pytest.mark.parametrize("priority", time_limits.DELIVERY_ATTEMPT)
def test_no_delay_of_the_schedule_is_longer_than_its_period(priority: str) -> None:
    delays = [
        retry_policy.delay_after_failure(priority, attempt, waited, 1, asked)
        for attempt in range(1, 12)
        for waited in (0, 2 * DAY)
        for asked in (None, 10**6)
    ]
    assert max(*delays, retry_policy.delay_after_own_fault(priority)) == time_limits.DELIVERY_ATTEMPT[priority]


def test_a_lease_of_a_row_that_ends_in_the_future_holds_nobody_up(desk: Desk) -> None:
    [delivery] = desk.file()
    assert outbox.lease(desk.later(hours=11).database, delivery, "here/urgent/1")
    assert outbox.lease(desk.database, delivery, "here/urgent/2")
    assert outbox.lease(desk.database, delivery, "here/urgent/3") is None, "a lease that is right holds"


def test_a_hotline_that_rests_until_tomorrow_is_tried(desk: Desk) -> None:
    [delivery] = desk.file(priority="P3")
    ahead = desk.later(hours=11).database
    for _ in range(circuit_breakers.FAILURE_THRESHOLD):
        with ahead.write() as connection:
            circuit_breakers.count_failure(connection, ahead, ONE, ahead.now(), probe=True)
    assert outbox.lease(desk.database, delivery, "here/standard/1"), "the rest was begun by a wrong clock"


def test_a_text_is_sent_and_lives_no_longer_than_ten_minutes(desk: Desk) -> None:
    now = desk.database.now() + AHEAD
    sms = OutgoingSms("a" * 36, "kannel", "demo", "k", b"w", b"s", now, now + time_limits.SMS_LIFETIME)
    messages.enqueue_outgoing(desk.database, sms)
    assert messages.list_due(desk.database) == [sms.id]
    leased = messages.lease(desk.database, sms.id, "here/urgent/1")
    assert leased is not None
    assert leased.time_left <= time_limits.SMS_LIFETIME, "the provider is told for how long"
    assert messages.mark_failed(desk.database, leased, "timeout", 5 * SECOND, "here/urgent/1")
    Room(desk).jobs.repair_times()
    later = desk.later(minutes=11).database
    assert messages.expire_old(later) == (1, 0), "and it does not arrive at night"


def test_a_duty_phone_is_not_taken_for_just_texted(desk: Desk) -> None:
    [delivery] = desk.file()
    put(desk, delivery, state="delivered")
    row = {"sms_id": "s" * 36, "delivery_id": delivery, "hotline": ONE, "rank": 0, "word": "123456"}
    with desk.database.write() as connection:
        connection.execute(insert(t.page), row | {"created_at": desk.database.now() + AHEAD})
    assert not duty_phones.was_paged_within(desk.database, delivery, MINUTE)
    assert [one.delivery_id for one in duty_phones.list_unanswered(desk.database, {"P1": 5 * MINUTE}, {ONE: 2})] == [
        delivery
    ]


def test_wrong_words_of_tomorrow_lock_no_duty_phone_out(desk: Desk) -> None:
    [delivery] = desk.file()
    put(desk, delivery, state="delivered")
    now = desk.database.now()
    page = {"sms_id": "s" * 36, "delivery_id": delivery, "hotline": ONE, "rank": 0, "word": "123456", "created_at": now}
    wrong = [
        {"answer_id": f"{n:036}", "hotline": ONE, "word": "000000", "at": now + AHEAD, "wrong": duty_phones.WRONG}
        for n in range(duty_phones.MAX_WRONG)
    ]
    with desk.database.write() as connection:
        connection.execute(insert(t.page), page)
        connection.execute(insert(t.phone_answer), wrong)
    duty_phones.record_reply(desk.database, "b" * 36, [ONE], "123456")
    [reply] = duty_phones.list_replies(desk.database)
    assert duty_phones.accept_reply(desk.database, reply)
    assert reply.hotline == ONE


def test_a_fallback_starts_in_its_time_for_a_report_of_a_clock_that_was_ahead(desk: Desk) -> None:
    """Its age would be negative for eleven hours."""
    [delivery] = desk.later(hours=11).file()
    room = Room(desk)
    room.jobs.repair_times()
    assert desk.delivery(delivery).created_at <= desk.database.now()
    put(desk, delivery, told_at=desk.database.now() + AHEAD)
    room.jobs.repair_times()
    assert desk.delivery(delivery).told_at <= desk.database.now()


def test_a_reporters_text_that_was_put_off_by_a_wrong_clock_is_looked_at_again(desk: Desk) -> None:
    database, room = desk.database, Room(desk)
    answer_notices.schedule(database, "a" * 36, "r" * 36, database.now() + HOUR)
    room.jobs.repair_times()
    assert answer_notices.list_due(database) == [], "the safe hours of a reporter are not a wrong time"
    room.jobs.reconsider()
    room.jobs.repair_times()
    assert answer_notices.list_due(database) == [("a" * 36, "r" * 36, False)]


def test_what_tells_a_repeat_is_not_forgotten_because_a_clock_jumped(room: Room) -> None:
    database = room.desk.database
    messages.save_inbound(database, b"a" * 32, b"c" * 32, b"sealed")
    messages.mark_processed(database, b"a" * 32)
    room.clock.tick()
    database.offset += 15 * DAY
    for _ in range(3):
        room.pass_time(60)
        room.clock.tick()
    with database.read() as connection:
        assert len(connection.execute(select(t.inbound.c.inbound_key)).all()) == 1
    room.finish()


def put(desk: Desk, delivery: str, **values: object) -> None:
    with desk.database.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == delivery).values(values))


@pytest.mark.parametrize(("locked_for", "opens"), [(15 * DAY, True), (23 * HOUR, False)])
def test_a_code_is_locked_for_a_day_and_no_longer(desk: Desk, locked_for: int, opens: bool) -> None:
    """It was locked by a clock that was ahead."""
    now = desk.database.now()
    lock = {"bucket": 7, "tries": 5, "since": now, "locked_until": now + locked_for}
    row = {"report_id": "r" * 36, "lookup": b"l" * 32, "public_key": b"k", "sealed_key": b"s", "created_at": 0}
    with desk.database.write() as connection:
        connection.execute(insert(t.code_try), lock)
        connection.execute(insert(t.mailbox), row)
    assert (verify_pair(desk.database, PinGuess(7, [b"l" * 32])).report_id is not None) == opens
