"""The spool status of each host, the alerts about it, and a store key of another database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import insert

from reports.crypto import RecordCipher
from reports.store.database_check import WrongDatabase, refuse_another_key
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.operations import spool_status
from reports.store.operations.clock_skew import ClockSkew
from reports.store.operations.spool_status import SpoolStatus
from reports.store.schema import tables as t
from runtime.time_units import MINUTE
from tests.support import databases
from tests.workers.sample_store import SECOND, SampleStore
from tests.workers.scheduler_harness import SchedulerHarness
from tokaut.commands.watch import next_action, take_snapshot
from workers.heartbeat import Heartbeat
from workers.jobs.alerts import MIN_MISSING_SECONDS
from workers.notifications.texts import Alert
from workers.thread_pool import BackgroundPool

OLD, NEW, WRONG = (bytes([n]) * 32 for n in (1, 2, 3))
EMPTY = SpoolStatus("host-a/web", 0, 0, 0)
LEADS = ClockSkew(leader_until=10 * SECOND)


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.migrated_database(request.param, request, tmp_path)
    yield made
    made.close()


def test_web_does_not_start_with_another_key(database: Database) -> None:
    refuse_another_key(database, RecordCipher([OLD]))  # the first start
    refuse_another_key(database, RecordCipher([OLD]))
    with pytest.raises(WrongDatabase, match="TOKAUT_STORE_KEY is not the key that this database was written with"):
        refuse_another_key(database, RecordCipher([WRONG]))
    refuse_another_key(database, RecordCipher([OLD]))  # the wrong key left no trace


def test_a_key_may_be_rotated_and_the_old_one_removed(database: Database) -> None:
    for keys in ([OLD], [NEW, OLD], [NEW]):
        refuse_another_key(database, RecordCipher(keys))
    with pytest.raises(WrongDatabase):
        refuse_another_key(database, RecordCipher([WRONG]))


def test_what_a_host_says_replaces_what_it_said(database: Database) -> None:
    for said in (EMPTY, replace(EMPTY, entries=3, oldest=20, bad=1)):
        spool_status.save_status(database, said)
    spool_status.save_status(database, SpoolStatus("host-b/web", 0, 0, 0))
    assert [(one.host, one.entries, one.bad) for one in spool_status.list_statuses(database)] == [
        ("host-a/web", 3, 1),
        ("host-b/web", 0, 0),
    ]


def test_an_entry_grows_older_while_its_host_says_nothing(database: Database) -> None:
    spool_status.save_status(database, replace(EMPTY, entries=1, oldest=20))
    database.offset += 6 * MINUTE
    [found] = spool_status.list_statuses(database)
    assert found.oldest >= 380
    assert found.is_late


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (EMPTY, []),
        (replace(EMPTY, entries=2, oldest=299), []),
        (replace(EMPTY, entries=2, oldest=400), ["spool_waits"]),
        (replace(EMPTY, bad=1), ["spool_bad"]),
        (replace(EMPTY, entries=1, oldest=400, bad=1), ["spool_bad", "spool_waits"]),
    ],
)
def test_on_call_and_watch_are_told(tmp_path: Path, said: SpoolStatus, why: list[str]) -> None:
    database = databases.with_tables(f"sqlite:///{tmp_path}/tokaut.db")
    spool_status.save_status(database, said)
    harness = SchedulerHarness(SampleStore.create(database, tmp_path / "keys"))
    assert sorted(alert.reason for alert in harness.send_alerts()) == why
    assert all("host-a" in alert.subject_id for alert in harness.notifier.alerts)
    shown = next_action([], database.now(), LEADS, spool_status.list_statuses(database))
    assert ("docs/operating/spool.md" in shown) == bool(why)
    database.close()


@pytest.mark.parametrize(
    ("said", "priority", "words"),
    [
        (EMPTY, "P2", "Its spool was empty"),
        (replace(EMPTY, entries=3, oldest=20), "P1", "may hold 3 reports (the oldest 20 s old then)"),
        (SpoolStatus("host-a/urgent-1", 0, 0, 0), "P2", "Its spool was empty"),
        (SpoolStatus("host-a", 0, 0, 0), "", ""),  # from a release that did not always report
    ],
)
def test_a_host_that_is_away_is_told_of_once_it_is_sure(
    tmp_path: Path, said: SpoolStatus, priority: str, words: str
) -> None:
    database = databases.with_tables(f"sqlite:///{tmp_path}/tokaut.db")
    spool_status.save_status(database, said)
    harness = SchedulerHarness(SampleStore.create(database, tmp_path / "keys"))
    database.offset += 5 * MINUTE - 30 * SECOND
    assert told(harness) == []
    database.offset += 40 * SECOND
    assert told(harness) == [], "after an outage every host is unseen until it has reported"
    alerts = told(harness, MIN_MISSING_SECONDS)
    assert [(one.reason, one.subject_id, one.priority) for one in alerts] == (
        [("host_away", said.host, priority)] if priority else []
    )
    assert all(words in one.action and "docs/operating/host-gone.md" in one.action for one in alerts)
    assert told(harness, 3599) == []
    assert told(harness, 1) == alerts
    shown = next_action([], database.now(), LEADS, spool_status.list_statuses(database))
    assert ("docs/operating/host-gone.md" in shown) == bool(priority)
    spool_status.save_status(database, replace(said, entries=0))
    assert told(harness, 3600) == [], "it is back"
    harness.finish()
    database.close()


def test_a_process_of_the_release_before_writes_a_row_without_redis(database: Database) -> None:
    with database.write() as connection:
        connection.execute(
            insert(t.host).values(name="a/web", seen_at=1, spool_entries=0, spool_seconds=0, spool_bad=0)
        )
    [found] = spool_status.list_statuses(database)
    assert not found.redis_down


@pytest.mark.parametrize(
    ("name", "unseen", "is_told"),
    [
        ("host-a/web", 40, False),  # as in the longest job of a worker
        ("host-a/web", 53, True),
        ("host-a/urgent-1", 290, True),
        ("host-a/web", 310, False),  # then it is away
        ("host-a", 100, False),  # from a release that did not always report
    ],
)
def test_who_looks_sees_within_a_minute_that_a_host_is_silent(
    tmp_path: Path, name: str, unseen: int, is_told: bool
) -> None:
    database = databases.with_tables(f"sqlite:///{tmp_path}/tokaut.db")
    spool_status.save_status(database, SpoolStatus(name, 2, 1, 0))
    database.offset += unseen * SECOND
    shown = " ".join(take_snapshot(database, at_most=20).silent)
    assert (f"{name} has not been seen for {unseen // 10}" in shown) == is_told
    assert ("s, and may hold 2 reports" in shown) == is_told
    database.close()


def told(harness: SchedulerHarness, after: int = 0) -> list[Alert]:
    """Return the alerts that one scheduler sends `after` so many seconds."""
    harness.time.now += after
    before = len(harness.notifier.alerts)
    harness.alert_sender.send_due()
    harness.alert_sender.finish()
    harness.alert_sender._pool = BackgroundPool(1)  # a finished pool accepts no more functions
    return harness.notifier.alerts[before:]


def test_a_worker_reports_and_never_for_web(database: Database, tmp_path: Path) -> None:
    beats = Heartbeat(tmp_path, "urgent-1", lambda: save_as_worker(database, "host-a/urgent-1"))
    for _ in range(3):
        beats.beat()
    assert [one.host for one in spool_status.list_statuses(database)] == ["host-a/urgent-1"]
    if not database.is_sqlite:
        with pytest.raises(DatabaseUnavailable):
            save_as_worker(database, "host-a/web")


def save_as_worker(database: Database, name: str) -> None:
    """Save with the rights of a worker's role."""
    with patch.dict(databases.SET_ROLE, {"spool_status": "SET ROLE tokaut_worker"}):
        spool_status.save_status(database, SpoolStatus(name, 0, 0, 0))


def test_a_host_whose_own_clock_is_wrong_is_seen(database: Database) -> None:
    if not database.is_sqlite:
        with patch.object(Database, "now", lambda self: 0):
            spool_status.save_status(database, EMPTY)
        [found] = spool_status.list_statuses(database)
        assert found.unseen < 60


def test_what_a_silent_process_said_of_redis_is_told_with_its_age_and_nothing_is_promised() -> None:
    """After `tokaut start` has died with its Redis, nothing runs: no call continues, and nobody may be on call."""
    [fault] = SpoolStatus("a/web", 0, 0, 0, unseen=40, redis_down=True).faults()
    assert fault.startswith("a/web could not use Redis 40 s ago. While it runs, calls over Africa's Talking continue")
    [note] = SpoolStatus("a/web", 0, 0, 0, unseen=65).notes()
    assert "On-call" not in note
