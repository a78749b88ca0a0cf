"""The schemas on which a release starts, and a migration that fails halfway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect

from reports.store.database_check import WrongDatabase, refuse_wrong_database
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.migrations import upgrade
from tests.reports.next_release import install


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/tokaut.db")
    upgrade(database, "demo")
    yield database
    database.close()


def test_a_later_release_does_not_start_on_an_older_schema(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "next")
    with pytest.raises(WrongDatabase, match="older schema"):
        refuse_wrong_database(database, "demo", "web")


def test_this_release_starts_on_the_schema_of_the_next(database: Database, tmp_path: Path) -> None:
    """Its `tokaut migrate` does no harm either: an operator may run the old release by mistake."""
    with pytest.MonkeyPatch.context() as patched:
        install(patched, tmp_path / "next")
        upgrade(database, "demo")
    refuse_wrong_database(database, "demo", "web")
    upgrade(database, "demo")
    assert inspect(database.engine).has_table("added")


def test_a_step_that_fails_leaves_nothing_and_is_taken_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        install(patched, tmp_path / "broken", more="raise OSError('the power went')")
        with pytest.raises(OSError, match="power"):
            upgrade(database, "demo")
    assert not inspect(database.engine).has_table("added")
    refuse_wrong_database(database, "demo", "web")
    install(monkeypatch, tmp_path / "next")
    upgrade(database, "demo")
    refuse_wrong_database(database, "demo", "web")


def test_a_step_waits_until_others_have_written(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "next")
    monkeypatch.setattr("reports.store.migrations.MAX_TRIES", 1)
    other = Database(database.engine.url.render_as_string())
    with other.write(), pytest.raises(DatabaseUnavailable):
        upgrade(database, "demo")
    upgrade(database, "demo")
    other.close()
