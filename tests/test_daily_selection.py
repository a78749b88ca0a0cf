"""tests/support/daily_selection.py: what `make test` runs on each day."""

from __future__ import annotations

import ast
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.daily_selection import SLOW_PARTS, SLOW_TESTS, slow_tests, today

DAYS = range(739_000, 739_003)


def cases(parts: int | None, **parameters: list[Any]) -> list[Any]:
    """Return all cases of a test. A name with an underscore stands for several parameters, whose values are rows."""
    marks = [pytest.mark.parametrize(name.replace("_", ","), values).mark for name, values in parameters.items()]
    own = None if parts is None else SimpleNamespace(kwargs={"parts": parts})
    found = []
    for chosen in product(*parameters.values()):
        values: dict[str, Any] = {}
        for name, value in zip(parameters, chosen, strict=True):
            values |= zip(name.split("_"), value, strict=True) if "_" in name else {name: value}
        found.append(
            SimpleNamespace(
                nodeid=f"tests/test_some.py::test_one[{chosen}]",
                get_closest_marker=lambda _: own,
                iter_markers=lambda _: marks,
                callspec=SimpleNamespace(params=values),
            )
        )
    return found


def test_as_many_days_as_parts_run_all_cases_once_and_each_day_every_value() -> None:
    items = cases(3, row=[f"row {number}" for number in range(25)], channel=["a", "b", "c", "d"])
    days = [today(items, day, {})[0] for day in DAYS]
    assert sorted(case.nodeid for day in days for case in day) == sorted(case.nodeid for case in items)
    for day in days:
        assert len({case.callspec.params["row"] for case in day}) == 25
        assert len({case.callspec.params["channel"] for case in day}) == 4


def test_of_three_parameters_each_pair_of_values_runs_every_day() -> None:
    items = cases(3, a=["a1", "a2", "a3"], b=["b1", "b2", "b3"], c=["c1", "c2", "c3"])
    for day in DAYS:
        kept = [case.callspec.params for case in today(items, day, {})[0]]
        for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
            assert len({(values[one], values[other]) for values in kept}) == 9


def test_names_that_are_parametrized_together_count_once() -> None:
    rows = [("both", False), pytest.param("both", True).values, ("spool", False), ("spool", True)]
    assert [len(today(cases(2, fault_away=rows), day, {})[0]) for day in DAYS] == [2, 2, 2]


def test_everything_else_runs_every_day_in_its_order() -> None:
    plain, one, two = (
        [*cases(None, number=list(range(20))), *cases(2, name=["one", "two"])][:20],
        *cases(2, name=["x", "y"]),
    )
    kept, left_out = today([*plain, one, two], 1, {})
    assert kept == [*plain, two]
    assert left_out == [one]


def test_a_slow_test_runs_on_one_day_of_a_week_and_a_slow_file_too() -> None:
    ids = ["a.py::test_one", "a.py::test_two[x]", "a.py::test_two[y]", "b.py::test", "c.py::test"]
    items: list[Any] = [SimpleNamespace(nodeid=name, get_closest_marker=lambda _: None) for name in ids]
    days = [today(items, day, {"b.py": 4, "a.py::test_two": 5})[0] for day in range(739_000, 739_000 + SLOW_PARTS)]
    on_days = {item.nodeid: sum(item in day for day in days) for item in items}
    assert on_days == dict(zip(ids, [7, 1, 1, 1, 7], strict=True))


def test_each_slow_test_exists_and_is_no_product() -> None:
    assert len(slow_tests()) > SLOW_PARTS
    for line in slow_tests():
        path, *names = line.split("::")
        body = ast.parse((SLOW_TESTS.parents[1] / path).read_text()).body
        for name in names:
            [found] = [node for node in body if getattr(node, "name", None) == name]
            assert "pytest.mark.product" not in "".join(ast.unparse(mark) for mark in found.decorator_list)
            body = found.body
