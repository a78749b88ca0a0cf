"""Leases: who may have one and how many at once. A hotline that hangs must not use all workers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from reports.store import circuit_breakers, outbox, pending_submissions, submissions
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.outbox import DeliveryFailure, DeliveryReceipt, LeasedDelivery
from reports.store.schema import tables as t
from runtime.time_units import SECOND
from tests.support import databases
from tests.support.postgres import binaries
from tests.workers.sample_store import ONE, TWO, SampleStore

URGENT = ("P1", "P2")
STANDARD = ("P3", "P4")
FAILED = DeliveryFailure("timeout", None, 0)
LAST_FAILED = DeliveryFailure("timeout", None, 20 * SECOND, counts=True)


def take(store: SampleStore, priorities: tuple[str, ...] = URGENT) -> LeasedDelivery | None:
    return outbox.lease_next(store.database, priorities, "here/urgent/1")


def fail(store: SampleStore) -> None:
    """Submit a report, and let its delivery fail with a failure that counts for the circuit breaker."""
    store.submit()
    leased = take(store)
    assert leased is not None
    assert outbox.mark_failed(store.database, leased, LAST_FAILED, "here/urgent/1", "worker")


@pytest.mark.parametrize("priorities", [URGENT, STANDARD])
def test_a_hotline_that_answers_gets_as_many_at_once_as_its_distance_needs(
    store: SampleStore, priorities: tuple[str, ...]
) -> None:
    for _ in range(outbox.AT_ONCE + 1):
        store.submit(priority=priorities[1])
    assert all(take(store, priorities) for _ in range(outbox.AT_ONCE))
    assert take(store, priorities) is None


def test_two_deliveries_of_one_report_never_go_to_a_hotline_at_once(store: SampleStore) -> None:
    """Else an update could overtake its report."""
    [filed] = store.submit(priority="P2")
    report_id = store.delivery(filed).report_id
    [other] = store.submit(priority="P3")
    with store.database.write() as connection:
        connection.execute(
            update(t.delivery)
            .where(t.delivery.c.delivery_id == other)
            .values(report_id=report_id, type="updated", revision=2)
        )
    assert outbox.lease(store.database, other, "here/standard/1") is not None
    assert take(store) is None
    assert take(store.later(seconds=61)) is not None


def test_a_worker_passes_over_a_hotline_of_which_it_has_enough(store: SampleStore) -> None:
    store.submit(priority="P1")
    [other] = store.submit(((TWO, "primary"),), priority="P2")
    leased = outbox.lease_next(store.database, URGENT, "here/urgent/1", [ONE])
    assert leased is not None
    assert leased.delivery_id == other


def test_a_hotline_that_hangs_has_two_hands_and_the_next_hotlines_p1_goes_on(store: SampleStore) -> None:
    fail(store)
    hung = [store.submit(((ONE, "primary"),))[0] for _ in range(5)]
    [other] = store.submit(((TWO, "primary"),), priority="P2")
    assert {one.hotline for one in (take(store), take(store)) if one} == {ONE}
    third = take(store)
    assert third is not None
    assert third.delivery_id == other, "P2 of another hotline before the third P1 of one that hangs"
    assert take(store) is None
    assert all(outbox.lease(store.database, one, "here/clock/1") is None for one in hung)
    assert outbox.list_due(store.database, URGENT) == [], "the clock does not hurry what nobody may take"


def test_a_hand_that_is_free_again_takes_the_next(store: SampleStore) -> None:
    fail(store)
    for _ in range(3):
        store.submit()
    first, second = take(store), take(store)
    assert first is not None
    assert second is not None
    assert take(store) is None
    assert outbox.mark_failed(store.database, first, FAILED, "here/urgent/1", "worker")
    assert take(store) is not None
    assert take(store) is None
    assert take(store.later(seconds=61)) is not None, "a lease that ran out counts no more"


def test_a_delivery_that_somebody_has_locked_holds_up_no_other(store: SampleStore) -> None:
    if store.database.is_sqlite:
        pytest.skip("no rows are locked there")
    [locked] = store.submit(priority="P1")
    [other] = store.submit(((TWO, "primary"),), priority="P2")
    d = t.delivery.c
    with store.database.write() as connection:
        connection.execute(select(d.delivery_id).where(d.delivery_id == locked).with_for_update())
        got = take(store)
        assert got is not None
        assert got.delivery_id == other
        assert take(store) is None
    got = take(store)
    assert got is not None
    assert got.delivery_id == locked


def test_what_is_not_urgent_and_what_is_keep_nobody_from_the_other(store: SampleStore) -> None:
    fail(store)
    [other] = store.submit(((TWO, "primary"),), priority="P4")
    for priority in ("P3", "P3", "P1", "P2", "P2"):
        store.submit(priority=priority)
    slow = [take(store, STANDARD) for _ in range(3)]
    assert [one and (one.hotline, one.priority) for one in slow] == [(ONE, "P3"), (TWO, "P4"), None]
    assert slow[1] is not None
    assert slow[1].delivery_id == other
    urgent = [take(store) for _ in range(3)]
    assert [one and one.priority for one in urgent] == ["P1", "P2", None]


def test_many_at_once_take_no_more_than_two(store: SampleStore) -> None:
    fail(store)
    for _ in range(12):
        store.submit()
    taken: list[LeasedDelivery | None] = []
    together = threading.Barrier(6)

    def work() -> None:
        together.wait(60)
        taken.append(take(store))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 6
    assert sum(one is not None for one in taken) == 2


@pytest.mark.slow
def test_a_lease_that_is_slow_to_commit_holds_up_no_other_hotline(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a distant synchronous standby. Two leases for one hotline still wait for each other."""
    if store.database.is_sqlite:
        pytest.skip("it has one writer")
    [slow], [other] = store.submit(), store.submit(((TWO, "primary"),))
    read, begun, goes_on = outbox.read_leased, threading.Event(), threading.Event()

    def slowly(connection: Connection, row: Any, now: int) -> LeasedDelivery:
        if row.hotline == ONE:
            begun.set()
            goes_on.wait(10)
        return read(connection, row, now)

    monkeypatch.setattr(outbox, "read_leased", slowly)
    thread = threading.Thread(target=outbox.lease, args=(store.database, slow, "a/urgent-1/x"))
    thread.start()
    begun.wait(10)
    assert outbox.lease(store.database, other, "b/urgent-1/x") is not None
    goes_on.set()
    thread.join()


