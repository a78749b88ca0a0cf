"""Which process takes the next line."""

from __future__ import annotations

import os

import pytest

from serving import shares
from serving.shares import AHEAD, ALIVE, Share, Shares


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


def test_who_has_not_looked_for_a_while_is_not_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    of_all = Shares()
    share, _killed = of_all.of(1), of_all.of(2)
    share.hold(100)
    assert share.is_ahead
    later = shares.time.monotonic() + ALIVE + 1
    monkeypatch.setattr(shares.time, "monotonic", lambda: later)
    share.look()
    assert not share.is_ahead


def test_a_new_process_takes_the_place_of_one_that_ended() -> None:
    of_all = Shares()
    of_all.of(1).hold(100)
    assert not of_all.of(1 + shares.PROCESSES).is_ahead


def test_it_is_seen_over_a_fork() -> None:
    of_all = Shares()
    mine = of_all.of(1)
    pid = os.fork()
    if not pid:
        of_all.of(2).hold(40)
        os._exit(0)
    os.waitpid(pid, 0)
    mine.hold(40 + AHEAD)
    other = Share(of_all._held, 2)
    assert mine.is_ahead
    other.hold(41)
    assert not mine.is_ahead
