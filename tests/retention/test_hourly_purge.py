"""The scheduler purges each hour, not after a clock jump, and stops when told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, select

from reports.audit import chain_rows, create_signing_key, verify_chain
from reports.retention import RetentionPolicy
from reports.store import audit_log
from reports.store.audit_log import entry_row
from reports.store.engine.database import Database
from reports.store.operations import retention
from reports.store.operations.retention import LegalHold
from reports.store.schema import tables as t
from runtime.time_units import DAY
from tests.retention.made import Fate, Leg, make, write
from tests.workers.scheduler_harness import FakeMonotonicClock
from workers.clock.scheduler import Scheduler
from workers.jobs.retention import RetentionJob
from workers.metrics import WorkerMetrics
from workers.notifications.texts import Alert

pytestmark = [pytest.mark.rule("S-28")]

OVER = Fate(399, closed=91)


class Heard:
    """A fake sender that records alerts."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def add(self, alert: Alert) -> None:
        self.alerts.append(alert)


class Idle:
    """Fakes of jobs and alert sender, which these tests do not need."""

    def __getattr__(self, name: str) -> object:
        return lambda *_: None


class Room:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.metrics = WorkerMetrics(CollectorRegistry())
        self.heard = Heard()
        self.time = FakeMonotonicClock()
        self.clock = self.new_clock()

    def new_clock(self) -> Scheduler:
        keeping = RetentionJob(self.database, RetentionPolicy(), Path("/nowhere"), self.heard, self.metrics)  # type: ignore[arg-type]  # a fake
        self.keeping = keeping
        return Scheduler(
            database=self.database,
            jobs=Idle(),  # type: ignore[arg-type]  # a fake
            alert_sender=Idle(),  # type: ignore[arg-type]  # a fake
            escalation=Idle(),  # type: ignore[arg-type]  # a fake
            metrics=self.metrics,
            holder="here/clock-1/a",
            aside=(keeping,),
            monotonic=self.time,
        )

    def pass_time(self, seconds: float) -> None:
        self.time.now += seconds
        self.database.offset += round(seconds * 1_000_000)
        self.clock.tick()
        self.keeping._pool.finish()
        self.keeping._pool.__init__(1)  # type: ignore[misc]  # new hands, for the next hour

    def left(self) -> int:
        with self.database.read() as connection:
            return len(connection.execute(select(t.report.c.report_id)).all())


@pytest.fixture
def room(database: Database) -> Iterator[Room]:
    made = Room(database)
    made.clock.tick()
    yield made
    made.keeping.finish()


def test_what_is_over_goes_within_the_hour_and_is_counted(room: Room) -> None:
    now = retention.purge_time(room.database)
    write(room.database, [make(OVER, now) for _ in range(205)])
    write(
        room.database,
        [make(Fate(399, closed=5), now), make(Fate(499, closed=91, recipients=(Leg(state="parked"),)), now)],
    )
    room.pass_time(301)
    assert room.left() == 2
    assert room.metrics.purged.labels("closed")._value.get() == 205
    assert room.metrics.purge_ran._value.get() > 0


def test_after_a_jump_of_the_time_nothing_goes_for_a_day(room: Room) -> None:
    now = retention.purge_time(room.database)
    write(room.database, [make(Fate(399, closed=60), now)])
    room.database.offset += 40 * DAY  # the host's clock alone: no second has passed
    room.pass_time(3700)
    room.pass_time(3700)
    assert room.left() == 1
    room.database.offset -= 40 * DAY  # the clock is corrected
    room.pass_time(86_500)
    assert room.left() == 1


def test_a_hold_ends_by_itself_and_the_report_goes_then(room: Room) -> None:
    now = retention.purge_time(room.database)
    held = make(OVER, now)
    write(room.database, [held])
    assert retention.place_hold(
        room.database, LegalHold(held.report_id, "operator:ann", "court", "17/2028", now, now + DAY)
    )
    room.pass_time(301)
    assert room.left() == 1
    for _ in range(25):
        room.pass_time(3600)
    assert room.left() == 0
    with room.database.read() as connection:
        acts = select(t.audit.c.actor, t.audit.c.act).where(t.audit.c.object_id == held.report_id)
        found = {tuple(row) for row in connection.execute(acts)}
    assert found >= {("operator:ann", "held:court"), ("clock", "hold_ended"), ("clock", "purged:closed")}


def test_a_person_hears_once_a_week_what_goes_soon_and_which_hold_ends(room: Room) -> None:
    now = retention.purge_time(room.database)
    soon, held = make(Fate(375), now), make(OVER, now)
    write(room.database, [soon, held])
    retention.place_hold(room.database, LegalHold(held.report_id, "operator:ann", "court", "", now, now + 10 * DAY))
    room.pass_time(301)
    room.pass_time(3600)
    assert [(one.reason, one.reports) for one in room.heard.alerts] == [
        ("not_closed", (soon.report_id,)),
        ("hold_ends", (held.report_id,)),
    ]
    assert all("tokaut hold put" in one.action for one in room.heard.alerts)


@pytest.mark.rule("X-24")
def test_the_audit_is_signed_each_day_and_its_oldest_lines_go_up_to_a_checkpoint(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.keeping, "_keys", tmp_path / "keys")
    key = create_signing_key(tmp_path / "keys")
    for _ in range(10):
        with room.database.write() as connection:
            connection.execute(insert(t.audit), entry_row("web", "sent", "r", room.database.now()))
        audit_log.chain_entries(room.database)
        for _ in range(2):
            room.pass_time(DAY / 2_000_000)
    signed = audit_log.list_checkpoints(room.database)
    assert {one.key_id for one in signed} == {key.key_id}
    assert signed[-1].number == 10
    first, _ = audit_log.list_chained(room.database)[0]
    assert room.database.now() - first.at <= 9 * DAY
    proof = verify_chain(
        chain_rows(audit_log.list_chained(room.database)),
        signed,
        "demo",
        lambda _, signature, data: key.holds(signature, data),
        room.database.now(),
    )
    assert (proof.fault, proof.signed) == ("", 10)


def test_without_a_key_nothing_is_signed_and_the_rest_is_done(room: Room) -> None:
    write(room.database, [make(OVER, retention.purge_time(room.database))])
    room.pass_time(301)
    assert (room.left(), audit_log.list_checkpoints(room.database)) == (0, [])


def test_told_to_stop_it_ends_after_the_step_in_hand(room: Room) -> None:
    now = retention.purge_time(room.database)
    write(room.database, [make(OVER, now) for _ in range(350)])
    steps = 0

    def stop(self: retention.Purge, at_most: int = 500) -> object:
        nonlocal steps
        steps += 1
        room.keeping._stopping.set()
        return original(self, at_most)

    original = retention.Purge.step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention.Purge, "step", stop)
        room.pass_time(301)
    assert (steps, room.left()) == (1, 250)
