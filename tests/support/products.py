"""A pytest plugin that runs a part of the large products of parameters, another part each day; --full runs all.

A test with `@pytest.mark.product(parts=3)` runs a third of its cases, mixed over all parameters. Which third depends on
the day, so that three days run them all. `TEST_DAY`, which is printed first, repeats the selection of a day.
"""

from __future__ import annotations

import datetime
import os
import zlib

import pytest

DAY = "TEST_DAY"  # set by the first process and inherited by the others, which must select the same cases


class ProductSelection:
    """Deselect the cases of products that are not in today's part."""

    def __init__(self, *, full: bool) -> None:
        self._full = full
        self.day = int(os.environ.setdefault(DAY, str(datetime.datetime.now(datetime.UTC).toordinal())))

    def pytest_report_header(self) -> str:
        """Say which cases run."""
        return "products: all cases" if self._full else f"products: the cases of {DAY}={self.day}; --full runs all"

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep today's part of each product, and all other tests."""
        if not self._full:
            kept, left_out = today(items, self.day)
            items[:] = kept
            config.hook.pytest_deselected(items=left_out)


def today(items: list[pytest.Item], day: int) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests that run on this day, in the same order, and those that do not."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        mark = item.get_closest_marker("product")
        is_today = mark is None or zlib.crc32(item.name.encode()) % mark.kwargs["parts"] == day % mark.kwargs["parts"]
        (kept if is_today else left_out).append(item)
    return kept, left_out
