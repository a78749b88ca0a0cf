"""`tokaut audit verify`: whoever changes, drops, adds or moves a line is found, and the line is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete, insert, update

from reports.migrations import upgrade
from reports.store import sweeping
from reports.store import tables as t
from reports.store.database import Database
from reports.store.filing import audit_row
from tokaut.__main__ import main

pytestmark = pytest.mark.rule("X-24")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    upgrade(database, "demo")
    with database.write() as connection:
        for n in range(5):
            connection.execute(insert(t.audit), audit_row("web", "sent", f"report-{n}", database.now() + n))
    sweeping.chain_audit(database)
    return database


def verify(tmp_path: Path) -> Result:
    return CliRunner().invoke(main, ["audit", "verify"], env={"TOKAUT_DATA": str(tmp_path)})


def test_a_whole_chain_is_said_to_be_whole(tmp_path: Path, database: Database) -> None:
    result = verify(tmp_path)
    assert (result.exit_code, "5 lines" in result.output) == (0, True)


@pytest.mark.parametrize("how", ["changed", "dropped", "moved", "added"])
def test_the_first_line_that_does_not_fit_is_named(tmp_path: Path, database: Database, how: str) -> None:
    a = t.audit.c
    with database.write() as connection:
        if how == "changed":
            connection.execute(update(t.audit).where(a.seq == 3).values(actor="nobody"))
        elif how == "dropped":
            connection.execute(delete(t.audit).where(a.seq == 3))
        elif how == "moved":
            connection.execute(update(t.audit).where(a.seq == 3).values(seq=99))
            connection.execute(update(t.audit).where(a.seq == 4).values(seq=3))
        else:
            row = audit_row("web", "read", "report-9", 1) | {"seq": 6, "prev_hash": bytes(32), "hash": bytes(32)}
            connection.execute(insert(t.audit).values(row))
    result = verify(tmp_path)
    assert result.exit_code == 1
    assert f"Line {'6' if how == 'added' else '4' if how == 'dropped' else '3'} of the audit" in result.output
