"""The small form: 200 reports, everything killed, nothing lost and nothing twice."""

from __future__ import annotations

import pytest
from rich.console import Console

from tests.faults import sheet
from tests.faults.experiment import FORMS, Run


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    """I1 to I4, I7 and I8, while web, workers, clock, Valkey and the hotline are killed."""
    run = Run(FORMS["small"], seed=1)
    verdict = run.go()
    Console().print(sheet.table(verdict, run.seed, run.database), soft_wrap=True)
    assert verdict.faults == []
    assert verdict.sent == FORMS["small"].reports
    assert sum(verdict.kills.values()) == sum(FORMS["small"].kills.values())
