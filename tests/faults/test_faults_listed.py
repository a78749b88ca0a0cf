"""Every fault has a test that causes it."""

from __future__ import annotations

from tests.docs.faults import FAULTS
from tests.docs.rules import marks


def test_every_fault_has_its_test() -> None:
    assert FAULTS.keys() - marks().keys() == set()


def test_no_test_is_for_a_fault_that_is_none() -> None:
    assert {name for name in marks() if name[0] == "F" and name[1:].isdecimal()} <= FAULTS.keys()
