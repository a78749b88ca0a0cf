"""When calls are unusually few, and when this cannot be decided."""

from __future__ import annotations

import math
import random

import pytest

from reports.call_volume import MIN_USUAL, SPANS, WEEK_HOURS, CallVolume, measure

NOW = 500_000  # hours since 1970


def history(*weeks: int, now: int = 0) -> dict[int, int]:
    """Return calls by hour: `now` in each hour of the last day, and `weeks` in that of 1, 2, … weeks before."""
    counts = {NOW - 1 - hour: now for hour in range(24)}
    for ago, number in enumerate(weeks, 1):
        counts |= {NOW - 1 - hour - ago * WEEK_HOURS: number for hour in range(24)}
    return counts


@pytest.mark.parametrize(
    ("counts", "found", "quiet"),
    [
        (history(10, 10, 10, 10, now=10), CallVolume(3, 30, 30), False),
        (history(10, 10, 10, 10, now=1), CallVolume(3, 3, 30), False),  # a tenth is not yet unusual
        (history(10, 10, 10, 10), CallVolume(3, 0, 30), True),
        (history(9, 9, 9, 9), CallVolume(6, 0, 54), True),
        (history(5, 5, 5, 5), CallVolume(6, 0, 30), True),
        (history(3, 3, 3, 3), CallVolume(12, 0, 36), True),
        (history(2, 2, 2, 2), CallVolume(24, 0, 48), True),
        (history(1, 1, 1, 1), None, False),
        (history(90, 10, 10, 10, now=2), CallVolume(3, 6, 30), False),  # a campaign last week
        (history(0, 10, 10, 10), CallVolume(3, 0, 30), True),  # an outage last week does not hide this one
        (history(0, 0, 10, 10), None, False),
        (history(10, 10), None, False),  # less than three weeks of history
        ({}, None, False),
    ],
)
def test_the_rule(counts: dict[int, int], found: CallVolume | None, quiet: bool) -> None:
    assert measure(counts, NOW) == found
    assert bool(found and found.is_quiet) is quiet


def test_the_hours_are_those_of_the_same_day_of_the_week() -> None:
    counts = {hour: 50 for hour in range(NOW - 5 * WEEK_HOURS, NOW) if (hour - NOW) % WEEK_HOURS not in range(165, 168)}
    assert measure(counts, NOW) == CallVolume(6, 150, 150), "in these three hours nobody ever calls"


def test_too_few_to_tell() -> None:
    """With fewer than 30 usual calls a day there is never an alarm."""
    draw = random.Random(1)
    for _ in range(200):
        counts = dict[int, int]()
        for ago in (0, 1, 2, 3, 4):
            for _ in range(draw.randrange(MIN_USUAL)):
                hour = NOW - 1 - draw.randrange(24) - ago * WEEK_HOURS
                counts[hour] = counts.get(hour, 0) + 1
        assert measure(counts, NOW) is None


SHAPE = (2, 1, 1, 1, 1, 2, 5, 9, 12, 13, 12, 12, 13, 13, 15, 18, 20, 20, 19, 17, 14, 10, 6, 4)  # of a day, by hour


def calls(per_day: int, weeks: int, draw: random.Random) -> dict[int, int]:
    """Return random calls, more bursty than chance: uneven hours and days, quiet Sundays, twelve holidays a year."""
    counts = {}
    for day in range(weeks * 7):
        size = draw.gammavariate(15, 1 / 15) * (0.6 if day % 7 == 6 else 1) * (0.35 if draw.random() < 12 / 365 else 1)
        for hour, share in enumerate(SHAPE):
            mean = per_day * share / sum(SHAPE) * size * draw.gammavariate(10, 1 / 10)
            counts[day * 24 + hour] = _poisson(mean, draw)
    return counts


def _poisson(mean: float, draw: random.Random) -> int:
    if mean > 50:
        return max(0, round(draw.gauss(mean, math.sqrt(mean))))
    number, left, end = 0, draw.random(), math.exp(-mean)
    while left > end:
        number, left = number + 1, left * draw.random()
    return number


def alarms(counts: dict[int, int]) -> int:
    """Return how often an unusually quiet time begins, after the first four weeks."""
    quiet = [
        bool((volume := measure(counts, hour)) and volume.is_quiet)
        for hour in range(4 * WEEK_HOURS + max(SPANS), max(counts) + 2)
    ]
    return sum(now and not before for before, now in zip([False, *quiet], quiet, strict=False))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("per_day", "figures"), [(60, (0.75, 15, 23)), (100, (2.0, 11, 20)), (300, (0.25, 4, 11)), (1000, (0.75, 3, 6))]
)
def test_a_silence_is_found_and_bursts_are_not(per_day: int, figures: tuple[float, int, int]) -> None:
    """These are the figures of docs/operating/provider-dead.md.

    False alarms a year; hours until a silence is detected, in half of the cases and in nine of ten.
    """
    draw = random.Random(per_day)
    false = sum(alarms(calls(per_day, 56, draw)) for _ in range(4)) / 4
    found = []
    for _ in range(60):
        counts = calls(per_day, 7, draw)
        start = draw.randrange(5 * WEEK_HOURS, 6 * WEEK_HOURS)
        silent = {hour: number for hour, number in counts.items() if hour < start}
        hours = (n for n in range(1, 72) if (volume := measure(silent, start + n)) and volume.is_quiet)
        found.append(next(hours, 99))
    found.sort()
    assert (false, found[30], found[54]) == figures
