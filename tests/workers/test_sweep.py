"""The clock: who leads, what it does when, and what it does not when the time jumps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update

from reports.clocks import DAY, HOUR
from reports.proof import prove, steps
from reports.queue import DELIVER
from reports.store import filing as web
from reports.store import mailboxes, messages, outbox, pending, sweeping
from reports.store import tables as t
from reports.store.database import Away, Database
from reports.store.filing import Mailbox
from reports.store.outbox import Failure
from tests.workers.filings import ONE, SECOND, TWO, Desk
from workers import schedule
from workers.alerts import Alert
from workers.delivery import Delivered, Hotline, Outcome, Parcel
from workers.duties import Duties
from workers.forward import Forwarder
from workers.keyring import KeyRing
from workers.metrics import Metrics
from workers.own import Hurrying
from workers.pager import Pager
from workers.sms import Texter
from workers.sweep import Clock
from workers.telling import Telling


@dataclass
class Time:
    """A monotonic clock that stands until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeHurry:
    """A queue that is there or away; takes ids and gives them to nobody."""

    away: bool = False
    ids: list[str] = field(default_factory=list)

    def put(self, job: str, item: str, speed: str) -> bool:
        if not self.away:
            self.ids.append(item)
        return not self.away


@dataclass
class Takes:
    """A hotline that takes everything."""

    parcels: list[Parcel] = field(default_factory=list)

    def deliver(self, parcel: Parcel) -> Outcome:
        self.parcels.append(parcel)
        return Delivered(200)


@dataclass
class FakeTeller:
    ok: bool = True
    alerts: list[Alert] = field(default_factory=list)

    def tell(self, alert: Alert) -> bool:
        self.alerts.append(alert)
        return self.ok


class NoLadder:
    """What it does is tried by itself."""

    def climb(self) -> None:
        pass

    finish = figures = climb


class Room:
    """One clock with all its parts; the queue, the hotline and the mail server are fakes."""

    def __init__(self, desk: Desk, holder: str = "here/clock-1/a") -> None:
        self.desk = desk
        self.time = Time()
        self.hurry = FakeHurry()
        self.hotline = Takes()
        self.teller = FakeTeller()
        self.metrics = Metrics(CollectorRegistry())
        database = desk.database
        hotlines: dict[str, Hotline] = {ONE: self.hotline, TWO: self.hotline}
        forwarder = Forwarder(
            database=database,
            keys=KeyRing(desk.keys),
            hotlines=hotlines,
            mode="demo",
            holder=holder,
            actor="clock",
            metrics=self.metrics,
        )
        texter = Texter(database, KeyRing(desk.keys), {}, "demo", holder, self.metrics)
        hurry, pager = self.hurry, Pager(database, texter, desk.keys, "demo")
        self.duties = Duties(
            database=database,
            forwarder=forwarder,
            pager=pager,
            hurry=hurry,  # type: ignore[arg-type]  # a fake
            metrics=self.metrics,
            monotonic=Time(),  # it stands: what is queued is in good hands, however slow this machine is
        )
        self.telling = Telling(database, self.teller, self.time)  # type: ignore[arg-type]  # a fake
        self.clock = Clock(
            database=database,
            duties=self.duties,
            telling=self.telling,
            ladder=NoLadder(),  # type: ignore[arg-type]  # a fake
            metrics=self.metrics,
            holder=holder,
            monotonic=self.time,
        )

    def pass_time(self, seconds: float) -> None:
        """Both clocks go on together."""
        self.time.now += seconds
        self.desk.database.offset += int(seconds * SECOND)

    def tell(self) -> list[Alert]:
        """What is told now."""
        before = len(self.teller.alerts)
        self.telling.tell()
        self.telling.finish()
        self.telling = Telling(self.desk.database, self.teller, self.time)  # type: ignore[arg-type]  # a fake
        return self.teller.alerts[before:]


@pytest.fixture
def room(desk: Desk) -> Room:
    return Room(desk)


# Leading


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
    one.pass_time(16)  # the first one was killed
    two.clock.tick()
    assert two.clock.leads
    one.clock.tick()
    assert not one.clock.leads


def test_one_that_stops_steps_down_at_once(desk: Desk) -> None:
    one, two = Room(desk), Room(desk, "there/clock-1/b")
    one.clock.tick()
    stopping = threading.Event()
    stopping.set()
    one.clock.run(stopping)
    two.clock.tick()
    assert two.clock.leads


