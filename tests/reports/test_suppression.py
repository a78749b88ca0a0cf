"""S-29 and X-27: published numbers reveal none under 5, by arithmetic or by knowledge of the rule."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping

import pytest

from reports.statistics.aggregation import MIN_COUNT, VisibleCells, rounded_share, visible_cells, visible_total

pytestmark = [pytest.mark.rule("S-29"), pytest.mark.rule("X-27")]

Rule = Callable[[Mapping[str, int]], VisibleCells]
Said = tuple[int | None, tuple[int | None, ...]]  # a total and its cells, as published
ROOM = 15  # the largest total tried; with a larger one a hidden cell has more possible values


def small_ones_only(cells: Mapping[str, int]) -> VisibleCells:
    return {name: visible_total(count) for name, count in cells.items()}


def two_at_least(cells: Mapping[str, int]) -> VisibleCells:
    """Apply the usual rule: hide small cells, and the smallest others until two or more hidden cells sum to 5."""
    hidden = {name for name, count in cells.items() if count < MIN_COUNT}
    for name in sorted(cells, key=lambda one: cells[one]):
        if not hidden or (len(hidden) > 1 and sum(cells[one] for one in hidden) >= MIN_COUNT):
            break
        hidden.add(name)
    return {name: None if name in hidden else count for name, count in cells.items()}


def tables(size: int) -> Iterator[dict[str, int]]:
    for counts in itertools.product(range(ROOM + 1), repeat=size):
        if sum(counts) <= ROOM:
            yield {str(n): count for n, count in enumerate(counts)}


def fewest_left(rule: Rule, size: int) -> int:
    """Return the fewest possible values of a hidden cell for an attacker who knows total, table and rule."""
    open_to: dict[Said, list[set[int]]] = defaultdict(lambda: [set() for _ in range(size)])
    for cells in tables(size):
        said = tuple(rule(cells).values())
        for values, count in zip(open_to[visible_total(sum(cells.values())), said], cells.values(), strict=True):
            values.add(count)
    return min(
        len(values)
        for (_, said), cells in open_to.items()
        for cell, values in zip(said, cells, strict=True)
        if cell is None
    )


@pytest.mark.parametrize("size", [2, 3, 4])
def test_who_knows_the_rule_is_left_with_five_values_at_least(size: int) -> None:
    assert fewest_left(visible_cells, size) >= MIN_COUNT


@pytest.mark.parametrize("naive", [small_ones_only, two_at_least])
def test_the_same_attack_breaks_what_is_usually_done(naive: Rule) -> None:
    assert fewest_left(naive, 3) == 1


@pytest.mark.parametrize(
    ("cells", "seen"),
    [
        ([30, 20, 10], [30, 20, 10]),
        ([30, 20, 4], [30, None, None]),
        ([30, 20, 0], [30, None, None]),  # 0 is a number under 5 too
        ([30, 4, 20, 10], [30, None, 20, None]),
        ([30, 4, 4, 12], [30, None, None, None]),  # two hidden cells with the sum 8 would both be 4
        ([30, 20, 5, 4], [30, None, None, None]),  # 5 and 4 are less than 10
        ([4, 0, 0], [None, None, None]),
        ([0, 0, 0], [None, None, None]),
        ([7, 0], [None, None]),
        ([12], [12]),
    ],
)
def test_what_is_seen_of_a_table(cells: list[int], seen: list[int | None]) -> None:
    found = visible_cells({str(n): count for n, count in enumerate(cells)})
    assert list(found.values()) == seen


def test_a_share_leaves_five_values_at_least() -> None:
    """The whole is published too: of 50 people 0 per cent are none, one or two."""
    for whole in range(1, 300):
        parts = Counter(rounded_share(part, whole) for part in range(whole + 1))
        assert all(count >= MIN_COUNT for share, count in parts.items() if share is not None), whole


@pytest.mark.parametrize(("part", "whole", "seen"), [(49, 80, 60), (0, 80, 0), (79, 79, None), (10, 0, None)])
def test_a_share_is_in_tenths_of_a_whole_that_is_large_enough(part: int, whole: int, seen: int | None) -> None:
    assert rounded_share(part, whole) == seen
