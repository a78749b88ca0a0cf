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
from tests.workers.sample_store import ONE, SECOND, SampleStore
from tests.workers.scheduler_harness import SchedulerHarness
from workers import retry_policy

AHEAD = 11 * HOUR  # Vanuatu's offset, if the hardware clock holds local time


def test_a_lease_that_was_given_up_in_the_future_is_free(store: SampleStore) -> None:
    ahead = store.later(seconds=AHEAD / SECOND)
    assert leases.acquire(ahead.database, "clock", "one", 15)
    leases.release(ahead.database, "clock", "one")
    assert leases.acquire(store.database, "clock", "two", 15)
    assert not leases.acquire(store.database, "clock", "three", 15), "one that holds is not free"


@pytest.mark.parametrize("ahead", [2 * HOUR, AHEAD, 15 * DAY])
def test_the_clock_leads_within_its_first_tick(store: SampleStore, ahead: int) -> None:
    SchedulerHarness(store.later(seconds=ahead / SECOND)).clock.tick()
    now = SchedulerHarness(store, "here/clock-1/b")
    now.clock.tick()
    assert now.clock.leads
    assert now.metrics.jumps._value.get() == 1, "and somebody is told"
    now.jobs.finish()


@pytest.mark.parametrize("kind", time_limits.PENDING_REVISION)
def test_what_files_itself_is_due_where_it_lies_beyond_its_period(store: SampleStore, kind: str) -> None:
    database = store.database
    longest = time_limits.PENDING_REVISION[kind]
    pending_submissions.schedule_pending(
        database, store.sealed(completeness="incomplete"), kind, database.now() + longest
    )
    assert (pending_submissions.list_due(database) == []) == (longest > 0), "within its period it waits"
    far = store.sealed(completeness="incomplete")
    pending_submissions.schedule_pending(database, far, kind, database.now() + longest + 5 * SECOND)
    assert far.origin_key in pending_submissions.list_due(database)
    assert pending_submissions.submit_due(database, far.origin_key)


@pytest.mark.parametrize("priority", time_limits.DELIVERY_ATTEMPT)
def test_an_attempt_is_due_where_it_lies_beyond_its_period(store: SampleStore, priority: str) -> None:
    """P1 waits a minute at most, although P4 may wait for hours."""
    [waits], [far] = store.submit(priority=priority), store.submit(priority=priority)
    longest = time_limits.DELIVERY_ATTEMPT[priority]
    for one, wait in ((waits, longest), (far, longest + 5 * SECOND)):
        put(store, one, next_at=store.database.now() + wait)
    assert [one for one, _ in outbox.list_due(store.database, (priority,))] == [far]
    leased = outbox.lease_next(store.database, (priority,), "here/urgent/1")
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


def test_a_lease_of_a_row_that_ends_in_the_future_holds_nobody_up(store: SampleStore) -> None:
    [delivery] = store.submit()
    assert outbox.lease(store.later(hours=11).database, delivery, "here/urgent/1")
    assert outbox.lease(store.database, delivery, "here/urgent/2")
    assert outbox.lease(store.database, delivery, "here/urgent/3") is None, "a lease that is right holds"


def test_a_hotline_that_rests_until_tomorrow_is_tried(store: SampleStore) -> None:
    [delivery] = store.submit(priority="P3")
    ahead = store.later(hours=11).database
    for _ in range(circuit_breakers.FAILURE_THRESHOLD):
        with ahead.write() as connection:
            circuit_breakers.count_failure(connection, ahead, ONE, ahead.now(), probe=True)
    assert outbox.lease(store.database, delivery, "here/standard/1"), "the rest was begun by a wrong clock"


def test_a_text_is_sent_and_lives_no_longer_than_ten_minutes(store: SampleStore) -> None:
    now = store.database.now() + AHEAD
    sms = OutgoingSms("a" * 36, "kannel", "demo", "k", b"w", b"s", now, now + time_limits.SMS_LIFETIME)
    messages.enqueue_outgoing(store.database, sms)
    assert messages.list_due(store.database) == [sms.id]
    leased = messages.lease(store.database, sms.id, "here/urgent/1")
    assert leased is not None
    assert leased.time_left <= time_limits.SMS_LIFETIME, "the provider is told for how long"
    assert messages.mark_failed(store.database, leased, "timeout", 5 * SECOND, "here/urgent/1")
    SchedulerHarness(store).jobs.repair_times()
    later = store.later(minutes=11).database
    assert messages.expire_old(later) == (1, 0), "and it does not arrive at night"


