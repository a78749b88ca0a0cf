"""Sessions on a real Valkey: sealed, updated only by the reader of the last version, and without Valkey."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis

from gateway import threads as gateway_threads
from gateway.sessions import store
from gateway.sessions.keys import SessionKeys
from gateway.sessions.phone_history import SLOTS, NewMemory, PhoneHistory, SentReport
from gateway.sessions.redis_client import Command, RedisClient
from gateway.sessions.store import COUNT_SECONDS, SAVE_SECONDS, LoadedRecord, RecordKeys, RedisUnavailable, Sessions
from gateway.threads import BlockingPool
from reports.crypto import RecordCipher
from runtime.settings import RedisAddress
from tests.support.stopwatch import Stopwatch
from tests.support.valkey import Valkey

pytestmark = pytest.mark.slow

T = TypeVar("T")
NOW = 1_800_000_000
HOUR_SECONDS = 3600
KEYS = RecordKeys("s:one", "d:one", "l:seen:one")
WORDS = b"something that nobody else may read"


@pytest.fixture
def sessions(redis_url: str, keys: SessionKeys) -> Iterator[SyncSessions]:
    with sync_sessions(redis_url, keys) as sessions:
        yield sessions


@pytest.fixture
def keys(tmp_path: Path) -> SessionKeys:
    return SessionKeys(tmp_path, b"secret")


lost: list[str] = []


class SyncSessions:
    """Sessions for synchronous tests: each call runs the event loop until it has its result."""

    def __init__(self, sessions: Sessions, runner: asyncio.Runner) -> None:
        self.sessions = sessions
        self._runner = runner
        self.key = sessions.key

    def load(self, keys: RecordKeys) -> LoadedRecord:
        return self._runner.run(self.sessions.load(keys))

    def save(self, *given: Any, **named: Any) -> bool:
        return self._runner.run(self.sessions.save(*given, **named))

    def run(self, made: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(made)

    def count_report(self, who: str, report: bytes = b"", now: int = NOW) -> PhoneHistory | None:
        return self._runner.run(self.sessions.count_report(who, report or os.urandom(8), now))

    def count(self, who: str, report: bytes = b"", now: int = NOW) -> int:
        """Count a report of this phone, and return the number of those before. `report`: its key; else a new one."""
        history = self.count_report(who, report, now)
        assert history
        return history.count

    def remember(self, sender: str, number: int, report_id: str) -> None:
        memory = NewMemory(sender, number, SentReport(report_id, ("vu-pikinini",), with_number=False))
        self.save(RecordKeys(f"s:{report_id}"), b"", b"1", 60, memory=memory)

    def remembered(self, who: str) -> set[str]:
        history = self.count_report(who)
        assert history
        return {report.report_id for report in history.reports}


@contextmanager
def sync_sessions(url: str, keys: SessionKeys, mode: str = "demo") -> Iterator[SyncSessions]:
    sessions = Sessions(RedisAddress(url), RecordCipher([b"k" * 32]), keys, lost.append, mode=mode)
    with asyncio.Runner() as runner:
        yield SyncSessions(sessions, runner)
        sessions.close()


def test_what_was_kept_is_loaded_again(sessions: SyncSessions) -> None:
    assert sessions.load(KEYS).session is None
    assert sessions.save(KEYS, b"", WORDS, 60, drafts=b"draft")
    found = sessions.load(KEYS)
    assert (found.session, found.drafts, found.is_known, len(found.version)) == (WORDS, b"draft", True, 8)


@pytest.mark.rule("S-40")
def test_two_modes_that_share_a_redis_and_a_key_find_nothing_of_one_another(redis_url: str, keys: SessionKeys) -> None:
    with sync_sessions(redis_url, keys, "live") as live, sync_sessions(redis_url, keys, "training") as training:
        find_nothing_of_one_another(live, training)


def find_nothing_of_one_another(live: SyncSessions, training: SyncSessions) -> None:
    where = {mode.key("s", "ussd", "*111#", "one", "+6785550101") for mode in (live, training)}
    assert len(where) == 2
    mine = RecordKeys(training.key("s", "ussd", "*111#", "one", "+6785550101"), training.key("d", "+6785550101"))
    assert training.save(mine, b"", WORDS, 60)
    theirs = RecordKeys(live.key("s", "ussd", "*111#", "one", "+6785550101"), live.key("d", "+6785550101"))
    assert live.load(theirs).session is None


def test_only_one_writes_over_a_version(sessions: SyncSessions) -> None:
    sessions.save(KEYS, b"", b"first", 60)
    version = sessions.load(KEYS).version
    assert sessions.save(KEYS, version, b"second", 60)
    assert not sessions.save(KEYS, version, b"third", 60)
    assert not sessions.save(KEYS, b"", b"fourth", 60)
    assert sessions.load(KEYS).session == b"second"


@pytest.mark.rule("A-12")
def test_of_twenty_at_once_one_writes(redis_url: str, keys: SessionKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty connections, which Redis sees as twenty processes."""
    monkeypatch.setattr("gateway.sessions.redis_client.TIMEOUT_SECONDS", 30.0)  # a slow machine is no lost Redis here
    start = threading.Barrier(20)
    won: list[int] = []

    def write(n: int) -> None:
        with sync_sessions(redis_url, keys) as sessions:
            sessions.load(KEYS)
            start.wait(60)
            if sessions.save(KEYS, b"", b"%d" % n, 60):
                won.append(n)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    with sync_sessions(redis_url, keys) as sessions:
        assert sessions.load(KEYS).session == b"%d" % won[0]


