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
from tests.workers.filings import ONE, SECOND, TWO, Desk
from tests.workers.room import FakeHurry, Room, Time
from tests.workers.test_sms_dispatcher import Post
from workers import retry_policy
from workers.clock import jobs
from workers.sms.dispatcher import Accepted, SmsMessage, SmsOutcome
from workers.thread_pool import QueueFallback

# Leadership


@pytest.mark.rule("F7")
def test_one_leads_and_the_other_takes_over(desk: Desk) -> None:
    one, two = Room(desk), Room(desk, "there/clock-1/b")
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


def test_another_leads_within_15_seconds_of_the_last_renewal(desk: Desk) -> None:
    """One is killed just after renewing its lease; the other checks once a second, up to a second late."""
    one, two = Room(desk), Room(desk, "there/clock-1/b")
    two.time = two.clock._monotonic = one.time  # type: ignore[assignment]
    one.clock.tick()
    two.clock.tick()
    assert not two.clock.leads
    for _ in range(14):
        one.pass_time(1)
        two.clock.tick()
    assert two.clock.leads


def test_one_that_stops_steps_down_at_once(desk: Desk) -> None:
    one, two = Room(desk), Room(desk, "there/clock-1/b")
    one.clock.tick()
    stopping = threading.Event()
    stopping.set()
    one.clock.run(stopping)
    assert one.metrics.leader._value.get() == 0
    two.clock.tick()
    assert two.clock.leads


def test_only_the_one_that_leads_ticks(desk: Desk) -> None:
    """Else a scheduler that waits for a dead leader, and cannot lead, would report that all is well."""
    one, two = Room(desk), Room(desk, "there/clock-1/b")
    for room in (one, two):
        room.clock.tick()
    ticked = [room.metrics.tick._value.get() > 0 for room in (one, two)]
    assert ticked == [True, False]
    assert [room.metrics.leader._value.get() for room in (one, two)] == [1, 0]


def test_a_job_that_never_failed_has_its_figure(room: Room) -> None:
    """A counter that first appears as 1 has not increased, for a monitor."""
    stopping = threading.Event()
    stopping.set()
    room.clock.run(stopping)
    [family] = room.metrics.faults.collect()
    found = {sample.labels["name"]: sample.value for sample in family.samples if sample.name.endswith("_total")}
    assert found["urgent"] == found["park"] == 0 and len(found) == len(room.clock._schedule)


def test_the_database_away_stops_no_clock(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable("refused")

    room.clock.tick()
    monkeypatch.setattr(audit_log, "chain_entries", away)
    [delivery] = room.desk.file()
    room.pass_time(2)
    room.clock.tick()
    assert delivery in room.job_queue.ids, "one job that fails keeps no other from being done"
    room.jobs.finish()


def test_a_job_that_has_more_to_do_goes_on_and_the_others_have_their_turn(room: Room) -> None:
    room.escalation.pages = 3
    more = []
    for _ in range(5):
        more.append(room.clock.tick())
        room.pass_time(1)
    assert (more, room.escalation.looks) == ([True, True, True, False, False], 4)
    room.pass_time(5)
    room.clock.tick()
    assert room.escalation.looks == 5, "from then on in its own time"
    room.jobs.finish()


# Due work


def test_what_is_due_is_queued_once(room: Room) -> None:
    [delivery] = room.desk.file()
    for _ in range(3):
        room.jobs.urgent()
    assert room.job_queue.ids == [delivery]


def test_what_nobody_took_within_five_seconds_is_left_over() -> None:
    time, hurry = Time(), FakeHurry()
    hurrying = QueueFallback(hurry, DELIVER_JOB, time)  # type: ignore[arg-type]  # a fake
    assert hurrying.not_taken(["a", "b"], "urgent") == []
    time.now += 4
    assert hurrying.not_taken(["a", "b"], "urgent") == []
    time.now += 1
    assert hurrying.not_taken(["b", "c"], "urgent") == ["b"]
    hurry.away = True
    assert hurrying.not_taken(["d", "e"], "urgent") == ["d", "e"]


def test_with_the_queue_away_it_delivers_by_itself(room: Room) -> None:
    room.job_queue.away = True
    ids = [room.desk.file(priority=priority)[0] for priority in ("P1", "P3", "P2", "P4")]
    room.jobs.urgent()
    room.jobs.standard()
    room.jobs.finish()
    assert {room.desk.delivery(one).state for one in ids} == {"delivered"}
    assert sorted(parcel.delivery_id for parcel in room.hotline.parcels) == sorted(ids)


def test_what_rests_or_is_held_is_not_queued(room: Room) -> None:
    [held], [waits] = room.desk.file(), room.desk.file()
    outbox.lease(room.desk.database, held, "w/urgent/1")
    with room.desk.database.write() as connection:
        later = room.desk.database.now() + 60 * SECOND
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == waits).values(next_at=later))
    room.jobs.urgent()
    assert room.job_queue.ids == []
    room.desk.database.offset += 61 * SECOND
    room.jobs.urgent()
    assert sorted(room.job_queue.ids) == sorted([held, waits]), "the lease ran out, the time came"


