"""When a circuit breaker opens and closes, and what it logs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.circuit_breaker import CircuitBreaker
from gateway.submission import submitter as submitter_module
from gateway.submission.submitter import SLOW_SECONDS, Submitter
from gateway.threads import THREAD_WORK_SECONDS, BlockingPool
from reports.store.engine import database as database_module
from reports.store.engine.database import SPOOL_SECONDS, Database, DatabaseUnavailable, NoTimeLeft, RowRefused
from reports.store.engine.timeouts import INTERACTIVE

OPENED = {"log_level": "warning", "event": "circuit_breaker_opened", "reason": "redis_unavailable", "ms": 5000}


@pytest.mark.parametrize(
    ("failures", "opens"),
    [((0, 4, 10), True), ((0, 4), False), ((0, 4, 10.5), False), ((0, 4, 10.5, 11), True)],
)
def test_it_opens_after_three_failures_within_the_window_and_says_so(failures: tuple[float, ...], opens: bool) -> None:
    now = 0.0
    breaker = CircuitBreaker("redis_unavailable", failures=3, window=10, pause=5, clock=lambda: now)
    with capture_logs() as logged:
        for now in failures:  # noqa: B007 - the clock reads it
            assert not breaker.is_open
            breaker.failed()
    assert breaker.is_open == opens
    assert logged == ([OPENED] if opens else [])
    now += 5
    assert not breaker.is_open


def test_each_opening_needs_failures_of_its_own() -> None:
    now = 0.0
    breaker = CircuitBreaker("redis_unavailable", failures=3, window=10, pause=1, clock=lambda: now)
    with capture_logs() as logged:
        for now in range(6):
            breaker.failed()
            assert breaker.is_open == (now in (2, 5))
    assert logged == 2 * [OPENED | {"ms": 1000}]


def test_values_that_the_database_refuses_open_no_breaker() -> None:
    """The database answers, so the reports of others need not go to the spool."""
    submitter = submitter_of(SimpleNamespace(has_enough_time=True))

    def fails(error: Exception) -> None:
        raise error

    for error, tries, is_open in ((RowRefused("IntegrityError"), 9, False), (DatabaseUnavailable("away"), 3, True)):
        for _ in range(tries):
            with pytest.raises(type(error)):
                submitter.write(partial(fails, error))
        assert submitter._breaker.is_open == is_open
    asked: list[str] = []
    with pytest.raises(DatabaseUnavailable, match="circuit breaker is open"):
        submitter.write(lambda: asked.append("asked"))
    assert asked == [], "an open breaker lets no use through"


def submitter_of(database: Any) -> Submitter:
    nothing: Any = None
    return Submitter(
        database=database,
        spool=nothing,
        cipher=nothing,
        builder=nothing,
        job_queue=nothing,
        count=nothing,
        journal=nothing,
    )


@pytest.fixture
def postgresql() -> Iterator[Database]:
    """A database whose server refuses each connection."""
    made = Database("postgresql://web@127.0.0.1:9/tokaut", timeouts=INTERACTIVE)
    yield made
    made.close()


def after_waiting(seconds: float, database: Database, monkeypatch: pytest.MonkeyPatch, uses: int = 1) -> Submitter:
    """Use the database in requests that wait this long for a thread; return the submitter."""
    pool, submitter = BlockingPool(), submitter_of(database)
    for _ in range(uses):
        with pool.request(), monkeypatch.context() as later:
            later.setattr(
                database_module, "time", SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + seconds)
            )
            with pytest.raises(DatabaseUnavailable) as failure:
                submitter.write(lambda: database.read().__enter__())
            assert isinstance(failure.value, NoTimeLeft) is (seconds >= THREAD_WORK_SECONDS - SPOOL_SECONDS)
    pool.close()
    return submitter


@pytest.mark.parametrize("seconds", [2.0, 3.9])
def test_a_request_that_waited_for_a_thread_still_asks_the_database(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """A bug: 1.5 s after the request's start the database was said to be unavailable, without being asked."""
    after_waiting(seconds, postgresql, monkeypatch)


@pytest.mark.parametrize(("seconds", "opens"), [(0, True), (1.5, True), (3.0, False), (4.4, False), (9.0, False)])
def test_a_failure_counts_only_if_the_database_had_its_time(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch, seconds: float, opens: bool
) -> None:
    """A bug: in a crowd, a database that worked counted as unavailable, and all reports went to the spool."""
    submitter = after_waiting(seconds, postgresql, monkeypatch, uses=3)
    assert submitter._breaker.is_open is opens


@pytest.mark.parametrize("seconds", [SLOW_SECONDS - 0.1, SLOW_SECONDS])
def test_a_database_that_stands_still_is_noticed_although_requests_had_little_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    now = 0.0
    monkeypatch.setattr(submitter_module, "time", SimpleNamespace(monotonic=lambda: now))
    submitter = submitter_of(SimpleNamespace(has_enough_time=False))

    def stands_still() -> None:
        nonlocal now
        now += seconds
        raise DatabaseUnavailable("timeout")

    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            submitter.write(stands_still)
    assert submitter._breaker.is_open is (seconds >= SLOW_SECONDS)


def test_work_before_the_first_use_takes_no_time_from_the_database(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug: a slow hash in My report used up the time, and the database counted as unavailable."""
    pool, submitter = BlockingPool(), submitter_of(postgresql)
    waited = 0.0
    monkeypatch.setattr(
        database_module, "time", SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + waited)
    )

    def hashes_and_asks() -> None:
        nonlocal waited
        waited = 2.6
        postgresql.read().__enter__()

    with pool.request(), pytest.raises(DatabaseUnavailable) as failure:
        submitter.write(hashes_and_asks)
    assert not isinstance(failure.value, NoTimeLeft), "the server was asked, and refused"
    pool.close()
