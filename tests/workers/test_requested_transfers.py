"""Within a second the scheduler performs transfers that staff requested, and queues their deliveries."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from reports.escalation import Priority
from reports.store.engine.database import Database
from reports.store.operations import delivery_actions
from reports.store.operations.delivery_actions import Transfer
from reports.store.schema import tables as t
from tests.workers.sample_store import ONE, TWO, SampleStore
from tests.workers.scheduler_harness import SchedulerHarness
from tests.workers.test_reporter_messages import sent_report

pytestmark = pytest.mark.slow


def test_the_clock_does_it_in_its_second(store: SampleStore) -> None:
    report_id, _ = sent_report(store)
    harness = SchedulerHarness(store)
    harness.clock.tick()
    row = {"report_id": report_id, "giver": ONE, "taker": TWO, "actor": f"staff:{ONE}/mere", "asked_at": 1}
    with store.database.write() as connection:
        connection.execute(insert(t.handover), row)
    harness.pass_time(1)
    harness.clock.tick()
    given = {one.hotline: (one.delivery_id, one.handling) for one in store.deliveries()}
    assert {hotline: handling for hotline, (_, handling) in given.items()} == {ONE: "rejected", TWO: "none"}
    assert given[TWO][0] in harness.job_queue.ids
    with store.database.read() as connection:
        assert list(connection.execute(select(t.handover.c.outcome)).scalars()) == ["done"]
    harness.pass_time(1)
    harness.clock.tick()
    assert len(store.deliveries()) == 2
    harness.jobs.finish()


def test_one_that_cannot_be_holds_up_no_other(store: SampleStore) -> None:
    refused, wanted = (sent_report(store)[0] for _ in range(2))
    harness = SchedulerHarness(store)
    rows = [
        {"report_id": one, "giver": ONE, "taker": taker, "actor": f"staff:{ONE}/mere", "asked_at": at}
        for at, (one, taker) in enumerate(((refused, ONE), (wanted, TWO)))
    ]
    with store.database.write() as connection:
        connection.execute(insert(t.handover), rows)
    harness.clock.tick()
    with store.database.read() as connection:
        rows_now = connection.execute(select(t.handover.c.report_id, t.handover.c.outcome)).all()
    found = {row.report_id: row.outcome for row in rows_now}
    assert found == {refused: "refused", wanted: "done"}
    harness.jobs.finish()


def test_one_that_raises_holds_up_no_other(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.clock.jobs.TRANSFERS_AT_ONCE", 1)
    broken, wanted = (sent_report(store)[0] for _ in range(2))
    rows = [
        {"report_id": one, "giver": ONE, "taker": TWO, "actor": f"staff:{ONE}/mere", "asked_at": at}
        for at, one in enumerate((broken, wanted))
    ]
    with store.database.write() as connection:
        connection.execute(insert(t.handover), rows)
    real = delivery_actions.execute_transfer

    def fails(database: Database, transfer: Transfer) -> tuple[str, Priority] | None:
        if transfer.report_id == broken:
            raise ValueError("a row that this program cannot read")
        return real(database, transfer)

    monkeypatch.setattr(delivery_actions, "execute_transfer", fails)
    harness = SchedulerHarness(store)
    while harness.jobs.transfers():
        pass
    harness.jobs.finish()
    assert [one.report_id for one in delivery_actions.list_requested_transfers(store.database)] == [broken]
