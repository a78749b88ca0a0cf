"""Every statement of docs/security.md has a test, or a reason why not; page, marks and list agree."""

from __future__ import annotations

import pytest

from tests.docs.rules import marks
from tests.security import statements

MAX_WAITING = 25  # without any test; a longer list needs a decision


def test_the_page_has_each_statement_once_and_in_order() -> None:
    assert tuple(found[0] for found in statements.ROW.findall(statements.PAGE.read_text())) == statements.IDS


@pytest.mark.parametrize("statement", statements.IDS)
def test_a_statement_is_shown_or_waits(statement: str) -> None:
    assert statement in marks() or statement in statements.WAITING


@pytest.mark.parametrize("statement", statements.IDS)
def test_the_page_says_what_shows_it(statement: str) -> None:
    found = statements.rows()[statement][1]
    assert found == statements.shown_by(statement), "write it anew: python -m tests.security.statements"


def test_no_mark_names_a_statement_that_is_not_there() -> None:
    assert {one for one in marks() if one[:2] in ("A-", "X-")} <= set(statements.IDS)
    assert set(statements.WAITING) <= set(statements.IDS)


def test_few_statements_wait_without_any_test() -> None:
    waiting = set(statements.WAITING) - marks().keys()
    assert len(waiting) <= MAX_WAITING, sorted(waiting)
