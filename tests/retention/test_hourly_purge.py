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
from tests.retention.sample_reports import History, Recipient, make, write
from tests.workers.scheduler_harness import FakeMonotonicClock
from workers.clock.scheduler import Scheduler
from workers.jobs.retention import RetentionJob
from workers.metrics import WorkerMetrics
from workers.notifications.texts import Alert

pytestmark = [pytest.mark.rule("S-28")]

OVER = History(399, closed=91)


class FakeAlertSender:
    """A fake sender that records alerts."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def add(self, alert: Alert) -> None:
        self.alerts.append(alert)


class NullObject:
    """Fakes of jobs and alert sender, which these tests do not need."""

    def __getattr__(self, name: str) -> object:
        return lambda *_: None


class PurgeHarness:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.metrics = WorkerMetrics(CollectorRegistry())
        self.alert_sender = FakeAlertSender()
        self.time = FakeMonotonicClock()
        self.clock = self.new_clock()

    def new_clock(self) -> Scheduler:
        retention_job = RetentionJob(
            self.database, RetentionPolicy(), Path("/nowhere"), self.alert_sender, self.metrics
        )  # type: ignore[arg-type]  # a fake
        self.retention_job = retention_job
        return Scheduler(
            database=self.database,
            jobs=NullObject(),  # type: ignore[arg-type]  # a fake
            alert_sender=NullObject(),  # type: ignore[arg-type]  # a fake
            escalation=NullObject(),  # type: ignore[arg-type]  # a fake
            metrics=self.metrics,
            holder="here/clock-1/a",
            background_jobs=(retention_job,),
            monotonic=self.time,
        )

    def pass_time(self, seconds: float) -> None:
        self.time.now += seconds
        self.database.offset += round(seconds * 1_000_000)
        self.clock.tick()
        self.retention_job._pool.finish()
        self.retention_job._pool.__init__(1)  # type: ignore[misc]  # a new pool, for the next hour

    def left(self) -> int:
        with self.database.read() as connection:
            return len(connection.execute(select(t.report.c.report_id)).all())


@pytest.fixture
def harness(database: Database) -> Iterator[PurgeHarness]:
    made = PurgeHarness(database)
    made.clock.tick()
    yield made
    made.retention_job.finish()


def test_what_is_over_goes_within_the_hour_and_is_counted(harness: PurgeHarness) -> None:
    now = retention.purge_time(harness.database)
    write(harness.database, [make(OVER, now) for _ in range(205)])
    write(
        harness.database,
        [
            make(History(399, closed=5), now),
            make(History(499, closed=91, recipients=(Recipient(state="parked"),)), now),
        ],
    )
    harness.pass_time(301)
    assert harness.left() == 2
    assert harness.metrics.purged.labels("closed")._value.get() == 205
    assert harness.metrics.purge_ran._value.get() > 0


def test_after_a_jump_of_the_time_nothing_goes_for_a_day(harness: PurgeHarness) -> None:
    now = retention.purge_time(harness.database)
    write(harness.database, [make(History(399, closed=60), now)])
    harness.database.offset += 40 * DAY  # the host's clock alone: no second has passed
    harness.pass_time(3700)
    harness.pass_time(3700)
    assert harness.left() == 1
    harness.database.offset -= 40 * DAY  # the clock is corrected
    harness.pass_time(86_500)
    assert harness.left() == 1


def test_a_hold_ends_by_itself_and_the_report_goes_then(harness: PurgeHarness) -> None:
    now = retention.purge_time(harness.database)
    held = make(OVER, now)
    write(harness.database, [held])
    assert retention.place_hold(
        harness.database, LegalHold(held.report_id, "operator:ann", "court", "17/2028", now, now + DAY)
    )
    harness.pass_time(301)
    assert harness.left() == 1
    for _ in range(25):
        harness.pass_time(3600)
    assert harness.left() == 0
    with harness.database.read() as connection:
        acts = select(t.audit.c.actor, t.audit.c.act).where(t.audit.c.object_id == held.report_id)
        found = {tuple(row) for row in connection.execute(acts)}
    assert found >= {("operator:ann", "held:court"), ("clock", "hold_ended"), ("clock", "purged:closed")}


def test_a_person_hears_once_a_week_what_goes_soon_and_which_hold_ends(harness: PurgeHarness) -> None:
    now = retention.purge_time(harness.database)
    soon, held = make(History(375), now), make(OVER, now)
    write(harness.database, [soon, held])
    retention.place_hold(harness.database, LegalHold(held.report_id, "operator:ann", "court", "", now, now + 10 * DAY))
    harness.pass_time(301)
    harness.pass_time(3600)
    assert [(one.reason, one.reports) for one in harness.alert_sender.alerts] == [
        ("not_closed", (soon.report_id,)),
        ("hold_ends", (held.report_id,)),
    ]
    assert all("tokaut hold put" in one.action for one in harness.alert_sender.alerts)


@pytest.mark.rule("X-24")
def test_the_audit_is_signed_each_day_and_its_oldest_lines_go_up_to_a_checkpoint(
    harness: PurgeHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.retention_job, "_keys", tmp_path / "keys")
    key = create_signing_key(tmp_path / "keys")
    for _ in range(10):
        with harness.database.write() as connection:
            connection.execute(insert(t.audit), entry_row("web", "sent", "r", harness.database.now()))
        audit_log.chain_entries(harness.database)
        for _ in range(2):
            harness.pass_time(DAY / 2_000_000)
    signed = audit_log.list_checkpoints(harness.database)
    assert {one.key_id for one in signed} == {key.key_id}
    assert signed[-1].number == 10
    first, _ = audit_log.list_chained(harness.database)[0]
    assert harness.database.now() - first.at <= 9 * DAY
    proof = verify_chain(
        chain_rows(audit_log.list_chained(harness.database)),
        signed,
        "demo",
        lambda _, signature, data: key.holds(signature, data),
        harness.database.now(),
    )
    assert (proof.fault, proof.signed) == ("", 10)


def test_without_a_key_nothing_is_signed_and_the_rest_is_done(harness: PurgeHarness) -> None:
    write(harness.database, [make(OVER, retention.purge_time(harness.database))])
    harness.pass_time(301)
    assert (harness.left(), audit_log.list_checkpoints(harness.database)) == (0, [])


def test_told_to_stop_it_ends_after_the_step_in_hand(harness: PurgeHarness) -> None:
    now = retention.purge_time(harness.database)
    write(harness.database, [make(OVER, now) for _ in range(350)])
    steps = 0

    def stop(self: retention.Purge, at_most: int = 500) -> object:
        nonlocal steps
        steps += 1
        harness.retention_job._stopping.set()
        return original(self, at_most)

    original = retention.Purge.step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention.Purge, "step", stop)
        harness.pass_time(301)
    assert (steps, harness.left()) == (1, 250)
