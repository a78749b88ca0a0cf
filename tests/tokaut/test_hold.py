"""`tokaut hold`: set, listed, lifted; with a reason from a closed list, an end, and an audit line for each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from reports.store.engine.database import Database
from reports.store.operations import retention
from reports.store.schema import tables as t
from tests.retention.sample_reports import History, SampleReport, make, write
from tests.support.prepared import migrate
from tokaut.__main__ import main

pytestmark = pytest.mark.rule("S-28")


@pytest.fixture
def report(tmp_path: Path) -> SampleReport:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    made = make(History(100, closed=95), retention.purge_time(database))
    write(database, [made])
    database.close()
    return made


def run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["hold", *arguments], env={"TOKAUT_DATA": str(tmp_path)})


def day(ahead: int) -> str:
    """Return a date relative to today, computed at each call: tests may run past midnight."""
    return (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat()


def put(tmp_path: Path, report_id: str, days: int = 30, *more: str) -> Result:
    return run(tmp_path, "put", report_id, "--reason", "court", "--until", day(days), *more)


def acts(tmp_path: Path, report: SampleReport) -> list[str]:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    with database.read() as connection:
        rows = select(t.audit.c.act).where(t.audit.c.object_id == report.report_id).order_by(t.audit.c.at)
        found = list(connection.execute(rows).scalars())
    database.close()
    return found


def test_it_is_put_and_listed_and_lifted(tmp_path: Path, report: SampleReport) -> None:
    assert "Nothing is held." in run(tmp_path, "list").output
    assert put(tmp_path, report.report_id.upper(), 30, "--reference", "CR 17/2028").exit_code == 0
    assert put(tmp_path, report.report_id, 60, "--reference", "CR 17/2028").exit_code == 0
    (line,) = run(tmp_path, "list").output.splitlines()
    assert line.startswith(f"{report.report_id}  until {day(60)} UTC  court, CR 17/2028  by operator:")
    assert run(tmp_path, "lift", report.report_id).exit_code == 0
    assert acts(tmp_path, report) == ["sent", "held:court", "held:court", "hold_lifted"]
    assert run(tmp_path, "lift", report.report_id).exit_code == 1


@pytest.mark.parametrize("days", [-1, 732])
def test_an_end_that_is_past_or_years_away_is_refused(tmp_path: Path, report: SampleReport, days: int) -> None:
    assert put(tmp_path, report.report_id, days).exit_code == 1
    assert acts(tmp_path, report) == ["sent"]


@pytest.mark.parametrize("reference", ["x" * 41, "call +67855501;", "“quoted”", "two\nlines"])
def test_a_reference_is_the_number_of_a_paper_and_no_text(tmp_path: Path, report: SampleReport, reference: str) -> None:
    result = put(tmp_path, report.report_id, 30, "--reference", reference)
    assert (result.exit_code, acts(tmp_path, report)) == (1, ["sent"])
    assert reference not in result.output


def test_a_report_that_is_not_there_is_said_to_be_gone(tmp_path: Path, report: SampleReport) -> None:
    assert "There is no report" in put(tmp_path, "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e").output


def test_a_reason_is_one_of_the_list(tmp_path: Path, report: SampleReport) -> None:
    until = day(30)
    assert run(tmp_path, "put", report.report_id, "--reason", "a sentence", "--until", until).exit_code == 2
