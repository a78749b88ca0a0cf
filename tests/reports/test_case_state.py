"""The state of a report, for every combination of up to three deliveries."""

from __future__ import annotations

import itertools

import pytest

from reports.case_state import CaseState, RecipientState, derive_case_state

STATES = ["due", "delivered", "refused", "parked", "cancelled"]
HANDLINGS = ["none", "accepted", "in_progress", "rejected", "closed"]


def one(state: str, handling: str = "none", hotline: str = "one", role: str = "primary") -> RecipientState:
    return RecipientState(hotline, role, state, handling)


@pytest.mark.parametrize(
    ("sendings", "expected"),
    [
        ([], CaseState("needs_person", None)),
        ([one("due")], CaseState("queued", "one")),
        ([one("delivered")], CaseState("delivered", "one")),
        ([one("refused")], CaseState("needs_person", None)),
        ([one("parked")], CaseState("needs_person", None)),
        ([one("cancelled")], CaseState("needs_person", None)),
        ([one("delivered", "accepted")], CaseState("accepted", "one")),
        ([one("due", "accepted")], CaseState("accepted", "one")),
        ([one("delivered", "in_progress")], CaseState("in_progress", "one")),
        ([one("delivered", "closed")], CaseState("closed", "one")),
        ([one("delivered", "rejected")], CaseState("needs_person", None)),
        ([one("refused"), one("due", hotline="two")], CaseState("queued", "two")),
        ([one("due"), one("delivered", hotline="two")], CaseState("delivered", "two")),
        ([one("delivered", "closed"), one("delivered", hotline="two")], CaseState("delivered", "two")),
        ([one("delivered", "closed"), one("due", hotline="two")], CaseState("closed", "one")),
        ([one("delivered", "rejected"), one("delivered", "closed", "two")], CaseState("closed", "two")),
        ([one("delivered", "accepted"), one("delivered", "in_progress", "two")], CaseState("in_progress", "two")),
    ],
)
def test_rows(sendings: list[RecipientState], expected: CaseState) -> None:
    assert derive_case_state(sendings) == expected


def test_all_mixes_of_three() -> None:
    kinds = list(itertools.product(STATES, HANDLINGS))
    for size in (1, 2, 3):
        for mix in itertools.combinations_with_replacement(kinds, size):
            sendings = [one(*kind, hotline=f"h{n}") for n, kind in enumerate(mix)]
            found = derive_case_state(sendings)
            alive = [s for s in sendings if s.state in ("due", "delivered") and s.handling != "rejected"]
            assert (found.state == "needs_person") == (not alive)
            assert found.desk is None or found.desk in {s.hotline for s in alive}
            assert (found.state == "queued") <= all(s.state == "due" for s in alive)


def test_the_order_of_the_rows_changes_the_state_never() -> None:
    kinds = list(itertools.product(STATES, HANDLINGS))
    for mix in itertools.combinations(kinds, 2):
        there = [one(*kind, hotline=f"h{n}") for n, kind in enumerate(mix)]
        assert derive_case_state(there).state == derive_case_state(reversed(there)).state
