"""The scheduler: who leads, when its jobs run, and what it must not do when the time jumps."""

from __future__ import annotations

import threading

import pytest
from prometheus_client import Gauge
from sqlalchemy import insert, select, update
from structlog.testing import capture_logs

from reports.audit import chain_rows, verify_chain
from reports.escalation import PendingKind, Priority
from reports.store import audit_log, circuit_breakers, outbox, pending_submissions, tombstones
from reports.store.cases import presence
from reports.store.engine.database import Database, DatabaseUnavailable, RowRefused
from reports.store.escalation import fallbacks
from reports.store.schema import tables as t
from reports.store.sms import messages
from runtime.queue import DELIVER_JOB
from runtime.time_units import DAY, HOUR
from tests.workers.sample_store import ONE, SECOND, TWO, SampleStore
from tests.workers.scheduler_harness import FakeJobQueue, FakeMonotonicClock, SchedulerHarness
from tests.workers.test_sms_dispatcher import OutgoingSmsHarness
from workers import retry_policy
from workers.clock import jobs
from workers.sms.dispatcher import Accepted, SmsMessage, SmsOutcome
from workers.thread_pool import QueueFallback

# Leadership


@pytest.mark.rule("F7")
def test_one_leads_and_the_other_takes_over(store: SampleStore) -> None:
    one, two = SchedulerHarness(store), SchedulerHarness(store, "there/clock-1/b")
    two.time = two.clock._monotonic = one.time  # type: ignore[assignment]  # both live in the same time
    for clock in (one.clock, two.clock):
        clock.tick()
    assert (one.clock.leads, two.clock.leads) == (True, False)
    for _ in range(3):
        one.pass_time(6)
        two.clock.tick()
        one.clock.tick()
    assert (one.clock.leads, two.clock.leads) == (True, False)
    one.pass_time(16)  # the first scheduler was killed
    two.clock.tick()
    assert two.clock.leads
    one.clock.tick()
    assert not one.clock.leads


def test_another_leads_within_15_seconds_of_the_last_renewal(store: SampleStore) -> None:
    """One is killed just after renewing its lease; the other checks once a second, up to a second late."""
    one, two = SchedulerHarness(store), SchedulerHarness(store, "there/clock-1/b")
    two.time = two.clock._monotonic = one.time  # type: ignore[assignment]
    one.clock.tick()
    two.clock.tick()
    assert not two.clock.leads
    for _ in range(14):
        one.pass_time(1)
        two.clock.tick()
    assert two.clock.leads


def test_one_that_stops_steps_down_at_once(store: SampleStore) -> None:
    one, two = SchedulerHarness(store), SchedulerHarness(store, "there/clock-1/b")
    one.clock.tick()
    stopping = threading.Event()
    stopping.set()
    one.clock.run(stopping)
    assert one.metrics.leader._value.get() == 0
    two.clock.tick()
    assert two.clock.leads


def test_only_the_one_that_leads_ticks(store: SampleStore) -> None:
    """Else a scheduler that waits for a dead leader, and cannot lead, would report that all is well."""
    one, two = SchedulerHarness(store), SchedulerHarness(store, "there/clock-1/b")
    for harness in (one, two):
        harness.clock.tick()
    ticked = [harness.metrics.tick._value.get() > 0 for harness in (one, two)]
    assert ticked == [True, False]
    assert [harness.metrics.leader._value.get() for harness in (one, two)] == [1, 0]


def test_a_job_that_never_failed_has_its_figure(harness: SchedulerHarness) -> None:
    """A counter that first appears as 1 has not increased, for a monitor."""
    stopping = threading.Event()
    stopping.set()
    harness.clock.run(stopping)
    [family] = harness.metrics.faults.collect()
    found = {sample.labels["name"]: sample.value for sample in family.samples if sample.name.endswith("_total")}
    assert found["urgent"] == found["park"] == 0 and len(found) == len(harness.clock._schedule)