def test_rescue_and_fallback_go_on_the_queue(room: Room) -> None:
    rescue = room.desk.sealed(completeness="incomplete")
    pending_submissions.schedule_pending(room.desk.database, rescue, "rescue", room.desk.database.now())
    room.jobs.submit_pending()
    room.desk.file([(ONE, "primary"), (TWO, "fallback")])
    room.desk.database.offset += 31 * SECOND
    room.jobs.fallbacks()
    made = {row.delivery_id for row in room.desk.deliveries() if row.why != "CATEGORY_FIRST" or row.type != "created"}
    assert len(room.job_queue.ids) == 2
    assert made <= set(room.job_queue.ids)


# Time


def test_parked_after_14_days_and_never_before(room: Room) -> None:
    [delivery] = room.desk.file()
    room.desk.database.offset += 14 * DAY - 60 * SECOND
    room.jobs.park()
    assert room.desk.delivery(delivery).state == "due"
    room.desk.database.offset += 120 * SECOND
    room.jobs.park()
    row = room.desk.delivery(delivery)
    assert (row.state, row.last_class, row.told_at) == ("parked", "parked", None)
    assert room.desk.reports()[0].state == "needs_person"
    assert room.desk.acts(delivery) == ["parked"]


@pytest.mark.rule("F28")
def test_a_jump_of_15_days_parks_nothing_for_a_day(room: Room) -> None:
    [delivery] = room.desk.file()
    room.clock.tick()
    room.desk.database.offset += 15 * DAY  # only the wall clock
    for _ in range(23):
        room.pass_time(3600)
        room.clock.tick()
    assert room.desk.delivery(delivery).state == "due"
    assert room.metrics.jumps._value.get() == 1
    for _ in range(2):
        room.pass_time(3600)
        room.clock.tick()
    assert room.desk.delivery(delivery).state == "parked", "the time was right after all"
    room.finish()


@pytest.mark.rule("F28")
def test_a_clock_that_starts_15_days_later_parks_nothing_for_a_day(desk: Desk) -> None:
    [delivery] = desk.file()
    Room(desk).clock.tick()
    desk.database.offset += 15 * DAY
    other = Room(desk, "there/clock-1/b")
    for _ in range(23):
        other.clock.tick()
        other.pass_time(3600)
    assert desk.delivery(delivery).state == "due"
    other.jobs.finish()


@pytest.mark.rule("F28")
def test_back_an_hour_what_lies_too_far_ahead_is_mended(room: Room) -> None:
    far, held = room.desk.file()[0], room.desk.file()[0]
    room.clock.tick()
    future = room.desk.database.now() + 5 * HOUR
    with room.desk.database.write() as connection:
        d = t.delivery.c
        connection.execute(update(t.delivery).where(d.delivery_id == far).values(next_at=future))
        connection.execute(update(t.delivery).where(d.delivery_id == held).values(lease_until=future, lease_by="x"))
    room.desk.database.offset -= HOUR
    room.time.now += 1
    room.clock.tick()
    now = room.desk.database.now()
    assert room.desk.delivery(far).next_at <= now
    assert room.desk.delivery(held).lease_until is None
    room.jobs.finish()


def test_a_time_that_the_schedule_sets_is_left_alone(room: Room) -> None:
    [delivery] = room.desk.file(priority="P4")
    longest = int(retry_policy.POLICIES["P4"].same_day_delay * 1.2)
    with room.desk.database.write() as connection:
        next_at = room.desk.database.now() + longest
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == delivery).values(next_at=next_at))
    room.jobs.repair_times()
    assert room.desk.delivery(delivery).next_at == next_at


@pytest.mark.parametrize(("waiting", "more"), [(0, False), (1, False), (2, True), (3, True)])
def test_what_piled_up_in_an_outage_is_submitted_without_a_pause(
    room: Room, monkeypatch: pytest.MonkeyPatch, waiting: int, more: bool
) -> None:
    monkeypatch.setattr(jobs, "PENDING_AT_ONCE", 2)
    monkeypatch.setattr(jobs, "CHAINED_AT_ONCE", 2)
    database = room.desk.database
    for _ in range(waiting):
        pending_submissions.schedule_pending(database, room.desk.sealed(), "words", database.now())
    assert room.jobs.submit_pending() is more
    assert len(pending_submissions.list_due(database)) == max(0, waiting - 2)
    assert room.jobs.chain() is bool(waiting)  # one entry for the report and one for its delivery


