"""Every row of the table has its test, or an entry here with the reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROWS = {f"B-{n:02}" for n in range(1, 81)}

WAITING: Mapping[str, str] = {}


def marked() -> set[str]:
    mark = re.compile(r"""^@pytest\.mark\.rule\(["'](B-\d\d)["']\)$""", re.MULTILINE)
    return {id_ for path in TESTS.rglob("*.py") for id_ in mark.findall(path.read_text())}


def test_every_row_has_its_test() -> None:
    assert ROWS - marked() == set(WAITING)


def test_no_test_is_for_a_row_that_is_none() -> None:
    assert marked() <= ROWS


def test_nothing_waits_without_a_reason() -> None:
    assert set(WAITING) <= ROWS
    assert all(WAITING.values())