@pytest.mark.rule("A-12")
def test_of_twenty_at_once_on_one_event_loop_one_writes(redis_url: str, keys: SessionKeys) -> None:
    async def all_at_once(sessions: Sessions) -> list[bool]:
        return await asyncio.gather(*(sessions.save(KEYS, b"", b"%d" % n, 60) for n in range(20)))

    with sync_sessions(redis_url, keys) as one:
        won = one._runner.run(all_at_once(one.sessions))
        assert won == [True] + [False] * 19
        assert one.load(KEYS).session == b"0"


def test_drafts_stay_unless_said(sessions: SyncSessions) -> None:
    sessions.save(KEYS, b"", b"1", 60, drafts=b"draft")
    sessions.save(KEYS, sessions.load(KEYS).version, b"2", 60)
    assert sessions.load(KEYS).drafts == b"draft"
    sessions.save(KEYS, sessions.load(KEYS).version, b"3", 60, drafts=b"")
    assert sessions.load(KEYS).drafts is None


@pytest.mark.rule("S-27")
def test_redis_holds_no_word_and_no_number(sessions: SyncSessions, redis_url: str) -> None:
    key = sessions.key("s", "africastalking", "*111*163#", "ATUid_1", "+6785550101")
    sessions.save(RecordKeys(key), b"", WORDS, 60)
    with redis.Redis.from_url(redis_url) as client:
        assert key.startswith("s:")
        held = key.encode() + (client.get(key) or b"")
    for secret in (WORDS, b"6785550101", b"ATUid_1"):
        assert secret not in held


@pytest.mark.rule("X-12")
def test_a_value_that_was_changed_or_moved_is_no_session(sessions: SyncSessions, redis_url: str) -> None:
    sessions.save(KEYS, b"", WORDS, 60)
    other = RecordKeys("s:two")
    with redis.Redis.from_url(redis_url) as client:
        value = client.get("s:one")
        client.set("s:two", value)
        client.set("s:one", value[:-1] + bytes([value[-1] ^ 1]))
    before = len(lost)
    assert sessions.load(other).session is None
    assert sessions.load(KEYS).session is None
    assert len(lost) == before + 2
    assert sessions.save(KEYS, sessions.load(KEYS).version, b"anew", 60)


def test_all_of_it_ends_by_itself(sessions: SyncSessions, redis_url: str) -> None:
    sessions.save(KEYS, b"", b"1", 60, drafts=b"draft")
    sessions.count_report("+6785550101")
    sessions.remember("+6785550101", 0, "one")
    with redis.Redis.from_url(redis_url) as client:
        assert all(client.pttl(key) > 0 for key in client.scan_iter())
        assert [client.ttl(key) <= COUNT_SECONDS for key in client.scan_iter("l:sent:*")] == [True]


def test_reports_of_a_number_are_counted(sessions: SyncSessions) -> None:
    assert [sessions.count("+6785550101") for _ in range(3)] == [0, 1, 2]
    assert sessions.count("+6785550102") == 0


