"""Calls replayed from their path while Redis, the database or both are unavailable: all stored words are delivered."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import time_machine

from gateway.app import create_app
from gateway.services import Services
from gateway.sessions import store
from gateway.sessions.redis_client import Command
from gateway.submission.spool_drain import submit_late
from reports.store.engine.database import Database, DatabaseUnavailable
from tests.faults.caller_script import ALREADY_SENT, kept_words
from tests.support.app import App, Http
from tests.support.handsets import AfricasTalking, Screen

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-38")]

IN_DANGER = ("Report", "Now", "Go on", "Hurt, touched, forced", "Shefa", "Me", "No")
NO_DANGER = ("Report", "Soon", "Asks photos, money", "Me", "13-15", "Shefa", "No")
CALLS = 40
END_OF_AN_HOUR = "2030-05-14T09:59:59Z"


@dataclass
class Process:
    """One of two processes on the same Redis, database and spool; each loses them at its own times."""

    parts: Services
    http: Http
    has_redis: bool = True
    has_database: bool = True

    def __post_init__(self) -> None:
        kept, submitter = self.parts.sessions, self.parts.submitter
        ask, write = kept._ask, submitter.write

        def look(fault: type[Exception], name: str) -> None:
            if not getattr(self, name):
                raise fault

        async def asked(*commands: Command) -> list[Any]:
            look(store.RedisUnavailable, "has_redis")
            return await ask(*commands)

        kept._ask = asked  # type: ignore[method-assign]
        submitter.write = lambda act: (look(DatabaseUnavailable, "has_database"), write(act))[1]  # type: ignore[method-assign]


@dataclass
class Site:
    app: App
    processes: tuple[Process, Process]
    is_crowded: bool = False

    def empty_the_spool(self) -> None:
        self.app.parts.spool.drain(partial(submit_late, self.app.database))

    def newest_last(self) -> list[dict[str, Any]]:
        """Return all revisions that the helpline has, in order."""
        kept = [one for one in self.app.bodies() if one.hotline == "vu-pikinini"]
        return [one.data for one in sorted(kept, key=lambda one: one.revision)]

    def heard(self) -> str:
        """Return the narrative of each report's highest revision, which receivers store."""
        newest = {one["report_id"]: one["narrative"] for one in self.newest_last()}
        return "\n".join(map(str, newest.values()))


