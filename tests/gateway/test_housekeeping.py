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
from tests.support.wait import until


def make(spool: Any, erasures: Any, renew: Callable[[], None] = int) -> Housekeeping:
    unused: Any = SimpleNamespace()
    return Housekeeping(
        database=unused,
        spool=spool,
        copies=None,
        waiting=unused,
        dispatcher=SimpleNamespace(retry_early_receipts=int, retry_withdrawals=int),  # type: ignore[arg-type]
        channels={},
        renew=renew,
        erasures=erasures,
        host="one",
        chores=(),
        wait_for=unused,
        redis_is_up=lambda: True,
    )


def test_a_spool_whose_lock_the_disk_refuses_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> int:
        raise PermissionError(13, "refused")

    spool = SimpleNamespace(names=lambda: ["an entry"], drain=refuse)
    one = make(spool, SimpleNamespace(reapply=int, forget=int, is_done=False))
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

    erasures = SimpleNamespace(reapply=answers.wait, forget=int, is_done=False)
    one = make(SimpleNamespace(names=list), erasures, renew)
    monkeypatch.setattr(one, "_run_leased_tasks", int)
    one.start()
    until(lambda: renewed >= 3, "the keys are not renewed")
    one.stop()
    answers.set()
    for thread in one._threads:
        thread.join(10)
        assert not thread.is_alive()
