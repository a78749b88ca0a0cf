"""A report that its reporter deleted is removed completely after its deliveries have ended, and stays removed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, select, update

from reports.retention import RetentionPolicy
from reports.store import pending_submissions
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.mailboxes.correspondence import SealedMessage
from reports.store.operations import retention
from reports.store.operations.retention import DELIVERY_TABLES, REPORT_TABLES, Purge
from reports.store.schema import tables as t
from runtime.time_units import DAY
from tests.retention.sample_reports import CONSOLE, DESK, History, Recipient, SampleReport, make, write
from workers.jobs.retention import ErasureJob
from workers.metrics import WorkerMetrics

pytestmark = [pytest.mark.rule("S-28")]

POLICY = RetentionPolicy(here={CONSOLE: 365})
YOUNG = History(1, said=0.9, answered=0.5)
WAITS = {
    "a delivery that is due": {"recipients": (Recipient(), Recipient(CONSOLE, "due", "none"))},
    "a delivery that was refused": {"recipients": (Recipient(), Recipient(CONSOLE, "refused", "none"))},
    "the wish itself is not given out yet": {"unnumbered": True},
    "words that file themselves": {"pending": True},
    "a person must decide": {"state": "needs_person"},
    "a court's order": {"held": 3.0},
}


def erase(database: Database) -> WorkerMetrics:
    metrics = WorkerMetrics(CollectorRegistry())
    erasing = ErasureJob(database, POLICY, metrics)
    erasing.start()
    erasing._pool.finish()
    return metrics


def count(database: Database, made: SampleReport) -> dict[str, int]:
    """Return by table the number of rows that name the report or its deliveries."""
    found = {}
    with database.read() as connection:
        for table in REPORT_TABLES:
            found[table.name] = len(connection.execute(select(table).where(table.c.report_id == made.report_id)).all())
        ids = [row["delivery_id"] for row in made.rows[t.delivery]]
        for table in DELIVERY_TABLES:
            found[table.name] = len(connection.execute(select(table).where(table.c.delivery_id.in_(ids))).all())
    return found


def test_a_clock_that_jumps_ahead_ends_no_hold(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """This job runs after a jump, too; the one that ends holds waits for a day."""
    now = retention.purge_time(database)
    held = make(replace(YOUNG, erased=True, held=3.0), now)
    write(database, [held])
    before = count(database, held)
    monkeypatch.setattr(retention, "purge_time", lambda _: now + 366 * DAY)
    erase(database)
    assert count(database, held) == before
    retention.end_expired_holds(database, now + 4 * DAY)
    erase(database)
    assert set(count(database, held).values()) == {0}


@pytest.mark.parametrize("mode", ["live", "training", "demo"])
def test_nothing_of_it_is_left_that_a_key_opens(database: Database, mode: str) -> None:
    now = retention.purge_time(database)
    history = replace(YOUNG, mode=mode, recipients=(Recipient(), Recipient(CONSOLE)))
    gone, stays = make(replace(history, erased=True), now), make(history, now)
    write(database, [gone, stays])
    before = count(database, stays)
    metrics = erase(database)
    assert set(count(database, gone).values()) == {0}
    assert count(database, stays) == before
    assert metrics.purged.labels("erased")._value.get() == 1
    with database.read() as connection:
        (line,) = connection.execute(select(t.purged.c.report_id, t.purged.c.rule)).all()
        acts = set(connection.execute(select(t.audit.c.act).where(t.audit.c.object_id == gone.report_id)).scalars())
    assert tuple(line) == (gone.report_id, "erased")
    assert acts >= {"sent", "purged:erased"}


@pytest.mark.parametrize("why", WAITS)
def test_it_waits_for_its_deliveries_and_for_who_holds_it(database: Database, why: str) -> None:
    now = retention.purge_time(database)
    history: dict[str, Any] = WAITS[why]
    one = make(replace(YOUNG, erased=True, **history), now)
    write(database, [one])
    erase(database)
    assert count(database, one)["report_body"] == len(one.rows[t.report_body])


def test_what_comes_later_from_a_session_or_the_spool_does_not_bring_it_back(database: Database) -> None:
    now = retention.purge_time(database)
    gone = make(replace(YOUNG, erased=True), now)
    late = make(replace(YOUNG, pending=True), now)
    write(database, [gone])
    erase(database)
    [row] = late.rows[t.pending]
    with database.write() as connection:
        connection.execute(insert(t.pending), row | {"report_id": gone.report_id, "due_at": now - 1})
    [origin_key] = pending_submissions.list_due(database)
    assert pending_submissions.submit_due(database, origin_key) == []
    assert set(count(database, gone).values()) == {0}


def test_to_say_so_under_my_report_marks_it(database: Database) -> None:
    made = make(YOUNG, retention.purge_time(database))
    write(database, [made])
    letters = [SealedMessage(DESK, "0" * 16, b"wrap", b"sealed")]
    correspondence.save_message(
        database, made.report_id, made.report_id, letters, "delete_asked", allowed=False, close=True
    )
    erase(database)
    assert count(database, made)["report_body"] == 1, "the hotline is asked first"
    with database.write() as connection:
        connection.execute(update(t.message).values(number=1))
    erase(database)
    assert set(count(database, made).values()) == {0}


def test_the_hourly_purge_takes_it_too(database: Database) -> None:
    made = make(replace(YOUNG, erased=True), retention.purge_time(database))
    write(database, [made])
    assert Purge(database, POLICY, retention.purge_time(database), "clock").step() == {"erased": 1}