# The audit log


@pytest.mark.rule("X-24")
def test_the_audit_is_chained_in_order_and_goes_on(room: Room) -> None:
    for _ in range(3):
        room.desk.file()
        room.jobs.chain()
    rows = audit_log.list_chained(room.desk.database)
    assert [link.seq for _, link in rows] == [1, 2, 3]
    assert verify_chain(chain_rows(rows), (), "demo", lambda *_: False, 0).fault == ""
    assert audit_log.oldest_unchained_at(room.desk.database) is None
    with room.desk.database.write() as connection:
        connection.execute(update(t.audit).where(t.audit.c.seq == 2).values(act="nothing"))
    broken = verify_chain(chain_rows(audit_log.list_chained(room.desk.database)), (), "demo", lambda *_: False, 0)
    assert broken.fault.startswith("Line 2 ")


# Cleaning up


def test_old_inbound_goes_and_words_that_wait_stay(room: Room) -> None:
    database = room.desk.database
    messages.save_inbound(database, b"a" * 32, b"c" * 32, b"sealed")
    messages.save_inbound(database, b"b" * 32, b"c" * 32, b"sealed")
    messages.mark_processed(database, b"b" * 32)
    database.offset += 47 * HOUR
    room.jobs.delete_old()
    assert len(inbound(database)) == 2
    database.offset += 2 * HOUR
    room.jobs.delete_old()
    assert inbound(database) == [b"a" * 32]


def test_who_had_a_report_open_goes_also_if_they_never_come_back(room: Room) -> None:
    database = room.desk.database
    for name, ago in (("gone", presence.LIFETIME), ("here", presence.LIFETIME - SECOND)):
        row = {"staff_id": name, "report_id": name, "hotline": "vu-police", "seen_at": database.now() - ago}
        with database.write() as connection:
            connection.execute(insert(t.presence).values(row))
    room.jobs.delete_old()
    with database.read() as connection:
        assert connection.execute(select(t.presence.c.staff_id)).scalars().all() == ["here"]


def inbound(database: Database) -> list[bytes]:
    with database.read() as connection:
        return list(connection.execute(select(t.inbound.c.inbound_key)).scalars())


# Metrics


def test_what_no_hotline_has_is_shown_by_state_and_priority(room: Room) -> None:
    delivered, parked, refused = (room.desk.file(priority="P3")[0] for _ in range(3))
    room.desk.file(priority="P1")
    with room.desk.database.write() as connection:
        for one, state in ((delivered, "delivered"), (parked, "parked"), (refused, "refused")):
            connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == one).values(state=state))
    room.jobs.undelivered()
    assert shown(room.metrics.deliveries, "state", "priority") == {
        (state, priority): float((state, priority) in {("due", "P1"), ("parked", "P3"), ("refused", "P3")})
        for state in ("due", "refused", "parked")
        for priority in ("P1", "P2", "P3", "P4")
    }
    with room.desk.database.write() as connection:
        connection.execute(update(t.delivery).values(state="delivered"))
    room.jobs.undelivered()
    assert set(shown(room.metrics.deliveries, "state", "priority").values()) == {0.0}, "and gone again"


def test_a_hotline_that_rests_is_shown_until_something_is_taken(room: Room) -> None:
    room.desk.file()
    database = room.desk.database
    for times in range(circuit_breakers.FAILURE_THRESHOLD):
        room.jobs.undelivered()
        assert set(shown(room.metrics.breaker, "hotline").values()) <= {0.0}, times
        with database.write() as connection:
            circuit_breakers.count_failure(connection, database, ONE, database.now(), probe=True)
    room.jobs.undelivered()
    assert shown(room.metrics.breaker, "hotline") == {(ONE,): 1.0}
    room.pass_time(3600)
    room.jobs.undelivered()
    assert shown(room.metrics.breaker, "hotline") == {(ONE,): 1.0}, "its rest is over, and nothing was taken yet"
    with database.write() as connection:
        circuit_breakers.close(connection, ONE, database.now())
        circuit_breakers.mark_gone(connection, database, TWO, database.now())
    room.jobs.undelivered()
    assert shown(room.metrics.breaker, "hotline") == {(ONE,): 0.0, (TWO,): 1.0}, "the other takes nothing any more"


def shown(gauge: Gauge, *labels: str) -> dict[tuple[str, ...], float]:
    [family] = gauge.collect()
    return {tuple(sample.labels[name] for name in labels): sample.value for sample in family.samples}


