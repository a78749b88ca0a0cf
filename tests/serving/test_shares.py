"""Which process takes the next line."""

from __future__ import annotations

import os
import time

import pytest

from serving.shares import AHEAD, ALIVE, PLACES, Shares


@pytest.mark.parametrize(
    ("mine", "others", "is_ahead"),
    [
        (0, (0, 0), False),
        (AHEAD - 1, (0, 50), False),
        (AHEAD, (0, 50), True),
        (90, (90 - AHEAD, 200), True),
        (90, (89, 200), False),
        (500, (), False),
    ],
)
def test_whoever_holds_clearly_more_than_another_is_ahead(mine: int, others: tuple[int, ...], is_ahead: bool) -> None:
    of_all = Shares()
    share = of_all.of(1)
    share.hold(mine)
    for n, lines in enumerate(others, 2):
        of_all.of(n).hold(lines)
    assert share.is_ahead is is_ahead


def test_who_was_not_ready_for_a_while_is_not_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    of_all = Shares()
    share, _killed = of_all.of(1), of_all.of(2)
    share.hold(100)
    assert share.is_ahead
    later = time.monotonic() + ALIVE + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert not share.is_ahead


def test_who_leaves_is_not_compared_with() -> None:
    of_all = Shares()
    share, other = of_all.of(1), of_all.of(2)
    share.hold(100)
    other.leave()
    assert not share.is_ahead


def test_a_new_process_takes_the_place_of_one_that_ended() -> None:
    of_all = Shares()
    of_all.of(1).hold(100)
    assert not of_all.of(1 + PLACES).is_ahead


def test_it_is_seen_over_a_fork() -> None:
    of_all = Shares()
    mine = of_all.of(1)
    pid = os.fork()
    if not pid:
        try:
            of_all.of(2).hold(40)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    mine.hold(40 + AHEAD - 1)
    assert not mine.is_ahead
    mine.hold(40 + AHEAD)
    assert mine.is_ahead
