"""`tokaut hosts`: when each was last seen; a removed host is signed off, one that may hold reports only with --lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from reports.store.engine.database import Database
from reports.store.operations import spool_status
from reports.store.operations.spool_status import SpoolStatus
from reports.store.schema import tables as t
from runtime.time_units import MINUTE
from tests.support.prepared import migrate
from tokaut.__main__ import main


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """One running web and worker, and another web and worker last seen ten minutes ago; that web has two entries."""
    made = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(made, "demo")
    made.offset -= 10 * MINUTE
    spool_status.save_status(made, SpoolStatus("b/web", 2, 20, 0))
    spool_status.save_status(made, SpoolStatus("c/standard-2", 0, 0, 0))
    made.offset = 0
    for name in ("a/web", "a/urgent-1"):
        spool_status.save_status(made, SpoolStatus(name, 0, 0, 0))
    yield made
    made.close()


def run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["hosts", *arguments], env={"TOKAUT_DATA": str(tmp_path)})


@pytest.mark.usefixtures("database")
def test_list(tmp_path: Path) -> None:
    lines = {line.split()[0]: line for line in run(tmp_path, "list").output.splitlines()}
    assert list(lines) == ["a/urgent-1", "a/web", "b/web", "c/standard-2"]
    assert [name for name, line in lines.items() if "AWAY" in line] == ["b/web", "c/standard-2"]
    assert lines["b/web"].endswith("may hold 2 reports (the oldest 20 s old then)")


def test_forget_one_that_is_gone(tmp_path: Path, database: Database) -> None:
    assert run(tmp_path, "forget", "c/standard-2").exit_code == 0
    refused = run(tmp_path, "forget", "b/web")
    assert (refused.exit_code, "may hold 2 reports" in refused.output, "--lost" in refused.output) == (1, True, True)
    assert run(tmp_path, "forget", "b/web", "--lost").exit_code == 0
    assert [one.host for one in spool_status.list_statuses(database)] == ["a/urgent-1", "a/web"]
    with database.read() as connection:
        audited = connection.execute(select(t.audit.c.act, t.audit.c.object_id).order_by(t.audit.c.object_id)).all()
    assert audited == [("host_forgotten", "b/web"), ("host_forgotten", "c/standard-2")]


def test_one_that_has_just_gone_silent(tmp_path: Path, database: Database) -> None:
    database.offset -= MINUTE
    spool_status.save_status(database, SpoolStatus("c/web", 1, 0, 0))
    [line] = [line for line in run(tmp_path, "list").output.splitlines() if "SILENT" in line]
    assert line.startswith("c/web  seen 6") and line.endswith(
        " s ago  SILENT  may hold 1 report (the oldest 0 s old then)"
    )
    checked = CliRunner().invoke(main, ["check"], env={"TOKAUT_DATA": str(tmp_path)}, terminal_width=500)
    assert "c/web has not been seen for 6" in checked.output
    watched = CliRunner().invoke(main, ["watch", "--once"], env={"TOKAUT_DATA": str(tmp_path)}, terminal_width=500)
    assert "c/web has not been seen for 6" in watched.output


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("name", "why"), [("a/web", "Stop it"), ("nobody", "There is no process nobody")])
def test_forget_refuses(tmp_path: Path, name: str, why: str) -> None:
    refused = run(tmp_path, "forget", name)
    assert refused.exit_code == 1 and why in refused.output
