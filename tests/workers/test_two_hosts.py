"""F28: hosts whose clocks are ten minutes apart share one PostgreSQL: what is due is due, and no sooner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.store import chains, leases, maturing, outbox, paging, pending, sms_out, sweeping
from reports.store import filing as web
from reports.store.database import Database
from reports.store.messages import Outgoing, put_outgoing
from tests.support import databases
from tests.workers.filings import ONE, SECOND, TWO, Desk
from workers import schedule
from workers.sweep import LEAD_SECONDS, NAME

pytestmark = [pytest.mark.slow, pytest.mark.rule("F28")]
TEN_MINUTES = 600 * SECOND
WAITS = {priority: pace.fallback for priority, pace in schedule.PACES.items()}


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """SQLite has one host."""
    made = databases.made("postgresql", request, tmp_path)
    yield made
    made.close()


@pytest.fixture(params=[TEN_MINUTES, -TEN_MINUTES], ids=["ahead", "behind"])
def host(request: pytest.FixtureRequest, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Another host, by whose clock it is ten minutes later, or earlier; `later` is of this host, too."""
    true = Database.now
    here = desk.database
    monkeypatch.setattr(Database, "now", lambda self: true(self) + (0 if self is here else request.param))
    return desk.later()


def test_what_one_host_files_another_takes_at_once(host: Desk, desk: Desk) -> None:
    [delivery] = host.file([(ONE, "primary"), (TWO, "fallback")])
    assert chains.stuck(desk.database, WAITS) == [], "its time for the next hotline has not come"
    assert outbox.lease(desk.database, delivery, "there/urgent/1") is not None
    assert chains.stuck(desk.later(seconds=31).database, WAITS) != [], "now it has"
    assert abs(desk.delivery(delivery).created_at - desk.database.now()) < 60 * SECOND


def test_a_lease_holds_by_whichever_clock(host: Desk, desk: Desk) -> None:
    for one, other in ((desk, host), (host, desk)):
        [delivery] = one.file()
        assert outbox.lease(one.database, delivery, "a/urgent/1") is not None
        assert outbox.lease(other.database, delivery, "b/urgent/1") is None
        assert outbox.lease(other.later(seconds=55).database, delivery, "b/urgent/1") is None
        assert outbox.lease(other.later(seconds=61).database, delivery, "b/urgent/1") is not None


def test_one_clock_leads_and_the_other_takes_over_in_time(host: Desk, desk: Desk) -> None:
    for one, other in ((desk, host), (host, desk)):
        assert leases.take(one.database, NAME, "one", LEAD_SECONDS)
        assert not leases.take(other.database, NAME, "other", LEAD_SECONDS)
        assert leases.take(other.later(seconds=LEAD_SECONDS + 1).database, NAME, "other", LEAD_SECONDS)
        leases.give_up(other.database, NAME, "other")


def test_neither_gives_up_too_soon(host: Desk, desk: Desk) -> None:
    [delivery] = host.file()
    almost = schedule.PARK_AFTER // SECOND - 60
    for one in (desk, host):
        assert sweeping.park(one.later(seconds=almost).database, schedule.PARK_AFTER) == []
    assert sweeping.park(host.later(seconds=almost + 120).database, schedule.PARK_AFTER) == [delivery]


def test_what_files_itself_does_so_in_its_time(host: Desk, desk: Desk) -> None:
    waits = host.sealed(completeness="incomplete")
    pending.put_pending(host.database, waits, "rescue", host.database.now() + 120 * SECOND)
    assert maturing.mature(desk.later(seconds=100).database) == []
    assert maturing.mature(desk.later(seconds=121).database) == [waits.origin_key]


def test_what_is_hurried_files_itself_at_once(host: Desk, desk: Desk) -> None:
    waits = host.sealed(completeness="incomplete")
    pending.put_pending(host.database, waits, "rescue", host.database.now() + 120 * SECOND)
    pending.hurry_pending(host.database, waits.origin_key, waits.report_id, host.database.now())
    assert maturing.mature(desk.database) == [waits.origin_key]


def test_a_report_that_waited_in_a_hosts_spool_is_due_when_it_said(host: Desk, desk: Desk) -> None:
    waits = host.sealed(completeness="incomplete")
    pending.put_late(host.database, waits, "rescue", host.database.now() - 30 * SECOND)
    assert maturing.mature(desk.database) == [waits.origin_key]


def sms(host: Desk) -> Outgoing:
    now = host.database.now()
    return Outgoing("one", "africastalking", "demo", "key", b"wrap", b"sealed", now, now + TEN_MINUTES)


@pytest.mark.parametrize("sends", ["the same host", "another"])
def test_a_reply_is_sent_at_once_and_lives_ten_minutes(host: Desk, desk: Desk, sends: str) -> None:
    put_outgoing(host.database, sms(host))
    assert sms_out.expire(desk.database) == 0
    leased = sms_out.lease((host if sends == "the same host" else desk).database, "one", "there/urgent/1")
    assert leased is not None
    assert 0 <= TEN_MINUTES - leased.lives < 60 * SECOND


def test_a_text_to_a_duty_phone_is_sent_at_once_and_waited_for(host: Desk, desk: Desk) -> None:
    [delivery] = host.file()
    report_id = desk.delivery(delivery).report_id
    about = paging.Told(delivery, report_id, ONE, "created", "P1", 0)
    assert paging.add(host.database, sms(host), about, "123456")
    assert sms_out.due(desk.database) == ["one"]
    assert paging.is_fresh(desk.database, delivery, 60 * SECOND)
    assert not paging.is_fresh(desk.later(seconds=70).database, delivery, 60 * SECOND)


def test_a_report_that_came_twice_from_two_hosts_is_one(host: Desk, desk: Desk) -> None:
    filing = desk.sealed()
    assert web.file(desk.database, filing).fresh
    assert not web.file(host.database, filing).fresh
    assert len(desk.deliveries()) == 1
