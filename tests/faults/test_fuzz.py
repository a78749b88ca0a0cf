"""A small run of the fuzzer; `python -m tests.faults.fuzz` is the large one."""

from __future__ import annotations

import pytest

from tests.faults.fuzz.run import fuzz
from tests.faults.fuzz.webhooks import CHANNELS, WRITTEN


@pytest.mark.slow
def test_random_requests_at_every_door_show_no_fault_and_lose_no_word() -> None:
    tally = fuzz(500, seed=1)
    assert tally.findings == []
    assert tally.requests >= 500
    assert tally.words > 50


def test_every_channel_is_known_here() -> None:
    """Random bytes alone never pass authorization, so each channel needs requests written in its provider's form."""
    assert {channel for channel, _ in WRITTEN} == set(CHANNELS)
