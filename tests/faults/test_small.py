"""The small experiment: 200 reports, every process killed, nothing lost and nothing duplicated."""

from __future__ import annotations

import pytest
from rich.console import Console

from tests.faults import verdict_table
from tests.faults.experiment import SIZES, Run


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    """I1 to I4, I7 and I8, while web, workers, clock, Valkey and the hotline are killed."""
    run = Run(SIZES["small"], seed=1)
    verdict = run.go()
    Console().print(verdict_table.table(verdict, run.seed, run.database), soft_wrap=True)
    assert verdict.faults == []
    assert verdict.sent == SIZES["small"].reports
    assert sum(verdict.kills.values()) == sum(SIZES["small"].kills.values())
