"""The threads of housekeeping: what hangs in one holds up nothing in the other."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.background import housekeeping
from gateway.background.housekeeping import Housekeeping
from tests.support.wait import until


def test_session_keys_are_renewed_while_the_database_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "EVERY_SECONDS", 0.01)
    answers, renewed = threading.Event(), 0

    def renew() -> None:
        nonlocal renewed
        renewed += 1
        if renewed == 1:
            raise ValueError("the next renewal must come all the same")

    unused: Any = SimpleNamespace()
    one = Housekeeping(
        database=unused,
        spool=SimpleNamespace(names=list),  # type: ignore[arg-type]
        copies=None,
        waiting=unused,
        dispatcher=SimpleNamespace(retry_early_receipts=int, retry_withdrawals=int),  # type: ignore[arg-type]
        channels={},
        renew=renew,
        erasures=SimpleNamespace(reapply=answers.wait, forget=int, is_done=False),  # type: ignore[arg-type]
        host="one",
        chores=(),
        wait_for=unused,
    )
    monkeypatch.setattr(one, "_run_leased_tasks", int)
    one.start()
    until(lambda: renewed >= 3, "the keys are not renewed")
    one.stop()
    answers.set()
    for thread in one._threads:
        thread.join(10)
        assert not thread.is_alive()
