"""The clock: whom it tells of what waits, when, and when again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import update

from reports.clocks import DAY
from reports.store import filing as web
from reports.store import mailboxes, outbox
from reports.store import tables as t
from reports.store.filing import Mailbox
from reports.store.outbox import Failure
from tests.workers.filings import ONE, SECOND, Desk
from tests.workers.room import Room

SLOW = 40  # seconds that this machine may take to get there


def fail(desk: Desk, delivery_id: str, why: str, times: int = 1) -> None:
    for _ in range(times):
        leased = outbox.lease(desk.database, delivery_id, "w/urgent/1")
        assert leased is not None
        assert outbox.failed(desk.database, leased, Failure(why, None, 0), "w/urgent/1", "worker")


@pytest.mark.parametrize(
    ("priority", "after", "again"), [("P1", 60, 900), ("P2", 1200, 7200), ("P3", 28800, 86400), ("P4", 172800, 86400)]
)
def test_a_person_is_told_in_time_and_again_until_it_is_through(
    room: Room, priority: str, after: int, again: int
) -> None:
    [delivery] = room.desk.file(priority=priority)
    fail(room.desk, delivery, "timeout")
    room.pass_time(after - SLOW)
    assert room.tell() == []
    room.pass_time(SLOW + 1)
    [alert] = room.tell()
    assert (alert.about, alert.why, alert.priority, alert.deliveries) == (ONE, "timeout", priority, (delivery,))
    assert room.desk.acts(delivery) == ["told"]
    room.pass_time(again - SLOW)
    assert room.tell() == []
    room.pass_time(SLOW + 1)
    assert len(room.tell()) == 1


@pytest.mark.parametrize(("why", "at"), [("locked_out", 1), ("tls", 2), ("moved", 3), ("not_found", 3), ("no_key", 1)])
def test_some_failures_are_told_by_their_class(room: Room, why: str, at: int) -> None:
    [delivery] = room.desk.file(priority="P4")
    if at > 1:
        fail(room.desk, delivery, why, at - 1)
        assert room.tell() == []
    fail(room.desk, delivery, why)
    [alert] = room.tell()
    assert alert.why == why
    assert room.tell() == [], "once, until its time"


def test_refused_parked_and_gone_are_told_though_they_were_told_before(room: Room) -> None:
    [delivery] = room.desk.file(priority="P3")
    fail(room.desk, delivery, "locked_out")
    assert len(room.tell()) == 1
    leased = outbox.lease(room.desk.database, delivery, "w/urgent/1")
    assert leased is not None
    outbox.failed(room.desk.database, leased, Failure("gone", 410, None, gone=True), "w/urgent/1", "worker")
    [alert] = room.tell()
    assert alert.why == "gone"
    room.pass_time(86_401)
    assert len(room.tell()) == 1, "nobody has it: again, until somebody acts"


def test_told_is_marked_only_where_somebody_was(room: Room) -> None:
    [delivery] = room.desk.file()
    room.teller.ok = False
    room.pass_time(61)
    assert len(room.tell()) == 1
    assert room.desk.delivery(delivery).told_at is None
    room.teller.ok = True
    assert len(room.tell()) == 1
    assert room.desk.delivery(delivery).told_at is not None


def test_after_a_failure_the_next_try_is_a_minute_later(room: Room) -> None:
    room.desk.file()
    room.teller.ok = False
    room.pass_time(61)
    room.telling.tell()
    room.telling._own.finish()
    room.pass_time(30)
    room.telling.tell()
    assert len(room.teller.alerts) == 1


def test_a_hotline_that_is_down_is_one_message(room: Room) -> None:
    ids = [room.desk.file(priority=priority)[0] for priority in ("P2", "P1", "P1")]
    for one in ids:
        fail(room.desk, one, "timeout")
    room.pass_time(1201)
    [alert] = room.tell()
    assert (alert.priority, len(alert.reports), len(alert.deliveries)) == ("P1", 3, 3)


def test_a_report_that_no_hotline_can_take_is_told_at_once_and_again(room: Room) -> None:
    held = room.desk.sealed([(ONE, "held")], priority="P1")
    web.file(room.desk.database, held)
    room.telling.tell()
    room.telling.finish()
    [alert] = room.teller.alerts
    assert (alert.why, alert.reports) == ("needs_person", (held.report_id,))


@pytest.mark.rule("B-58")
def test_five_wrong_pins_are_told_by_id_once_for_a_lock(room: Room) -> None:
    filed = [web.file(room.desk.database, room.desk.sealed(), _box(n)).report_id for n in range(3)]
    locked, closed = filed[:2]
    m = t.mailbox.c
    with room.desk.database.write() as connection:
        until = room.desk.database.now() + DAY
        connection.execute(update(t.mailbox).where(m.report_id == locked).values(locked_until=until))
        connection.execute(update(t.mailbox).where(m.report_id == closed).values(locked_until=mailboxes.FOR_EVER))
    [alert] = room.tell()
    assert (alert.why, alert.reports, alert.priority) == ("pin_guessed", (locked,), "P3")
    assert alert.subject() == "Tokaut: P3, 1 report locked"
    assert alert.sms() == f"Tokaut: P3, 1 report locked ({locked[-6:]}). Next: tokaut watch"
    room.pass_time(DAY / SECOND + 1)
    assert [one.why for one in room.tell() if one.why == "pin_guessed"] == []


def _box(n: int) -> Callable[[int], Mailbox]:
    return lambda _: Mailbox(bytes([n]) * 32, bytes(32), b"public", b"sealed")


def test_delivered_is_not_told(room: Room) -> None:
    room.desk.file()
    room.hurry.away = True
    room.duties.urgent()
    room.duties.finish()
    room.pass_time(3600)
    assert room.tell() == []
