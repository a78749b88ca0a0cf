"""Pending submissions: once, whole, to their recipients, and never against the reporter's later choice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, text

from reports.store import outbox, pending_submissions
from reports.store import submissions as web
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.outbox import DeliveryReceipt
from reports.store.schema import tables as t
from reports.store.submissions import Submission
from tests.support.wait import until
from tests.workers.sample_store import ONE, SECOND, THREE, TWO, SampleStore

WHOLE = ((ONE, "primary"), (THREE, "also"), (TWO, "fallback"))


def put(store: SampleStore, submission: Submission, kind: str, seconds: float = 120) -> None:
    pending_submissions.schedule_pending(store.database, submission, kind, store.database.now() + int(seconds * SECOND))


def mature(store: SampleStore) -> list[tuple[str, str]]:
    return [
        made
        for key in pending_submissions.list_due(store.database)
        for made in pending_submissions.submit_due(store.database, key)
    ]


def sent(store: SampleStore) -> list[tuple[str, str, int, str]]:
    return sorted((row.hotline, row.type, row.revision, row.priority) for row in store.deliveries())


def waiting(store: SampleStore) -> Sequence[object]:
    with store.database.read() as connection:
        return connection.execute(select(t.pending.c.recipient)).all()


def deliver(store: SampleStore, delivery_id: str) -> None:
    leased = outbox.lease(store.database, delivery_id, "w/urgent/1")
    assert leased is not None
    outbox.mark_delivered(store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")


@pytest.mark.rule("S-12")
@pytest.mark.parametrize(("kind", "act"), [("rescue", "rescued"), ("words", "words_filed")])
def test_it_files_itself_when_its_time_has_come_and_not_before(store: SampleStore, kind: str, act: str) -> None:
    submission = store.sealed(completeness="incomplete", priority="P1")
    put(store, submission, kind)
    assert mature(store.later(seconds=110)) == []
    later = store.later(seconds=121)
    [(delivery, priority)] = mature(later)
    assert mature(later) == []
    assert priority == "P1"
    assert sent(store) == [(ONE, "created", 1, "P1")]
    [report] = store.reports()
    assert (report.report_id, report.completeness, report.state) == (submission.report_id, "incomplete", "queued")
    assert report.desk == ONE
    assert waiting(store) == []
    assert store.acts(submission.report_id) == [act]
    assert store.acts(delivery) == ["made"]
    leased = outbox.lease(later.database, delivery, "w/urgent/1")
    assert leased is not None
    assert leased.body is not None


@pytest.mark.rule("S-12")
def test_deleted_before_its_time_is_never_filed(store: SampleStore) -> None:
    submission = store.sealed(completeness="incomplete")
    put(store, submission, "rescue")
    pending_submissions.cancel_pending(store.database, submission.origin_key, submission.report_id)
    assert mature(store.later(hours=1)) == []
    assert store.reports() == []


def test_sent_before_its_time_is_filed_once(store: SampleStore) -> None:
    rescue = store.sealed(completeness="incomplete")
    put(store, rescue, "rescue")
    web.commit(store.database, store.sealed(WHOLE, before=rescue))
    assert mature(store.later(hours=1)) == []
    assert sent(store) == [(ONE, "created", 1, "P1"), (THREE, "created", 1, "P1")]


def test_what_the_clock_holds_is_not_filed_again_where_a_send_overtook_it(store: SampleStore) -> None:
    """The pending row still exists, because the Send came by the spool; the report is already complete."""
    submission = store.sealed(completeness="incomplete")
    web.commit(store.database, store.sealed(before=submission))
    put(store, submission, "rescue")
    assert mature(store.later(hours=1)) == []
    assert store.reports()[0].completeness == "complete"
    assert waiting(store) == []


def test_a_send_after_the_rescue_reaches_everybody_as_one_report(store: SampleStore) -> None:
    rescue = store.sealed(completeness="incomplete")
    put(store, rescue, "rescue", seconds=0)
    mature(store)
    put(store, store.sealed(WHOLE, before=rescue, revision=2, priority="P2"), "update", seconds=0)
    mature(store)
    assert sent(store) == sorted([(ONE, "created", 1, "P1"), (ONE, "updated", 2, "P1"), (THREE, "created", 2, "P1")])
    [report] = store.reports()
    assert (report.completeness, report.revision, report.priority) == ("complete", 2, "P1")
    with store.database.read() as connection:
        route = connection.execute(
            select(t.route.c.hotline, t.route.c.role).where(t.route.c.revision == 2).order_by(t.route.c.rank)
        ).all()
    assert [tuple(row) for row in route] == list(WHOLE)


def test_an_update_goes_to_whom_the_report_was_given(store: SampleStore) -> None:
    [first, _] = store.submit(WHOLE, priority="P3")
    deliver(store, first)
    [before] = store.reports()
    put(store, store.sealed(WHOLE, revision=2, priority="P3", before=before), "update", seconds=0)
    mature(store)
    assert sent(store) == sorted(
        [(ONE, "created", 1, "P3"), (THREE, "created", 1, "P3"), (ONE, "updated", 2, "P3"), (THREE, "updated", 2, "P3")]
    )
    assert store.reports()[0].state == "delivered"


def test_a_raised_priority_hurries_what_is_still_due(store: SampleStore) -> None:
    store.submit(priority="P3")
    [before] = store.reports()
    put(store, store.sealed(revision=2, priority="P1", before=before), "update", seconds=0)
    mature(store)
    assert sent(store) == [(ONE, "created", 1, "P1"), (ONE, "updated", 2, "P1")]
    assert store.reports()[0].priority == "P1"


def test_a_lower_priority_lowers_nothing(store: SampleStore) -> None:
    store.submit(priority="P2")
    [before] = store.reports()
    put(store, store.sealed(revision=2, priority="P4", before=before), "update", seconds=0)
    mature(store)
    assert [row[3] for row in sent(store)] == ["P2", "P2"]


def test_what_nobody_could_read_goes_as_unread(store: SampleStore) -> None:
    submission = store.sealed(completeness="unread", priority="P2")
    put(store, submission, "unread", seconds=0)
    mature(store)
    assert sent(store) == [(ONE, "unread", 1, "P2")]
    assert store.reports()[0].state == "queued"


def test_two_reports_under_one_origin_are_both_kept(store: SampleStore) -> None:
    """This should never happen; if it does, no words are lost."""
    first = store.sealed(completeness="incomplete")
    put(store, first, "rescue", seconds=0)
    mature(store)
    other = replace(store.sealed(revision=2), origin_key=first.origin_key)
    assert pending_submissions.schedule_pending(
        store.database, other, "update", 0
    ) == pending_submissions.SubmittedRevision(first.report_id, 1, is_enough=False)
    assert waiting(store) == []
    pending_submissions.schedule_from_spool(
        store.database, other, "update", store.database.now()
    )  # from the spool, so that it cannot be rebuilt
    mature(store)
    assert len(store.reports()) == 2
    assert len(store.deliveries()) == 2


def test_what_is_whole_gives_way_to_nothing_that_is_not(store: SampleStore) -> None:
    """From the spool: the incomplete report has a higher revision than the Send that was answered with "Sent"."""
    rescue = store.sealed(completeness="incomplete", revision=5)
    put(store, rescue, "rescue", seconds=0)
    mature(store)
    sent_whole = store.sealed(WHOLE, before=rescue, revision=2)
    pending_submissions.schedule_from_spool(store.database, sent_whole, "update", store.database.now())
    pending_submissions.schedule_from_spool(
        store.database, store.sealed(before=rescue, revision=6, completeness="incomplete"), "rescue", 0
    )
    mature(store)
    [report] = store.reports()
    assert (report.completeness, report.revision) == ("complete", 5)
    assert (ONE, "updated", 2, "P1") in sent(store)


def test_what_waits_of_a_report_is_found_without_looking_at_all_that_waits(tmp_path: Path) -> None:
    """With 21,000 pending rows each answer took 20 ms. On SQLite; PostgreSQL has the same index."""
    database = Database(f"sqlite:///{tmp_path}/tokaut.db")
    upgrade(database, "demo")
    asked: list[tuple[str, Any]] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    pending_submissions.cancel_pending(database, b"k" * 32, "r")
    looks = [one for one in asked if "pending" in one[0]]
    with database.read() as connection:
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", given).all() for one, given in looks]
    database.close()
    lines = [row[3] for plan in plans for row in plan]
    assert "SEARCH pending USING INDEX ix_pending_report_id (report_id=?)" in lines
    assert not [line for line in lines if "SCAN" in line]


def test_two_clocks_file_it_once(store: SampleStore) -> None:
    submissions = [store.sealed(completeness="incomplete") for _ in range(8)]
    for submission in submissions:
        put(store, submission, "rescue", seconds=0)
    keys = pending_submissions.list_due(store.database)
    threads = [
        threading.Thread(target=lambda: [pending_submissions.submit_due(store.database, key) for key in keys])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.deliveries()) == len(store.reports()) == 8


def test_a_row_that_is_replaced_at_that_moment_wins_or_loses_whole(store: SampleStore) -> None:
    """Web replaces the row between the scheduler's query and its deletion: the new revision is submitted."""
    submission = store.sealed(completeness="incomplete")
    put(store, submission, "rescue", seconds=0)
    [key] = pending_submissions.list_due(store.database)
    put(store, store.sealed(completeness="incomplete", before=submission, revision=2), "rescue", seconds=120)
    assert len(pending_submissions.submit_due(store.database, key)) == 1
    assert waiting(store) == []
    assert [report.revision for report in store.reports()] == [2]


