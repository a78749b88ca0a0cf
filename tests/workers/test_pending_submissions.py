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
from tests.workers.filings import ONE, SECOND, THREE, TWO, Desk

WHOLE = ((ONE, "primary"), (THREE, "also"), (TWO, "fallback"))


def put(desk: Desk, submission: Submission, kind: str, seconds: float = 120) -> None:
    pending_submissions.schedule_pending(desk.database, submission, kind, desk.database.now() + int(seconds * SECOND))


def mature(desk: Desk) -> list[tuple[str, str]]:
    return [
        made
        for key in pending_submissions.list_due(desk.database)
        for made in pending_submissions.submit_due(desk.database, key)
    ]


def sent(desk: Desk) -> list[tuple[str, str, int, str]]:
    return sorted((row.hotline, row.type, row.revision, row.priority) for row in desk.deliveries())


def waiting(desk: Desk) -> Sequence[object]:
    with desk.database.read() as connection:
        return connection.execute(select(t.pending.c.recipient)).all()


def deliver(desk: Desk, delivery_id: str) -> None:
    leased = outbox.lease(desk.database, delivery_id, "w/urgent/1")
    assert leased is not None
    outbox.mark_delivered(desk.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")


@pytest.mark.rule("S-12")
@pytest.mark.parametrize(("kind", "act"), [("rescue", "rescued"), ("words", "words_filed")])
def test_it_files_itself_when_its_time_has_come_and_not_before(desk: Desk, kind: str, act: str) -> None:
    submission = desk.sealed(completeness="incomplete", priority="P1")
    put(desk, submission, kind)
    assert mature(desk.later(seconds=110)) == []
    later = desk.later(seconds=121)
    [(delivery, priority)] = mature(later)
    assert mature(later) == []
    assert priority == "P1"
    assert sent(desk) == [(ONE, "created", 1, "P1")]
    [report] = desk.reports()
    assert (report.report_id, report.completeness, report.state) == (submission.report_id, "incomplete", "queued")
    assert report.desk == ONE
    assert waiting(desk) == []
    assert desk.acts(submission.report_id) == [act]
    assert desk.acts(delivery) == ["made"]
    leased = outbox.lease(later.database, delivery, "w/urgent/1")
    assert leased is not None
    assert leased.body is not None


@pytest.mark.rule("S-12")
def test_deleted_before_its_time_is_never_filed(desk: Desk) -> None:
    submission = desk.sealed(completeness="incomplete")
    put(desk, submission, "rescue")
    pending_submissions.cancel_pending(desk.database, submission.origin_key, submission.report_id)
    assert mature(desk.later(hours=1)) == []
    assert desk.reports() == []


def test_sent_before_its_time_is_filed_once(desk: Desk) -> None:
    rescue = desk.sealed(completeness="incomplete")
    put(desk, rescue, "rescue")
    web.commit(desk.database, desk.sealed(WHOLE, before=rescue))
    assert mature(desk.later(hours=1)) == []
    assert sent(desk) == [(ONE, "created", 1, "P1"), (THREE, "created", 1, "P1")]


def test_what_the_clock_holds_is_not_filed_again_where_a_send_overtook_it(desk: Desk) -> None:
    """The pending row still exists, because the Send came by the spool; the report is already complete."""
    submission = desk.sealed(completeness="incomplete")
    web.commit(desk.database, desk.sealed(before=submission))
    put(desk, submission, "rescue")
    assert mature(desk.later(hours=1)) == []
    assert desk.reports()[0].completeness == "complete"
    assert waiting(desk) == []


def test_a_send_after_the_rescue_reaches_everybody_as_one_report(desk: Desk) -> None:
    rescue = desk.sealed(completeness="incomplete")
    put(desk, rescue, "rescue", seconds=0)
    mature(desk)
    put(desk, desk.sealed(WHOLE, before=rescue, revision=2, priority="P2"), "update", seconds=0)
    mature(desk)
    assert sent(desk) == sorted([(ONE, "created", 1, "P1"), (ONE, "updated", 2, "P1"), (THREE, "created", 2, "P1")])
    [report] = desk.reports()
    assert (report.completeness, report.revision, report.priority) == ("complete", 2, "P1")
    with desk.database.read() as connection:
        route = connection.execute(
            select(t.route.c.hotline, t.route.c.role).where(t.route.c.revision == 2).order_by(t.route.c.rank)
        ).all()
    assert [tuple(row) for row in route] == list(WHOLE)


def test_an_update_goes_to_whom_the_report_was_given(desk: Desk) -> None:
    [first, _] = desk.file(WHOLE, priority="P3")
    deliver(desk, first)
    [before] = desk.reports()
    put(desk, desk.sealed(WHOLE, revision=2, priority="P3", before=before), "update", seconds=0)
    mature(desk)
    assert sent(desk) == sorted(
        [(ONE, "created", 1, "P3"), (THREE, "created", 1, "P3"), (ONE, "updated", 2, "P3"), (THREE, "updated", 2, "P3")]
    )
    assert desk.reports()[0].state == "delivered"


def test_a_raised_priority_hurries_what_is_still_due(desk: Desk) -> None:
    desk.file(priority="P3")
    [before] = desk.reports()
    put(desk, desk.sealed(revision=2, priority="P1", before=before), "update", seconds=0)
    mature(desk)
    assert sent(desk) == [(ONE, "created", 1, "P1"), (ONE, "updated", 2, "P1")]
    assert desk.reports()[0].priority == "P1"


def test_a_lower_priority_lowers_nothing(desk: Desk) -> None:
    desk.file(priority="P2")
    [before] = desk.reports()
    put(desk, desk.sealed(revision=2, priority="P4", before=before), "update", seconds=0)
    mature(desk)
    assert [row[3] for row in sent(desk)] == ["P2", "P2"]


def test_what_nobody_could_read_goes_as_unread(desk: Desk) -> None:
    submission = desk.sealed(completeness="unread", priority="P2")
    put(desk, submission, "unread", seconds=0)
    mature(desk)
    assert sent(desk) == [(ONE, "unread", 1, "P2")]
    assert desk.reports()[0].state == "queued"


def test_two_reports_under_one_origin_are_both_kept(desk: Desk) -> None:
    """This should never happen; if it does, no words are lost."""
    first = desk.sealed(completeness="incomplete")
    put(desk, first, "rescue", seconds=0)
    mature(desk)
    other = replace(desk.sealed(revision=2), origin_key=first.origin_key)
    assert pending_submissions.schedule_pending(
        desk.database, other, "update", 0
    ) == pending_submissions.SubmittedRevision(first.report_id, 1, complete=False)
    assert waiting(desk) == []
    pending_submissions.schedule_from_spool(
        desk.database, other, "update", desk.database.now()
    )  # from the spool, so that it cannot be rebuilt
    mature(desk)
    assert len(desk.reports()) == 2
    assert len(desk.deliveries()) == 2


def test_what_is_whole_gives_way_to_nothing_that_is_not(desk: Desk) -> None:
    """From the spool: the incomplete report has a higher revision than the Send that was answered with "Sent"."""
    rescue = desk.sealed(completeness="incomplete", revision=5)
    put(desk, rescue, "rescue", seconds=0)
    mature(desk)
    sent_whole = desk.sealed(WHOLE, before=rescue, revision=2)
    pending_submissions.schedule_from_spool(desk.database, sent_whole, "update", desk.database.now())
    pending_submissions.schedule_from_spool(
        desk.database, desk.sealed(before=rescue, revision=6, completeness="incomplete"), "rescue", 0
    )
    mature(desk)
    [report] = desk.reports()
    assert (report.completeness, report.revision) == ("complete", 5)
    assert (ONE, "updated", 2, "P1") in sent(desk)


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


def test_two_clocks_file_it_once(desk: Desk) -> None:
    filings = [desk.sealed(completeness="incomplete") for _ in range(8)]
    for submission in filings:
        put(desk, submission, "rescue", seconds=0)
    keys = pending_submissions.list_due(desk.database)
    threads = [
        threading.Thread(target=lambda: [pending_submissions.submit_due(desk.database, key) for key in keys])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(desk.deliveries()) == len(desk.reports()) == 8


def test_a_row_that_is_replaced_at_that_moment_wins_or_loses_whole(desk: Desk) -> None:
    """Web replaces the row between the scheduler's query and its deletion: the new revision is submitted."""
    submission = desk.sealed(completeness="incomplete")
    put(desk, submission, "rescue", seconds=0)
    [key] = pending_submissions.list_due(desk.database)
    put(desk, desk.sealed(completeness="incomplete", before=submission, revision=2), "rescue", seconds=120)
    assert len(pending_submissions.submit_due(desk.database, key)) == 1
    assert waiting(desk) == []
    assert [report.revision for report in desk.reports()] == [2]


def test_an_answer_that_comes_while_the_clock_files_the_one_before_is_not_lost(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the scheduler's COMMIT, sees the submitted revision, and gets the next number."""
    submission = desk.sealed(completeness="incomplete")
    put(desk, submission, "rescue", seconds=0)
    [key] = pending_submissions.list_due(desk.database)
    found: list[pending_submissions.SubmittedRevision | None] = []
    answer = threading.Thread(
        target=lambda: found.append(pending_submissions.schedule_pending(desk.database, submission, "rescue", 0))
    )
    submit = pending_submissions._submit

    def overtaken(*given: Any) -> list[tuple[str, str]]:
        answer.start()
        until(lambda: desk.database.is_sqlite or _somebody_waits(desk), "the answer did not wait for the clock")
        return submit(*given)

    monkeypatch.setattr(pending_submissions, "_submit", overtaken)
    assert len(pending_submissions.submit_due(desk.database, key)) == 1
    answer.join()
    assert found == [pending_submissions.SubmittedRevision(submission.report_id, 1, complete=False)]


def _somebody_waits(desk: Desk) -> bool:
    with desk.database.read() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar())


def test_what_is_due_is_not_put_off_by_the_next_answer(desk: Desk) -> None:
    """More urgent or complete now: a late scheduler submits it at its next query, with all later answers."""
    put(desk, desk.sealed(completeness="incomplete"), "rescue", seconds=0)
    first = desk.sealed(completeness="incomplete")
    put(desk, first, "rescue", seconds=0)
    put(desk, desk.sealed(completeness="incomplete", before=first, revision=2), "rescue")
    assert len(mature(desk)) == 2
    assert {report.revision for report in desk.reports()} == {1, 2}
    put(desk, desk.sealed(completeness="incomplete"), "rescue")
    assert mature(desk) == []


@pytest.mark.parametrize(("up_to", "left"), [(1, 1), (2, 0), (None, 0)])
def test_a_deletion_out_of_the_spool_takes_nothing_that_was_said_since(
    desk: Desk, up_to: int | None, left: int
) -> None:
    submission = desk.sealed(completeness="incomplete", revision=2)
    put(desk, submission, "rescue")
    pending_submissions.cancel_pending(desk.database, submission.origin_key, submission.report_id, up_to=up_to)
    assert len(waiting(desk)) == left


@pytest.mark.rule("S-26")
def test_whom_the_reporter_left_out_on_send_is_not_given_the_incomplete_one_any_more(desk: Desk) -> None:
    rescue = desk.sealed(completeness="incomplete")
    put(desk, rescue, "rescue", seconds=0)
    [(first, _)] = mature(desk)
    put(desk, desk.sealed(((THREE, "primary"),), before=rescue, revision=2), "update", seconds=0)
    mature(desk)
    assert {row.hotline: row.state for row in desk.deliveries()} == {ONE: "cancelled", THREE: "due"}
    assert outbox.lease(desk.database, first, "w/urgent/1") is None
    assert sorted(desk.acts(first)) == ["cancelled:left_out", "made"]
    [report] = desk.reports()
    assert (report.state, report.desk) == ("queued", THREE)


@pytest.mark.rule("S-26")
def test_held_for_a_person_is_no_recipient(desk: Desk) -> None:
    """All hotlines were left out: a report held for a person is sealed to all, and delivered to none."""
    rescue = desk.sealed(completeness="incomplete")
    put(desk, rescue, "rescue", seconds=0)
    mature(desk)
    put(desk, desk.sealed(((ONE, "held"), (TWO, "held")), before=rescue, revision=2), "update", seconds=0)
    mature(desk)
    assert [row.state for row in desk.deliveries() if row.type == "created"] == ["cancelled"]
    assert desk.reports()[0].state == "needs_person"


def test_only_what_waits_of_an_incomplete_report_is_cancelled(desk: Desk) -> None:
    other = ((THREE, "primary"),)
    got = desk.sealed(completeness="incomplete")
    put(desk, got, "rescue", seconds=0)
    [(delivery, _)] = mature(desk)
    deliver(desk, delivery)
    put(desk, desk.sealed(other, before=got, revision=2), "update", seconds=0)
    more = desk.sealed(completeness="incomplete")
    put(desk, more, "rescue", seconds=0)
    mature(desk)
    put(desk, desk.sealed(other, before=more, revision=2, completeness="incomplete"), "words", seconds=0)
    desk.file()
    whole = desk.reports()[-1]
    put(desk, desk.sealed(other, before=whole, revision=2), "update", seconds=0)
    mature(desk)
    states = sorted((row.hotline, row.state) for row in desk.deliveries())
    assert states == [(ONE, "delivered")] + [(ONE, "due")] * 2 + [(THREE, "due")] * 3
