"""The output of check, watch and readyz about wrong clocks: which, by how much, and the remedy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text, update

from reports.store import pending_submissions, submissions
from reports.store.engine import leases
from reports.store.operations import clock_skew
from reports.store.operations.clock_skew import ClockSkew, format_duration
from reports.store.schema import tables as t
from reports.store.schema.base import derived_id
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from tests.support import databases
from tests.workers.sample_store import SampleStore
from tokaut.commands.watch import NO_CLOCK, NOTHING_WAITS, next_action

NOW = 1_800_000_000 * SECOND
LEADS = 10 * SECOND


@pytest.fixture(params=databases.KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SampleStore]:
    made = databases.migrated_database(request.param, request, tmp_path)
    store = SampleStore.create(made, tmp_path / "keys")
    yield store
    for one in (made, *store.opened):
        one.close()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (ClockSkew(leader_until=None), NO_CLOCK),
        (ClockSkew(leader_until=-2 * MINUTE), NO_CLOCK),
        (ClockSkew(leader_until=LEADS), NOTHING_WAITS),
        (ClockSkew(leader_until=11 * HOUR), "The clock's lease ends in 11 h"),
        (ClockSkew(leader_until=LEADS, rows_ahead=3), "3 rows lie further ahead than they may"),
        (
            ClockSkew(ahead_of_database=-2 * HOUR - MINUTE, leader_until=LEADS),
            "This host's clock is 2 h 1 min behind the database's.",
        ),
        (
            ClockSkew(ahead_of_database=90 * SECOND, leader_until=LEADS),
            "This host's clock is 1 min ahead of the database's.",
        ),
        (ClockSkew(ahead_of_database=30 * SECOND, leader_until=LEADS), NOTHING_WAITS),
        (
            ClockSkew(leader_until=LEADS, newest=15 * DAY),
            f"{NOTHING_WAITS} The newest report was stored 360 h after",
        ),
    ],
)
def test_watch_says_the_one_thing_to_do(found: ClockSkew, said: str) -> None:
    assert next_action([], NOW, found).startswith(said)


@pytest.mark.parametrize(
    ("length", "said"), [(0, "0 s"), (-59 * SECOND, "59 s"), (HOUR, "1 h"), (61 * MINUTE, "1 h 1 min")]
)
def test_a_span_in_words(length: int, said: str) -> None:
    assert format_duration(length) == said


def test_nothing_is_wrong_where_a_clock_leads(store: SampleStore) -> None:
    store.submit()
    assert leases.acquire(store.database, "clock", "one", 15)
    found = clock_skew.measure_skew(store.database)
    assert (list(found.faults()), list(found.notes()), found.has_no_leader) == ([], [], False)


@pytest.mark.parametrize("ahead", [2 * HOUR, 11 * HOUR, 15 * DAY])
def test_what_a_clock_that_was_ahead_has_left_is_seen(store: SampleStore, ahead: int) -> None:
    before = store.later(seconds=ahead / SECOND)
    assert leases.acquire(before.database, "clock", "one", 15)
    before.submit()
    rescue = before.sealed(completeness="incomplete")
    pending_submissions.schedule_pending(before.database, rescue, "rescue", before.database.now() + 120 * SECOND)
    found = clock_skew.measure_skew(store.database)
    assert found.has_no_leader, "though the lease says so"
    assert found.rows_ahead == 2
    assert found.newest > ahead - HOUR - MINUTE
    assert len(list(found.faults())) == 2
    assert len(list(found.notes())) == 1
    assert all("docs/operating/clock-jumped.md" in said for said in (*found.faults(), *found.notes()))


def test_ids_of_reports_are_no_times(store: SampleStore) -> None:
    """The id of a report by telephone is random in all of its bits (decision 109)."""
    for n in range(20):
        report_id = derived_id(hashlib.sha256(bytes([n])).digest())
        submissions.commit(store.database, replace(store.sealed(), report_id=report_id, origin_key=bytes([n]) * 32))
    found = clock_skew.measure_skew(store.database)
    assert -HOUR < found.newest <= 0 and list(found.notes()) == []


def test_the_newest_report_is_found_by_an_index(store: SampleStore) -> None:
    if not store.database.is_sqlite:
        pytest.skip("PostgreSQL scans a table of this size")
    with store.database.read() as connection:
        plan = connection.execute(text("EXPLAIN QUERY PLAN SELECT max(created_at) FROM report")).all()
    assert "ix_report_created_at" in str(plan)


def test_an_attempt_beyond_its_period_is_counted_for_who_may_read_it(store: SampleStore) -> None:
    [delivery] = store.submit(priority="P1")
    values = {"next_at": store.database.now() + 2 * HOUR}
    with store.database.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == delivery).values(values))
    assert clock_skew.measure_skew(store.database).rows_ahead == 0
    if store.database.is_sqlite:
        assert clock_skew.measure_skew(store.database, attempts=True).rows_ahead == 1


def test_a_host_that_differs_from_the_database_is_named(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    right = store.database.now
    monkeypatch.setattr(store.database, "now", lambda: right() + 11 * HOUR + 20 * SECOND)
    said = " ".join(clock_skew.measure_skew(store.database).faults())
    assert ("This host's clock is 11 h ahead of the database's" in said) != store.database.is_sqlite
