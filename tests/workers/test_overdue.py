"""What web shows of the escalation: whether anybody has read the report in time. With web's own rights."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from reports.store import pending_submissions
from reports.store import submissions as web
from reports.store.escalation import steps
from reports.store.mailboxes import correspondence
from reports.store.schema import tables as t
from reports.store.submissions import MailboxRecord
from tests.workers.sample_store import ONE, TWO, SampleStore
from tests.workers.test_steps import LEGS, begin, get_through, handle

BOX = MailboxRecord(bytes(32), b"public", b"sealed")


@pytest.fixture
def report_id(store: SampleStore) -> str:
    """A P1 report that its hotline has received, with a mailbox and a started escalation."""
    filed = web.commit(store.database, store.sealed(LEGS), BOX)
    begin(store)
    get_through(store, ONE)
    return filed.report_id


def state(store: SampleStore, report_id: str) -> str:
    found = correspondence.load_mailbox(store.database, report_id)
    assert found is not None
    return found.state


@pytest.mark.rule("S-39")
def test_overdue_once_the_time_has_passed_and_never_once_a_person_has_it(store: SampleStore, report_id: str) -> None:
    assert state(store, report_id) == "delivered"
    assert state(store.later(minutes=14, seconds=50), report_id) == "delivered"
    late = store.later(minutes=15, seconds=1)
    assert state(late, report_id) == "overdue"
    steps.give_to_fallback(
        late.database, next(s for s in steps.list_due(late.database) if s.step == "backup"), TWO, "NO_ACK"
    )
    assert state(late, report_id) == "overdue", "the backup has not read it either"
    handle(store, ONE, "accepted")
    with store.database.write() as connection:
        connection.execute(update(t.report).values(state="accepted"))
    assert state(late, report_id) == "accepted"


def test_what_is_still_being_sent_is_not_said_to_be_unread(store: SampleStore) -> None:
    filed = web.commit(store.database, store.sealed(LEGS), BOX)
    begin(store)
    assert state(store.later(hours=2), filed.report_id) == "queued"


def test_without_a_clock_nothing_is_said_of_asking_again(store: SampleStore) -> None:
    filed = web.commit(store.database, store.sealed(LEGS), BOX)
    get_through(store, ONE)
    assert state(store.later(hours=2), filed.report_id) == "delivered"


def test_by_the_quicker_clock_after_a_rise(store: SampleStore) -> None:
    filed = web.commit(store.database, store.sealed(LEGS, priority="P3"), BOX)
    begin(store)
    get_through(store, ONE)
    later = store.later(hours=2)
    [report] = store.reports()
    more = later.sealed(LEGS, before=report, revision=2, priority="P1")
    pending_submissions.schedule_pending(later.database, more, "update", later.database.now())
    for key in pending_submissions.list_due(later.database):
        pending_submissions.submit_due(later.database, key)
    begin(later)
    assert state(later.later(minutes=14), filed.report_id) == "delivered"
    assert state(later.later(minutes=15, seconds=5), filed.report_id) == "overdue"
