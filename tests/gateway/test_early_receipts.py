"""A DLR that arrives before the response to our own request."""

from __future__ import annotations

import pytest

from gateway.sms import MAX_EARLY_RECEIPTS, EarlyReceipts


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.rule("B-54")
def test_it_is_held_for_ten_minutes_and_looked_at_three_times(clock: Clock) -> None:
    early, asked = EarlyReceipts(clock), []

    def unknown(id_: str, status: str) -> bool:
        asked.append((clock.now, id_, status))
        return False

    early.add("ATXid_1", "delivered")
    for clock.now in range(0, 1200, 5):
        early.try_again(unknown)
    assert asked == [(5, "ATXid_1", "delivered"), (60, "ATXid_1", "delivered"), (600, "ATXid_1", "delivered")]


@pytest.mark.rule("B-54")
def test_once_it_is_known_it_is_held_no_longer(clock: Clock) -> None:
    early, asked = EarlyReceipts(clock), []
    early.add("ATXid_1", "delivered")
    for clock.now in range(0, 1200, 5):
        early.try_again(lambda *report: asked.append(report) is None)
    assert asked == [("ATXid_1", "delivered")]


def test_while_the_database_is_away_it_stays(clock: Clock) -> None:
    early = EarlyReceipts(clock)
    early.add("ATXid_1", "delivered")
    clock.now = 5

    def away(*_: str) -> bool:
        raise OSError

    with pytest.raises(OSError):
        early.try_again(away)
    asked: list[str] = []
    early.try_again(lambda id_, _: asked.append(id_) is None)
    assert asked == ["ATXid_1"]


def test_a_flood_of_them_is_not_held(clock: Clock) -> None:
    early, asked = EarlyReceipts(clock), []
    for n in range(MAX_EARLY_RECEIPTS + 10):
        early.add(f"ATXid_{n}", "sent")
    clock.now = 5
    early.try_again(lambda id_, _: asked.append(id_) is None)
    assert len(asked) == MAX_EARLY_RECEIPTS
