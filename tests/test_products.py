"""tests/support/products.py: which cases of a product run on which day."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support.products import today


def item(name: str, parts: int | None) -> Any:
    mark = None if parts is None else SimpleNamespace(kwargs={"parts": parts})
    return SimpleNamespace(name=name, path=Path("test_x.py"), get_closest_marker=lambda _: mark)


def test_as_many_days_as_parts_run_all_cases_once() -> None:
    cases = [item(f"test_x[{channel}-{path}]", 3) for channel in range(4) for path in range(25)]
    days = [today(cases, day)[0] for day in (739_000, 739_001, 739_002)]
    assert sorted(case.name for day in days for case in day) == sorted(case.name for case in cases)
    for day in days:  # and each day some of every parameter
        assert {case.name.partition("[")[2][0] for case in day} == set("0123")


def test_what_is_no_product_runs_every_day_in_its_order() -> None:
    plain = [item(f"test_{number}", None) for number in range(20)]
    kept, left_out = today([*plain, item("test_x[1]", 2), item("test_x[2]", 2)], 1)
    assert kept[:20] == plain
    assert {case.name for case in kept[20:] + left_out} == {"test_x[1]", "test_x[2]"}
