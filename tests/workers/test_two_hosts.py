"""F28: hosts whose clocks differ by ten minutes share one PostgreSQL; nothing is due too early or too late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.store import outbox, pending_submissions
from reports.store import submissions as web
from reports.store.engine import leases
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.sms import duty_phones, messages
from reports.store.sms.messages import OutgoingSms, enqueue_outgoing
from tests.support import databases
from tests.workers.sample_store import ONE, SECOND, TWO, SampleStore
from workers import retry_policy
from workers.clock.scheduler import LEAD_SECONDS, LEASE_NAME

pytestmark = [pytest.mark.slow, pytest.mark.rule("F28")]
TEN_MINUTES = 600 * SECOND
WAITS = {priority: pace.fallback_after for priority, pace in retry_policy.POLICIES.items()}


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """PostgreSQL only: SQLite has one host."""
    made = databases.migrated_database("postgresql", request, tmp_path)
    yield made
    made.close()


@pytest.fixture(params=[TEN_MINUTES, -TEN_MINUTES], ids=["ahead", "behind"])
def host(request: pytest.FixtureRequest, store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> SampleStore:
    """A second host, whose clock is ten minutes ahead or behind. `host.later` is on the second host too."""
    true = Database.now
    here = store.database
    monkeypatch.setattr(Database, "now", lambda self: true(self) + (0 if self is here else request.param))
    return store.later()


def test_what_one_host_files_another_takes_at_once(host: SampleStore, store: SampleStore) -> None:
    [delivery] = host.submit([(ONE, "primary"), (TWO, "fallback")])
    assert fallbacks.list_due(store.database, WAITS) == [], "its time for the next hotline has not come"
    assert outbox.lease(store.database, delivery, "there/urgent/1") is not None
    assert fallbacks.list_due(store.later(seconds=31).database, WAITS) != [], "now it has"
    assert abs(store.delivery(delivery).created_at - store.database.now()) < 60 * SECOND


def test_a_lease_holds_by_whichever_clock(host: SampleStore, store: SampleStore) -> None:
    for one, other in ((store, host), (host, store)):
        [delivery] = one.submit()
        assert outbox.lease(one.database, delivery, "a/urgent/1") is not None
        assert outbox.lease(other.database, delivery, "b/urgent/1") is None
        assert outbox.lease(other.later(seconds=55).database, delivery, "b/urgent/1") is None
        assert outbox.lease(other.later(seconds=61).database, delivery, "b/urgent/1") is not None


def test_one_clock_leads_and_the_other_takes_over_in_time(host: SampleStore, store: SampleStore) -> None:
    for one, other in ((store, host), (host, store)):
        assert leases.acquire(one.database, LEASE_NAME, "one", LEAD_SECONDS)
        assert not leases.acquire(other.database, LEASE_NAME, "other", LEAD_SECONDS)
        assert leases.acquire(other.later(seconds=LEAD_SECONDS + 1).database, LEASE_NAME, "other", LEAD_SECONDS)
        leases.release(other.database, LEASE_NAME, "other")


def test_neither_gives_up_too_soon(host: SampleStore, store: SampleStore) -> None:
    [delivery] = host.submit()
    almost = retry_policy.PARK_AFTER // SECOND - 60
    for one in (store, host):
        assert outbox.park_expired(one.later(seconds=almost).database, retry_policy.PARK_AFTER) == []
    assert outbox.park_expired(host.later(seconds=almost + 120).database, retry_policy.PARK_AFTER) == [delivery]


def test_what_files_itself_does_so_in_its_time(host: SampleStore, store: SampleStore) -> None:
    waits = host.sealed(completeness="incomplete")
    pending_submissions.schedule_pending(host.database, waits, "rescue", host.database.now() + 120 * SECOND)
    assert pending_submissions.list_due(store.later(seconds=100).database) == []
    assert pending_submissions.list_due(store.later(seconds=121).database) == [waits.origin_key]


def test_what_is_hurried_files_itself_at_once(host: SampleStore, store: SampleStore) -> None:
    waits = host.sealed(completeness="incomplete")
    pending_submissions.schedule_pending(host.database, waits, "rescue", host.database.now() + 120 * SECOND)
    pending_submissions.expedite_pending(host.database, waits.origin_key, waits.report_id, host.database.now())
    assert pending_submissions.list_due(store.database) == [waits.origin_key]


def test_a_report_that_waited_in_a_hosts_spool_is_due_when_it_said(host: SampleStore, store: SampleStore) -> None:
    waits = host.sealed(completeness="incomplete")
    pending_submissions.schedule_from_spool(host.database, waits, "rescue", host.database.now() - 30 * SECOND)
    assert pending_submissions.list_due(store.database) == [waits.origin_key]


def sms(host: SampleStore) -> OutgoingSms:
    now = host.database.now()
    return OutgoingSms("one", "africastalking", "demo", "key", b"wrap", b"sealed", now, now + TEN_MINUTES)


@pytest.mark.parametrize("sends", ["the same host", "another"])
def test_a_reply_is_sent_at_once_and_lives_ten_minutes(host: SampleStore, store: SampleStore, sends: str) -> None:
    enqueue_outgoing(host.database, sms(host))
    assert messages.expire_old(store.database) == (0, 0)
    leased = messages.lease((host if sends == "the same host" else store).database, "one", "there/urgent/1")
    assert leased is not None
    assert 0 <= TEN_MINUTES - leased.time_left < 60 * SECOND


def test_a_text_to_a_duty_phone_is_sent_at_once_and_waited_for(host: SampleStore, store: SampleStore) -> None:
    [delivery] = host.submit()
    report_id = store.delivery(delivery).report_id
    about = duty_phones.AlertedDelivery(delivery, report_id, ONE, "created", "P1", 0)
    assert duty_phones.add_alert(host.database, sms(host), about, "123456")
    assert messages.list_due(store.database) == ["one"]
    assert duty_phones.was_alerted_within(store.database, delivery, 60 * SECOND)
    assert not duty_phones.was_alerted_within(store.later(seconds=70).database, delivery, 60 * SECOND)


def test_a_report_that_came_twice_from_two_hosts_is_one(host: SampleStore, store: SampleStore) -> None:
    submission = store.sealed()
    assert web.commit(store.database, submission).is_new
    assert not web.commit(host.database, submission).is_new
    assert len(store.deliveries()) == 1