def test_the_database_away_stops_no_clock(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Away("refused")

    room.clock.tick()
    monkeypatch.setattr(sweeping, "chain_audit", away)
    [delivery] = room.desk.file()
    room.pass_time(2)
    room.clock.tick()
    assert delivery in room.hurry.ids, "one duty that fails keeps no other from being done"
    room.duties.finish()


# What is due


def test_what_is_due_is_queued_once(room: Room) -> None:
    [delivery] = room.desk.file()
    for _ in range(3):
        room.duties.urgent()
    assert room.hurry.ids == [delivery]


def test_what_nobody_took_within_five_seconds_is_left_over() -> None:
    time, hurry = Time(), FakeHurry()
    hurrying = Hurrying(hurry, DELIVER, time)  # type: ignore[arg-type]  # a fake
    assert hurrying.left_over(["a", "b"], "urgent") == []
    time.now += 4
    assert hurrying.left_over(["a", "b"], "urgent") == []
    time.now += 1
    assert hurrying.left_over(["b", "c"], "urgent") == ["b"]
    hurry.away = True
    assert hurrying.left_over(["d", "e"], "urgent") == ["d", "e"]


def test_with_the_queue_away_it_delivers_by_itself(room: Room) -> None:
    room.hurry.away = True
    ids = [room.desk.file(priority=priority)[0] for priority in ("P1", "P3", "P2", "P4")]
    room.duties.urgent()
    room.duties.standard()
    room.duties.finish()
    assert {room.desk.delivery(one).state for one in ids} == {"delivered"}
    assert sorted(parcel.delivery_id for parcel in room.hotline.parcels) == sorted(ids)


def test_what_rests_or_is_held_is_not_queued(room: Room) -> None:
    [held], [waits] = room.desk.file(), room.desk.file()
    outbox.lease(room.desk.database, held, "w/urgent/1")
    with room.desk.database.write() as connection:
        later = room.desk.database.now() + 60 * SECOND
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == waits).values(next_at=later))
    room.duties.urgent()
    assert room.hurry.ids == []
    room.desk.database.offset += 61 * SECOND
    room.duties.urgent()
    assert sorted(room.hurry.ids) == sorted([held, waits]), "the lease ran out, the time came"


def test_rescue_and_fallback_go_on_the_queue(room: Room) -> None:
    rescue = room.desk.sealed(completeness="incomplete")
    pending.put_pending(room.desk.database, rescue, "rescue", room.desk.database.now())
    room.duties.mature()
    room.desk.file([(ONE, "primary"), (TWO, "fallback")])
    room.desk.database.offset += 31 * SECOND
    room.duties.fallbacks()
    made = {row.delivery_id for row in room.desk.deliveries() if row.why != "CATEGORY_FIRST" or row.type != "created"}
    assert len(room.hurry.ids) == 2
    assert made <= set(room.hurry.ids)


# Time


def test_parked_after_14_days_and_never_before(room: Room) -> None:
    [delivery] = room.desk.file()
    room.desk.database.offset += 14 * DAY - 60 * SECOND
    room.duties.park()
    assert room.desk.delivery(delivery).state == "due"
    room.desk.database.offset += 120 * SECOND
    room.duties.park()
    row = room.desk.delivery(delivery)
    assert (row.state, row.last_class, row.told_at) == ("parked", "parked", None)
    assert room.desk.reports()[0].state == "needs_person"
    assert room.desk.acts(delivery) == ["parked"]


@pytest.mark.rule("F28")
def test_a_jump_of_15_days_parks_nothing_for_a_day(room: Room) -> None:
    [delivery] = room.desk.file()
    room.clock.tick()
    room.desk.database.offset += 15 * DAY  # the wall clock alone
    for _ in range(23):
        room.pass_time(3600)
        room.clock.tick()
    assert room.desk.delivery(delivery).state == "due"
    assert room.metrics.jumps._value.get() == 1
    for _ in range(2):
        room.pass_time(3600)
        room.clock.tick()
    assert room.desk.delivery(delivery).state == "parked", "the time was right after all"
    room.duties.finish()


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
    other.duties.finish()


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
    room.duties.finish()


def test_a_time_that_the_schedule_sets_is_left_alone(room: Room) -> None:
    [delivery] = room.desk.file(priority="P4")
    longest = int(schedule.PACES["P4"].then * 1.2)
    with room.desk.database.write() as connection:
        next_at = room.desk.database.now() + longest
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == delivery).values(next_at=next_at))
    room.duties.tidy()
    assert room.desk.delivery(delivery).next_at == next_at


# The audit


@pytest.mark.rule("X-24")
def test_the_audit_is_chained_in_order_and_goes_on(room: Room) -> None:
    for _ in range(3):
        room.desk.file()
        room.duties.chain()
    rows = sweeping.audited(room.desk.database)
    assert [link.seq for _, link in rows] == [1, 2, 3]
    assert prove(steps(rows), (), "demo", lambda *_: False, 0).fault == ""
    assert sweeping.unchained_since(room.desk.database) is None
    with room.desk.database.write() as connection:
        connection.execute(update(t.audit).where(t.audit.c.seq == 2).values(act="nothing"))
    broken = prove(steps(sweeping.audited(room.desk.database)), (), "demo", lambda *_: False, 0)
    assert broken.fault.startswith("Line 2 ")


# Tidying


