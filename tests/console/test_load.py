"""The load test of the console runs and returns every figure. docs/performance.md has the figures."""

from __future__ import annotations

import pytest

from tests.console.load import WALKS, Size, lines, measure, polled_every

pytestmark = pytest.mark.slow


def test_a_small_one_gives_every_figure() -> None:
    found = measure(Size(staff=2, reports=40, rate=20, rounds=1, seconds=1, warm=0.2, callers=2), {})
    for walk in WALKS:
        for how in ("alone", "beside"):
            assert 0 < found[walk][how]["p50"] <= found[walk][how]["p95"] <= found[walk][how]["p99"]
        assert found[walk]["ratio_p95"] > 0
    assert found["lists"]["all"]["looks"] == 2, "the first of them, once beside each walk"
    assert len(list(lines({"databases": {"sqlite": found}}))) == 9


def test_it_looks_as_often_as_the_page_does() -> None:
    assert 5 <= polled_every() <= 30
