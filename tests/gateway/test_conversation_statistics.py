"""Web's statistics: steps by day and country, and nothing about a reporter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
import time_machine

from flows import loader
from gateway.background.housekeeping import COUNTED_LATE_SECONDS, CallHoursFlush, StatisticsFlush
from gateway.conversation.handler import CALLS, ON, SMS, STEPS
from gateway.sessions.store import RedisUnavailable
from reports.statistics import aggregation
from reports.store.schema import tables as t
from runtime.time_units import HOUR
from tests.support.app import App

pytestmark = pytest.mark.slow

TO_SEND = ("Report", "No", "Bullying, threats", "Me", "13-15", "Shefa", "No", "Send")
DAY = "2026-11-25"
NOON = f"{DAY}T12:00:00+00:00"


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    with time_machine.travel(NOON, tick=False):
        app = App(redis_url)
        yield app
        app.close()


def counted(app: App) -> dict[str, int]:
    """Return the counted steps without the calls of each hour, which have their own tests."""
    return {name: number for name, number in app.parts.sessions.counted(DAY).items() if f" {CALLS} " not in name}


def report(app: App, number: int, *, until: int = len(TO_SEND)) -> None:
    phone = app.ussd(f"+67855501{number:02}", "ussd")
    phone.dial()
    for reply in TO_SEND[:until]:
        phone.type(reply)


def test_each_step_is_counted_once_and_who_leaves_is_seen_to_leave(app: App) -> None:
    report(app, 1)
    report(app, 2)
    report(app, 3, until=3)  # sees "Who is it about?" and hangs up
    report(app, 4, until=2)  # sees "What happened?"
    assert counted(app) == {
        "VU home": 4,
        f"VU home{ON}": 4,
        "VU danger": 4,
        f"VU danger{ON}": 4,
        "VU category": 4,
        f"VU category{ON}": 3,
        "VU place": 2,
        f"VU place{ON}": 2,
        "VU contact": 2,
        f"VU contact{ON}": 2,
        "VU send": 2,
        f"VU send{ON}": 2,
        "VU sent": 2,
    }


def test_a_wrong_answer_a_repeat_and_leaving_count_nothing_more(app: App) -> None:
    phone = app.ussd("+6785550105", "ussd")
    phone.dial()
    phone.type("Report")
    phone.type("77")
    phone.again()
    phone.type("00")
    assert counted(app) == {"VU home": 1, f"VU home{ON}": 1, "VU danger": 1}


def test_parts_of_sms_are_counted_and_who_mistypes_has_not_come_twice(app: App) -> None:
    phone = app.sms("+6785550106")
    for words in ("REPORT", "1", "xx"):
        phone.text(words)
    found = counted(app)
    assert found["VU danger"] == 1
    assert found[f"VU {SMS}"] >= 3


def test_two_categories_leave_the_same_counts(app: App) -> None:
    """A count that depends on an answer would reveal the answer of the only reporter of a day."""
    seen = []
    for number, category in ((7, "Bullying, threats"), (8, "No care or food")):
        phone = app.ussd(f"+67855501{number:02}", "ussd")
        phone.dial()
        for reply in ("Report", "No", category):
            phone.type(reply)
        seen.append(counted(app))
        app.parts.sessions.forget(DAY)
    assert seen[0] == seen[1]


def test_a_day_that_is_over_goes_into_the_database_once(app: App) -> None:
    report(app, 9)
    app.parts.housekeeping.once()
    assert app.rows(t.screen_tally) == []
    with time_machine.travel(f"{DAY}T23:59:00+00:00", tick=False) as clock:
        clock.shift(timedelta(seconds=60 + COUNTED_LATE_SECONDS))
        app.parts.housekeeping.once()
        rows = {(row.day, row.country, row.what): row.number for row in app.rows(t.screen_tally)}
        assert rows[DAY, "VU", "sent"] == 1
        assert counted(app) == {}
        clock.shift(timedelta(hours=2))
        assert StatisticsFlush(app.parts.sessions, app.database).move() == 0
        assert len(app.rows(t.screen_tally)) == len(rows)


def hours(app: App) -> dict[tuple[str, str, int], int]:
    """Return the stored calls: (country, channel, hour of the day) → number."""
    return {(row.country, row.channel, row.hour_at // HOUR % 24): row.number for row in app.rows(t.call_hour)}


def test_calls_are_counted_by_hour_and_channel_and_stored_once_the_hour_is_over(app: App) -> None:
    with time_machine.travel(f"{DAY}T12:58:00+00:00", tick=False) as clock:
        flush = CallHoursFlush(app.parts.sessions, app.database)
        report(app, 11, until=3)
        phone = app.ussd("+6785550112", "africastalking")
        phone.dial()
        phone.type("77")
        phone.type("00")
        phone.dial()
        app.sms("+6785550113").text("REPORT")
        assert flush.copy() == 0
        clock.shift(timedelta(minutes=2, seconds=30))
        report(app, 14, until=1)
        assert hours(app) == {}, "what began at 12:59:59 may still be counted"
        clock.shift(timedelta(minutes=1))
        assert flush.copy() == 3
        seen = {("VU", "ussd", 12): 1, ("VU", "africastalking", 12): 2, ("VU", "simulator", 12): 1}
        assert hours(app) == seen
        assert flush.copy() == 0, "once an hour"
        clock.shift(timedelta(hours=1))
        flush.copy()
        assert hours(app) == seen | {("VU", "ussd", 13): 1}


def test_the_last_hour_of_a_day_is_stored_before_its_counts_go(app: App) -> None:
    report(app, 15, until=1)
    with time_machine.travel(f"{DAY}T23:59:00+00:00", tick=False) as clock:
        report(app, 16, until=1)
        clock.shift(timedelta(seconds=60 + COUNTED_LATE_SECONDS))
        app.parts.housekeeping.once()
    assert hours(app) == {("VU", "ussd", 12): 1, ("VU", "ussd", 23): 1}
    assert app.parts.sessions.counted(DAY) == {}
    assert not any("calls" in row.what for row in app.rows(t.screen_tally)), "they are in no statistics"


def test_without_redis_the_other_tasks_go_on(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: str) -> dict[str, int]:
        raise RedisUnavailable

    flush = CallHoursFlush(app.parts.sessions, app.database)
    with monkeypatch.context() as gone:
        gone.setattr(app.parts.sessions, "counted", away)
        with pytest.raises(RedisUnavailable):
            flush.copy()
        assert flush.copy() == 0, "tried again after a minute"


def test_a_server_that_will_not_count_refuses_nobody_a_screen(app: App, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"l:day:{DAY}", "no hash")
    phone = app.ussd("+6785550110", "ussd")
    phone.dial()
    assert phone.type("Report").expects_reply


def test_every_step_is_a_screen_and_the_statistics_know_it() -> None:
    book = loader.load()
    assert [screen for screen in STEPS if book.screens[screen] is None] == []
    assert {*aggregation.FUNNEL_STEPS, *aggregation.COUNTED_USES, "sent"} == {*STEPS.values(), SMS}
    assert aggregation.CONTINUED_SUFFIX == ON


def test_what_is_kept_of_a_day_is_no_more_than_names_and_numbers(app: App, redis_url: str) -> None:
    report(app, 11)
    with redis.Redis.from_url(redis_url) as client:
        names = list(client.keys("l:day:*"))
        assert names == [f"l:day:{DAY}".encode()]
        assert 0 < client.ttl(names[0]) <= 9 * 86400
        assert {field.decode().split(" ")[0] for field in client.hkeys(names[0])} == {"VU"}
