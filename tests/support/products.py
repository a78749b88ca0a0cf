"""A pytest plugin that runs one part of the large parameter products, another part each day; --full runs all.

A test with `@pytest.mark.product(parts=3)` runs a third of its cases. The day decides which third, so three days run
all of them. The header prints `TEST_DAY`; set it to repeat the selection of that day.

The number of a case is the sum of the indices of its values in their parameters. If no parameter has fewer values than
`parts`, each value of each parameter runs every day; with three parameters, each pair of values.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping

import pytest

DAY = "TEST_DAY"  # set by the first process and inherited by the others, which must select the same cases
PARAMETERS = type(pytest.param())


class ProductSelection:
    """Deselect the cases of products that are not in today's part."""

    def __init__(self, *, full: bool) -> None:
        self._full = full
        self.day = int(os.environ.setdefault(DAY, str(datetime.datetime.now(datetime.UTC).toordinal())))

    def pytest_report_header(self) -> str:
        """Return the line that says which cases run."""
        return "products: all cases" if self._full else f"products: the cases of {DAY}={self.day}; --full runs all"

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Select today's part of each product, and all other tests."""
        if not self._full:
            kept, left_out = today(items, self.day)
            items[:] = kept
            config.hook.pytest_deselected(items=left_out)


def today(items: list[pytest.Item], day: int) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests that run on this day, in the same order, and the deselected tests."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        mark = item.get_closest_marker("product")
        is_today = mark is None or (_number(item) - day) % mark.kwargs["parts"] == 0
        (kept if is_today else left_out).append(item)
    return kept, left_out


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
