"""What web knows of a report's clock: whether anybody has read it in time. With web's own rights."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from reports.store import filing as web
from reports.store import mailboxes, maturing, pending, steps
from reports.store import tables as t
from reports.store.filing import Mailbox
from tests.workers.filings import ONE, TWO, Desk
from tests.workers.test_steps import LEGS, begin, get_through, handle

BOX = Mailbox(bytes(32), b"public", b"sealed")


@pytest.fixture
def report_id(desk: Desk) -> str:
    """A P1 that its hotline has got, with a mailbox, and its clock begun."""
    filed = web.file(desk.database, desk.sealed(LEGS), BOX)
    begin(desk)
    get_through(desk, ONE)
    return filed.report_id


def state(desk: Desk, report_id: str) -> str:
    found = mailboxes.opened(desk.database, report_id)
    assert found is not None
    return found.state


@pytest.mark.rule("S-39")
def test_overdue_once_the_time_has_passed_and_never_once_a_person_has_it(desk: Desk, report_id: str) -> None:
    assert state(desk, report_id) == "delivered"
    assert state(desk.later(minutes=14, seconds=50), report_id) == "delivered"
    late = desk.later(minutes=15, seconds=1)
    assert state(late, report_id) == "overdue"
    steps.give(late.database, next(s for s in steps.due(late.database) if s.step == "backup"), TWO, "NO_ACK")
    assert state(late, report_id) == "overdue", "the backup has not read it either"
    handle(desk, ONE, "accepted")
    with desk.database.write() as connection:
        connection.execute(update(t.report).values(state="accepted"))
    assert state(late, report_id) == "accepted"


def test_what_is_still_being_sent_is_not_said_to_be_unread(desk: Desk) -> None:
    filed = web.file(desk.database, desk.sealed(LEGS), BOX)
    begin(desk)
    assert state(desk.later(hours=2), filed.report_id) == "queued"


def test_without_a_clock_nothing_is_said_of_asking_again(desk: Desk) -> None:
    filed = web.file(desk.database, desk.sealed(LEGS), BOX)
    get_through(desk, ONE)
    assert state(desk.later(hours=2), filed.report_id) == "delivered"


def test_by_the_quicker_clock_after_a_rise(desk: Desk) -> None:
    filed = web.file(desk.database, desk.sealed(LEGS, priority="P3"), BOX)
    begin(desk)
    get_through(desk, ONE)
    later = desk.later(hours=2)
    [report] = desk.reports()
    more = later.sealed(LEGS, before=report, revision=2, priority="P1")
    pending.put_pending(later.database, more, "update", later.database.now())
    for key in maturing.mature(later.database):
        maturing.file_pending(later.database, key)
    begin(later)
    assert state(later.later(minutes=14), filed.report_id) == "delivered"
    assert state(later.later(minutes=15, seconds=5), filed.report_id) == "overdue"
