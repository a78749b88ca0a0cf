"""Columns with a closed set of words: rows have enum members, the database has their words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import String, bindparam, insert, select, text

from reports.delivery import DeliveryState
from reports.escalation import Priority, StepName
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.support import databases

STEP = {"report_id": "r" * 36, "round": 0, "due_at": 1, "not_before": 1}


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.migrated_database(request.param, request, tmp_path)
    yield made
    made.close()


def keep(database: Database, *steps: object) -> None:
    with database.write() as connection:
        connection.execute(insert(t.step), [STEP | {"priority": "P1", "step": step} for step in steps])


def test_a_row_has_members_whether_a_member_or_its_word_was_written(database: Database) -> None:
    keep(database, StepName.HOTLINE, "begin")
    with database.read() as connection:
        rows = connection.execute(select(t.step.c.priority, t.step.c.step).order_by(t.step.c.step)).all()
        words = connection.execute(text("SELECT step FROM step ORDER BY step")).scalars().all()
    assert [row.step for row in rows] == [StepName.BEGIN, StepName.HOTLINE]
    assert {type(row.step) for row in rows} == {StepName} and {type(row.priority) for row in rows} == {Priority}
    assert words == ["begin", "desk"]


def test_a_word_of_a_later_release_is_read_as_it_is(database: Database) -> None:
    keep(database, "tomorrow")
    with database.read() as connection:
        assert connection.execute(select(t.step.c.step)).scalar_one() == "tomorrow"


def test_a_member_is_its_word_in_any_statement(database: Database) -> None:
    """psycopg writes an Enum that is not a str by its name."""
    parameter = bindparam("state", DeliveryState.DUE, type_=String())
    with database.read() as connection:
        assert connection.execute(select(parameter)).scalar_one() == "due"
        assert connection.execute(text("SELECT :state"), {"state": DeliveryState.DUE}).scalar_one() == "due"
