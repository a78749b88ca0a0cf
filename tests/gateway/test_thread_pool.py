"""Threads for blocking calls: their deadlines, and load shedding while most of them are busy."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from gateway import threads
from gateway.conversation import reducer
from gateway.conversation.handler import can_wait
from gateway.sessions import store
from gateway.threads import (
    MAX_BUSY_SHARE,
    MAX_REQUESTS,
    MAX_UNVERIFIED,
    THREADS,
    BlockingPool,
    NoThreadInTime,
    TooManyUnverified,
    mark_in_danger,
)
from reports.store.engine.database import DatabaseUnavailable
from tests.support.app import App
from tests.support.stopwatch import Stopwatch
from tests.support.valkey import Valkey
from tests.support.wait import until

BUSY = "We are busy now. In danger? Call police 111. Pikinini Helpline: call 163. Please dial again in 10 minutes."
TO_SENT = ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send")
NOT_IN_DANGER_TO_SEND = "1231441"
ENOUGH = int(THREADS * MAX_BUSY_SHARE) + 1  # busy threads at which optional work is refused; one more is still free
LONG_AGO = -0.1


@contextmanager
def busy(pool: BlockingPool, threads: int = ENOUGH) -> Iterator[None]:
    """Keep so many threads busy until the end of the block."""
    end, begun = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        begun.release()
        end.wait()

    async def all_of_them() -> None:
        await asyncio.gather(*(pool.run(wait) for _ in range(threads)))

    runner = threading.Thread(target=asyncio.run, args=(all_of_them(),))
    runner.start()
    for _ in range(threads):
        begun.acquire()
    try:
        yield
    finally:
        end.set()
        runner.join()


@pytest.fixture
def pool() -> Iterator[BlockingPool]:
    pool = BlockingPool(threads=10)
    yield pool
    pool.close()


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url)
    yield app
    app.close()


@pytest.fixture
def crowded(app: App) -> Iterator[App]:
    with busy(app.parts.blocking):
        yield app


def test_a_wait_for_a_thread_is_known_even_where_none_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", 0.05)
    monkeypatch.setattr(threads, "MIN_SECONDS", 0.05)
    waits: list[float] = []
    pool = BlockingPool(threads=1, note_wait=waits.append)

    async def one_more() -> None:
        with pool.request(), pytest.raises(DatabaseUnavailable):
            await pool.run(lambda: None)

    with busy(pool, 1):
        waits.clear()
        asyncio.run(one_more())
        assert len(waits) == 1 and waits[0] >= 0.05
    pool.close()


def test_what_has_hardly_any_time_left_is_not_begun(pool: BlockingPool, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []

    async def one_more() -> None:
        with pytest.raises(NoThreadInTime):
            await pool.run(begun.append, True)

    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", threads.MIN_CALL_SECONDS - 0.01)
    monkeypatch.setattr(threads, "MIN_SECONDS", 0)
    with pool.request():
        asyncio.run(one_more())
    assert not begun


def test_no_more_wait_for_a_thread_than_memory_has_room_for(
    pool: BlockingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "MAX_QUEUED", 0)

    async def one_more() -> None:
        with pytest.raises(DatabaseUnavailable):
            await pool.run(lambda: None)

    with pool.request():
        asyncio.run(one_more())


def test_a_request_that_came_late_has_the_rest_of_its_time_and_never_none(pool: BlockingPool) -> None:
    for waited, left in ((0.0, threads.THREAD_WORK_SECONDS), (2.0, threads.THREAD_WORK_SECONDS - 2), (60.0, 1.0)):
        with pool.request(waited):
            assert threads._seconds_left() == pytest.approx(left, abs=0.2)
            assert store.seconds_for_redis() == pytest.approx(left + store.SAVE_SECONDS, abs=0.2)
    assert store.seconds_for_redis() == math.inf


def test_it_is_overloaded_above_four_fifths(pool: BlockingPool) -> None:
    with busy(pool, 8):
        assert not pool.is_overloaded
        with busy(pool, 1):
            assert pool.is_overloaded
        assert not pool.is_overloaded


def test_it_is_overloaded_where_very_many_requests_are_under_way(pool: BlockingPool) -> None:
    """Each request takes half a millisecond, so requests that come at one moment are not yet an overload."""
    with ExitStack() as many:
        for _ in range(MAX_REQUESTS):
            many.enter_context(pool.request())
        assert not pool.is_overloaded
        with pool.request():
            assert pool.is_overloaded
        assert not pool.is_overloaded


def test_a_thread_is_busy_though_nobody_waits_for_it_any_more(
    pool: BlockingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request was answered at its deadline, but its call still holds the thread."""
    monkeypatch.setattr(threads, "MIN_CALL_SECONDS", 0)
    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", 1)  # a busy machine needs part of it to start nine threads
    monkeypatch.setattr(threads, "MIN_SECONDS", 1)
    end = threading.Event()

    async def main() -> list[object]:
        with pool.request():
            return await asyncio.gather(*(pool.run(end.wait) for _ in range(9)), return_exceptions=True)

    assert [type(one) for one in asyncio.run(main())] == [DatabaseUnavailable] * 9
    assert pool.is_overloaded
    end.set()
    until(lambda: not pool.is_overloaded, "the threads are counted for ever")


