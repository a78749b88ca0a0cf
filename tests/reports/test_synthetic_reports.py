"""Generated reports are like others: each has all its rows, and no work is left."""

from pathlib import Path

from sqlalchemy import func, select

from reports.store import outbox
from reports.store.engine.database import Database
from reports.store.operations import synthetic_reports
from reports.store.schema import tables as t
from tests.support.prepared import migrate

TABLES = (t.report, t.report_body, t.route, t.delivery, t.mailbox, t.audit)


def test_each_report_has_all_its_rows_and_nothing_is_due(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/filled.db")
    migrate(database, "demo")
    synthetic_reports.insert_reports(database, 12)
    with database.read() as connection:
        counts = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES]
    assert counts == [12] * len(TABLES)
    assert outbox.list_due(database, ("P1", "P2", "P3", "P4")) == []
    database.close()