def test_an_answer_that_comes_while_the_clock_files_the_one_before_is_not_lost(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the scheduler's COMMIT, sees the submitted revision, and gets the next number."""
    submission = store.sealed(completeness="incomplete")
    put(store, submission, "rescue", seconds=0)
    [key] = pending_submissions.list_due(store.database)
    found: list[pending_submissions.SubmittedRevision | None] = []
    answer = threading.Thread(
        target=lambda: found.append(pending_submissions.schedule_pending(store.database, submission, "rescue", 0))
    )
    submit = pending_submissions._submit

    def overtaken(*given: Any) -> list[tuple[str, str]]:
        answer.start()
        until(lambda: store.database.is_sqlite or _somebody_waits(store), "the answer did not wait for the clock")
        return submit(*given)

    monkeypatch.setattr(pending_submissions, "_submit", overtaken)
    assert len(pending_submissions.submit_due(store.database, key)) == 1
    answer.join()
    assert found == [pending_submissions.SubmittedRevision(submission.report_id, 1, is_enough=False)]


def _somebody_waits(store: SampleStore) -> bool:
    with store.database.read() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar())


def test_what_is_due_is_not_put_off_by_the_next_answer(store: SampleStore) -> None:
    """More urgent or complete now: a late scheduler submits it at its next query, with all later answers."""
    put(store, store.sealed(completeness="incomplete"), "rescue", seconds=0)
    first = store.sealed(completeness="incomplete")
    put(store, first, "rescue", seconds=0)
    put(store, store.sealed(completeness="incomplete", before=first, revision=2), "rescue")
    assert len(mature(store)) == 2
    assert {report.revision for report in store.reports()} == {1, 2}
    put(store, store.sealed(completeness="incomplete"), "rescue")
    assert mature(store) == []


