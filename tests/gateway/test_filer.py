"""What comes out of the spool is filed, whatever was filed in the meantime."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from reports.store.sqlite import LONG_QUEUE
from tests.support.app import App
from tests.support.valkey import Valkey
from tests.support.wait import until

pytestmark = pytest.mark.slow

TO_CONTACT = ("Report", "Soon", "Asks photos, money", "Me", "13-15", "Shefa")


@pytest.mark.rule("S-38")
def test_a_send_without_redis_and_one_from_the_draft_that_redis_kept_are_both_filed(own_valkey: Valkey) -> None:
    """Seen in the canary run: the second went to the spool under the same number of its revision, and was dropped."""
    app = App(own_valkey.url)
    phone = app.ussd("+6785550101", "africastalking")
    with closing(sqlite3.connect(app.plan.folder.inside / "tokaut.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the database is away: both go to the spool
        said = []
        for last, redis_is_away in (("No", True), ("SMS 8am-4pm", False)):
            phone.dial()
            for reply in TO_CONTACT:
                phone.type(reply)
            if redis_is_away:
                own_valkey.kill()
            phone.type(last)
            said.append(phone.type("Send").text)
            if redis_is_away:
                own_valkey.start()
                until(app.parts.sessions.answers, "Redis is left alone for ever")
        other.execute("ROLLBACK")
    assert all(screen.startswith("Sent to Pikinini Helpline.") for screen in said), said
    for _ in range(2):  # a second round finds nothing new
        app.parts.housekeeping.once()
        app.pass_time(1)
        primary = [kept for kept in app.bodies() if kept.hotline == "vu-pikinini"]
        assert [kept.data["contact"]["how"] for kept in primary] == ["none", "sms"]
    app.close()


def test_in_a_crowd_sent_comes_by_the_spool(redis_url: str) -> None:
    """A thousand callers at once: who waits for SQLite holds a thread, and the spool makes nobody wait."""
    app = App(redis_url)
    phone = app.ussd("+6785550101", "africastalking")
    phone.dial()
    for reply in (*TO_CONTACT, "No"):
        phone.type(reply)
    with app.database.write(), ThreadPoolExecutor(LONG_QUEUE) as others:
        for _ in range(LONG_QUEUE):
            others.submit(app.database.write().__enter__)
        until(lambda: app.database.has_a_queue, "nobody waits")
        assert phone.type("Send").text.startswith("Sent to Pikinini Helpline.")
        assert len(app.parts.spool.names()) == 1
    assert not app.database.has_a_queue
    app.close()