def test_a_duty_phone_is_not_taken_for_just_texted(store: SampleStore) -> None:
    [delivery] = store.submit()
    put(store, delivery, state="delivered")
    row = {"sms_id": "s" * 36, "delivery_id": delivery, "hotline": ONE, "rank": 0, "word": "123456"}
    with store.database.write() as connection:
        connection.execute(insert(t.page), row | {"created_at": store.database.now() + AHEAD})
    assert not duty_phones.was_alerted_within(store.database, delivery, MINUTE)
    assert [one.delivery_id for one in duty_phones.list_unanswered(store.database, {"P1": 5 * MINUTE}, {ONE: 2})] == [
        delivery
    ]


def test_wrong_words_of_tomorrow_lock_no_duty_phone_out(store: SampleStore) -> None:
    [delivery] = store.submit()
    put(store, delivery, state="delivered")
    now = store.database.now()
    page = {"sms_id": "s" * 36, "delivery_id": delivery, "hotline": ONE, "rank": 0, "word": "123456", "created_at": now}
    wrong = [
        {"answer_id": f"{n:036}", "hotline": ONE, "word": "000000", "at": now + AHEAD, "wrong": duty_phones.WRONG}
        for n in range(duty_phones.MAX_WRONG)
    ]
    with store.database.write() as connection:
        connection.execute(insert(t.page), page)
        connection.execute(insert(t.phone_answer), wrong)
    duty_phones.record_reply(store.database, "b" * 36, [ONE], "123456")
    [reply] = duty_phones.list_replies(store.database)
    assert duty_phones.accept_reply(store.database, reply)
    assert reply.hotline == ONE


def test_a_fallback_starts_in_its_time_for_a_report_of_a_clock_that_was_ahead(store: SampleStore) -> None:
    """Its age would be negative for eleven hours."""
    [delivery] = store.later(hours=11).submit()
    harness = SchedulerHarness(store)
    harness.jobs.repair_times()
    assert store.delivery(delivery).created_at <= store.database.now()
    put(store, delivery, told_at=store.database.now() + AHEAD)
    harness.jobs.repair_times()
    assert store.delivery(delivery).told_at <= store.database.now()


def test_a_reporters_text_that_was_put_off_by_a_wrong_clock_is_looked_at_again(store: SampleStore) -> None:
    database, harness = store.database, SchedulerHarness(store)
    answer_notices.schedule(database, "a" * 36, "r" * 36, database.now() + HOUR)
    harness.jobs.repair_times()
    assert answer_notices.list_due(database) == [], "the safe hours of a reporter are not a wrong time"
    harness.jobs.reconsider()
    harness.jobs.repair_times()
    assert answer_notices.list_due(database) == [("a" * 36, "r" * 36, False)]


def test_what_tells_a_repeat_is_not_forgotten_because_a_clock_jumped(harness: SchedulerHarness) -> None:
    database = harness.store.database
    messages.save_inbound(database, b"a" * 32, b"c" * 32, b"sealed")
    messages.mark_processed(database, b"a" * 32)
    harness.clock.tick()
    database.offset += 15 * DAY
    for _ in range(3):
        harness.pass_time(60)
        harness.clock.tick()
    with database.read() as connection:
        assert len(connection.execute(select(t.inbound.c.inbound_key)).all()) == 1
    harness.finish()


def put(store: SampleStore, delivery: str, **values: object) -> None:
    with store.database.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == delivery).values(values))


@pytest.mark.parametrize(("locked_for", "opens"), [(15 * DAY, True), (23 * HOUR, False)])
def test_a_code_is_locked_for_a_day_and_no_longer(store: SampleStore, locked_for: int, opens: bool) -> None:
    """It was locked by a clock that was ahead."""
    now = store.database.now()
    lock = {"bucket": 7, "tries": 5, "since": now, "locked_until": now + locked_for}
    row = {"report_id": "r" * 36, "lookup": b"l" * 32, "public_key": b"k", "sealed_key": b"s", "created_at": 0}
    with store.database.write() as connection:
        connection.execute(insert(t.code_try), lock)
        connection.execute(insert(t.mailbox), row)
    assert (verify_pair(store.database, PinGuess(7, [b"l" * 32])).report_id is not None) == opens
