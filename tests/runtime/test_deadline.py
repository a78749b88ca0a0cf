"""Blocking disk calls with a deadline: the caller continues in time."""

from __future__ import annotations

import threading

import pytest

from runtime.deadline import DeadlineExceeded, DeadlinePool, PoolSaturated
from tests.support.wait import until


def test_what_is_done_in_time_is_given_back_or_raised() -> None:
    hands = DeadlinePool(1)
    assert hands.within(5, lambda: 42) == 42
    with pytest.raises(OSError, match="full"):
        hands.within(5, _full)
    with pytest.raises(TimeoutError, match="its own"):
        hands.within(5, _its_own)


def test_what_hangs_is_let_go_and_ends_by_itself() -> None:
    hands, disk = DeadlinePool(1), threading.Event()
    with pytest.raises(DeadlineExceeded):
        hands.within(0.1, disk.wait)
    with pytest.raises(DeadlineExceeded):
        hands.within(86_400, disk.wait)  # the only thread is busy, so the call fails at once
    disk.set()
    until(lambda: _is_free(hands), "the hand does not come back")


def test_where_the_system_gives_no_thread_no_hand_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    hands = DeadlinePool(1)
    with monkeypatch.context() as poor:
        poor.setattr(threading.Thread, "start", _no_thread)
        with pytest.raises(PoolSaturated):
            hands.within(5, lambda: True)
    assert hands.within(5, lambda: True)


def test_a_hand_that_is_back_is_taken_before_a_new_one_is_made() -> None:
    hands, disk = DeadlinePool(3), threading.Event()
    used = {hands.within(5, threading.get_ident) for _ in range(20)}
    assert len(used) == 1
    with pytest.raises(DeadlineExceeded):
        hands.within(0.1, disk.wait)  # this thread is busy now
    assert used.isdisjoint({hands.within(5, threading.get_ident)})
    disk.set()


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def _is_free(hands: DeadlinePool) -> bool:
    try:
        return hands.within(5, lambda: True)
    except DeadlineExceeded:
        return False


def _full() -> None:
    raise OSError("full")


def _its_own() -> None:
    raise TimeoutError("its own")
