"""`tokaut purge` counts by default, deletes on request, and refuses an unconfirmed clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select

from reports.store.engine import leases
from reports.store.engine.database import Database
from reports.store.operations import retention
from reports.store.schema import tables as t
from runtime.time_units import DAY
from tests.retention.sample_reports import History, Recipient, make, write
from tests.support.prepared import migrate
from tokaut.__main__ import main

pytestmark = pytest.mark.rule("S-28")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    now = retention.purge_time(database)
    theirs = (Recipient("vu-pikinini"),)  # a hotline of the demo's file that has its own system
    write(database, [make(History(399, closed=91, recipients=theirs), now) for _ in range(3)])
    write(
        database,
        [
            make(History(450), now),
            make(History(8, mode="demo"), now),
            make(History(399, closed=2), now),
        ],
    )
    write(
        database,
        [
            make(History(399, closed=91, recipients=(Recipient(state="parked"),)), now),
            make(History(450, held=3), now),
        ],
    )
    leases.acquire(database, "clock", "here/clock-1/a", 15)
    yield database
    database.close()


def run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["purge", *arguments], env={"TOKAUT_DATA": str(tmp_path)})


def left(database: Database) -> int:
    with database.read() as connection:
        return len(connection.execute(select(t.report.c.report_id)).all())


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_by_itself_it_counts_and_deletes_nothing(
    tmp_path: Path, database: Database, arguments: tuple[str, ...]
) -> None:
    result = run(tmp_path, *arguments)
    assert result.exit_code == 0
    lines = [line.split()[:2] for line in result.output.splitlines()]
    assert lines[:4] == [["3", "closed"], ["1", "silent"], ["1", "rehearsed"], ["5", "reports"]]
    assert "1 are held" in result.output
    assert left(database) == 8


def test_with_delete_they_go_and_a_second_time_there_is_nothing(tmp_path: Path, database: Database) -> None:
    assert "5 deleted." in run(tmp_path, "--delete").output
    assert left(database) == 3
    assert "0  reports are past their retention. 1 are held.\nThere is nothing to delete." in run(tmp_path).output
    assert "0 deleted." in run(tmp_path, "--delete").output
    with database.read() as connection:
        acts = connection.execute(select(t.audit.c.actor).where(t.audit.c.act.like("purged:%"))).scalars().all()
    assert len(acts) == 5
    assert all(actor.startswith("operator:") for actor in acts)


@pytest.mark.parametrize("led", [None, -3 * DAY, 400 * DAY], ids=["never", "three days ago", "time went back"])
def test_where_no_clock_vouches_for_the_time_nothing_is_deleted(
    tmp_path: Path, database: Database, led: int | None
) -> None:
    with database.write() as connection:
        connection.execute(t.lease.delete())
        if led is not None:
            row = {"name": "clock", "holder": "here", "until": database.now() + led}
            connection.execute(insert(t.lease), row)
    result = run(tmp_path, "--delete")
    assert (result.exit_code, left(database)) == (1, 8)
    assert "No clock has run here within a day" in result.output


def test_both_at_once_is_a_question_and_no_answer(tmp_path: Path, database: Database) -> None:
    assert run(tmp_path, "--delete", "--dry-run").exit_code == 1
    assert left(database) == 8