@pytest.fixture
def asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each command twice, as after an answer that was lost."""
    ask = RedisClient.ask

    async def twice(self: RedisClient, *commands: Command, **limit: float) -> list[Any]:
        await ask(self, *commands, **limit)
        return await ask(self, *commands, **limit)

    monkeypatch.setattr(RedisClient, "ask", twice)


@pytest.mark.usefixtures("asked_twice")
def test_a_report_that_is_counted_again_is_counted_once(sessions: SyncSessions) -> None:
    """A bug: staff saw an earlier report that did not exist."""
    assert sessions.count("+6785550101", b"one") == 0
    assert sessions.count("+6785550101", b"two") == 1
    assert sessions.count("+6785550101", b"one") == 0
    assert sessions.count("+6785550102", b"one") == 0


def test_each_report_has_24_hours_of_its_own(sessions: SyncSessions) -> None:
    """The counter ended 24 hours after its first report, so that a report of two hours ago was none before the next."""
    who, hours = "+6785550101", (0, 1, 23, 24.5, 24.6, 49)
    counted = [sessions.count_report(who, now=NOW + int(at * HOUR_SECONDS)) for at in hours]
    assert [(one.count, one.number) for one in counted if one] == [(0, 0), (1, 1), (2, 2), (2, 3), (3, 4), (0, 0)]


def test_no_report_of_the_last_day_is_overwritten_before_an_older_one(sessions: SyncSessions) -> None:
    """Who sends STOP ends calls for those that are remembered."""
    who = "+6785550101"
    for at, report_id in ((0, "a"), (1, "b"), (23, "c"), (24.5, "d"), (24.6, "e")):
        history = sessions.count_report(who, now=NOW + int(at * HOUR_SECONDS))
        assert history
        sessions.remember(who, history.number, report_id)
    assert sessions.remembered(who) >= {"b", "c", "d", "e"}


def test_a_report_that_was_not_sent_counts_no_more(sessions: SyncSessions) -> None:
    who = "+6785550101"
    assert [sessions.count(who, name) for name in (b"one", b"two")] == [0, 1]
    sessions.run(sessions.sessions.uncount_report(who, b"two"))
    assert sessions.count(who, b"three") == 1


def test_of_very_many_reports_the_first_thousand_are_counted(
    sessions: SyncSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_COUNTED", 3)
    assert [sessions.count("+6785550101") for _ in range(5)] == [0, 1, 2, 3, 3]


@pytest.mark.usefixtures("asked_twice")
def test_the_question_whether_it_helped_is_not_lost_with_an_answer_of_redis(sessions: SyncSessions) -> None:
    assert sessions.run(sessions.sessions.ask_if_it_helped("report"))
    assert not sessions.run(sessions.sessions.ask_if_it_helped("report"))
    for _ in range(2):
        sessions.run(sessions.sessions.count_help("report", 1_800_000_000, "VU", "yes"))
    assert list(sessions.sessions.helped("2027-Q1").values()) == [1]


def test_the_last_reports_of_a_number_are_remembered_and_no_others(sessions: SyncSessions) -> None:
    for n in range(SLOTS + 2):
        sessions.remember("+6785550101", n, f"report {n}")
    assert sessions.remembered("+6785550101") == {f"report {n}" for n in range(2, SLOTS + 2)}
    assert sessions.remembered("+6785550102") == set()
    sessions.remember("+6785550101", 2, "report 2")  # the same request again
    assert sessions.remembered("+6785550101") == {f"report {n}" for n in range(2, SLOTS + 2)}


@pytest.mark.rule("S-14")
@pytest.mark.rule("X-12")
def test_nobody_else_reads_or_moves_what_is_remembered(
    sessions: SyncSessions, redis_url: str, keys: SessionKeys
) -> None:
    sessions.remember("+6785550101", 0, "01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a")
    with redis.Redis.from_url(redis_url) as client:
        (mine,) = client.scan_iter("l:sent:*")
        held = mine + client.get(mine)
        for secret in (b"6785550101", b"01a211f9", b"vu-pikinini"):
            assert secret not in held
        theirs = sessions.key("l:sent", "+6785550102", "0")
        client.set(theirs, client.get(mine))  # as an attacker who can write to Redis
    assert sessions.remembered("+6785550102") == set()
    with sync_sessions(redis_url, keys, "training") as training:
        assert training.remembered("+6785550101") == set()
    assert sessions.remembered("+6785550101") == {"01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a"}


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_redis_that_is_away_is_away_at_once_after_a_while(
    own_valkey: Valkey, keys: SessionKeys, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sync_sessions(own_valkey.url, keys) as one:
        one.save(KEYS, b"", b"1", 60)
        own_valkey.kill() if how == "killed" else own_valkey.freeze()
        for _ in range(3):
            with pytest.raises(RedisUnavailable):
                one.load(KEYS)
        asked: list[int] = []

        async def noted(self: RedisClient, *commands: Command, **_limit: float) -> list[Any]:
            asked.append(len(commands))
            return []

        monkeypatch.setattr(RedisClient, "ask", noted)
        with pytest.raises(RedisUnavailable):
            one.load(KEYS)
        assert not asked, "the breaker was to keep callers from waiting"
        assert one.count_report("+6785550101") is None
        assert not one.sessions.is_up()


@pytest.mark.parametrize("spent", ["all of it", "none"])
def test_a_request_waits_for_redis_only_while_its_time_lasts(
    own_valkey: Valkey, keys: SessionKeys, monkeypatch: pytest.MonkeyPatch, spent: str
) -> None:
    """A bug: a request that had waited 4.5 s for a thread waited another second for Redis to save its session."""
    if spent == "all of it":
        monkeypatch.setattr(gateway_threads, "THREAD_WORK_SECONDS", 0)
        monkeypatch.setattr(gateway_threads, "MIN_SECONDS", 0)
    pool = BlockingPool()

    async def load(sessions: Sessions) -> None:
        with pool.request():
            await sessions.load(KEYS)

    with sync_sessions(own_valkey.url, keys) as one:
        one.save(KEYS, b"", b"1", 60)
        own_valkey.freeze()
        for _ in range(3):
            watch = Stopwatch()
            with pytest.raises(RedisUnavailable):
                one.run(load(one.sessions))
            assert spent == "none" or watch.seconds < SAVE_SECONDS + 0.15
        # Redis had too little time for this to be its failure.
        assert one.sessions._breaker.is_open is (spent == "none")
    pool.close()
