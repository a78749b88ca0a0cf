"""A pytest plugin that with --daily runs one part of the large products and of the slow tests, another part each day.

A test with `@pytest.mark.product(parts=3)` runs a third of its cases. The number of a case is the sum of the indices of
its values in their parameters. If no parameter has fewer values than `parts`, each value of each parameter runs every
day; with three parameters, each pair of values.

Of the tests in `SLOW_TESTS`, which take more than half a second, `SLOW_PARTS` parts take turns. The slowest are listed
first, so that each part takes about the same time.

As many days as parts run everything. The header prints `TEST_DAY`; set it to repeat the selection of that day.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

DAY: Final = "TEST_DAY"  # set by the first process and inherited by the others, which must select the same cases
SLOW_TESTS: Final = Path(__file__).parents[1] / "slow_tests.txt"  # a test, or a whole file, on each line
SLOW_PARTS: Final = 7
PARAMETERS: Final = type(pytest.param())


class DailySelection:
    """Deselect what is not in today's part."""

    def __init__(self, *, daily: bool) -> None:
        self._daily = daily
        self.day = int(os.environ.setdefault(DAY, str(datetime.datetime.now(datetime.UTC).toordinal())))

    def pytest_report_header(self) -> str:
        """Return the line that says what runs."""
        return f"large products and slow tests: the part of {DAY}={self.day}" if self._daily else "all tests and cases"

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Select today's part of the products and of the slow tests, and all other tests."""
        if self._daily:
            kept, left_out = today(items, self.day, slow_tests())
            items[:] = kept
            config.hook.pytest_deselected(items=left_out)


def slow_tests() -> dict[str, int]:
    """Return the position of each slow test, or file of slow tests, by its id."""
    return {line: number for number, line in enumerate(SLOW_TESTS.read_text().split())}


def today(items: list[pytest.Item], day: int, slow: Mapping[str, int]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests that run on this day, in the same order, and the deselected tests."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        (kept if _is_today(item, day, slow) else left_out).append(item)
    return kept, left_out


def _is_today(item: pytest.Item, day: int, slow: Mapping[str, int]) -> bool:
    if mark := item.get_closest_marker("product"):
        return (_number(item) - day) % mark.kwargs["parts"] == 0
    test = item.nodeid.partition("[")[0]
    place = slow.get(test, slow.get(test.partition("::")[0]))
    return place is None or (place - day) % SLOW_PARTS == 0


def _number(item: pytest.Item) -> int:
    """Return the sum of the indices that the values of a case have in its marks."""
    values = item.callspec.params  # type: ignore[attr-defined]
    return sum(_place(mark, values) for mark in item.iter_markers("parametrize"))


def _place(mark: pytest.Mark, values: Mapping[str, object]) -> int:
    """Return the index of these values in one mark. pytest's own indices count all cases if a fixture has params."""
    names = [name.strip() for name in mark.args[0].split(",")] if isinstance(mark.args[0], str) else mark.args[0]
    wanted = [values[name] for name in names]
    for place, row in enumerate(mark.args[1]):
        found = row.values if isinstance(row, PARAMETERS) else row if len(names) > 1 else (row,)
        if all(one is other for one, other in zip(found, wanted, strict=True)):
            return place
    raise pytest.UsageError(f"give the values of {', '.join(names)} as a list: a product is counted by their places")
