"""Parallel deliveries: a distant hotline does not delay the others, and no report is sent twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from tests.workers.sample_store import ONE, TWO, SampleStore
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest
from workers.delivery.under_way import AT_ONCE_EACH, DeliveriesUnderWay
from workers.jobs.deliver import DeliveryRunner
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics

URGENT = ("P1", "P2")


class WaitingHotline:
    """A hotline that answers only when `together` requests wait, or `release` is set."""

    def __init__(self, together: int) -> None:
        self.keys: list[str] = []
        self.release = threading.Event()
        self._together = together

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        self.keys.append(request.delivery_id)
        if len(self.keys) >= self._together:
            self.release.set()
        assert self.release.wait(20)
        return Delivered(204)


@pytest.fixture
def under_way() -> Iterator[DeliveriesUnderWay]:
    it = DeliveriesUnderWay()
    yield it
    it.finish()


def worker(
    store: SampleStore, under_way: DeliveriesUnderWay, one: WaitingHotline, two: WaitingHotline
) -> DeliveryRunner:
    return DeliveryRunner(
        database=store.database,
        keys=KeyRing(store.keys),
        hotlines={ONE: one, TWO: two},
        mode="demo",
        holder="here/urgent/1",
        actor="worker",
        metrics=WorkerMetrics(CollectorRegistry()),
        under_way=under_way,
    )


def test_a_hotline_far_away_gets_eight_at_once_and_each_report_once(
    store: SampleStore, under_way: DeliveriesUnderWay
) -> None:
    ids = [store.submit(priority="P2")[0] for _ in range(AT_ONCE_EACH + 3)]
    waiting = WaitingHotline(together=AT_ONCE_EACH)  # it answers nothing before the eighth request
    assert worker(store, under_way, waiting, WaitingHotline(1)).drain(URGENT) == len(ids)
    assert Counter(waiting.keys) == Counter(ids)
    assert {store.delivery(one).state for one in ids} == {"delivered"}


def test_deliveries_that_end_while_the_next_is_looked_for_leave_none_behind(store: SampleStore) -> None:
    class EndAtOnce(DeliveriesUnderWay):
        def full_hotlines(self) -> tuple[str, ...]:
            full = super().full_hotlines()
            waiting.release.set()
            self.wait_for_all()
            return full

        def start(self, hotline: str, deliver: Callable[[], None], timeout: float) -> None:
            super().start(hotline, deliver, 0)

        def wait_for_all(self) -> None:
            while len(self):
                self.wait_for_one(1)

    ids = [store.submit(priority="P2")[0] for _ in range(2)]
    waiting = WaitingHotline(together=1000)
    under_way = EndAtOnce(max_each=1)
    assert worker(store, under_way, waiting, waiting).drain(URGENT) == len(ids)
    under_way.finish()
    assert {store.delivery(one).state for one in ids} == {"delivered"}


def test_a_hotline_that_hangs_leaves_threads_for_the_others(store: SampleStore, under_way: DeliveriesUnderWay) -> None:
    hung = [store.submit(priority="P1")[0] for _ in range(AT_ONCE_EACH + 3)]
    others = [store.submit(((TWO, "primary"),), priority="P2")[0] for _ in range(5)]
    hangs, near = WaitingHotline(together=1000), WaitingHotline(together=1)
    runner = worker(store, under_way, hangs, near)
    stop = replace(runner, stopping=lambda: len(near.keys) == len(others))
    stop.drain(URGENT)
    assert sorted(near.keys) == sorted(others)
    assert len(hangs.keys) == AT_ONCE_EACH
    hangs.release.set()
    assert runner.drain(URGENT) == len(hung) - AT_ONCE_EACH
    assert {store.delivery(one).state for one in (*hung, *others)} == {"delivered"}


def test_a_worker_that_stops_waits_for_what_is_under_way(store: SampleStore, under_way: DeliveriesUnderWay) -> None:
    [first] = store.submit()
    waiting = WaitingHotline(together=1000)
    runner = worker(store, under_way, waiting, waiting)
    replace(runner, stopping=lambda: bool(waiting.keys)).drain(URGENT)
    assert store.delivery(first).state == "due"
    threading.Timer(0.05, waiting.release.set).start()
    runner.finish()
    assert store.delivery(first).state == "delivered"