@pytest.mark.parametrize(("up_to", "left"), [(1, 1), (2, 0), (None, 0)])
def test_a_deletion_out_of_the_spool_takes_nothing_that_was_said_since(
    store: SampleStore, up_to: int | None, left: int
) -> None:
    submission = store.sealed(completeness="incomplete", revision=2)
    put(store, submission, "rescue")
    pending_submissions.cancel_pending(store.database, submission.origin_key, submission.report_id, up_to=up_to)
    assert len(waiting(store)) == left


@pytest.mark.rule("S-26")
def test_whom_the_reporter_left_out_on_send_is_not_given_the_incomplete_one_any_more(store: SampleStore) -> None:
    rescue = store.sealed(completeness="incomplete")
    put(store, rescue, "rescue", seconds=0)
    [(first, _)] = mature(store)
    put(store, store.sealed(((THREE, "primary"),), before=rescue, revision=2), "update", seconds=0)
    mature(store)
    assert {row.hotline: row.state for row in store.deliveries()} == {ONE: "cancelled", THREE: "due"}
    assert outbox.lease(store.database, first, "w/urgent/1") is None
    assert sorted(store.acts(first)) == ["cancelled:left_out", "made"]
    [report] = store.reports()
    assert (report.state, report.desk) == ("queued", THREE)


@pytest.mark.rule("S-26")
def test_held_for_a_person_is_no_recipient(store: SampleStore) -> None:
    """All hotlines were left out: a report held for a person is sealed to all, and delivered to none."""
    rescue = store.sealed(completeness="incomplete")
    put(store, rescue, "rescue", seconds=0)
    mature(store)
    put(store, store.sealed(((ONE, "held"), (TWO, "held")), before=rescue, revision=2), "update", seconds=0)
    mature(store)
    assert [(row.type, row.state) for row in store.deliveries()] == [("created", "cancelled")]
    assert store.reports()[0].state == "needs_person"


def test_only_what_waits_of_an_incomplete_report_is_cancelled(store: SampleStore) -> None:
    other = ((THREE, "primary"),)
    got = store.sealed(completeness="incomplete")
    put(store, got, "rescue", seconds=0)
    [(delivery, _)] = mature(store)
    deliver(store, delivery)
    put(store, store.sealed(other, before=got, revision=2), "update", seconds=0)
    more = store.sealed(completeness="incomplete")
    put(store, more, "rescue", seconds=0)
    mature(store)
    put(store, store.sealed(other, before=more, revision=2, completeness="incomplete"), "words", seconds=0)
    store.submit()
    whole = store.reports()[-1]
    put(store, store.sealed(other, before=whole, revision=2), "update", seconds=0)
    mature(store)
    states = sorted((row.hotline, row.state) for row in store.deliveries())
    assert states == [(ONE, "delivered")] + [(ONE, "due")] * 2 + [(THREE, "due")] * 3