def test_the_database_away_stops_no_clock(harness: SchedulerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable("refused")

    harness.clock.tick()
    monkeypatch.setattr(audit_log, "chain_entries", away)
    [delivery] = harness.store.submit()
    harness.pass_time(2)
    harness.clock.tick()
    assert delivery in harness.job_queue.ids, "one job that fails keeps no other from being done"
    harness.jobs.finish()


def test_a_job_that_has_more_to_do_goes_on_and_the_others_have_their_turn(harness: SchedulerHarness) -> None:
    harness.escalation.full_runs = 3
    more = []
    for _ in range(5):
        more.append(harness.clock.tick())
        harness.pass_time(1)
    assert (more, harness.escalation.runs) == ([True, True, True, False, False], 4)
    harness.pass_time(5)
    harness.clock.tick()
    assert harness.escalation.runs == 5, "from then on in its own time"
    harness.jobs.finish()


# Due work


def test_what_is_due_is_queued_once(harness: SchedulerHarness) -> None:
    [delivery] = harness.store.submit()
    for _ in range(3):
        harness.jobs.urgent()
    assert harness.job_queue.ids == [delivery]


def test_what_nobody_took_within_five_seconds_is_left_over() -> None:
    time, job_queue = FakeMonotonicClock(), FakeJobQueue()
    queue_fallback = QueueFallback(job_queue, DELIVER_JOB, time)  # type: ignore[arg-type]  # a fake
    assert queue_fallback.queue_ids(["a", "b"], "urgent") == []
    time.now += 4
    assert queue_fallback.queue_ids(["a", "b"], "urgent") == []
    time.now += 1
    assert queue_fallback.queue_ids(["b", "c"], "urgent") == ["b"]
    job_queue.away = True
    assert queue_fallback.queue_ids(["d", "e"], "urgent") == ["d", "e"]


def test_with_the_queue_away_it_delivers_by_itself(harness: SchedulerHarness) -> None:
    harness.job_queue.away = True
    ids = [harness.store.submit(priority=priority)[0] for priority in ("P1", "P3", "P2", "P4")]
    harness.jobs.urgent()
    harness.jobs.standard()
    harness.jobs.finish()
    assert {harness.store.delivery(one).state for one in ids} == {"delivered"}
    assert sorted(request.delivery_id for request in harness.hotline.requests) == sorted(ids)


def test_what_rests_or_is_held_is_not_queued(harness: SchedulerHarness) -> None:
    [held], [waits] = harness.store.submit(), harness.store.submit()
    outbox.lease(harness.store.database, held, "w/urgent/1")
    with harness.store.database.write() as connection:
        later = harness.store.database.now() + 60 * SECOND
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == waits).values(next_at=later))
    harness.jobs.urgent()
    assert harness.job_queue.ids == []
    harness.store.database.offset += 61 * SECOND
    harness.jobs.urgent()
    assert sorted(harness.job_queue.ids) == sorted([held, waits]), "the lease ran out, the time came"


def test_rescue_and_fallback_go_on_the_queue(harness: SchedulerHarness) -> None:
    rescue = harness.store.sealed(completeness="incomplete")
    pending_submissions.schedule_pending(harness.store.database, rescue, "rescue", harness.store.database.now())
    harness.jobs.submit_pending()
    harness.store.submit([(ONE, "primary"), (TWO, "fallback")])
    harness.store.database.offset += 31 * SECOND
    harness.jobs.fallbacks()
    made = {
        row.delivery_id for row in harness.store.deliveries() if row.why != "CATEGORY_FIRST" or row.type != "created"
    }
    assert len(harness.job_queue.ids) == 2
    assert made <= set(harness.job_queue.ids)


# FakeMonotonicClock


def test_parked_after_14_days_and_never_before(harness: SchedulerHarness) -> None:
    [delivery] = harness.store.submit()
    harness.store.database.offset += 14 * DAY - 60 * SECOND
    harness.jobs.park()
    assert harness.store.delivery(delivery).state == "due"
    harness.store.database.offset += 120 * SECOND
    harness.jobs.park()
    row = harness.store.delivery(delivery)
    assert (row.state, row.last_class, row.told_at) == ("parked", "parked", None)
    assert harness.store.reports()[0].state == "needs_person"
    assert harness.store.acts(delivery) == ["parked"]


@pytest.mark.rule("F28")
def test_a_jump_of_15_days_parks_nothing_for_a_day(harness: SchedulerHarness) -> None:
    [delivery] = harness.store.submit()
    harness.clock.tick()
    harness.store.database.offset += 15 * DAY  # only the wall clock
    for _ in range(23):
        harness.pass_time(3600)
        harness.clock.tick()
    assert harness.store.delivery(delivery).state == "due"
    assert harness.metrics.jumps._value.get() == 1
    for _ in range(2):
        harness.pass_time(3600)
        harness.clock.tick()
    assert harness.store.delivery(delivery).state == "parked", "the time was right after all"
    harness.finish()


