"""Parallel deliveries: a distant hotline does not delay the others, and no report is sent twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from tests.workers.filings import ONE, TWO, Desk
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest
from workers.delivery.under_way import AT_ONCE_EACH, DeliveriesUnderWay
from workers.jobs.deliver import DeliveryRunner
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics

URGENT = ("P1", "P2")


class Far:
    """A hotline that answers only when `together` requests wait, or `release` is set."""

    def __init__(self, together: int) -> None:
        self.keys: list[str] = []
        self.release = threading.Event()
        self._together = together

    def deliver(self, parcel: DeliveryRequest) -> DeliveryOutcome:
        self.keys.append(parcel.delivery_id)
        if len(self.keys) >= self._together:
            self.release.set()
        assert self.release.wait(20)
        return Delivered(204)


@pytest.fixture
def under_way() -> Iterator[DeliveriesUnderWay]:
    it = DeliveriesUnderWay()
    yield it
    it.finish()


def worker(desk: Desk, under_way: DeliveriesUnderWay, one: Far, two: Far) -> DeliveryRunner:
    return DeliveryRunner(
        database=desk.database,
        keys=KeyRing(desk.keys),
        hotlines={ONE: one, TWO: two},
        mode="demo",
        holder="here/urgent/1",
        actor="worker",
        metrics=WorkerMetrics(CollectorRegistry()),
        under_way=under_way,
    )


def test_a_hotline_far_away_gets_eight_at_once_and_each_report_once(desk: Desk, under_way: DeliveriesUnderWay) -> None:
    ids = [desk.file(priority="P2")[0] for _ in range(AT_ONCE_EACH + 3)]
    far = Far(together=AT_ONCE_EACH)  # it answers nothing before the eighth request
    assert worker(desk, under_way, far, Far(1)).drain(URGENT) == len(ids)
    assert Counter(far.keys) == Counter(ids)
    assert {desk.delivery(one).state for one in ids} == {"delivered"}


def test_deliveries_that_end_while_the_next_is_looked_for_leave_none_behind(desk: Desk) -> None:
    class EndAtOnce(DeliveriesUnderWay):
        def full_hotlines(self) -> tuple[str, ...]:
            full = super().full_hotlines()
            far.release.set()
            self.wait_for_all()
            return full

        def start(self, hotline: str, deliver: Callable[[], None], timeout: float) -> None:
            super().start(hotline, deliver, 0)

        def wait_for_all(self) -> None:
            while len(self):
                self.wait_for_one(1)

    ids = [desk.file(priority="P2")[0] for _ in range(2)]
    far = Far(together=1000)
    under_way = EndAtOnce(max_each=1)
    assert worker(desk, under_way, far, far).drain(URGENT) == len(ids)
    under_way.finish()
    assert {desk.delivery(one).state for one in ids} == {"delivered"}


def test_a_hotline_that_hangs_leaves_threads_for_the_others(desk: Desk, under_way: DeliveriesUnderWay) -> None:
    hung = [desk.file(priority="P1")[0] for _ in range(AT_ONCE_EACH + 3)]
    others = [desk.file(((TWO, "primary"),), priority="P2")[0] for _ in range(5)]
    hangs, near = Far(together=1000), Far(together=1)
    runner = worker(desk, under_way, hangs, near)
    stop = replace(runner, stopping=lambda: len(near.keys) == len(others))
    stop.drain(URGENT)
    assert sorted(near.keys) == sorted(others)
    assert len(hangs.keys) == AT_ONCE_EACH
    hangs.release.set()
    assert runner.drain(URGENT) == len(hung) - AT_ONCE_EACH
    assert {desk.delivery(one).state for one in (*hung, *others)} == {"delivered"}


def test_a_worker_that_stops_waits_for_what_is_under_way(desk: Desk, under_way: DeliveriesUnderWay) -> None:
    [first] = desk.file()
    far = Far(together=1000)
    runner = worker(desk, under_way, far, far)
    replace(runner, stopping=lambda: bool(far.keys)).drain(URGENT)
    assert desk.delivery(first).state == "due"
    threading.Timer(0.05, far.release.set).start()
    runner.finish()
    assert desk.delivery(first).state == "delivered"