@pytest.mark.slow
@pytest.mark.skipif(binaries() is None, reason="no PostgreSQL binaries")
def test_on_postgresql_the_store_has_the_rights_of_who_calls(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else these tests would not test rights at all: with web's rights, nothing can be leased."""
    made = databases.migrated_database("postgresql", request, tmp_path)
    monkeypatch.setitem(databases.SET_ROLE, "outbox", "SET ROLE tokaut_web")
    with pytest.raises(DatabaseUnavailable, match="InsufficientPrivilege"):
        outbox.lease_next(made, ("P1",), "me")
    made.close()


def test_a_delivery_that_is_given_up_is_in_the_audit_and_one_that_arrives_meanwhile_is_not_given_up(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    [old], [arriving] = store.submit(priority="P3"), store.submit(priority="P4")
    later = store.later(days=15)
    leased = outbox.lease(later.database, arriving, "here/standard/1")
    assert leased is not None
    end = outbox._end

    def arrives_before(database: Database, row: Any, *rest: Any) -> bool:
        if row.delivery_id == arriving:
            outbox.mark_delivered(later.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")
        return end(database, row, *rest)

    monkeypatch.setattr(outbox, "_end", arrives_before)
    assert outbox.park_expired(later.database, 14 * 86400 * SECOND) == [old]
    assert (store.acts(old), store.acts(arriving)) == (["parked"], ["delivered"])
    assert (store.delivery(old).state, store.delivery(arriving).state) == ("parked", "delivered")


def test_the_age_of_each_priority_is_that_of_its_oldest_undelivered_delivery(store: SampleStore) -> None:
    later, last = store.later(seconds=100), store.later(seconds=300)
    [delivered] = store.submit(priority="P2")
    for one in (store, later):
        one.submit(priority="P1")
    later.submit(priority="P2")
    leased = outbox.lease(store.database, delivered, "here/urgent/1")
    assert leased is not None
    outbox.mark_delivered(store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")
    ages = outbox.oldest_ages(last.database)
    assert set(ages) == {"P1", "P2"}
    assert 300 * SECOND <= ages["P1"] < 400 * SECOND
    assert 200 * SECOND <= ages["P2"] < ages["P1"]


def test_a_delivered_update_that_is_more_urgent_raises_its_report_at_that_hotline_alone(store: SampleStore) -> None:
    first = store.sealed(((ONE, "primary"), (TWO, "also")), priority="P3")
    reports = dict(zip((ONE, TWO), submissions.commit(store.database, first).deliveries, strict=True))
    for delivery_id in reports.values():
        deliver(store, delivery_id)
    second = store.sealed(((ONE, "primary"), (TWO, "also")), priority="P1", revision=2, before=first)
    pending_submissions.schedule_pending(store.database, second, "update", store.database.now())
    for key in pending_submissions.list_due(store.later(seconds=1).database):
        pending_submissions.submit_due(store.database, key)
    assert [store.delivery(reports[name]).priority for name in (ONE, TWO)] == ["P3", "P3"]
    [updated] = [row for row in store.deliveries() if row.type == "updated" and row.hotline == ONE]
    deliver(store, updated.delivery_id)
    assert [store.delivery(reports[name]).priority for name in (ONE, TWO)] == ["P1", "P3"]


def deliver(store: SampleStore, delivery_id: str) -> None:
    leased = outbox.lease(store.database, delivery_id, "here/urgent/1")
    assert leased is not None
    assert outbox.mark_delivered(store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")


@pytest.mark.parametrize(("first", "is_probe"), [("P1", False), ("P2", True)])
def test_after_a_pause_one_delivery_probes_the_hotline_and_p1_is_no_probe(
    store: SampleStore, first: str, is_probe: bool
) -> None:
    for _ in range(circuit_breakers.FAILURE_THRESHOLD):
        fail(store)
    later = store.later(seconds=31)
    [begins], [waits] = later.submit(priority=first), later.submit(priority="P2")
    assert outbox.lease(later.database, begins, "here/urgent/1") is not None
    assert (outbox.lease(later.database, waits, "here/urgent/1") is None) == is_probe
