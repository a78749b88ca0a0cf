"""Spool entries are submitted, whatever else was submitted in the meantime."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from gateway.sessions import store
from gateway.sessions.report_ref import ReportRef
from gateway.submission.builder import ReportBuilder, ReportInput
from reports.store.engine.database import Database
from reports.store.engine.sqlite import QUEUE_THRESHOLD
from reports.store.submissions import Submission
from tests.support.app import App
from tests.support.valkey import Valkey
from tests.support.wait import until

pytestmark = pytest.mark.slow

TO_CONTACT = ("Report", "Soon", "Asks photos, money", "Me", "13-15", "Shefa")


@pytest.mark.rule("S-38")
def test_a_send_without_redis_and_one_from_the_draft_that_redis_kept_are_both_filed(own_valkey: Valkey) -> None:
    """A bug of the canary run: the second report was spooled with the same revision number, and was dropped."""
    app = App(own_valkey.url)
    phone = app.ussd("+6785550101", "africastalking")
    with closing(sqlite3.connect(app.plan.folder.inside / "tokaut.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the database is unavailable, so both go to the spool
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
                until(app.parts.sessions.is_up, "Redis is left alone for ever")
        other.execute("ROLLBACK")
    assert all(screen.startswith("Sent to Pikinini Helpline.") for screen in said), said
    for _ in range(2):  # the second round finds nothing new
        app.parts.housekeeping.once()
        app.submit_due_within(1)
        primary = [kept for kept in app.bodies() if kept.hotline == "vu-pikinini"]
        assert [kept.data["contact"]["how"] for kept in primary] == ["none", "sms"]
    app.close()


def test_in_a_crowd_sent_comes_by_the_spool_and_is_sealed_once(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a thousand reporters at once, waiting for SQLite would hold a thread; the spool lets nobody wait."""
    app = App(redis_url)
    sealed: list[int] = []
    seal = ReportBuilder.seal

    def counted(self: ReportBuilder, told: ReportInput, report: ReportRef, revision: int, *rest: Any) -> Submission:
        sealed.append(revision)
        return seal(self, told, report, revision, *rest)

    phone = app.ussd("+6785550101", "africastalking")
    phone.dial()
    for reply in (*TO_CONTACT, "No"):
        phone.type(reply)
    monkeypatch.setattr(ReportBuilder, "seal", counted)
    with app.database.write(), ThreadPoolExecutor(QUEUE_THRESHOLD) as others:
        for _ in range(QUEUE_THRESHOLD):
            others.submit(app.database.write().__enter__)
        until(lambda: app.database.has_write_queue, "nobody waits")
        assert phone.type("Send").text.startswith("Sent to Pikinini Helpline.")
        assert (len(app.parts.spool.names()), len(sealed)) == (1, 1)
    assert not app.database.has_write_queue
    app.close()


def test_words_after_a_send_by_the_spool_stay_though_danger_was_said_and_redis_is_away(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is replayed for each reply, and the spool is emptied only after the words are in the database."""
    app = App(redis_url)

    async def away(*_: object) -> None:
        raise store.RedisUnavailable

    monkeypatch.setattr(app.parts.sessions, "_ask", away)
    phone = app.ussd("+6785550101", "africastalking")
    phone.dial()
    for reply in ("Report", "Now", "Go on", "Hurt, touched, forced", "Shefa", "Me", "No"):
        phone.type(reply)
    monkeypatch.setattr(Database, "has_write_queue", True)
    assert phone.type("Send").text.startswith("Sent to Pikinini Helpline.")
    phone.type("near the market")
    monkeypatch.setattr(Database, "has_write_queue", False)
    app.parts.housekeeping.once()
    app.submit_due_within(150)
    [last] = [kept for kept in app.bodies() if kept.hotline == "vu-pikinini"][1:]
    assert last.data["narrative"] == "near the market"
    app.close()


def test_words_after_a_carried_send_by_the_spool_stay_though_redis_is_gone(
    own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replayed without the draft in Redis, the same Send would be another report, and the words would be lost."""
    app = App(own_valkey.url)
    phone = app.ussd("+6785550101", "africastalking")
    for _ in range(2):  # the first call drops; the second continues its draft
        phone.dial()
        for reply in (*TO_CONTACT, "No"):
            phone.type(reply)
    monkeypatch.setattr(Database, "has_write_queue", True)
    assert phone.type("Send").text.startswith("Sent to Pikinini Helpline.")
    own_valkey.kill()
    phone.type("near the market")
    monkeypatch.setattr(Database, "has_write_queue", False)
    app.parts.housekeeping.once()
    app.submit_due_within(150)
    kept = [one for one in app.bodies() if one.hotline == "vu-pikinini"]
    assert len({one.report_id for one in kept}) == 1
    assert kept[-1].data["narrative"] == "near the market"
    app.close()
