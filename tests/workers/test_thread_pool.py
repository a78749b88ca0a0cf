"""The scheduler's thread pool: failures of its functions are logged."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from reports.store.engine.database import DatabaseUnavailable
from workers.thread_pool import BackgroundPool


def fault() -> None:
    raise ValueError


def away() -> None:
    raise DatabaseUnavailable("gone")


@pytest.mark.parametrize(("what", "event"), [(fault, "job_failed"), (away, "database_unavailable")])
def test_what_fails_in_a_thread_is_logged(what: Callable[[], None], event: str) -> None:
    own = BackgroundPool(1)
    with capture_logs() as logs:
        assert own.do(what)
        own.finish()
    assert [line["event"] for line in logs] == [event]