@pytest.mark.rule("F28")
def test_a_clock_that_starts_15_days_later_parks_nothing_for_a_day(store: SampleStore) -> None:
    [delivery] = store.submit()
    SchedulerHarness(store).clock.tick()
    store.database.offset += 15 * DAY
    other = SchedulerHarness(store, "there/clock-1/b")
    for _ in range(23):
        other.clock.tick()
        other.pass_time(3600)
    assert store.delivery(delivery).state == "due"
    other.jobs.finish()


@pytest.mark.rule("F28")
def test_back_an_hour_what_lies_too_far_ahead_is_mended(harness: SchedulerHarness) -> None:
    far, held = harness.store.submit()[0], harness.store.submit()[0]
    harness.clock.tick()
    future = harness.store.database.now() + 5 * HOUR
    with harness.store.database.write() as connection:
        d = t.delivery.c
        connection.execute(update(t.delivery).where(d.delivery_id == far).values(next_at=future))
        connection.execute(update(t.delivery).where(d.delivery_id == held).values(lease_until=future, lease_by="x"))
    harness.store.database.offset -= HOUR
    harness.time.now += 1
    harness.clock.tick()
    now = harness.store.database.now()
    assert harness.store.delivery(far).next_at <= now
    assert harness.store.delivery(held).lease_until is None
    harness.jobs.finish()


def test_a_time_that_the_schedule_sets_is_left_alone(harness: SchedulerHarness) -> None:
    [delivery] = harness.store.submit(priority="P4")
    longest = int(retry_policy.POLICIES["P4"].same_day_delay * 1.2)
    with harness.store.database.write() as connection:
        next_at = harness.store.database.now() + longest
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == delivery).values(next_at=next_at))
    harness.jobs.repair_times()
    assert harness.store.delivery(delivery).next_at == next_at


@pytest.mark.parametrize(("waiting", "more"), [(0, False), (1, False), (2, True), (3, True)])
def test_what_piled_up_in_an_outage_is_submitted_without_a_pause(
    harness: SchedulerHarness, monkeypatch: pytest.MonkeyPatch, waiting: int, more: bool
) -> None:
    monkeypatch.setattr(jobs, "PENDING_AT_ONCE", 2)
    monkeypatch.setattr(jobs, "CHAINED_AT_ONCE", 2)
    database = harness.store.database
    for _ in range(waiting):
        pending_submissions.schedule_pending(database, harness.store.sealed(), "words", database.now())
    assert harness.jobs.submit_pending() is more
    assert len(pending_submissions.list_due(database)) == max(0, waiting - 2)
    assert harness.jobs.chain() is bool(waiting)  # one entry for the report and one for its delivery


# The audit log


@pytest.mark.rule("X-24")
def test_the_audit_is_chained_in_order_and_goes_on(harness: SchedulerHarness) -> None:
    for _ in range(3):
        harness.store.submit()
        harness.jobs.chain()
    rows = audit_log.list_chained(harness.store.database)
    assert [link.seq for _, link in rows] == [1, 2, 3]
    assert verify_chain(chain_rows(rows), (), "demo", lambda *_: False, 0).fault == ""
    assert audit_log.oldest_unchained_at(harness.store.database) is None
    with harness.store.database.write() as connection:
        connection.execute(update(t.audit).where(t.audit.c.seq == 2).values(act="nothing"))
    broken = verify_chain(chain_rows(audit_log.list_chained(harness.store.database)), (), "demo", lambda *_: False, 0)
    assert broken.fault.startswith("Line 2 ")


# Cleaning up


def test_old_inbound_goes_and_words_that_wait_stay(harness: SchedulerHarness) -> None:
    database = harness.store.database
    messages.save_inbound(database, b"a" * 32, b"c" * 32, b"sealed")
    messages.save_inbound(database, b"b" * 32, b"c" * 32, b"sealed")
    messages.mark_processed(database, b"b" * 32)
    database.offset += 47 * HOUR
    harness.jobs.delete_old()
    assert len(inbound(database)) == 2
    database.offset += 2 * HOUR
    harness.jobs.delete_old()
    assert inbound(database) == [b"a" * 32]


