"""What web counts for statistics: steps by day and country, and nothing of a reporter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
import time_machine

from flows import loader
from gateway.background.housekeeping import LATE, StatisticsFlush
from gateway.conversation.handler import ON, SMS, STEPS
from reports.statistics import aggregation
from reports.store.schema import tables as t
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
    return app.parts.sessions.counted(DAY)


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
    """A count that follows from an answer would tell the answer of whoever was the only one that day."""
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
        clock.shift(timedelta(seconds=60 + LATE))
        app.parts.housekeeping.once()
        rows = {(row.day, row.country, row.what): row.number for row in app.rows(t.screen_tally)}
        assert rows[DAY, "VU", "sent"] == 1
        assert counted(app) == {}
        clock.shift(timedelta(hours=2))
        assert StatisticsFlush(app.parts.sessions, app.database).move() == 0
        assert len(app.rows(t.screen_tally)) == len(rows)


def test_a_server_that_will_not_count_refuses_nobody_a_screen(app: App, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"l:day:{DAY}", "no hash")
    phone = app.ussd("+6785550110", "ussd")
    phone.dial()
    assert phone.type("Report").expects_reply


def test_every_step_is_a_screen_and_the_statistics_know_it() -> None:
    book = loader.load()
    assert [screen for screen in STEPS if book.screen(screen) is None] == []
    assert {*aggregation.FUNNEL_STEPS, *aggregation.COUNTED_USES, "sent"} == {*STEPS.values(), SMS}
    assert aggregation.CONTINUED_SUFFIX == ON


def test_what_is_kept_of_a_day_is_no_more_than_names_and_numbers(app: App, redis_url: str) -> None:
    report(app, 11)
    with redis.Redis.from_url(redis_url) as client:
        names = list(client.keys("l:day:*"))
        assert names == [f"l:day:{DAY}".encode()]
        assert 0 < client.ttl(names[0]) <= 9 * 86400
        assert {field.decode().split(" ")[0] for field in client.hkeys(names[0])} == {"VU"}
