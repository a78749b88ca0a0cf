"""How a report stands, for every mix of up to three deliveries."""

from __future__ import annotations

import itertools

import pytest

from reports.state import Sending, Standing, standing

STATES = ["due", "delivered", "refused", "parked", "cancelled"]
HANDLINGS = ["none", "accepted", "in_progress", "rejected", "closed"]


def one(state: str, handling: str = "none", hotline: str = "one", role: str = "primary") -> Sending:
    return Sending(hotline, role, state, handling)


@pytest.mark.parametrize(
    ("sendings", "expected"),
    [
        ([], Standing("needs_person", None)),
        ([one("due")], Standing("queued", "one")),
        ([one("delivered")], Standing("delivered", "one")),
        ([one("refused")], Standing("needs_person", None)),
        ([one("parked")], Standing("needs_person", None)),
        ([one("cancelled")], Standing("needs_person", None)),
        ([one("delivered", "accepted")], Standing("accepted", "one")),
        ([one("due", "accepted")], Standing("accepted", "one")),
        ([one("delivered", "in_progress")], Standing("in_progress", "one")),
        ([one("delivered", "closed")], Standing("closed", "one")),
        ([one("delivered", "rejected")], Standing("needs_person", None)),
        ([one("refused"), one("due", hotline="two")], Standing("queued", "two")),
        ([one("due"), one("delivered", hotline="two")], Standing("delivered", "two")),
        ([one("delivered", "closed"), one("delivered", hotline="two")], Standing("delivered", "two")),
        ([one("delivered", "closed"), one("due", hotline="two")], Standing("closed", "one")),
        ([one("delivered", "rejected"), one("delivered", "closed", "two")], Standing("closed", "two")),
        ([one("delivered", "accepted"), one("delivered", "in_progress", "two")], Standing("in_progress", "two")),
    ],
)
def test_rows(sendings: list[Sending], expected: Standing) -> None:
    assert standing(sendings) == expected


def test_all_mixes_of_three() -> None:
    kinds = list(itertools.product(STATES, HANDLINGS))
    for size in (1, 2, 3):
        for mix in itertools.combinations_with_replacement(kinds, size):
            sendings = [one(*kind, hotline=f"h{n}") for n, kind in enumerate(mix)]
            found = standing(sendings)
            alive = [s for s in sendings if s.state in ("due", "delivered") and s.handling != "rejected"]
            assert (found.state == "needs_person") == (not alive)
            assert found.desk is None or found.desk in {s.hotline for s in alive}
            assert (found.state == "queued") <= all(s.state == "due" for s in alive)


def test_the_order_of_the_rows_changes_the_state_never() -> None:
    kinds = list(itertools.product(STATES, HANDLINGS))
    for mix in itertools.combinations(kinds, 2):
        there = [one(*kind, hotline=f"h{n}") for n, kind in enumerate(mix)]
        assert standing(there).state == standing(reversed(there)).state