@pytest.fixture
def site(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    app = App(redis_url)
    flask = create_app(app.plan.settings)
    other: Services = flask.extensions["tokaut"]
    other.housekeeping.stop()
    one = Site(app, (Process(app.parts, app.http), Process(other, Http(flask.test_client()))))
    monkeypatch.setattr(Database, "has_write_queue", property(lambda _: one.is_crowded))
    yield one
    other.close()
    app.close()


@dataclass
class Call:
    """A call: each request goes to either process, some come twice, and any service may be unavailable for it."""

    site: Site
    phone: AfricasTalking
    chance: random.Random

    def __post_init__(self) -> None:
        self.no_redis, self.no_database = self.chance.choice((0.1, 0.5, 0.9)), self.chance.choice((0.0, 0.2, 0.5))
        self.crowd = self.chance.choice((0.0, 0.3, 0.6))
        for one in self.site.processes:
            one.has_redis = self.chance.random() > self.no_redis

    def type(self, reply: str) -> Screen:
        self.phone.path.append(reply)
        seen = self._ask()
        while self.chance.random() < 0.25:
            self._ask()
        return seen

    def _ask(self) -> Screen:
        process = self.chance.choice(self.site.processes)
        if self.chance.random() < 0.3:
            process.has_redis = self.chance.random() > self.no_redis
        process.has_database = self.chance.random() > self.no_database
        self.site.is_crowded = self.chance.random() < self.crowd
        self.phone.http = process.http  # type: ignore[assignment]
        seen = self.phone.again()
        process.has_database, self.site.is_crowded = True, False
        if self.chance.random() < 0.12:
            self.site.empty_the_spool()
        if self.chance.random() < 0.12:
            self.site.app.submit_due_within(0)
        return seen


@pytest.mark.product(parts=2)
@pytest.mark.parametrize("first", [IN_DANGER, NO_DANGER], ids=["in danger", "not now"])
@pytest.mark.parametrize("seed", [1, 2])
def test_words_that_were_kept_after_sent_are_heard_whatever_is_away(
    site: Site, first: tuple[str, ...], seed: int
) -> None:
    kept = []
    for number in range(CALLS):
        words = f"note {number:03}"
        phone = site.app.ussd(f"+6785550{number:03}", "africastalking")
        assert isinstance(phone, AfricasTalking)
        phone.dial()
        call = Call(site, phone, random.Random(f"{seed} {number}"))
        seen = [call.type(reply) for reply in (*first, "Send", words)]
        if seen[-2].text.startswith(ALREADY_SENT) and kept_words(seen[-2].text, seen[-1].text):
            kept.append(words)
        call.type("1")
        call.type("00")
    site.empty_the_spool()
    site.app.submit_due_within(4000)
    heard = site.heard()
    assert [words for words in kept if words not in heard] == []
    assert len(kept) > CALLS / 4


def test_words_in_the_spool_come_after_a_send_that_was_filed_meanwhile(site: Site) -> None:
    """A replay while Redis and the database are unavailable cannot know the revision number of that Send."""
    process = site.processes[0]
    process.has_redis = False
    phone = site.app.ussd("+6785550101", "africastalking")
    phone.dial()
    for reply in IN_DANGER:
        phone.type(reply)
    site.is_crowded = True
    assert phone.type("Send").text.startswith(ALREADY_SENT)
    site.empty_the_spool()
    site.is_crowded = process.has_database = False
    phone.type("near the market")
    process.has_database = True
    site.empty_the_spool()
    site.app.submit_due_within(150)
    assert "near the market" in site.heard()


@pytest.mark.parametrize(
    "has_database", [(True, True, False), (True, False, True), (False, True, False)], ids=["spool", "database", "both"]
)
def test_before_send_the_last_answer_is_heard_wherever_each_was_stored(
    site: Site, has_database: tuple[bool, ...]
) -> None:
    process = site.processes[0]
    process.has_redis = False
    phone = site.app.ussd("+6785550101", "africastalking")
    phone.dial()
    for reply, has in zip(IN_DANGER[:6], (True, True, True, *has_database), strict=True):
        process.has_database = has
        phone.type(reply)
    process.has_database = True
    site.empty_the_spool()
    site.app.submit_due_within(150)
    assert [answer["value"] for answer in site.newest_last()[-1]["answers"]] == ["now", "harm", "VU-SEE", "me"]


def test_what_is_answered_when_redis_is_back_comes_after_what_was_walked_without_it(site: Site) -> None:
    """The circuit breaker pauses Redis for five seconds and the database for thirty, so this order is usual."""
    process = site.processes[0]
    phone = site.app.ussd("+6785550101", "africastalking")
    phone.dial()
    for reply in (*NO_DANGER, "Send"):
        phone.type(reply)
    process.has_redis = False
    phone.type("near the market")
    process.has_redis, process.has_database = True, False
    for reply in ("1", "1", "1", "1"):
        phone.type(reply)
    process.has_database = True
    site.empty_the_spool()
    site.app.submit_due_within(150)
    first, *_, last = site.newest_last()
    assert "near the market" in last["narrative"]
    assert len(last["answers"]) >= len(first["answers"]) + 3


@pytest.mark.parametrize(
    "later", [1, 3600, 15 * 86_400], ids=["a second later, in the next hour", "an hour", "two weeks"]
)
def test_a_report_keeps_its_id_whatever_the_clock_says_when_it_is_walked_again(site: Site, later: int) -> None:
    process = site.processes[0]
    phone = site.app.ussd("+6785550101", "africastalking")
    with time_machine.travel(END_OF_AN_HOUR, tick=False) as clock:
        phone.dial()
        for reply in (*NO_DANGER, "Send"):
            phone.type(reply)
        clock.shift(later)
        process.has_redis = process.has_database = False
        phone.type("near the market")
        process.has_database = True
        site.empty_the_spool()
        site.app.submit_due_within(150)
    assert "near the market" in site.heard()
    assert len({one["report_id"] for one in site.newest_last()}) == 1