def test_old_inbound_goes_and_words_that_wait_stay(room: Room) -> None:
    database = room.desk.database
    messages.keep_waiting(database, b"a" * 32, b"c" * 32, b"sealed")
    messages.keep_waiting(database, b"b" * 32, b"c" * 32, b"sealed")
    messages.was_played(database, b"b" * 32)
    database.offset += 47 * HOUR
    room.duties.tidy()
    assert len(inbound(database)) == 2
    database.offset += 2 * HOUR
    room.duties.tidy()
    assert inbound(database) == [b"a" * 32]


def inbound(database: Database) -> list[bytes]:
    with database.read() as connection:
        return list(connection.execute(select(t.inbound.c.inbound_key)).scalars())


# Telling

SLOW = 40  # seconds that this machine may take to get there


def fail(desk: Desk, delivery_id: str, why: str, times: int = 1) -> None:
    for _ in range(times):
        leased = outbox.lease(desk.database, delivery_id, "w/urgent/1")
        assert leased is not None
        assert outbox.failed(desk.database, leased, Failure(why, None, 0), "w/urgent/1", "worker")


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
    assert (alert.about, alert.why, alert.priority, alert.deliveries) == (ONE, "timeout", priority, (delivery,))
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
    assert alert.why == why
    assert room.tell() == [], "once, until its time"


def test_refused_parked_and_gone_are_told_though_they_were_told_before(room: Room) -> None:
    [delivery] = room.desk.file(priority="P3")
    fail(room.desk, delivery, "locked_out")
    assert len(room.tell()) == 1
    leased = outbox.lease(room.desk.database, delivery, "w/urgent/1")
    assert leased is not None
    outbox.failed(room.desk.database, leased, Failure("gone", 410, None, gone=True), "w/urgent/1", "worker")
    [alert] = room.tell()
    assert alert.why == "gone"
    room.pass_time(86_401)
    assert len(room.tell()) == 1, "nobody has it: again, until somebody acts"


def test_told_is_marked_only_where_somebody_was(room: Room) -> None:
    [delivery] = room.desk.file()
    room.teller.ok = False
    room.pass_time(61)
    assert len(room.tell()) == 1
    assert room.desk.delivery(delivery).told_at is None
    room.teller.ok = True
    assert len(room.tell()) == 1
    assert room.desk.delivery(delivery).told_at is not None


def test_after_a_failure_the_next_try_is_a_minute_later(room: Room) -> None:
    room.desk.file()
    room.teller.ok = False
    room.pass_time(61)
    room.telling.tell()
    room.telling._own.finish()
    room.pass_time(30)
    room.telling.tell()
    assert len(room.teller.alerts) == 1


def test_a_hotline_that_is_down_is_one_message(room: Room) -> None:
    ids = [room.desk.file(priority=priority)[0] for priority in ("P2", "P1", "P1")]
    for one in ids:
        fail(room.desk, one, "timeout")
    room.pass_time(1201)
    [alert] = room.tell()
    assert (alert.priority, len(alert.reports), len(alert.deliveries)) == ("P1", 3, 3)


def test_a_report_that_no_hotline_can_take_is_told_at_once_and_again(room: Room) -> None:
    held = room.desk.sealed([(ONE, "held")], priority="P1")
    web.file(room.desk.database, held)
    room.telling.tell()
    room.telling.finish()
    [alert] = room.teller.alerts
    assert (alert.why, alert.reports) == ("needs_person", (held.report_id,))


@pytest.mark.rule("B-58")
def test_five_wrong_pins_are_told_by_id_once_for_a_lock(room: Room) -> None:
    filed = [web.file(room.desk.database, room.desk.sealed(), _box(n)).report_id for n in range(3)]
    locked, closed = filed[:2]
    m = t.mailbox.c
    with room.desk.database.write() as connection:
        until = room.desk.database.now() + DAY
        connection.execute(update(t.mailbox).where(m.report_id == locked).values(locked_until=until))
        connection.execute(update(t.mailbox).where(m.report_id == closed).values(locked_until=mailboxes.FOR_EVER))
    [alert] = room.tell()
    assert (alert.why, alert.reports, alert.priority) == ("pin_guessed", (locked,), "P3")
    assert alert.subject() == "Tokaut: P3, 1 report locked"
    assert alert.sms() == f"Tokaut: P3, 1 report locked ({locked[-6:]}). Next: tokaut watch"
    room.pass_time(DAY / SECOND + 1)
    assert [one.why for one in room.tell() if one.why == "pin_guessed"] == []


def _box(n: int) -> Callable[[int], Mailbox]:
    return lambda _: Mailbox(bytes([n]) * 32, bytes(32), b"public", b"sealed")


def test_delivered_is_not_told(room: Room) -> None:
    room.desk.file()
    room.hurry.away = True
    room.duties.urgent()
    room.duties.finish()
    room.pass_time(3600)
    assert room.tell() == []
