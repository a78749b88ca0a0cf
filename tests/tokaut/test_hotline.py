"""`tokaut hotline revive`: a hotline that had answered "gone" takes reports again, and those that it refused."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from sqlalchemy import insert, select

from reports.migrations import upgrade
from reports.store import tables as t
from reports.store.database import Database
from tests.tokaut.test_deliveries import put, state_of
from tokaut.__main__ import main


def test_a_hotline_that_was_gone_gets_reports_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    upgrade(database, "demo")
    gone = put(database, 1, state="refused", last_class="gone", last_status=410)
    refused = put(database, 2, state="refused", last_class="refused 3", last_status=422)
    with database.write() as connection:
        row = {"hotline": "vu-one", "failures": 9, "open_until": 1, "opened_times": 2, "dead_since": 5}
        connection.execute(insert(t.hotline_state).values(row))
    result = CliRunner().invoke(main, ["hotline", "revive", "vu-one"], env={"TOKAUT_DATA": str(tmp_path)})
    assert (result.exit_code, "1 that it had refused" in result.output) == (0, True)
    assert (state_of(database, gone), state_of(database, refused)) == ("due", "refused")
    with database.read() as connection:
        assert connection.execute(select(t.hotline_state.c.dead_since)).scalar_one() is None
