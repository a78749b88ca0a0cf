"""What a screen may know of a report whose code and PIN were given."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flows.model import World
from flows.show import fill
from gateway.world import heard

STATE = "Read by {desk}. In danger? Call {emergency}."


@pytest.mark.parametrize(("desk", "named"), [("one", "Hotline One"), ("gone", "A hotline"), (None, "A hotline")])
def test_a_hotline_that_is_listed_no_more_takes_no_number_away(desk: str | None, named: str) -> None:
    said, _ = heard({"one": "Hotline One"}, SimpleNamespace(desk=desk, state="accepted"))
    world = World({}, {"emergency": "police 111", **said}, {}, str)
    assert fill(STATE, world) == f"Read by {named}. In danger? Call police 111."