def test_who_had_a_report_open_goes_also_if_they_never_come_back(harness: SchedulerHarness) -> None:
    database = harness.store.database
    for name, ago in (("gone", presence.LIFETIME), ("here", presence.LIFETIME - SECOND)):
        row = {"staff_id": name, "report_id": name, "hotline": "vu-police", "seen_at": database.now() - ago}
        with database.write() as connection:
            connection.execute(insert(t.presence).values(row))
    harness.jobs.delete_old()
    with database.read() as connection:
        assert connection.execute(select(t.presence.c.staff_id)).scalars().all() == ["here"]


def inbound(database: Database) -> list[bytes]:
    with database.read() as connection:
        return list(connection.execute(select(t.inbound.c.inbound_key)).scalars())


# Metrics


def test_what_no_hotline_has_is_shown_by_state_and_priority(harness: SchedulerHarness) -> None:
    delivered, parked, refused = (harness.store.submit(priority="P3")[0] for _ in range(3))
    harness.store.submit(priority="P1")
    with harness.store.database.write() as connection:
        for one, state in ((delivered, "delivered"), (parked, "parked"), (refused, "refused")):
            connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == one).values(state=state))
    harness.jobs.undelivered()
    assert shown(harness.metrics.deliveries, "state", "priority") == {
        (state, priority): float((state, priority) in {("due", "P1"), ("parked", "P3"), ("refused", "P3")})
        for state in ("due", "refused", "parked")
        for priority in ("P1", "P2", "P3", "P4")
    }
    with harness.store.database.write() as connection:
        connection.execute(update(t.delivery).values(state="delivered"))
    harness.jobs.undelivered()
    assert set(shown(harness.metrics.deliveries, "state", "priority").values()) == {0.0}, "and gone again"


def test_a_hotline_that_rests_is_shown_until_something_is_taken(harness: SchedulerHarness) -> None:
    harness.store.submit()
    database = harness.store.database
    for times in range(circuit_breakers.FAILURE_THRESHOLD):
        harness.jobs.undelivered()
        assert set(shown(harness.metrics.breaker, "hotline").values()) <= {0.0}, times
        with database.write() as connection:
            circuit_breakers.count_failure(connection, database, ONE, database.now(), probe=True)
    harness.jobs.undelivered()
    assert shown(harness.metrics.breaker, "hotline") == {(ONE,): 1.0}
    harness.pass_time(3600)
    harness.jobs.undelivered()
    assert shown(harness.metrics.breaker, "hotline") == {(ONE,): 1.0}, "its rest is over, and nothing was taken yet"
    with database.write() as connection:
        circuit_breakers.close(connection, ONE, database.now())
        circuit_breakers.mark_gone(connection, database, TWO, database.now())
    harness.jobs.undelivered()
    assert shown(harness.metrics.breaker, "hotline") == {(ONE,): 0.0, (TWO,): 1.0}, "the other takes nothing any more"


def shown(gauge: Gauge, *labels: str) -> dict[tuple[str, ...], float]:
    [family] = gauge.collect()
    return {tuple(sample.labels[name] for name in labels): sample.value for sample in family.samples}


