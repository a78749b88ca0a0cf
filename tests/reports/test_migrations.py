"""The migrations create the schema that the code declares; a database of another mode is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select

from reports.store import migrations
from reports.store.database_check import WrongDatabase, is_migrated, newest_migration, refuse_wrong_database
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.privileges import grants
from reports.store.schema.tables import metadata
from tests.support import databases


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.empty_database(request.param, request, tmp_path)
    yield made
    made.close()


def test_the_steps_lead_to_the_declared_tables(database: Database) -> None:
    upgrade(database, "demo")
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    upgrade(database, "demo")
    upgrade(database, "demo")
    assert is_migrated(database)
    refuse_wrong_database(database, "demo", "owner")


def test_reports_of_before_the_ladder_begin_their_clocks_at_the_upgrade(database: Database) -> None:
    """Else all old reports would be late at once, in the night of the upgrade."""
    _upgraded(database, "0005")
    with database.write() as connection:
        columns = {"report_id": "old", "origin_key": b"o", "created_at": 1, "country": "vu", "priority": "P2"}
        columns |= {"completeness": "complete", "revision": 1, "mode": "demo", "state": "delivered", "changed_at": 1}
        connection.execute(insert(metadata.tables["report"]).values(columns))
        if not database.is_sqlite:  # in earlier releases even the owner saw no row
            connection.exec_driver_sql("ALTER TABLE report ENABLE ROW LEVEL SECURITY")
            connection.exec_driver_sql("ALTER TABLE report FORCE ROW LEVEL SECURITY")
    before = database.now()
    upgrade(database, "demo")
    with database.migrating() as connection:
        if not database.is_sqlite:
            assert not grants.is_outdated(connection)
            connection.exec_driver_sql("ALTER TABLE step NO FORCE ROW LEVEL SECURITY")
        [step] = connection.execute(select(metadata.tables["step"]))
    assert (step.report_id, step.priority, step.step, step.done_at) == ("old", "P2", "begin", None)
    assert before <= step.due_at == step.not_before <= database.now()


def test_what_was_handed_over_before_is_not_taken_after_the_upgrade(database: Database) -> None:
    _upgraded(database, "0012")
    acts = (("a", "nia", "holds"), ("a", "nia", "passed_on"), ("b", "nia", "passed_on"), ("b", "mere", "holds"))
    with database.write() as connection:
        for report in "abc":
            row = {"report_id": report, "hotline": "one", "holder": "mere"}
            connection.execute(insert(metadata.tables["holding"]).values(row))
        for at, (report, name, act) in enumerate(acts):
            row = {"audit_id": str(at), "at": at, "actor": f"staff:one/{name}", "act": act, "object_id": report}
            connection.execute(insert(metadata.tables["audit"]).values(row))
        if not database.is_sqlite:  # the state of an earlier release
            for table in ("audit", "holding"):
                connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
                connection.exec_driver_sql(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    upgrade(database, "demo")
    with database.migrating() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("ALTER TABLE holding NO FORCE ROW LEVEL SECURITY")
        h = metadata.tables["holding"].c
        handed = {row.report_id: row.handed_by for row in connection.execute(select(h.report_id, h.handed_by))}
    assert handed == {"a": "nia", "b": None, "c": None}


def _upgraded(database: Database, revision: str) -> None:
    with database.migrating() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrations.FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


@pytest.mark.rule("S-40")
@pytest.mark.rule("X-25")
@pytest.mark.parametrize(("made", "mode"), [("training", "live"), ("live", "training"), ("demo", "live")])
def test_modes_never_share_a_database(database: Database, made: str, mode: str) -> None:
    upgrade(database, made)
    with pytest.raises(WrongDatabase, match=made):
        refuse_wrong_database(database, mode, "owner")
    with pytest.raises(WrongDatabase, match=made):
        upgrade(database, mode)


def test_another_schema_is_refused(database: Database) -> None:
    with database.write() as connection:
        metadata.create_all(connection)
    with pytest.raises(WrongDatabase, match="tokaut migrate"):
        refuse_wrong_database(database, "demo", "owner")


@pytest.mark.rule("B-73")
def test_a_database_that_is_away_is_no_reason_not_to_start() -> None:
    refuse_wrong_database(Database("postgresql://127.0.0.1:1/x"), "live", "web")


def test_the_newest_step_is_where_alembic_would_go() -> None:
    """A process learns the newest migration from the file names alone."""
    assert newest_migration() == ScriptDirectory(str(migrations.FOLDER)).get_current_head()


@pytest.mark.slow
def test_many_databases_at_once_in_one_process(tmp_path: Path) -> None:
    """Alembic's own module handles one at a time."""

    def made(number: int) -> bool:
        upgrade(Database(f"sqlite:///{tmp_path}/{number}.db", threads=1), "demo")
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(made, range(12)))
