"""tests/support/products.py: the cases of a product that run on each day."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import products

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
                name=str(chosen),
                get_closest_marker=lambda _: own,
                iter_markers=lambda _: marks,
                callspec=SimpleNamespace(params=values),
            )
        )
    return found


def today(items: list[Any], day: int) -> list[Any]:
    return products.today(items, day)[0]


def test_as_many_days_as_parts_run_all_cases_once_and_each_day_every_value() -> None:
    items = cases(3, row=[f"row {number}" for number in range(25)], channel=["a", "b", "c", "d"])
    days = [today(items, day) for day in DAYS]
    assert sorted(case.name for day in days for case in day) == sorted(case.name for case in items)
    for day in days:
        assert len({case.callspec.params["row"] for case in day}) == 25
        assert len({case.callspec.params["channel"] for case in day}) == 4


def test_of_three_parameters_each_pair_of_values_runs_every_day() -> None:
    items = cases(3, a=["a1", "a2", "a3"], b=["b1", "b2", "b3"], c=["c1", "c2", "c3"])
    for day in DAYS:
        kept = [case.callspec.params for case in today(items, day)]
        for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
            assert len({(values[one], values[other]) for values in kept}) == 9


def test_names_that_are_parametrized_together_count_once() -> None:
    rows = [("both", False), pytest.param("both", True).values, ("spool", False), ("spool", True)]
    assert [len(today(cases(2, fault_away=rows), day)) for day in DAYS] == [2, 2, 2]


def test_what_is_no_product_runs_every_day_in_its_order() -> None:
    plain, one, two = (
        [*cases(None, number=list(range(20))), *cases(2, name=["one", "two"])][:20],
        *cases(2, name=["x", "y"]),
    )
    kept, left_out = products.today([*plain, one, two], 1)
    assert kept == [*plain, two]
    assert left_out == [one]
