"""The schemas on which a release starts, and a migration that fails halfway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect

from reports.store.database_check import WrongDatabase, refuse_wrong_database
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.migrations import upgrade
from reports.store.privileges.rights import OWNER, WEB
from tests.reports.next_release import install
from tests.reports.test_rights import site_at
from tests.support.postgres import Postgres


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


@pytest.mark.slow
def test_in_live_mode_this_release_starts_beside_rights_of_the_next(postgres: Postgres, tmp_path: Path) -> None:
    """Each right that it does not know was a fault: no process of the release before could restart, or roll back."""
    with site_at(postgres.new_filled("live")) as site:
        with pytest.MonkeyPatch.context() as patched:
            install(patched, tmp_path / "next")
            upgrade(site.database(OWNER), "live")
        site.run(f"GRANT SELECT ON added TO {WEB}; GRANT UPDATE (added) ON report TO {WEB}")
        for account in ("web", "worker", "clock", "console"):
            refuse_wrong_database(site.database(f"tokaut_{account}"), "live", account)
        upgrade(site.database(OWNER), "live")  # by mistake
        granted = site.administrator.execute("SELECT has_table_privilege(%s, 'added', 'SELECT')", [WEB]).fetchone()
        column = site.administrator.execute(
            "SELECT has_column_privilege(%s, 'report', 'added', 'UPDATE')", [WEB]
        ).fetchone()
        assert (granted, column) == ((True,), (True,))
        site.run(f"ALTER ROLE {WEB} CREATEDB")
        try:
            with pytest.raises(WrongDatabase, match="may make databases"):
                refuse_wrong_database(site.database(WEB), "live", "web")
        finally:
            site.run(f"ALTER ROLE {WEB} NOCREATEDB")


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