def test_reports_that_get_no_fallback_do_not_stop_the_others(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.clock.jobs.FALLBACKS_AT_ONCE", 2)
    for _ in range(5):
        room.desk.file([(ONE, "primary"), (TWO, "fallback")])
    room.pass_time(31)
    bad = {row.report_id for row in room.desk.reports()[:3]}
    real = fallbacks.add_fallback

    def fails(database: Database, report_id: str, *given: str) -> tuple[str, Priority] | None:
        if report_id in bad:
            raise ValueError("a row that this program cannot read")
        return real(database, report_id, *given)

    monkeypatch.setattr("workers.clock.jobs.fallbacks.add_fallback", fails)
    while room.jobs.fallbacks():
        pass
    assert {row.report_id for row in room.desk.deliveries() if row.hotline == TWO} == {
        row.report_id for row in room.desk.reports()[3:]
    }


def test_a_pending_revision_that_cannot_be_submitted_stops_no_other(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.clock.jobs.PENDING_AT_ONCE", 2)
    for number in range(5):
        due_at = room.desk.database.now() + number * SECOND
        submission = room.desk.sealed(completeness="incomplete", priority="P1")
        pending_submissions.schedule_pending(room.desk.database, submission, PendingKind.RESCUE, due_at)
    room.pass_time(200)
    bad = pending_submissions.list_due(room.desk.database)[:3]
    real = pending_submissions.submit_due

    def fails(database: Database, origin_key: bytes) -> list[tuple[str, Priority]]:
        if origin_key in bad:
            raise ValueError("a row that this program cannot read")
        return real(database, origin_key)

    monkeypatch.setattr("workers.clock.jobs.pending_submissions.submit_due", fails)
    while room.jobs.submit_pending():
        pass
    assert len(room.desk.reports()) == 2
    assert pending_submissions.list_due(room.desk.database) == bad, "they stay, for a program that can"


def test_one_round_tries_one_page_of_pending_revisions_that_all_fail(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.clock.jobs.PENDING_AT_ONCE", 2)
    for _ in range(5):
        submission = room.desk.sealed(completeness="incomplete", priority="P1")
        pending_submissions.schedule_pending(
            room.desk.database, submission, PendingKind.RESCUE, room.desk.database.now()
        )
    room.pass_time(200)
    tried: list[bytes] = []

    def fails(_: Database, origin_key: bytes) -> list[tuple[str, Priority]]:
        tried.append(origin_key)
        raise ValueError("a row that this program cannot read")

    monkeypatch.setattr("workers.clock.jobs.pending_submissions.submit_due", fails)
    with capture_logs() as logs:
        assert room.jobs.submit_pending()
        assert len(tried) == 2, "the lease, urgent deliveries and the escalation have their turn"
        while room.jobs.submit_pending():
            pass
    room.jobs.submit_pending()
    assert tried == pending_submissions.list_due(room.desk.database), "each once"
    assert len(logs) == 5


def test_a_provider_that_hangs_does_not_delay_the_sms_of_another(room: Room) -> None:
    post, released, sent = Post(room.desk), threading.Event(), threading.Event()
    slow, other = [post.put(channel="twilio") for _ in range(3)], post.put()

    class Hangs:
        def send(self, _: SmsMessage) -> SmsOutcome:
            assert released.wait(20)
            return Accepted()

    class Quick:
        def send(self, _: SmsMessage) -> SmsOutcome:
            sent.set()
            return Accepted()

    room.jobs._dispatcher.senders.update({"twilio": Hangs(), "africastalking": Quick()})  # type: ignore[attr-defined]
    room.job_queue.away = True
    room.jobs.sms()
    try:
        assert sent.wait(10), "the SMS that has waited longest hangs"
    finally:
        released.set()
    room.jobs.finish()
    assert post.row(other).state == "sent"
    assert [post.row(one).state for one in slow[1:]] == ["due", "due"], "a scheduler that stops sends no more"


@pytest.mark.parametrize("error", [ValueError("a row that this program cannot read"), RowRefused("IntegrityError")])
def test_a_deletion_that_fails_stops_no_other(room: Room, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: object) -> None:
        raise error

    deleted: list[str] = []
    monkeypatch.setattr(messages, "delete_old_inbound", fails)
    monkeypatch.setattr(tombstones, "delete_old", lambda *_: deleted.append("tombstones"))
    with capture_logs() as logs:
        room.jobs.delete_old()
    assert deleted == ["tombstones"]
    assert [(log["event"], log["job"]) for log in logs] == [("job_failed", "delete_old")]


def test_a_deletion_that_always_takes_too_long_does_not_keep_the_others_from_their_turn(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(*_: object) -> None:
        raise DatabaseUnavailable("the statement took too long")

    deleted: list[str] = []
    monkeypatch.setattr(messages, "delete_old_inbound", too_slow)
    monkeypatch.setattr(tombstones, "delete_old", lambda *_: deleted.append("tombstones"))
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            room.jobs.delete_old()
    assert deleted == ["tombstones"]
