"""When a circuit breaker opens and closes, and what it logs."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.circuit_breaker import CircuitBreaker
from gateway.submission.submitter import Submitter
from reports.store.engine.database import DatabaseUnavailable, RowRefused

OPENED = {"log_level": "warning", "event": "circuit_breaker_opened", "reason": "redis_unavailable", "ms": 5000}


@pytest.mark.parametrize(
    ("failures", "opens"),
    [((0, 4, 10), True), ((0, 4), False), ((0, 4, 10.5), False), ((0, 4, 10.5, 11), True)],
)
def test_it_opens_after_three_failures_within_the_window_and_says_so(failures: tuple[float, ...], opens: bool) -> None:
    now = 0.0
    breaker = CircuitBreaker("redis_unavailable", failures=3, window=10, rest=5, clock=lambda: now)
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
    breaker = CircuitBreaker("redis_unavailable", failures=3, window=10, rest=1, clock=lambda: now)
    with capture_logs() as logged:
        for now in range(6):
            breaker.failed()
            assert breaker.is_open == (now in (2, 5))
    assert logged == 2 * [OPENED | {"ms": 1000}]


def test_values_that_the_database_refuses_open_no_breaker() -> None:
    """The database answers, so the reports of others need not go to the spool."""
    nothing: Any = None
    submitter = Submitter(
        database=nothing,
        spool=nothing,
        cipher=nothing,
        builder=nothing,
        job_queue=nothing,
        count=nothing,
        journal=nothing,
    )

    def fails(error: Exception) -> None:
        raise error

    for error, tries, is_open in ((RowRefused("IntegrityError"), 9, False), (DatabaseUnavailable("away"), 3, True)):
        for _ in range(tries):
            with pytest.raises(type(error)):
                submitter.write(partial(fails, error))
        assert submitter._breaker.is_open == is_open
