"""`tokaut migrate`: the first command on a new machine, and harmless afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from reports.store.database_check import EMPTY_DATABASE, OLDER_SCHEMA, is_migrated
from reports.store.engine.database import Database
from tokaut.__main__ import main


def migrate(data: Path, **settings: str) -> tuple[int, str]:
    environ = {"TOKAUT_MODE": "demo", "TOKAUT_DATA": str(data), **settings}
    done = CliRunner().invoke(main, ["migrate"], env=environ)
    return done.exit_code, done.output


def test_it_makes_the_database_and_does_nothing_the_second_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for _ in range(2):
        assert migrate(data) == (0, "The database has the schema of this release.\n")
        made = Database(f"sqlite:///{data / 'tokaut.db'}")
        assert is_migrated(made)
        made.close()
    assert data.stat().st_mode & 0o077 == 0


@pytest.mark.rule("X-25")
@pytest.mark.rule("S-40")
def test_a_database_that_was_made_for_another_mode_is_refused(tmp_path: Path) -> None:
    migrate(tmp_path)
    status, said = migrate(tmp_path, TOKAUT_MODE="training")
    assert status == 1
    assert "demo" in said and len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "command", [["hosts", "list"], ["deliveries", "list"], ["audit", "verify"], ["watch", "--once"]]
)
def test_other_commands_say_that_it_has_to_run(command: list[str], tmp_path: Path) -> None:
    """A command that lacked a table of this release said that the database does not answer, and whether it runs."""
    migrate(tmp_path)
    settings = {"TOKAUT_MODE": "demo", "TOKAUT_DATA": str(tmp_path)}
    for change, reason in (
        ("UPDATE alembic_version SET version_num = '0001'", OLDER_SCHEMA),
        ("DROP TABLE alembic_version", EMPTY_DATABASE),
    ):
        with closing(sqlite3.connect(tmp_path / "tokaut.db")) as connection, connection:
            connection.execute(change)
        done = CliRunner().invoke(main, command, env=settings)
        assert (done.exit_code, done.output) == (1, f"{reason}\n")