def test_reports_that_get_no_fallback_do_not_stop_the_others(
    harness: SchedulerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.clock.jobs.FALLBACKS_AT_ONCE", 2)
    for _ in range(5):
        harness.store.submit([(ONE, "primary"), (TWO, "fallback")])
    harness.pass_time(31)
    bad = {row.report_id for row in harness.store.reports()[:3]}
    real = fallbacks.add_fallback

    def fails(database: Database, report_id: str, *given: str) -> tuple[str, Priority] | None:
        if report_id in bad:
            raise ValueError("a row that this program cannot read")
        return real(database, report_id, *given)

    monkeypatch.setattr("workers.clock.jobs.fallbacks.add_fallback", fails)
    while harness.jobs.fallbacks():
        pass
    assert {row.report_id for row in harness.store.deliveries() if row.hotline == TWO} == {
        row.report_id for row in harness.store.reports()[3:]
    }


def test_a_pending_revision_that_cannot_be_submitted_stops_no_other(
    harness: SchedulerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.clock.jobs.PENDING_AT_ONCE", 2)
    for number in range(5):
        due_at = harness.store.database.now() + number * SECOND
        submission = harness.store.sealed(completeness="incomplete", priority="P1")
        pending_submissions.schedule_pending(harness.store.database, submission, PendingKind.RESCUE, due_at)
    harness.pass_time(200)
    bad = pending_submissions.list_due(harness.store.database)[:3]
    real = pending_submissions.submit_due

    def fails(database: Database, origin_key: bytes) -> list[tuple[str, Priority]]:
        if origin_key in bad:
            raise ValueError("a row that this program cannot read")
        return real(database, origin_key)

    monkeypatch.setattr("workers.clock.jobs.pending_submissions.submit_due", fails)
    while harness.jobs.submit_pending():
        pass
    assert len(harness.store.reports()) == 2
    assert pending_submissions.list_due(harness.store.database) == bad, "they stay, for a program that can"


def test_one_round_tries_one_page_of_pending_revisions_that_all_fail(
    harness: SchedulerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.clock.jobs.PENDING_AT_ONCE", 2)
    for _ in range(5):
        submission = harness.store.sealed(completeness="incomplete", priority="P1")
        pending_submissions.schedule_pending(
            harness.store.database, submission, PendingKind.RESCUE, harness.store.database.now()
        )
    harness.pass_time(200)
    tried: list[bytes] = []

    def fails(_: Database, origin_key: bytes) -> list[tuple[str, Priority]]:
        tried.append(origin_key)
        raise ValueError("a row that this program cannot read")

    monkeypatch.setattr("workers.clock.jobs.pending_submissions.submit_due", fails)
    with capture_logs() as logs:
        assert harness.jobs.submit_pending()
        assert len(tried) == 2, "the lease, urgent deliveries and the escalation have their turn"
        while harness.jobs.submit_pending():
            pass
    harness.jobs.submit_pending()
    assert tried == pending_submissions.list_due(harness.store.database), "each once"
    assert len(logs) == 5


def test_a_provider_that_hangs_does_not_delay_the_sms_of_another(harness: SchedulerHarness) -> None:
    outgoing, released, sent = OutgoingSmsHarness(harness.store), threading.Event(), threading.Event()
    slow, other = [outgoing.put(channel="twilio") for _ in range(3)], outgoing.put()

    class HangingSender:
        def send(self, _: SmsMessage) -> SmsOutcome:
            assert released.wait(20)
            return Accepted()

    class QuickSender:
        def send(self, _: SmsMessage) -> SmsOutcome:
            sent.set()
            return Accepted()

    harness.jobs._dispatcher.senders.update({"twilio": HangingSender(), "africastalking": QuickSender()})  # type: ignore[attr-defined]
    harness.job_queue.away = True
    harness.jobs.sms()
    try:
        assert sent.wait(10), "the SMS that has waited longest hangs"
    finally:
        released.set()
    harness.jobs.finish()
    assert outgoing.row(other).state == "sent"
    assert [outgoing.row(one).state for one in slow[1:]] == ["due", "due"], "a scheduler that stops sends no more"


@pytest.mark.parametrize("error", [ValueError("a row that this program cannot read"), RowRefused("IntegrityError")])
def test_a_deletion_that_fails_stops_no_other(
    harness: SchedulerHarness, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    deleted: list[str] = []
    monkeypatch.setattr(messages, "delete_old_inbound", fails)
    monkeypatch.setattr(tombstones, "delete_old", lambda *_: deleted.append("tombstones"))
    with capture_logs() as logs:
        harness.jobs.delete_old()
    assert deleted == ["tombstones"]
    assert [(log["event"], log["job"]) for log in logs] == [("job_failed", "delete_old")]


def test_a_deletion_that_always_takes_too_long_does_not_keep_the_others_from_their_turn(
    harness: SchedulerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(*_: object) -> None:
        raise DatabaseUnavailable("the statement took too long")

    deleted: list[str] = []
    monkeypatch.setattr(messages, "delete_old_inbound", too_slow)
    monkeypatch.setattr(tombstones, "delete_old", lambda *_: deleted.append("tombstones"))
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            harness.jobs.delete_old()
    assert deleted == ["tombstones"]