def test_what_it_returns_and_raises_is_the_functions(pool: BlockingPool) -> None:
    async def main() -> None:
        assert await pool.run(divmod, 7, 2) == (3, 1)
        assert await pool.run(int, "11", base=2) == 3
        assert await pool.check(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await pool.run(divmod, 7, 0)
        with pytest.raises(ZeroDivisionError):
            await pool.check(divmod, 7, 0)

    asyncio.run(main())


def test_it_runs_beside_the_event_loop(pool: BlockingPool) -> None:
    """The function waits for an event that only the event loop sets."""

    async def main() -> None:
        from_the_loop = threading.Event()
        waiting = asyncio.create_task(pool.run(from_the_loop.wait))
        await asyncio.sleep(0)
        from_the_loop.set()
        assert await waiting

    asyncio.run(main())


def test_without_a_request_it_waits_as_long_as_it_takes(pool: BlockingPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Housekeeping and drills have no reporter who waits."""
    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", LONG_AGO)
    monkeypatch.setattr(threads, "MIN_SECONDS", LONG_AGO)
    assert asyncio.run(pool.run(lambda: "done")) == "done"


def test_a_function_that_was_not_begun_in_time_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reporter read that nothing was sent, so it must not be sent afterwards."""
    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", 0.05)
    monkeypatch.setattr(threads, "MIN_SECONDS", 0.05)
    one = BlockingPool(threads=1)
    begun: list[str] = []

    async def main() -> None:
        with one.request(), pytest.raises(DatabaseUnavailable):
            await one.run(begun.append, "late")

    with busy(one, 1):
        asyncio.run(main())
    asyncio.run(one.run(begun.append, "next"))  # the only thread has processed its whole queue
    assert begun == ["next"]
    one.close()


def test_after_the_end_of_a_requests_time_nothing_begins(pool: BlockingPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", LONG_AGO)
    monkeypatch.setattr(threads, "MIN_SECONDS", LONG_AGO)
    begun: list[str] = []

    async def main() -> None:
        with pool.request():
            for call in (pool.run, pool.check):
                with pytest.raises(DatabaseUnavailable):
                    await call(begun.append, "late")

    asyncio.run(main())
    assert begun == []


def test_all_that_a_request_waits_for_has_one_deadline(pool: BlockingPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second function gets the time that the first has left. Another request has a new deadline."""
    monkeypatch.setattr(threads, "MIN_CALL_SECONDS", 0)
    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", 0.2)
    monkeypatch.setattr(threads, "MIN_SECONDS", 0.2)
    end = threading.Event()

    async def request(seconds: float) -> str:
        with pool.request():
            await pool.run(time.sleep, seconds)
            try:
                await pool.run(end.wait)
            except DatabaseUnavailable:
                return "away"
            return "answered"

    async def main() -> None:
        began = time.monotonic()
        assert await request(0.15) == "away"
        assert time.monotonic() - began >= 0.2
        other = asyncio.create_task(request(0))
        end.set()
        assert await other == "answered"

    asyncio.run(main())


def test_one_that_fails_after_its_time_is_heard_of_by_nobody(
    pool: BlockingPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", 0.05)
    monkeypatch.setattr(threads, "MIN_SECONDS", 0.05)
    end = threading.Event()

    def fail() -> None:
        end.wait()
        raise RuntimeError("too late")

    async def main() -> None:
        with pool.request(), pytest.raises(DatabaseUnavailable):
            await pool.run(fail)
        end.set()
        await pool.run(lambda: None)

    with caplog.at_level(logging.ERROR):
        asyncio.run(main(), debug=False)
    assert caplog.records == []


def test_forgeries_wait_for_one_thread_and_take_none_from_reports(pool: BlockingPool) -> None:
    end, begun = threading.Event(), threading.Event()

    def first() -> str:
        begun.set()
        end.wait()
        return threading.current_thread().name

    async def main() -> None:
        unproven = [asyncio.create_task(pool.check(first)) for _ in range(MAX_UNVERIFIED)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyUnverified):
            await pool.check(first)
        assert await pool.run(begun.wait)
        assert not pool.is_overloaded
        end.set()
        assert len(set(await asyncio.gather(*unproven))) == 1
        assert await pool.check(lambda: "room again") == "room again"

    asyncio.run(main())


def test_a_call_in_danger_does_not_wait_behind_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", 0.6)
    monkeypatch.setattr(threads, "MIN_SECONDS", 0.6)
    pool = BlockingPool(threads=1)

    async def name_of_thread(*, is_in_danger: bool) -> str:
        with pool.request():
            if is_in_danger:
                mark_in_danger()
            return await pool.run(lambda: threading.current_thread().name)

    assert asyncio.run(name_of_thread(is_in_danger=True)).startswith("blocking")
    with busy(pool, 1):
        with pytest.raises(NoThreadInTime):
            asyncio.run(name_of_thread(is_in_danger=False))
        assert asyncio.run(name_of_thread(is_in_danger=True)).startswith("danger")
    pool.close()


def test_calls_in_danger_wait_where_there_are_fewer_calls_for_each_thread() -> None:
    """A bug: as many waited for two threads as for eight, so that they waited four times as long as others."""
    pool = BlockingPool(threads=4)
    end = threading.Event()

    async def calls(number: int) -> list[asyncio.Future[str]]:
        started = [asyncio.ensure_future(pool.run(_name_of_thread_after, end)) for _ in range(number)]
        await asyncio.sleep(0)
        return started

    async def main() -> list[str]:
        others = await calls(12)
        with pool.request():
            mark_in_danger()
            in_danger = await calls(10)
        end.set()
        await asyncio.gather(*others)
        return await asyncio.gather(*in_danger)

    names = [name.split("_")[0] for name in asyncio.run(main())]
    assert names.count("danger") == 7
    pool.close()


def _name_of_thread_after(end: threading.Event) -> str:
    end.wait()
    return threading.current_thread().name


def test_what_waits_for_a_thread_when_the_process_ends_never_begins(pool: BlockingPool) -> None:
    one = BlockingPool(threads=1)
    begun: list[str] = []

    async def main() -> None:
        late = asyncio.create_task(one.run(begun.append, "late"))
        await asyncio.sleep(0)
        one.close()
        with pytest.raises(asyncio.CancelledError):
            await late

    with busy(one, 1):
        asyncio.run(main())
    assert begun == []


@pytest.mark.parametrize(
    ("screen", "waits"),
    [
        ("home.home", False),
        ("report.danger", False),
        ("more.narrative_on", False),
        ("my.code", True),
        ("tips.tips", True),
    ],
)
def test_what_can_wait(screen: str, waits: bool) -> None:
    assert can_wait(screen) is waits


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
def test_a_report_is_served_and_its_words(crowded: App, channel: str) -> None:
    phone = crowded.ussd("+6785550101", channel)
    phone.dial()
    for reply in TO_SENT:
        seen = phone.type(reply)
    assert seen.text.startswith("Sent to Pikinini Helpline.")
    assert phone.type("some words").text.startswith("Added. You can write more.")


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
def test_my_report_gets_the_numbers_and_can_be_asked_for_later(app: App, channel: str) -> None:
    with busy(app.parts.blocking):
        phone = app.ussd("+6785550101", channel)
        assert phone.dial().expects_reply
        seen = phone.type("My report")
        assert (seen.text, seen.expects_reply) == (BUSY, False)
        assert phone.again().text == BUSY
    assert phone.again().text.startswith("Type your 8-digit code.")


@pytest.mark.slow
def test_who_is_in_there_already_gives_way_and_no_try_is_counted(app: App) -> None:
    phone = app.ussd("+6785550101", "ussd")
    phone.dial()
    for reply in ("My report", "4821 9303"):
        phone.type(reply)
    with busy(app.parts.blocking):
        assert phone.type("1234").text == BUSY
    assert phone.again().text.startswith("Code or PIN is not right.")


@pytest.mark.slow
def test_by_sms_what_was_done_there_is_never_called_busy(app: App) -> None:
    phone = app.sms("+6785550101")
    for text in ("hello", "CODE", "4821 9303"):
        phone.text(text)
    with busy(app.parts.blocking):
        phone.text("1234")
    assert phone.replies()[-1].startswith("Code or PIN is not right.")


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
def test_a_reporter_in_danger_does_not_wait_for_the_others(app: App, channel: str) -> None:
    phone = app.ussd("+6785550101", channel)
    phone.dial()
    for reply in TO_SENT[:3]:
        phone.type(reply)
    with busy(app.parts.blocking, THREADS):
        for reply in TO_SENT[3:]:
            seen = phone.type(reply)
    assert seen.text.startswith("Sent to Pikinini Helpline.")


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
def test_a_reporter_in_danger_who_leaves_does_not_wait_either(
    app: App, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer chosen after Send waits for the next ones; to leave makes it due, which needs a thread."""
    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", 1.0)
    phone = app.ussd("+6785550101", channel)
    phone.dial()
    for reply in (*TO_SENT, "1", "10-12"):
        phone.type(reply)
    with busy(app.parts.blocking, THREADS):
        assert phone.type("00").text == "Thank you. Goodbye."
    app.submit_due_within(1)
    assert not app.pending_revisions()


@pytest.mark.slow
def test_a_path_in_danger_that_is_replayed_does_not_wait_for_the_others(own_valkey: Valkey) -> None:
    app = App(own_valkey.url)
    phone = app.ussd("+6785550101", "africastalking")
    phone.dial()
    for reply in TO_SENT[:-1]:
        phone.type(reply)
    own_valkey.kill()
    with busy(app.parts.blocking, THREADS):
        seen = phone.type(TO_SENT[-1])
    assert seen.text.startswith("Sent to Pikinini Helpline.")
    app.close()


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
def test_until_send_a_call_waits_for_no_thread(app: App, channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All screens before that need Redis alone, so a slow database holds up none of them."""
    monkeypatch.setattr(threads, "THREAD_WORK_SECONDS", 1.0)
    phone = app.ussd("+6785550101", channel)
    with busy(app.parts.blocking, THREADS):
        phone.dial()
        for reply in NOT_IN_DANGER_TO_SEND:
            seen = phone.type(reply)
    assert seen.text.startswith("Send to Pikinini Helpline")


@pytest.mark.slow
def test_words_are_never_put_off(crowded: App) -> None:
    phone = crowded.ussd("+6785550101", "ussd")
    phone.dial()
    assert phone.type("he is at the door again").text.startswith("Sorry, try again.")


@pytest.mark.slow
def test_without_a_thread_and_without_redis_the_answer_comes_in_time(
    own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug: the session was saved after the wait for a thread, and Redis had a second of its own for that."""
    app = App(own_valkey.url)
    phone = app.ussd("+6785550101", "ussd")
    phone.dial()
    for reply in ("Report", "Now", "Go on"):
        phone.type(reply)
    freezing = threading.Timer(0.5, own_valkey.freeze)
    with monkeypatch.context() as short, busy(app.parts.blocking, THREADS):
        short.setattr(threads, "THREAD_WORK_SECONDS", 1.0)
        short.setattr(reducer, "mark_in_danger", lambda: None)
        freezing.start()
        watch = Stopwatch()
        seen = phone.type("Bullying, threats")
    assert watch.seconds < 1.0 + store.SAVE_SECONDS + 0.2
    assert ("In danger? Call police 111." in seen.text, seen.expects_reply) == (True, False)
    freezing.join()
    app.close()
