"""Rows that fail hold up no others: those behind them are reached, and the failed ones are tried again later."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from reports.store.engine.database import DatabaseUnavailable
from tests.workers.scheduler_harness import FakeMonotonicClock
from workers.row_pages import MAX_PAGES, RETRY_SECONDS, RowPages

PAGE_SIZE = 5


class Rows:
    """A table of numbered rows, of which those of `bad` raise. `report_of` puts rows together."""

    def __init__(self, count: int, bad: set[int], report_of: Callable[[int], str] | None = None) -> None:
        self.waiting = list(range(count))
        self.bad = bad
        self.report_of = report_of
        self.done: list[int] = []
        self.tried: list[int] = []
        self.pages_read = self.faults = 0
        self.time = FakeMonotonicClock()
        self.pages = RowPages("a job", self._count_fault, self.time)

    def go_on(self) -> bool:
        with capture_logs():
            return self.pages.process(self._page, PAGE_SIZE, self._process, self.report_of)

    def go_on_to_the_end(self) -> int:
        """Return after how many calls there is nothing more to do."""
        calls = 1
        while self.go_on():
            calls += 1
        return calls

    def _count_fault(self) -> None:
        self.faults += 1

    def _page(self, skip: int) -> list[int]:
        self.pages_read += 1
        return self.waiting[skip : skip + PAGE_SIZE]

    def _process(self, row: int) -> bool:
        self.tried.append(row)
        if row in self.bad:
            raise ValueError("a row that this program cannot read")
        self.waiting.remove(row)
        self.done.append(row)
        return True


def test_one_call_tries_one_page_of_rows_that_all_fail() -> None:
    rows = Rows(100, set(range(100)))
    assert rows.go_on()
    assert (rows.tried, rows.pages_read, rows.faults) == (list(range(PAGE_SIZE)), 1, PAGE_SIZE)
    assert rows.go_on()
    assert rows.tried == list(range(2 * PAGE_SIZE)), "the next call goes on behind them"


def test_rows_behind_a_page_with_one_good_row_wait_for_no_repetition() -> None:
    bad = set(range(PAGE_SIZE - 1))
    rows = Rows(PAGE_SIZE - 1 + 50, bad)
    calls = rows.go_on_to_the_end()
    assert set(rows.waiting) == bad and len(rows.done) == 50
    assert calls <= 50 / PAGE_SIZE + 2
    assert rows.faults == len(bad), "each is logged once"


def test_a_failed_row_is_tried_again_after_a_minute() -> None:
    rows = Rows(3, {1})
    rows.go_on()
    rows.time.now += RETRY_SECONDS - 1
    rows.go_on()
    assert rows.tried == [0, 1, 2]
    rows.bad.clear()
    rows.time.now += 1
    rows.go_on()
    assert rows.tried == [0, 1, 2, 1] and rows.waiting == []


def test_a_row_that_comes_behind_many_failed_ones_is_reached() -> None:
    count = MAX_PAGES * PAGE_SIZE * 2
    rows = Rows(count, set(range(count)))
    rows.go_on_to_the_end()
    rows.waiting.append(count)
    rows.pages_read = 0
    assert rows.go_on()
    assert rows.pages_read == MAX_PAGES and len(rows.tried) == count, "failed rows are read over, and not tried"
    assert rows.go_on_to_the_end() <= 2
    assert rows.done == [count]


def test_later_rows_of_a_report_wait_for_the_failed_one() -> None:
    rows = Rows(2 * PAGE_SIZE + 1, {0}, lambda row: "one" if row in (0, 1, 2 * PAGE_SIZE) else f"other {row}")
    rows.go_on()
    rows.time.now += RETRY_SECONDS  # in the middle of the rows
    rows.go_on_to_the_end()
    assert rows.waiting == [0, 1, 2 * PAGE_SIZE]
    rows.bad.clear()
    rows.go_on_to_the_end()
    assert rows.done[-3:] == [0, 1, 2 * PAGE_SIZE]


def test_rows_that_wait_on_without_a_fault_are_passed_over() -> None:
    pages, tried = RowPages("a job"), list[int]()

    def waits_on(row: int) -> bool:
        tried.append(row)
        return False

    assert not pages.process(lambda skip: range(7)[skip : skip + 2], 2, waits_on)
    assert tried == list(range(7))


def test_an_outage_ends_the_call_and_loses_no_row() -> None:
    rows = Rows(3, set())

    def away(_: int) -> bool:
        raise DatabaseUnavailable("away")

    with pytest.raises(DatabaseUnavailable):
        rows.pages.process(lambda _: rows.waiting, PAGE_SIZE, away)
    rows.go_on()
    assert rows.done == [0, 1, 2]
