"""What staff see of a report that its reporter deleted: the deletion, and nothing else."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update

from reports.retention import RetentionPolicy
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.mailboxes.correspondence import SealedMessage
from reports.store.schema import tables as t
from tests.console.conftest import HOTLINE
from tests.support.console import Console
from tests.support.staff import Person, joined
from workers.jobs.retention import ErasureJob
from workers.metrics import WorkerMetrics

pytestmark = [pytest.mark.rule("S-28")]
DELETED = "The reporter deleted this report."


def test_the_reporter_deleted_it(console: Console, database: Database, mere: Person, report: str) -> None:
    stranger = joined(console.flask, database, "sela", hotline="fj-medical-services")
    stranger.log_in()
    assert mere.get(f"/reports/{report}").status == 200
    letters = [SealedMessage(HOTLINE, "0" * 16, b"wrap", b"sealed")]
    correspondence.save_message(database, report, report, letters, "delete_asked", allowed=False, close=True)
    assert mere.get(f"/reports/{report}").status == 200, "until its deliveries have ended"
    with database.write() as connection:
        connection.execute(update(t.message).values(number=1))
        connection.execute(update(t.delivery).values(state="delivered", delivered_at=database.now()))
        connection.execute(update(t.report).values(state="delivered"))
    erasing = ErasureJob(database, RetentionPolicy(), WorkerMetrics(CollectorRegistry()))
    erasing.start()
    erasing._pool.finish()
    page = mere.get(f"/reports/{report}")
    assert page.status == 410
    assert DELETED in page.text
    assert "made up" not in page.html, "words of the report"
    sent = mere.post(f"/reports/{report}/message", {"words": "Hello", "do": "send"}, at="/me")
    assert sent.status == 410 and DELETED in sent.text, "nor does a form end without a reason"
    other = stranger.get(f"/reports/{report}")
    assert other.status == 404
    assert DELETED not in other.text
    with database.read() as connection:
        assert connection.execute(select(t.report_body)).all() == []
