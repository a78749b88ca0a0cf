"""A short form of the simulated month; the long one is `python -m tests.retention.month`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.retention import month
from tests.support.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-28")]


def test_a_month_of_purges_leaves_what_the_rules_leave_on_sqlite(tmp_path: Path) -> None:
    seen = month.on_sqlite(tmp_path, 1_500, lambda _: None)
    assert seen.purged > 500
    assert seen.waiting > 20
    assert seen.after < seen.before * 0.8


def test_a_month_of_purges_leaves_what_the_rules_leave_on_postgresql(postgres: Postgres) -> None:
    seen = month.on_postgresql(postgres, 1_000, lambda _: None)
    assert seen.purged > 300
    assert seen.waiting > 10
