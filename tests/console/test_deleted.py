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
from reports.store.staff import accounts
from tests.console.conftest import someone
from tests.console.running_console import HOTLINE
from tests.support.console import Console
from tests.support.hotline_clients import rows
from tests.support.staff import Person, joined
from workers.jobs.retention import ErasureJob
from workers.metrics import WorkerMetrics

pytestmark = [pytest.mark.rule("S-28")]
DELETED = "The reporter deleted this report."


def ask_to_delete(database: Database, report: str) -> None:
    letters = [SealedMessage(HOTLINE, "0" * 16, b"wrap", b"sealed")]
    correspondence.save_message(database, report, report, letters, "delete_asked", allowed=False, close=True)


def erase(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(t.message).values(number=1))
        connection.execute(update(t.delivery).values(state="delivered", delivered_at=database.now()))
        connection.execute(update(t.report).values(state="delivered"))
    erasing = ErasureJob(database, RetentionPolicy(), WorkerMetrics(CollectorRegistry()))
    erasing.start()
    erasing._pool.finish()


def test_the_reporter_deleted_it(console: Console, database: Database, mere: Person, report: str) -> None:
    stranger = joined(console.flask, database, "sela", hotline="fj-medical-services")
    stranger.log_in()
    assert mere.get(f"/reports/{report}").status == 200
    ask_to_delete(database, report)
    assert mere.get(f"/reports/{report}").status == 200, "until its deliveries have ended"
    erase(database)
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


@pytest.mark.rule("S-26")
@pytest.mark.rule("S-23")
def test_who_was_kept_out_of_it_or_never_read_it_does_not_learn_that(
    console: Console, database: Database, people: tuple[Person, Person], ana: Person, report: str
) -> None:
    mere, nia = people
    path = f"/reports/{report}"
    luk = someone(console, "luk", "staff")
    for one in (mere, luk):
        assert one.get(path).status == 200
    ids = {one.name: one.staff_id for one in accounts.list_accounts(database, HOTLINE)}
    for name, do in (("mere", "away"), ("luk", "away"), ("luk", "back")):
        assert ana.post(f"{path}/away", {"who": ids[name], "do": do}, at=path).status == 303
    ask_to_delete(database, report)
    erase(database)
    assert luk.get(path).status == 410, "it was shown to them again"
    assert luk.get(f"{path}/news?since=0").status == 410

    def refusals() -> list[str]:
        return [row.actor.rpartition("/")[2] for row in rows(database, t.audit) if row.act == "not_given"]

    assert refusals() == []
    for one in (mere, nia):
        page = one.get(path)
        assert page.status == 404 and DELETED not in page.text
    assert nia.get(f"{path}/news?since=0").status == 404
    assert mere.get(f"{path}/news?since=0").status == 404, "a page that was open asks by itself"
    assert refusals() == ["mere", "nia", "nia"]
