"""A spool that is emptied late brings back nothing that its reporter deleted or that was purged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Table, func, insert, select

from gateway.sms import START, STOP
from gateway.submission.spool_drain import submit_late
from reports.store import pending_submissions, submissions, tombstones
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.sms import opt_outs
from reports.store.spool import SpoolEntry
from reports.store.submissions import Submission
from runtime.time_units import DAY
from tests.reports.test_spool import submission
from tests.support import databases


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.migrated_database(request.param, request, tmp_path)
    yield made
    made.close()


def count(database: Database, table: Table) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def delete(database: Database, what: Submission, up_to: int, *, with_sends: bool = False) -> None:
    """Delete as another host does for its reporter."""
    pending_submissions.cancel_pending(
        database, what.origin_key, what.report_id, tombstone_up_to=up_to, with_sends=with_sends
    )


@pytest.mark.parametrize(
    ("kind", "up_to", "with_sends", "comes_back"),
    [
        ("rescue", 2, False, False),
        ("words", 2, False, False),
        ("update", 5, False, False),
        ("rescue", 1, False, True),  # the reporter has continued since
        ("update", 1, True, True),
        ("sent", 2, False, True),  # "Sent" was shown and a hotline may have it; this deletes only a draft
        ("anew", 3, True, False),  # NOT SENT was shown
        ("sent", 3, True, False),
        ("sent", 2, True, True),  # a confirmed Send may have the same revision
    ],
)
def test_what_was_deleted_stays_deleted(
    database: Database, kind: str, up_to: int, with_sends: bool, comes_back: bool
) -> None:
    delete(database, submission(1), up_to, with_sends=with_sends)
    for _ in range(2):
        submit_late(database, SpoolEntry(submission(1), kind))
        submit_late(database, SpoolEntry(submission(2), kind))
    table = t.report if kind in ("sent", "anew") else t.pending
    assert count(database, table) == 1 + comes_back, "another report is not concerned"


def test_it_is_known_by_session_or_by_report(database: Database) -> None:
    delete(database, submission(1), 2)
    for other in (
        replace(submission(1), report_id=submission(3).report_id),
        replace(submission(1), origin_key=bytes([3]) * 32),
    ):
        submit_late(database, SpoolEntry(other, "rescue"))
    assert count(database, t.pending) == 0


def test_the_furthest_deletion_counts(database: Database) -> None:
    delete(database, submission(1), 4, with_sends=True)
    delete(database, submission(1), 1)
    submit_late(database, SpoolEntry(replace(submission(1), revision=4), "rescue"))
    submit_late(database, SpoolEntry(submission(1), "sent"))
    assert (count(database, t.pending), count(database, t.report)) == (0, 0)


def test_a_deletion_that_waited_in_another_spool_counts_too(database: Database) -> None:
    submit_late(database, SpoolEntry(replace(submission(1), revision=3), "drop_unsent"))
    for kind in ("rescue", "sent"):
        submit_late(database, SpoolEntry(submission(1), kind))
    assert (count(database, t.pending), count(database, t.report)) == (0, 0)


def test_a_session_that_lost_count_goes_on_after_it_left_a_hotline_out(database: Database) -> None:
    submit_late(database, SpoolEntry(replace(submission(1), revision=64), "drop"))
    submit_late(database, SpoolEntry(submission(1), "rescue"))
    assert count(database, t.pending) == 1


@pytest.mark.parametrize("kind", ["sent", "again", "anew", "update", "rescue"])
def test_a_report_that_was_purged_is_not_stored_again(database: Database, kind: str) -> None:
    with database.write() as connection:
        row = {"report_id": submission(1).report_id, "country": "VU", "filed": "2026-01", "purged": "2026-11"}
        connection.execute(insert(t.purged), row | {"rule": "closed"})
    submit_late(database, SpoolEntry(submission(1), kind))
    assert (count(database, t.report), count(database, t.pending), count(database, t.delivery)) == (0, 0, 0)


def test_an_entry_that_another_host_submitted_is_dropped(database: Database) -> None:
    for _ in range(2):
        for kind in ("sent", "rescue"):
            submit_late(database, SpoolEntry(submission(1), kind))
    assert (count(database, t.report), count(database, t.delivery), count(database, t.pending)) == (1, 1, 0)


def test_a_send_outside_a_spool_asks_nobody(database: Database) -> None:
    delete(database, submission(1), 2, with_sends=True)
    assert submissions.commit(database, submission(1)).is_new


def test_a_late_start_does_not_undo_a_later_stop(database: Database) -> None:
    asked = replace(submission(1), created_at=database.now())
    submit_late(database, SpoolEntry(asked, STOP))
    submit_late(database, SpoolEntry(replace(asked, created_at=1), START))
    assert opt_outs.is_opted_out(database, [asked.origin_key])
    submit_late(database, SpoolEntry(replace(asked, created_at=database.now() + 1), START))
    assert not opt_outs.is_opted_out(database, [asked.origin_key])


def test_they_are_deleted_in_time(database: Database) -> None:
    delete(database, submission(1), 2)
    assert tombstones.delete_old(database, DAY) == 0
    database.offset += 2 * DAY
    assert tombstones.delete_old(database, DAY) == 1
