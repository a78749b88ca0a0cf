"""The threads of housekeeping: what hangs in one holds up nothing in the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.background import housekeeping
from gateway.background.housekeeping import Housekeeping
from reports.store.engine.database import DatabaseUnavailable
from reports.store.operations.spool_status import SpoolStatus
from tests.support.wait import until


def make(spool: Any, erasures: Any, renew: Callable[[], None] = int) -> Housekeeping:
    unused: Any = SimpleNamespace()
    return Housekeeping(
        database=unused,
        spool=spool,
        copies=None,
        inbox=unused,
        dispatcher=SimpleNamespace(retry_early_receipts=int, retry_withdrawals=int),  # type: ignore[arg-type]
        channels={},
        renew=renew,
        erasures=erasures,
        host="one",
        leased_tasks=(),
        wait_for=unused,
        redis_is_up=lambda: True,
    )


def test_a_spool_whose_lock_the_disk_refuses_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> int:
        raise PermissionError(13, "refused")

    spool = SimpleNamespace(names=lambda: ["an entry"], drain=refuse)
    one = make(spool, SimpleNamespace(reapply=int, delete_expired=int, is_done=False))
    monkeypatch.setattr(one, "_run_leased_tasks", int)
    with capture_logs() as logs:
        for _ in range(2):
            one.once()
    assert [(line["event"], line["class"], line["count"]) for line in logs] == [
        ("spool_not_drained", "PermissionError", 1)
    ]


def test_session_keys_are_renewed_while_the_database_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "EVERY_SECONDS", 0.01)
    answers, renewed = threading.Event(), 0

    def renew() -> None:
        nonlocal renewed
        renewed += 1
        if renewed == 1:
            raise ValueError("the next renewal must come all the same")

    erasures = SimpleNamespace(reapply=answers.wait, delete_expired=int, is_done=False)
    one = make(SimpleNamespace(names=list, delete_unfinished=int), erasures, renew)
    monkeypatch.setattr(one, "_run_leased_tasks", int)
    one.start()
    until(lambda: renewed >= 3, "the keys are not renewed")
    one.stop()
    answers.set()
    for thread in one._threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_process_that_drains_a_full_spool_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row was written once a round, so that a round of more than 50 s was told as a silent process."""
    clock, rows, submitted = 0.0, list[float](), 0

    def submit(*_: object) -> None:
        nonlocal clock, submitted
        clock, submitted = clock + 4, submitted + 1

    def save(*_: object) -> None:
        rows.append(clock)
        if len(rows) > 2:
            raise DatabaseUnavailable("a row that cannot be written keeps no report back")

    def drain(file: Callable[[object], None]) -> int:
        for _ in range(10):
            file(object())
        return 10

    status = SpoolStatus("one/web", 10, 0, 0)
    spool = SimpleNamespace(names=lambda: ["an entry"], drain=drain, refusal=None, status=lambda _: status)
    one = make(spool, SimpleNamespace(reapply=int, is_done=True))
    monkeypatch.setattr(one, "_run_leased_tasks", int)
    monkeypatch.setattr(housekeeping, "time", SimpleNamespace(monotonic=lambda: clock))
    monkeypatch.setattr(housekeeping, "submit_late", submit)
    monkeypatch.setattr(housekeeping.spool_status, "save_status", save)
    monkeypatch.setattr(housekeeping.spool_status, "last_seen", lambda *_: None)
    one.once()
    assert (submitted, rows) == (10, [0, 12, 24, 36])
